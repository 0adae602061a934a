"""Every YAML loads and builds, and every key of agn_d2 is read by some code."""

import re
from pathlib import Path

import pytest
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model

from agn_d2.config import add_agn_config
from agn_d2.engine.setup import load_cfg

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
RUNNABLE = [path for path in CONFIGS if not path.name.startswith("Base-")]


def leaves(node: CfgNode, prefix: str = "") -> dict[str, object]:
    found = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, CfgNode) else {name: value}
    return found


def own_keys() -> list[str]:
    before = leaves(get_cfg())
    cfg = get_cfg()
    add_agn_config(cfg)
    return sorted(set(leaves(cfg)) - set(before))


@pytest.mark.parametrize("key", own_keys())
def test_every_key_is_read(key):
    """The code names the key by its last two parts, e.g. ``BGN.PRIOR`` after ``bgn = ...BGN``."""
    section, name = key.split(".")[-2:]
    # Neither where keys are declared nor where former ones are renamed.
    written = ("config.py", "renamed_keys.py")
    code = "\n".join(
        path.read_text() for path in (ROOT / "agn_d2").rglob("*.py") if path.name not in written
    )
    pattern = rf"\b{section}\.{name}\b|\b{section.lower()}\.{name}\b"
    assert re.search(pattern, code), f"no code reads {key}"


def test_an_unread_key_would_be_found():
    cfg = get_cfg()
    add_agn_config(cfg)
    assert len(own_keys()) > 20
    with pytest.raises(AssertionError):
        test_every_key_is_read("MODEL.AGN.NO_SUCH_KEY")


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_every_config_builds_a_model(path):
    overrides = ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", ""]
    cfg = load_cfg(str(path), overrides)
    model = build_model(cfg)
    has_graph = getattr(model.backbone, "agn", None) is not None
    assert has_graph == cfg.MODEL.AGN.ENABLED


def test_a_pair_differs_in_the_graph_only():
    for with_graph, without in (
        ("agrcnn_R50_FPN", "mask_rcnn_R50_FPN"),
        ("agrcnn_EffLite0_FPN_cpu", "faster_rcnn_EffLite0_FPN_cpu"),
        ("agrcnn_phantom_demo", "mask_rcnn_phantom_demo"),
    ):
        a, b = (leaves(load_cfg(str(ROOT / f"configs/{n}.yaml"))) for n in (with_graph, without))
        differing = {key for key in a if a[key] != b[key]}
        assert differing == {"MODEL.AGN.ENABLED", "MODEL.AGN.BGN.PRIOR", "OUTPUT_DIR"}


def test_bad_configs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="MODEL.AGN.LAYOUTS"):
        load_cfg(None, ["MODEL.AGN.LAYOUTS", "(22, 26)"])
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        load_cfg(str(tmp_path / "none.yaml"))
    with pytest.raises(ValueError, match=r"DATASETS.TEST; a tuple of one name is .\('NAME',\)"):
        load_cfg(None, ["DATASETS.TEST", "phantom_test"])
    weights = "zoo://faster_rcnn_EffLite0_FPN_cbis_ddsm"
    with pytest.raises(ValueError, match=f"the weights, the config is {weights}/config.yaml"):
        load_cfg(weights)
    (tmp_path / "lazy.py").write_text("model = 3\n")
    with pytest.raises(ValueError, match=r"lazy.py .* Python configs are not read"):
        load_cfg(str(tmp_path / "lazy.py"))
    (tmp_path / "a.yaml").write_text("MODEL:\n  AGN:\n    FUSE: residual\nVERSION: 2\n")
    with pytest.raises(ValueError, match="MODEL.AGN.FUSE"):
        load_cfg(str(tmp_path / "a.yaml"))


def test_an_option_behind_the_first_key_is_named():
    # argparse hands on all that follows the first KEY.
    for options in (["--num-gpus", "0"], ["--resume"]):
        with pytest.raises(ValueError, match=f"{options[0]} stands behind KEY VALUE"):
            load_cfg(None, ["SOLVER.MAX_ITER", "2", *options])


def test_the_resnet_trains_from_its_stem_on():
    overrides = ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", ""]
    model = build_model(load_cfg(str(ROOT / "configs/agrcnn_R50_FPN.yaml"), overrides))
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == []
