"""Results files of registered data sets: normals, views without a detection, context views."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from agn_d2.cross_view import CandidateRelation
from agn_d2.cross_view.relation_file import read_relation, write_relation
from agn_d2.cross_view.results import (
    CONTEXT_RESULTS,
    DatasetDetections,
    explained,
    validate_relation,
)
from agn_d2.data.builtin import register_builtin_datasets

from ..programs import load_program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dataset(context_file):
    """``context_test`` whose context has no ids and whose P4 is a normal; its content."""
    content = json.loads(context_file.read_text())
    for image in content["context_images"]:
        del image["id"]
    diseased = [i["id"] for i in content["images"] if i["patient_id"] != "P4"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in diseased]
    context_file.write_text(json.dumps(content))
    return content


def entry(image_id, score, x=10.0):
    return {"image_id": image_id, "category_id": 1, "bbox": [x, 40.0, 16.0, 12.0], "score": score}


def shifting(auxiliary=0.0, contralateral=0.0):
    """Adds to the logits of views with such a partner view."""
    relation = CandidateRelation()
    with torch.no_grad():
        relation.auxiliary.change.bias.fill_(auxiliary)
        relation.contralateral.change.bias.fill_(contralateral)
    return relation


def scores(found, relation):
    return {(d["image_id"], d["bbox"][0]): d["score"] for d in found.rescored(relation)}


def test_context_views_serve_once_their_detections_are_there(dataset, tmp_path):
    names = {image["file_name"]: image["id"] for image in dataset["images"]}
    lcc, lmlo = names["P1_LCC.png"], names["P1_LMLO.png"]
    results = tmp_path / "results.json"
    results.write_text(json.dumps([entry(lcc, 0.5), entry(lmlo, 0.5)]))
    relation = shifting(contralateral=1.0)
    without = DatasetDetections("context_test", results)
    assert set(without.by_image) == set(names.values())
    assert scores(without, relation) == {(lcc, 10): 0.5, (lmlo, 10): 0.5}
    # Found in RCC; RMLO was looked at without finding anything: it is there all the same.
    (tmp_path / CONTEXT_RESULTS).write_text(json.dumps([entry("P1_RCC.png", 0.7)]))
    found = DatasetDetections("context_test", results)
    moved = 1 / (1 + np.exp(-1))
    assert scores(found, relation) == pytest.approx({(lcc, 10): moved, (lmlo, 10): moved})
    assert len(found.unchanged()) == 2
    # The examined views are explained, by the context views too.
    reasons = explained([found], [relation])
    assert set(reasons) == set(names.values())
    assert reasons[lcc][0].contralateral.image_id.endswith("images/P1_RCC.png")
    assert reasons[lcc][0].after == pytest.approx(moved)
    (tmp_path / CONTEXT_RESULTS).write_text(json.dumps([entry("P9_RCC.png", 0.7)]))
    with pytest.raises(ValueError, match=f"{CONTEXT_RESULTS}: entry 0 .*'P9_RCC.png' is not in"):
        DatasetDetections("context_test", results)


def add_twin(dataset, tmp_path, first_id, patient):
    """The data set again as ``twin_test``: ids counted from another one, patients with a prefix."""
    folder = tmp_path / "datasets/twin"
    (folder / "annotations").mkdir(parents=True)
    for name in ("images", "annotations/landmarks.json"):
        (folder / name).symlink_to(tmp_path / "datasets/context" / name)
    content = json.loads(json.dumps(dataset))
    for image in (*content["images"], *content["context_images"]):
        image["patient_id"] = patient + image["patient_id"]
    for image in content["images"]:
        image["id"] += first_id
    for annotation in content["annotations"]:
        annotation["image_id"] += first_id
    (folder / "annotations/test.json").write_text(json.dumps(content))
    register_builtin_datasets()


def write_results(path, detections, first_id=0):
    moved = [d | {"image_id": d["image_id"] + first_id} for d in detections]
    path.write_text(json.dumps(moved))
    return path


@pytest.mark.parametrize("score", [87, 1.5, -0.2])
def test_scores_that_are_no_probabilities_are_refused(dataset, tmp_path, score):
    # All of them would have become one score, next to 1 or to 0, without a word.
    (image, *_) = dataset["images"]
    results = tmp_path / "results.json"
    results.write_text(json.dumps([entry(image["id"], 0.5), entry(image["id"], score)]))
    with pytest.raises(
        ValueError, match=rf"results.json: entry 1 \(from 0\).*from 0 to 1.*{score}"
    ):
        DatasetDetections("context_test", results)


def test_fit_and_validate_with_normals_and_empty_views(dataset, tmp_path):
    register = {}
    for image in dataset["images"]:
        register.setdefault(image["patient_id"], []).append(image["id"])
    # Nothing in the second view of P2; marks in the normals; a fold beside the whole set.
    detections = [entry(i, 0.6) for i in (*register["P1"], register["P2"][0], *register["P3"])]
    detections += [entry(i, 0.7, x=40.0) for i in (*register["P4"], *register["P1"])]
    add_twin(dataset, tmp_path, 100, "other ")
    results = {
        "context_test": write_results(tmp_path / "results.json", detections),
        "twin_test": write_results(tmp_path / "twin.json", detections, 100),
    }
    files = validate_relation(results, tmp_path / "out")
    assert set(files) == {"detector", "rescored", "shuffled"}
    pooled = {name: json.loads(path.read_text()) for name, path in files.items()}
    for found in pooled.values():
        assert [d["bbox"] for d in found] == [d["bbox"] for d in pooled["detector"]]
        assert len(found) == 2 * len(detections)
        assert all(0 < d["score"] < 1 for d in found)
    assert pooled["rescored"] != pooled["detector"]
    # The only view of P3 has no partner.
    (alone,) = register["P3"]
    of_alone = [d["score"] for d in pooled["rescored"] if d["image_id"] in (alone, alone + 100)]
    assert of_alone == [0.6, 0.6]
    assert read_relation(tmp_path / "out/relation_twin_test.json")


@pytest.mark.parametrize(
    ("first_id", "patient", "message"),
    [
        (100, "", r"context_test and twin_test share the patient 'P1' \(4 in all\), so a relation"),
        (0, "other ", r"context_test and twin_test share the image id 1 \(7 in all\), so their"),
    ],
)
def test_data_sets_that_share_patients_or_ids_are_not_pooled(
    dataset, tmp_path, first_id, patient, message
):
    add_twin(dataset, tmp_path, first_id, patient)
    ids = [image["id"] for image in dataset["images"]]
    detections = [entry(i, 0.6) for i in ids]
    results = {
        "context_test": write_results(tmp_path / "results.json", detections),
        "twin_test": write_results(tmp_path / "twin.json", detections, first_id),
    }
    with pytest.raises(ValueError, match=message):
        validate_relation(results, tmp_path / "out")
    assert not any((tmp_path / "out").glob("*.json"))


def test_the_tool_does_not_mix_images_of_two_data_sets(dataset, tmp_path, capsys):
    add_twin(dataset, tmp_path, 0, "other ")
    write_relation(tmp_path / "relation.json", CandidateRelation())
    file = write_results(tmp_path / "results.json", [entry(dataset["images"][0]["id"], 0.6)])
    arguments = ["apply", "--relation", str(tmp_path / "relation.json"), "--output"]
    arguments += [str(tmp_path / "out.json"), "--results", f"context_test={file}"]
    tool = load_program(ROOT / "tools/cross_view.py")
    assert tool.main([*arguments, f"twin_test={file}"]) == 2
    assert "context_test and twin_test share the image id 1" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
    assert tool.main(arguments) == 0


def test_patients_who_are_in_no_results_are_told(dataset, tmp_path, capsys):
    add_twin(dataset, tmp_path, 0, "other ")
    ids = [image["id"] for image in dataset["images"]]
    file = write_results(tmp_path / "results.json", [entry(i, 0.6) for i in ids])
    arguments = ["fit", "--output", str(tmp_path / "relation.json")]
    arguments += ["--results", f"context_test={file}", "--patients-of"]
    tool = load_program(ROOT / "tools/cross_view.py")
    assert tool.main([*arguments, "twin_test"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "cross_view: --patients-of: no patient of twin_test is in context_test"
    assert tool.main([*arguments, "context_test"]) == 0
    assert read_relation(tmp_path / "relation.json")
