"""The predictor: what the test loader's model says, from images alone."""

import logging
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Instances

import agn_d2
from agn_d2.cross_view import CandidateRelation
from agn_d2.cross_view.relation_file import write_relation
from agn_d2.data.build import build_test_loader, load_cases
from agn_d2.engine.predictor import Predictor
from agn_d2.graph.prior import CorrespondencePrior, write_prior
from agn_d2.images import read_gray
from agn_d2.prepare.cbis_ddsm.image_800 import prepare_image
from agn_d2.prepare.cbis_ddsm.source_800 import SourceImage

from ..modeling.tiny_model import make_cfg, make_model, randomize_graph

SIZE = ["INPUT.SIZE", (96, 64), "DATALOADER.NUM_WORKERS", 0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint whose graph does something."""
    model = randomize_graph(make_model())
    model.backbone.agn.layers[0].bipartite.prior.uniform_(0, 0.3)
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    torch.save({"model": model.state_dict()}, path)
    return str(path)


def config(weights, *overrides, crop=False):
    crop = ["INPUT.CROP_TO_BREAST", crop]
    return make_cfg(*SIZE, *crop, "MODEL.WEIGHTS", weights, *overrides)


def breast(seed, height=200, width=150):
    """A film with half an ellipse of noise at the left and dark film around it."""
    ys, xs = np.mgrid[:height, :width]
    inside = (xs / (0.5 * width)) ** 2 + ((ys - 0.5 * height) / (0.3 * height)) ** 2 < 1
    noise = np.random.default_rng(seed).integers(90, 250, (height, width))
    return np.where(inside, noise, 2).astype(np.uint8)


def assert_equal(ours, expected, shift=(0, 0)):
    assert len(ours) == len(expected) > 3
    # Memory layouts differ, and with them the order of sums.
    torch.testing.assert_close(ours.scores, expected.scores, rtol=0, atol=1e-5)
    moved = expected.pred_boxes.tensor + torch.tensor([*shift, *shift])
    torch.testing.assert_close(ours.pred_boxes.tensor, moved, rtol=0, atol=1e-3)


@pytest.mark.parametrize("bits", [8, 16])
def test_equal_to_the_test_loader_on_the_same_prepared_case(toy_datasets, weights, bits):
    """Second way: Detectron2's builder and a plain state dict, fed by the test loader."""
    cfg = config(weights)
    case = next(case for case in load_cases(["phantom_test"]) if case.case_id == "P1")
    given, landmarks = {}, {}
    for image in case.images:
        key = (image["laterality"], image["view"])
        given[key] = read_gray(image["file_name"])
        landmarks[key] = image["landmarks"]
        if bits == 8:
            given[key] = (given[key] >> 8).astype(np.uint8)
    inputs = next(iter(build_test_loader(cfg, "phantom_test")))
    if bits == 8:
        for item, pixels in zip(inputs, given.values(), strict=True):
            item["image"][0] = torch.from_numpy(pixels.astype(np.float32) / 255)
    model = build_model(cfg).eval()
    model.load_state_dict(torch.load(weights)["model"])
    with torch.no_grad():
        expected = [output["instances"] for output in model(inputs)]
    found = Predictor(cfg)(given, landmarks=landmarks)
    assert list(found) == list(given)
    for ours, theirs in zip(found.values(), expected, strict=True):
        assert_equal(ours, theirs)
        assert ours.image_size == (96, 64)


def test_a_raw_film_is_treated_as_the_preparation_does(weights, tmp_path):
    views = {"L-CC": breast(0), "L-MLO": breast(1)[:, ::-1], "R-CC": breast(2)}
    prepared, landmarks, corners = {}, {}, {}
    for key, film in views.items():
        path = tmp_path / f"film_{key}.png"
        assert cv2.imwrite(str(path), film)
        view = key.split("-")[1]
        source = SourceImage(path, "P", key[0], view, "test", film.shape, np.zeros((0, 4)))
        (tmp_path / "images").mkdir(exist_ok=True)
        image = prepare_image(source, tmp_path / "images", crop=True)
        prepared[key] = tmp_path / "images" / image.entry["file_name"]
        landmarks[key], corners[key] = image.landmarks, image.entry["crop"][:2]
        assert image.entry["height"] * image.entry["width"] < 0.7 * film.size
    expected = Predictor(config(weights))(prepared, landmarks=landmarks)
    found = Predictor(config(weights, crop=True))(views)
    assert any(corner != [0, 0] for corner in corners.values())
    for key, film in views.items():
        assert_equal(found[key], expected[key], corners[key])
        assert found[key].image_size == film.shape


def test_other_views_serve_and_any_may_be_missing(weights):
    predictor = Predictor(config(weights))
    views = {"L-CC": breast(0), "L-MLO": breast(1), "R-CC": breast(2), "R-MLO": breast(3)}
    together = predictor(views)
    assert list(together) == list(views)
    alone = predictor({"L-CC": views["L-CC"], "R-MLO": None})
    assert list(alone) == ["L-CC"]
    assert not torch.equal(alone["L-CC"].scores, together["L-CC"].scores)
    some = predictor(views, examined=["RMLO", ("L", "CC")])
    assert list(some) == ["R-MLO", "L-CC"]
    for key, instances in some.items():
        torch.testing.assert_close(instances.scores, together[key].scores, rtol=1e-4, atol=1e-6)
    for pair, partner in (("L-CC", "L-MLO"), ("R-CC", "L-CC"), ("R-MLO", "R-CC")):
        (one, _) = predictor({pair: views[pair], partner: views[partner]}).values()
        lonely = predictor({pair: views[pair]})[pair]
        assert not torch.equal(one.scores, lonely.scores)
    assert predictor(views, examined=[]) == {}


def test_a_detector_without_the_graph_looks_for_no_landmarks(tmp_path, monkeypatch):
    model = make_model("MODEL.AGN.ENABLED", False)
    path = str(tmp_path / "plain.pth")
    torch.save({"model": model.state_dict()}, path)
    monkeypatch.setattr("agn_d2.data.given_case.detect_landmarks", None)
    predictor = Predictor(config(path, "MODEL.AGN.ENABLED", False))
    assert len(predictor({"L-CC": breast(0)})["L-CC"]) > 3


def test_bad_input_is_named(weights, tmp_path):
    predictor = Predictor(config(weights))
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        predictor({"L-CC": tmp_path / "none.png"})
    with pytest.raises(ValueError, match="'cranial' names no view"):
        predictor({"cranial": breast(0)})
    with pytest.raises(ValueError, match="no view 'R-CC'; it has L-CC"):
        predictor({"L-CC": breast(0)}, examined=["R-CC"])
    with pytest.raises(ValueError, match=r"expected a list of keys, such as \['L-CC'\]"):
        predictor({"L-CC": breast(0)}, examined="L-CC")


def test_no_weights_are_refused():
    with pytest.raises(ValueError, match=r"MODEL\.WEIGHTS is empty"):
        Predictor(config(""))


def test_weights_of_a_bottom_up_only_are_refused(tmp_path):
    state = make_model().state_dict()
    partial = {name: value for name, value in state.items() if ".bottom_up." in name}
    torch.save({"model": partial}, tmp_path / "bottom_up.pth")
    with pytest.raises(ValueError, match="no trained model of this config"):
        Predictor(config(str(tmp_path / "bottom_up.pth")))


def test_a_trained_detector_without_a_graph_is_let_through_and_said(tmp_path, caplog):
    state = make_model("MODEL.AGN.ENABLED", False).state_dict()
    torch.save({"model": state}, tmp_path / "plain.pth")
    with caplog.at_level(logging.WARNING):
        Predictor(config(str(tmp_path / "plain.pth")))
    assert "no weights of the graph network" in caplog.text


def test_the_checkpoint_brings_the_prior_and_its_file_is_not_needed(weights, caplog):
    with caplog.at_level(logging.WARNING):
        predictor = Predictor(config(weights, "MODEL.AGN.BGN.PRIOR", "nowhere.json"))
    saved = torch.load(weights)["model"]["backbone.agn.layers.0.bipartite.prior"]
    assert torch.equal(predictor.model.backbone.agn.layers[0].bipartite.prior, saved)
    assert "another prior" not in caplog.text


@pytest.mark.parametrize("name", ["prior_13_17.json", "prior_{layout}.json"])
def test_a_prior_file_is_found_under_either_name(weights, tmp_path, name, caplog):
    """It is there and another than the checkpoint's, so a warning says whose is taken."""
    templates = [np.zeros((n, 2)) for n in (13, 17)]
    prior = CorrespondencePrior(np.eye(13, 17), *templates, "toy")
    write_prior(tmp_path / "prior_13_17.json", prior)
    with caplog.at_level(logging.WARNING):
        predictor = Predictor(config(weights, "MODEL.AGN.BGN.PRIOR", str(tmp_path / name)))
    saved = torch.load(weights)["model"]["backbone.agn.layers.0.bipartite.prior"]
    assert torch.equal(predictor.model.backbone.agn.layers[0].bipartite.prior, saved)
    assert "has another prior" in caplog.text


def test_a_prior_that_nobody_brings_is_refused(weights, tmp_path):
    state = torch.load(weights)["model"]
    del state["backbone.agn.layers.0.bipartite.prior"]
    torch.save({"model": state}, tmp_path / "no_prior.pth")
    path = str(tmp_path / "no_prior.pth")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        Predictor(config(path, "MODEL.AGN.BGN.PRIOR", "nowhere.json"))
    with pytest.raises(ValueError, match=r"no_prior\.pth holds no .*bipartite\.prior"):
        Predictor(config(path, "MODEL.AGN.BGN.PRIOR", "checkpoint"))


def test_a_checkpoint_without_a_mask_head_makes_boxes(weights, caplog):
    with caplog.at_level(logging.WARNING):
        predictor = Predictor(config(weights, "MODEL.MASK_ON", True))
    assert "has no mask head" in caplog.text
    assert not predictor({"L-CC": breast(0)})["L-CC"].has("pred_masks")


def test_masks_come_in_pixels_of_the_film(tmp_path):
    model = make_model("MODEL.MASK_ON", True)
    torch.save({"model": model.state_dict()}, tmp_path / "mask.pth")
    cfg = config(str(tmp_path / "mask.pth"), "MODEL.MASK_ON", True, crop=True)
    film = breast(1)
    found = Predictor(cfg)({"L-CC": film})["L-CC"]
    assert found.pred_masks.shape == (len(found), *film.shape)
    assert found.pred_masks.any()


def test_importing_the_package_does_not_import_the_engine():
    code = "import sys, agn_d2; assert 'agn_d2.engine' not in sys.modules; agn_d2.Predictor"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    assert agn_d2.Predictor is Predictor
    with pytest.raises(AttributeError, match="Predictr"):
        _ = agn_d2.Predictr


@pytest.fixture
def relation(tmp_path):
    """A relation that changes scores by what the other views hold."""
    fitted = CandidateRelation()
    with torch.no_grad():
        fitted.auxiliary.change.weight.copy_(torch.tensor([[0.5, 0.2]]))
        fitted.contralateral.change.weight.copy_(torch.tensor([[-0.4, 0.1]]))
    path = tmp_path / "relation.json"
    write_relation(path, fitted)
    return ["MODEL.AGN.ENABLED", False, "MODEL.CROSS_VIEW.RELATION", str(path)]


def test_explanations_belong_to_the_detections_in_pixels_of_the_film(weights, relation):
    views = {"L-CC": breast(0), ("L", "MLO"): breast(1)[:, ::-1], "R-CC": breast(2)}
    found = Predictor(config(weights, *relation, crop=True))(views, explain=True)
    without = Predictor(config(weights, *relation, crop=True))(views)
    for key, ours in found.items():
        torch.testing.assert_close(ours.scores, without[key].scores, rtol=0, atol=1e-6)
        assert not without[key].has("explanations")
        for n, one in enumerate(ours.explanations):
            assert one.after == pytest.approx(float(ours.scores[n]), abs=1e-6)
            x, y, width, height = one.bbox
            corners = ours.pred_boxes.tensor[n].tolist()
            assert [x, y, x + width, y + height] == pytest.approx(corners, abs=1e-3)
    partners = [one.auxiliary for one in found["L-CC"].explanations]
    assert {read.image_id for read in partners} == {("L", "MLO")}
    assert {one.contralateral.image_id for one in found["L-CC"].explanations} == {"R-CC"}
    # What is read in the other view are detections of it, in its own pixels.
    there = found["L", "MLO"].pred_boxes.tensor.numpy()
    for x, y, width, height in (c.bbox for read in partners for c in read.candidates):
        assert np.abs(there - [x, y, x + width, y + height]).max(axis=1).min() < 1e-3
    assert any(one.before != pytest.approx(one.after) for one in found["L-CC"].explanations)


def test_explanations_can_be_indexed_with_the_detections(weights, relation):
    found = Predictor(config(weights, *relation))(
        {"L-CC": breast(0), "L-MLO": breast(1)}, examined=["L-MLO"], explain=True
    )
    assert list(found) == ["L-MLO"]
    ours = found["L-MLO"]
    sure = ours[ours.scores > ours.scores.median()]
    assert 0 < len(sure) < len(ours)
    assert [one.after for one in sure.explanations] == pytest.approx(sure.scores.tolist(), abs=1e-6)
    again = Instances.cat([ours[0], ours[1:]])
    assert again.explanations == ours.explanations and len(ours[[1, 0]].explanations) == 2
    # Of one detection.
    one = ours[0]
    for flag in (True, False):
        kept = one[torch.tensor([flag])]
        assert list(kept.explanations) == list(ours.explanations)[: int(flag)]
    assert one[torch.tensor([0])].explanations[0] is ours.explanations[0]


def test_a_view_with_one_detection_is_explained(weights, relation):
    model = Predictor(config(weights, *relation, "TEST.DETECTIONS_PER_IMAGE", 1))
    found = model({"L-CC": breast(0), "L-MLO": breast(1)}, explain=True)
    for ours in found.values():
        (reason,) = ours.explanations
        assert reason.after == pytest.approx(float(ours.scores), abs=1e-6)


def test_a_model_without_a_relation_explains_nothing(weights):
    with pytest.raises(ValueError, match="MODEL.CROSS_VIEW.RELATION"):
        Predictor(config(weights))({"L-CC": breast(0)}, explain=True)


def test_a_name_in_the_place_of_a_config_is_answered_by_what_takes_names():
    with pytest.raises(TypeError, match=r"got 'model.yaml'; .*load_cfg.*from_pretrained"):
        Predictor("model.yaml")
