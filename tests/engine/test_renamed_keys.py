"""Configs of former versions: their keys are read under their present names.

``former_configs`` holds the YAMLs as they were before the keys were renamed.
"""

import logging
from pathlib import Path

import pytest
import yaml

from agn_d2.engine.renamed_keys import RENAMED_KEYS
from agn_d2.engine.run_config import differences
from agn_d2.engine.setup import load_cfg

FORMER = Path(__file__).with_name("former_configs")
PATHS = sorted(FORMER.rglob("*.yaml"))
LOGGER = "agn_d2.engine.renamed_keys"


def read_with_base(path: Path) -> dict[str, object]:
    """Dotted key -> value of a YAML over those of its ``_BASE_``."""
    keys = yaml.safe_load(path.read_text())
    base = keys.pop("_BASE_", None)
    return (read_with_base(path.parent / base) if base else {}) | dict(leaves(keys))


def leaves(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def plain(value):
    """Tuples as lists, "(1, 2)" as [1, 2]: YAML has no tuples."""
    if isinstance(value, str) and value.startswith("("):
        value = yaml.safe_load(value.replace("(", "[").replace(")", "]"))
    return [plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def test_the_former_configs_are_there():
    assert len(PATHS) == 34
    used = {key for path in PATHS for key in read_with_base(path)}
    assert used & set(RENAMED_KEYS) == {
        "MODEL.DETR.TRUNK",
        "MODEL.DETR.TRUNK_FEATURE",
        "SOLVER.BACKBONE_LR_FACTOR",
        "SOLVER.MAX_GRADIENT_NORM",
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FORMER)))
def test_a_former_config_means_what_it_meant(path, caplog):
    with caplog.at_level(logging.WARNING, LOGGER):
        cfg = load_cfg(str(path))
    found = dict(leaves(cfg))
    expected = read_with_base(path)
    clipped = expected.pop("SOLVER.MAX_GRADIENT_NORM", 0.0)
    clip = cfg.SOLVER.CLIP_GRADIENTS
    assert (clipped > 0) == clip.ENABLED
    assert not clipped or ("full_model", clipped) == (clip.CLIP_TYPE, clip.CLIP_VALUE)
    for former, present in {
        "SOLVER.BACKBONE_LR_FACTOR": "SOLVER.BACKBONE_MULTIPLIER",
        "MODEL.DETR.TRUNK": "MODEL.DETR.BACKBONE",
        "MODEL.DETR.TRUNK_FEATURE": "MODEL.DETR.BACKBONE_FEATURE",
    }.items():
        if former in expected:
            expected[present] = expected.pop(former)
            assert f"{former} is now called {present}" in caplog.text
    assert {key: plain(found[key]) for key in expected} == {
        k: plain(v) for k, v in expected.items()
    }


def test_former_names_as_overrides(caplog):
    with caplog.at_level(logging.WARNING, LOGGER):
        cfg = load_cfg(
            None,
            [
                *("SOLVER.AGN_LR_FACTOR", "3.0", "SOLVER.MAX_GRADIENT_NORM", "5.0"),
                *("TEST.WATCH.EPOCHS", "2.0", "TEST.WATCH.DATASET", "mine_val"),
                *("TEST.WATCH.METRIC", "bbox/AP50", "TEST.WATCH.PATIENCE", "3"),
            ],
        )
    assert cfg.SOLVER.AGN_MULTIPLIER == 3.0
    clip = cfg.SOLVER.CLIP_GRADIENTS
    assert (clip.ENABLED, clip.CLIP_TYPE, clip.CLIP_VALUE) == (True, "full_model", 5.0)
    watch = cfg.TEST.VALIDATION
    assert (watch.EPOCHS, watch.DATASET) == (2.0, "mine_val")
    assert (watch.METRIC, watch.PATIENCE) == ("bbox/AP50", 3)
    assert len(caplog.records) == 6
    assert "KEY VALUE: SOLVER.AGN_LR_FACTOR is now called SOLVER.AGN_MULTIPLIER" in caplog.text


