"""Looking inside the graph while it reads a case, and pictures of it while it is trained."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detectron2.utils.events import EventStorage, get_event_storage

from agn_d2.data.build import load_cases
from agn_d2.data.cases import group_cases
from agn_d2.data.mapper import CaseMapper
from agn_d2.data.multi_view_coco import load_multi_view_coco
from agn_d2.engine.hooks import GraphPictures
from agn_d2.engine.inference import predict_case
from agn_d2.engine.inside import check_level, inspect_case, map_of_image

from ..modeling.tiny_model import make_cfg, make_model, randomize_graph

SIZE = ["INPUT.SIZE", (60, 92), "DATASETS.TEST", ("phantom_test",)]


@pytest.fixture
def model():
    return randomize_graph(make_model()).eval()


def cases():
    return {case.case_id: case for case in load_cases(["phantom_test"])}


def test_maps_cover_the_image_and_missing_views_have_none(toy_datasets, model):
    mapper = CaseMapper(make_cfg(*SIZE), is_train=False)
    insides = inspect_case(model, mapper, cases()["P1"], "p2")
    names = ["attention", "bipartite", "difference", "enhanced", "inception", "original"]
    for inside in insides:
        assert sorted(inside.maps) == names
        # 60 x 92 px, padded to 64 x 96 for the pyramid: 15 x 23 cells of 4 px lie in the image.
        assert {one.shape for one in inside.maps.values()} == {(15, 23)}
        sizes = {"CC": 13, "MLO": 17}
        other = {"CC": "MLO", "MLO": "CC"}[inside.record["view"]]
        assert inside.correspondence.shape == (sizes[inside.record["view"]], sizes[other])
        assert insides[inside.auxiliary].record["view"] == other
        partner = insides[inside.auxiliary].correspondence
        # H of the MLO view is the transpose of that of the CC view.
        np.testing.assert_allclose(partner.T, inside.correspondence, atol=1e-6)
    (lonely,) = inspect_case(model, mapper, cases()["P3"])
    assert sorted(lonely.maps) == ["difference", "enhanced", "original"]
    assert lonely.correspondence is None and lonely.auxiliary is None and lonely.level == "p2"


def test_views_that_serve_others_are_looked_into_too(context_file, toy_root, model):
    (case,) = [c for c in load_cases(["context_test"]) if c.case_id == "P1"]
    assert (len(case), len(case.examined)) == (4, 2)
    mapper = CaseMapper(make_cfg(*SIZE), is_train=False)
    insides = inspect_case(model, mapper, case)
    annotations = toy_root / "phantom/annotations"
    records = load_multi_view_coco(
        annotations / "test.json",
        toy_root / "phantom/images",
        landmarks_file=annotations / "landmarks.json",
    )
    same = group_cases([record for record in records if record["patient_id"] == "P1"])[0]
    assert len(same.examined) == 4
    whole = inspect_case(model, mapper, same)
    whole = {inside.record["file_name"].rpartition("/")[2]: inside for inside in whole}
    assert len(insides) == len(whole) == 4
    for inside in insides:
        other = whole[inside.record["file_name"].rpartition("/")[2]]
        for name, values in inside.maps.items():
            np.testing.assert_allclose(values, other.maps[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(inside.correspondence, other.correspondence, atol=1e-6)


def test_the_map_is_the_root_mean_square_of_the_channels(toy_datasets, model):
    mapper = CaseMapper(make_cfg(*SIZE), is_train=False)
    case = cases()["P2"]
    insides = inspect_case(model, mapper, case, "p4")
    with torch.no_grad():
        batch = model.preprocess_image(mapper(case)).tensor
        inside = model.backbone.inspect(batch, "p4")
    change = (inside.enhanced - inside.original)[1].numpy()
    expected = np.sqrt((change**2).mean(0))[:4, :6]
    np.testing.assert_allclose(insides[1].maps["difference"], expected, rtol=1e-5)


def test_a_map_covers_the_cells_whose_center_lies_in_the_image():
    # Centers at 2, 6, 10, ... px: 9 px hold two of them, 11 px three.
    values = torch.arange(20.0).reshape(4, 5)
    covered = map_of_image(values, (9, 11), 4)
    assert covered.tolist() == [[0, 1, 2], [5, 6, 7]]
    values[3, 4] = torch.nan  # of the padding
    assert map_of_image(values, (9, 11), 4) is not None
    assert map_of_image(values, (16, 20), 4) is None


def test_the_attention_is_that_of_the_predictions(toy_datasets):
    options = (*SIZE, "MODEL.AGN.IGN.REACH", 0.5)
    model = randomize_graph(make_model(*options)).eval()
    mapper, case = CaseMapper(make_cfg(*options), is_train=False), cases()["P1"]
    insides = inspect_case(model, mapper, case, "p2")
    predicted = predict_case(model, mapper, case, attention_level="p2")
    for inside, result in zip(insides, predicted, strict=True):
        np.testing.assert_allclose(inside.maps["attention"], result.attention, rtol=1e-5)
        # Most of the film is beyond the reach of the nodes.
        assert (result.attention == np.float32(0.4)).mean() > 0.3


def test_other_levels_are_refused(model):
    assert check_level(model) == "p2"
    assert check_level(model, "p5") == "p5"
    with pytest.raises(ValueError, match="not work on level 'p6', but on p2, p3, p4, p5"):
        check_level(model, "p6")
    with pytest.raises(ValueError, match="no graph to look into"):
        check_level(make_model("MODEL.AGN.ENABLED", False))


def test_pictures_come_every_period_and_leave_the_training_alone(toy_datasets, model):
    cfg = make_cfg(*SIZE, "MODEL.AGN.VIS_PERIOD", 3)
    hook = GraphPictures.from_config(cfg, model)
    assert hook.case.case_id == "P1"
    model.train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    seen = []
    with EventStorage() as storage:
        hook.trainer = SimpleNamespace(iter=0, storage=storage)
        for hook.trainer.iter in range(6):
            hook.after_step()
            seen.append([name for name, _, _ in get_event_storage()._vis_data])
            storage.clear_images()
            storage.step()
    both = ["agn/features", "agn/nodes"]
    assert seen == [[], [], both, [], [], both]
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_no_pictures_unless_asked_for(toy_datasets, model):
    assert GraphPictures.from_config(make_cfg(*SIZE), model) is None
    off = make_cfg(*SIZE, "MODEL.AGN.VIS_PERIOD", 3, "MODEL.AGN.ENABLED", False)
    assert GraphPictures.from_config(off, model) is None
