"""Models by name: what is loaded, and what it finds."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from detectron2.structures import Boxes, pairwise_iou
from safetensors.torch import load_file

import agn_d2
from agn_d2 import model_zoo
from agn_d2.model_zoo import files
from agn_d2.phantom import PhantomParams, generate_case

NAMES = model_zoo.list_models()
SINGLE = "faster_rcnn_EffLite0_FPN_cbis_ddsm"


def half(path):
    """Name -> float16 weight or integer buffer."""
    return load_file(path)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_has_the_weights_of_the_file_and_no_others(name):
    stored = half(model_zoo.get_checkpoint_file(name))
    assert {v.dtype for v in stored.values()} <= {torch.float16, torch.int64}
    model = model_zoo.get(name, device="cpu")
    assert model.training  # as of Detectron2's model_zoo.get
    state = model.state_dict()
    assert set(state) == set(stored)
    for key, value in state.items():
        assert value.dtype == (torch.float32 if stored[key].is_floating_point() else torch.int64)
        assert torch.equal(value, stored[key].to(value.dtype)), key


def test_what_goes_on_around_the_network_is_told(caplog):
    model_zoo.get(SINGLE, device="cpu")
    assert "network alone" not in caplog.text
    model_zoo.get("cross_view_EffLite2_FPN_cbis_ddsm", device="cpu")
    assert "this is its network alone, without mirrored readings and the relation" in caplog.text


def test_config_with_and_without_trained_weights():
    cfg = model_zoo.get_config(SINGLE)
    assert cfg.MODEL.WEIGHTS == "zoo://faster_rcnn_EffLite0_FPN_cbis_ddsm"
    assert (cfg.SOLVER.MAX_ITER, cfg.SOLVER.IMS_PER_BATCH, tuple(cfg.INPUT.SIZE)) == (
        *(1077, 16),
        (704, 384),
    )
    assert model_zoo.get_config(SINGLE, trained=False).MODEL.WEIGHTS == ""
    # A dump of the config, which a run leaves, works on another machine too.
    assert str(files.ROOT) not in cfg.dump()


def test_untrained_weights_are_random():
    trained = half(model_zoo.get_checkpoint_file(SINGLE))
    torch.manual_seed(1)
    random = model_zoo.get(SINGLE, trained=False, device="cpu").state_dict()
    key = "roi_heads.box_head.fc1.weight"
    assert not torch.allclose(random[key], trained[key].float(), atol=1e-2)


def test_a_damaged_file_is_not_loaded(tmp_path, monkeypatch):
    folder = tmp_path / SINGLE
    folder.mkdir()
    for name in ("config.yaml", "model.safetensors"):
        (folder / name).write_bytes((files.ROOT / SINGLE / name).read_bytes())
    (tmp_path / "SHA256SUMS").write_bytes((files.ROOT / "SHA256SUMS").read_bytes())
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="SHA-256"):
        agn_d2.Predictor.from_pretrained(SINGLE, device="cpu")


def test_from_pretrained_finds_the_masses_of_a_phantom():
    """Made-up films, which it has never seen; these two masses are plain."""
    params = replace(PhantomParams(), size=320, mass_count_shares=(0.0, 1.0), hidden_share=0.0)
    case = generate_case(7, 2, params)
    images = {f"{view.laterality}-{view.view}": view.image for view in case.views}
    found = agn_d2.Predictor.from_pretrained(SINGLE, device="cpu")(images)
    masses = [(view, body) for view in case.views for body in view.objects if body.kind == "mass"]
    assert len(masses) == 2
    for view, mass in masses:
        instances = found[f"{view.laterality}-{view.view}"]
        assert instances.image_size == view.image.shape
        x, y, width, height = mass.bbox
        truth = Boxes([[x, y, x + width, y + height]])
        surest = int(instances.scores.argmax())
        assert instances.scores[surest] > 0.5
        assert pairwise_iou(instances.pred_boxes[surest], truth).item() > 0.5


def test_model_cards_are_linked_from_the_docs():
    text = (Path(__file__).parents[2] / "docs" / "model_zoo.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in text and f"../agn_d2/model_zoo/{name}/model_card.md" in text