def test_present_names_raise_no_warning(caplog):
    with caplog.at_level(logging.WARNING, LOGGER):
        load_cfg("configs/agrcnn_R50_FPN.yaml", ["SOLVER.AGN_MULTIPLIER", "3.0"])
    assert not [record for record in caplog.records if record.name == LOGGER]


@pytest.mark.parametrize(
    ("base", "child", "expected"),
    [
        ("MAX_GRADIENT_NORM: 1.0", "CLIP_GRADIENTS: {CLIP_VALUE: 2.0}", (True, "full_model", 2.0)),
        (
            "CLIP_GRADIENTS: {ENABLED: True, CLIP_TYPE: full_model, CLIP_VALUE: 2.0}",
            "MAX_GRADIENT_NORM: 1.0",
            (True, "full_model", 1.0),
        ),
        ("MAX_GRADIENT_NORM: 1.0", "MAX_GRADIENT_NORM: 0.0", (False, "full_model", 1.0)),
        # 0 said nothing of Detectron2's own clipping.
        (
            "CLIP_GRADIENTS: {ENABLED: True, CLIP_TYPE: norm, CLIP_VALUE: 2.0}",
            "MAX_GRADIENT_NORM: 0.0",
            (True, "norm", 2.0),
        ),
    ],
)
def test_a_file_overrides_its_base_under_whichever_name(tmp_path, base, child, expected):
    (tmp_path / "base.yaml").write_text(f"VERSION: 2\nSOLVER:\n  {base}\n")
    (tmp_path / "a.yaml").write_text(f"_BASE_: base.yaml\nSOLVER:\n  {child}\n")
    clip = load_cfg(str(tmp_path / "a.yaml")).SOLVER.CLIP_GRADIENTS
    assert expected == (clip.ENABLED, clip.CLIP_TYPE, clip.CLIP_VALUE)


def test_no_clipping_by_an_override():
    options = ["SOLVER.MAX_GRADIENT_NORM", "0"]
    assert not load_cfg("configs/agrcnn_R50_FPN.yaml", options).SOLVER.CLIP_GRADIENTS.ENABLED


def test_bad_former_values_are_refused(tmp_path):
    with pytest.raises(ValueError, match="MAX_GRADIENT_NORM: expected a number, .* got 'high'"):
        load_cfg(None, ["SOLVER.MAX_GRADIENT_NORM", "high"])
    path = tmp_path / "both.yaml"
    path.write_text(
        "VERSION: 2\nSOLVER: {MAX_GRADIENT_NORM: 1.0, CLIP_GRADIENTS: {ENABLED: True}}\n"
    )
    with pytest.raises(ValueError, match=r"both\.yaml: .*are both set: keep SOLVER.CLIP_GRADIENTS"):
        load_cfg(str(path))
    path.write_text("VERSION: 2\nTEST: {WATCH: {EPOCHS: 2.0, EVERY: 3}}\n")
    with pytest.raises(ValueError, match=r"TEST\.WATCH"):
        load_cfg(str(path))


def test_a_checkpoints_former_config_is_compared_by_present_names():
    own = load_cfg("configs/agrcnn_R50_FPN.yaml", ["SOLVER.BACKBONE_MULTIPLIER", "0.1"]).dump()
    # As the former version dumped it.
    saved = yaml.safe_load(own)
    saved["SOLVER"].pop("BACKBONE_MULTIPLIER")
    saved["SOLVER"]["CLIP_GRADIENTS"] = {
        **{"ENABLED": False, "CLIP_TYPE": "value", "CLIP_VALUE": 1.0, "NORM_TYPE": 2.0}
    }
    saved["SOLVER"] |= {"BACKBONE_LR_FACTOR": 1.0, "MAX_GRADIENT_NORM": 5.0}
    saved["TEST"]["WATCH"] = saved["TEST"].pop("VALIDATION") | {"PATIENCE": 3}
    assert differences(yaml.safe_dump(saved), own) == {
        "SOLVER.BACKBONE_MULTIPLIER": (1.0, 0.1),
        "SOLVER.CLIP_GRADIENTS.CLIP_VALUE": (5.0, 1.0),
        "TEST.VALIDATION.PATIENCE": (3, 0),
    }
