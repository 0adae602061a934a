"""The written data set: layout, repeatability, refusal, taking up."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from agn_d2.landmarks import NodeLayout, place_nodes, read_landmarks
from agn_d2.phantom import PhantomParams, dataset, generate_case, make_phantom

from ..programs import load_program

PARAMS = PhantomParams(cases=6, seed=4, size=96, split_shares=(4.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_phantom(tmp_path_factory.mktemp("data") / "phantom", PARAMS)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def annotation_file(folder, split):
    return json.loads((folder / "annotations" / f"{split}.json").read_text())


def test_layout(made):
    assert sorted(p.name for p in made.iterdir()) == ["annotations", "images", "phantom.json"]
    names = sorted(p.name for p in (made / "annotations").iterdir())
    assert names == ["landmarks.json", "test.json", "train.json", "val.json"]
    assert len(list((made / "images").iterdir())) == 24
    assert not made.with_name("phantom.partial").exists()


def test_annotations_are_those_of_the_cases(made):
    found = {}
    for split, cases in (("train", 4), ("val", 1), ("test", 1)):
        coco = annotation_file(made, split)
        assert len({image["patient_id"] for image in coco["images"]}) == cases
        names = {image["id"]: image["file_name"] for image in coco["images"]}
        for kind in ("annotations", "distractors"):
            for item in coco[kind]:
                key = (names[item["image_id"]], item["lesion_id"])
                found[key] = (item.get("kind", "mass"), item["bbox"])
    expected = {
        (view.file_name, body.lesion_id): (body.kind, [round(v, 3) for v in body.bbox])
        for index in range(6)
        for view in generate_case(4, index, PARAMS).views
        for body in view.objects
    }
    assert found == expected
    assert len(found) > 10


def test_images_are_stored_without_loss(made):
    for view in generate_case(4, 2, PARAMS).views:
        stored = cv2.imread(str(made / "images" / view.file_name), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored, view.image)


def test_pycocotools_reads_masks_that_fit_the_boxes(made):
    coco = COCO(str(made / "annotations" / "train.json"))
    assert coco.loadCats(coco.getCatIds()) == [{"id": 1, "name": "mass"}]
    assert coco.anns
    for annotation in coco.anns.values():
        rows, columns = np.nonzero(coco.annToMask(annotation))
        x, y, w, h = annotation["bbox"]
        drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose([x, y, x + w, y + h], drawn, atol=1.0)


def test_landmarks_are_read_and_take_nodes(made):
    landmarks = read_landmarks(made / "annotations" / "landmarks.json")
    assert sorted(landmarks) == sorted(p.name for p in (made / "images").iterdir())
    layout = NodeLayout.parse("22,26")
    for record in landmarks.values():
        assert record.status == "ok"
        nodes = place_nodes(record, layout)
        assert nodes.shape == (22 if record.view == "CC" else 26, 2)
        np.testing.assert_allclose(nodes[0], record.nipple, atol=0.01)
        assert np.isfinite(nodes).all()


def test_same_parameters_do_nothing_and_other_ones_are_refused(made):
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*")}
    make_phantom(made, PARAMS)
    with pytest.raises(ValueError, match="hidden_share was 0.15, now 0.5"):
        make_phantom(made, replace(PARAMS, hidden_share=0.5))
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*")} == before


def test_overwrite_replaces_a_phantom_and_nothing_else(tmp_path):
    out = make_phantom(tmp_path / "p", replace(PARAMS, cases=2))
    make_phantom(out, replace(PARAMS, cases=1), overwrite=True)
    assert len(list((out / "images").iterdir())) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["p"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="notes.txt"):
        make_phantom(out, replace(PARAMS, cases=2), overwrite=True)
    assert len(list((out / "images").iterdir())) == 4


def test_a_foreign_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="something else than a phantom"):
            make_phantom(tmp_path, PARAMS, overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_stopped_run_is_taken_up(made, tmp_path, monkeypatch):
    calls = []

    def stops(seed, index, params):
        calls.append(index)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return generate_case(seed, index, params)

    monkeypatch.setattr(dataset, "generate_case", stops)
    with pytest.raises(KeyboardInterrupt):
        make_phantom(tmp_path / "p", PARAMS)
    assert not (tmp_path / "p").exists()
    make_phantom(tmp_path / "p", PARAMS)
    assert calls == [0, 1, 2, 3, 3, 4, 5]
    assert contents(tmp_path / "p") == contents(made)


def test_workers_do_not_matter(made, tmp_path):
    assert contents(make_phantom(tmp_path / "p", PARAMS, workers=2)) == contents(made)
    with pytest.raises(ValueError, match="workers"):
        make_phantom(tmp_path / "q", PARAMS, workers=0)


def test_more_cases_leave_the_first_ones_alone(made, tmp_path):
    longer = contents(make_phantom(tmp_path / "p", replace(PARAMS, cases=8)))
    for name, data in contents(made).items():
        if name.parts[0] == "images":
            assert longer[name] == data


def test_splits_keep_to_their_shares():
    splits = dataset.assign_splits(90, (60.0, 10.0, 20.0))
    assert Counter(splits) == {"train": 60, "val": 10, "test": 20}
    for n in (1, 7, 33, 89):
        assert dataset.assign_splits(n, (60.0, 10.0, 20.0)) == splits[:n]
        counts = Counter(splits[:n])
        for name, share in (("train", 60 / 90), ("val", 10 / 90), ("test", 20 / 90)):
            assert abs(counts[name] - n * share) < 1.5
    assert set(dataset.assign_splits(5, (1.0, 0.0, 0.0))) == {"train"}


@pytest.fixture
def tool():
    path = Path(__file__).parents[2] / "datasets" / "make_phantom.py"
    return load_program(path)


def test_the_tool_writes_and_explains_itself(tool, tmp_path, capsys):
    out = str(tmp_path / "p")
    arguments = ["--out", out, "--cases", "1", "--size", "64", "--mass-contrast", "0.3", "0.4"]
    assert tool.main(arguments) == 0
    params = json.loads((tmp_path / "p" / "phantom.json").read_text())["params"]
    assert params == replace(PhantomParams(), cases=1, size=64, mass_contrast=(0.3, 0.4)).to_dict()
    assert tool.main([*arguments, "--seed", "3"]) == 2
    assert "seed was 0, now 3" in capsys.readouterr().err
    assert tool.main(["--out", out, "--aspect", "9"]) == 2


def test_the_tool_has_a_demo_and_cbis_views(tool, tmp_path):
    out = str(tmp_path / "p")
    assert tool.main(["--out", out, "--demo", "--cbis-views", "--cases", "1", "--size", "64"]) == 0
    params = json.loads((tmp_path / "p" / "phantom.json").read_text())["params"]
    assert params["mass_contrast"] == [0.4, 0.7]
    assert params["view_shares"] == [21.0, 3.0, 464.0, 5.0, 200.0]


def test_a_folder_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "phantom").symlink_to("large disk")
    small = replace(PARAMS, cases=1)
    for seed in (1, 2):
        make_phantom(tmp_path / "phantom", replace(small, seed=seed), overwrite=True)
        assert (tmp_path / "phantom").is_symlink()
        assert (tmp_path / "large disk" / "phantom.json").is_file()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["large disk", "phantom"]


def test_the_folder_may_be_named_by_where_one_is(tmp_path, monkeypatch):
    (tmp_path / "phantom").mkdir()
    monkeypatch.chdir(tmp_path / "phantom")
    make_phantom(".", replace(PARAMS, cases=1))
    assert [p.name for p in tmp_path.iterdir()] == ["phantom"]
    assert (tmp_path / "phantom" / "phantom.json").is_file()


def test_what_a_killed_replacement_left_is_removed(tmp_path):
    """Killed while it removed the old data set, when the new one was in place already."""
    small = replace(PARAMS, cases=1)
    make_phantom(tmp_path / "phantom", replace(small, seed=1))
    make_phantom(tmp_path / "phantom.old", small)
    make_phantom(tmp_path / "phantom", replace(small, seed=2), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["phantom"]


def test_a_foreign_folder_in_the_way_is_told_before_the_work(tmp_path, monkeypatch):
    make_phantom(tmp_path / "phantom", replace(PARAMS, cases=1))
    (tmp_path / "phantom.old").mkdir()
    (tmp_path / "phantom.old" / "thesis.tex").touch()
    monkeypatch.setattr(dataset, "generate_case", None)
    with pytest.raises(ValueError, match=r"phantom\.old: not a phantom's: thesis\.tex"):
        make_phantom(tmp_path / "phantom", replace(PARAMS, cases=2), overwrite=True)
