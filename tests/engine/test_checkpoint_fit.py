"""A checkpoint of another graph is refused; one without a graph is a detector without it."""

import logging

import pytest
import torch
from detectron2.modeling import build_model

from agn_d2.engine.checkpoint import build_checkpointer
from agn_d2.engine.predictor import load_trained

from ..modeling.tiny_model import make_cfg, make_model, randomize_graph


def saved(tmp_path, *options, config=True):
    """A checkpoint of a model with these options; returns its path."""
    torch.manual_seed(0)
    cfg = make_cfg("OUTPUT_DIR", str(tmp_path), *options)
    model = randomize_graph(make_model(*options))
    checkpointer = build_checkpointer(cfg, model)
    if not config:
        checkpointer.config = ""
    checkpointer.save("model")
    return str(tmp_path / "model.pth")


def load(path, *options):
    cfg = make_cfg("MODEL.WEIGHTS", path, *options)
    return load_trained(cfg, build_model(cfg))


@pytest.mark.parametrize("config", [True, False])
@pytest.mark.parametrize(
    ("then", "now", "what"),
    [
        (("FUSION", "residual"), ("FUSION", "concat"), r"lacks .*weight_contralateral"),
        (("FUSION", "concat"), ("FUSION", "residual"), r"has .*weight_contralateral too"),
        (("BGN.ENABLED", False), ("BGN.ENABLED", True), "lacks "),
        (("IGN.ENABLED", True), ("IGN.ENABLED", False), "has "),
    ],
)
def test_a_part_of_the_graph_is_refused(tmp_path, then, now, what, config):
    (key, old), (_, new) = then, now
    path = saved(tmp_path, f"MODEL.AGN.{key}", old, config=config)
    load(path, f"MODEL.AGN.{key}", old)
    with pytest.raises(ValueError, match=f"graph is another than the model's: it {what}") as caught:
        load(path, f"MODEL.AGN.{key}", new)
    known = f"MODEL.AGN.{key} was {old!r} in the checkpoint and is {new!r} now"
    assert known in str(caught.value) if config else "MODEL.AGN.FUSION" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_weights_of_another_formula_are_refused(tmp_path):
    path = saved(tmp_path, "MODEL.AGN.FUSION", "residual")
    with pytest.raises(
        ValueError, match="computes something else. MODEL.AGN.FUSION was 'residual'"
    ):
        load(path, "MODEL.AGN.FUSION", "paper")


def test_the_same_formula_in_other_places_is_taken_and_said(tmp_path, caplog):
    path = saved(tmp_path, "MODEL.AGN.NUM_NEIGHBORS", 3)
    load(path, "MODEL.AGN.NUM_NEIGHBORS", 3)
    assert "trained otherwise" not in caplog.text
    load(path, "MODEL.AGN.NUM_NEIGHBORS", 1)
    assert "trained otherwise: MODEL.AGN.NUM_NEIGHBORS was 3 in the checkpoint" in caplog.text


def test_no_graph_at_all_is_the_detector_without_it(tmp_path, caplog):
    cfg = make_cfg("OUTPUT_DIR", str(tmp_path), "MODEL.AGN.ENABLED", False)
    build_checkpointer(cfg, make_model("MODEL.AGN.ENABLED", False)).save("model")
    with caplog.at_level(logging.WARNING):
        load(str(tmp_path / "model.pth"), "MODEL.AGN.FUSION", "concat")
    assert "no weights of the graph network" in caplog.text
    # And the other way round: the graph is left away.
    path = saved(tmp_path, "MODEL.AGN.FUSION", "concat")
    load(path, "MODEL.AGN.ENABLED", False)


def test_a_checkpoint_of_another_kind_of_model_is_refused(tmp_path):
    torch.save({"model": {"conv_stem.weight": torch.zeros(1)}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="none of the model's"):
        load(str(tmp_path / "a.pth"))
    torch.save({"model": {"epoch": 3}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="'epoch' is a int, not a tensor"):
        load(str(tmp_path / "a.pth"))


def test_a_damaged_file_is_named_and_the_next_load_works(tmp_path):
    path = saved(tmp_path)
    whole = (tmp_path / "model.pth").read_bytes()
    cfg = make_cfg("MODEL.WEIGHTS", path)
    checkpointer = build_checkpointer(cfg, build_model(cfg))
    (tmp_path / "model.pth").write_bytes(whole[:1000])
    with pytest.raises(ValueError, match=r"MODEL.WEIGHTS: .*model\.pth is no whole checkpoint"):
        checkpointer.load(path)
    (tmp_path / "model.pth").write_bytes(whole)
    checkpointer.load(path)
    assert checkpointer.missing == []
