"""Loading and registration of the canonical form."""

import json
import shutil
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from agn_d2.data.builtin import register_builtin_datasets
from agn_d2.data.cases import group_cases
from agn_d2.data.multi_view_coco import load_multi_view_coco


def load(folder, **changes):
    files = {
        "json_file": folder / "annotations/train.json",
        "image_root": folder / "images",
        "landmarks_file": folder / "annotations/landmarks.json",
    }
    return load_multi_view_coco(**(files | changes))


@pytest.fixture
def copy(toy_root, tmp_path):
    return shutil.copytree(toy_root / "phantom", tmp_path / "phantom")


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_dicts_carry_view_landmarks_and_lesions(toy_root):
    dicts = load(toy_root / "phantom", dataset_name="toy_of_this_test")
    assert len(dicts) == 9
    first = dicts[0]
    assert (first["patient_id"], first["laterality"], first["view"]) == ("P1", "L", "CC")
    assert first["landmarks"].view == "CC"
    assert first["annotations"][0]["lesion_id"] == "P1_L_1"
    assert first["annotations"][0]["category_id"] == 0


def test_bits_of_images_and_context_images_are_handed_on(copy):
    def state(content):
        content["images"][0]["bits"] = 12
        content["context_images"] = [content["images"].pop() | {"bits": 14, "patient_id": "P1"}]
        kept = {image["id"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]

    edit(copy / "annotations/train.json", state)
    dicts = load(copy)
    assert [image.get("bits") for image in dicts[:2]] == [12, None]
    assert dicts[0]["context_views"][0]["bits"] == 14


def test_landmarks_are_optional(toy_root):
    assert load(toy_root / "phantom", landmarks_file=None)[0]["landmarks"] is None


def test_registration_is_explicit_repeatable_and_lazy(tmp_path, toy_root):
    names = register_builtin_datasets(tmp_path / "nowhere")
    assert "cbis_ddsm_mass_train" in names
    assert "phantom_test" in names
    with pytest.raises(FileNotFoundError, match=r"phantom_test: no file .*DETECTRON2_DATASETS"):
        DatasetCatalog.get("phantom_test")
    register_builtin_datasets(toy_root)
    assert len(DatasetCatalog.get("phantom_test")) == 9
    # Read from the file, whatever the category is called there.
    assert MetadataCatalog.get("phantom_test").thing_classes == ["mass"]


def test_an_image_without_its_patient_is_named(copy):
    edit(copy / "annotations/train.json", lambda c: c["images"][2].pop("patient_id"))
    with pytest.raises(ValueError, match=r"image P1_RCC\.png has no patient_id"):
        load(copy)


def test_an_image_without_landmarks_is_named(copy):
    edit(copy / "annotations/landmarks.json", lambda c: c.pop("P2_LCC.png"))
    with pytest.raises(ValueError, match=r"P2_LCC\.png has no landmarks"):
        load(copy)


def test_landmarks_of_another_size_are_refused(copy):
    edit(copy / "annotations/landmarks.json", lambda c: c["P2_LCC.png"].update(width=65))
    with pytest.raises(ValueError, match=r"P2_LCC\.png: landmarks are for a CC view of \(96, 65\)"):
        load(copy)


def test_not_a_coco_file(copy):
    (copy / "annotations/train.json").write_text("[1, 2")
    with pytest.raises(ValueError, match=r"train\.json: is not JSON"):
        load(copy)


def test_an_annotation_that_cannot_be_evaluated_is_named(copy):
    edit(copy / "annotations/train.json", lambda c: c["annotations"][3].pop("iscrowd"))
    with pytest.raises(ValueError, match="annotation 4 has no iscrowd"):
        load(copy)


def test_own_data_sets_are_found_by_their_folder(copy):
    copy.rename(copy.parent / "mine")
    assert "mine_train" in register_builtin_datasets(copy.parent)
    assert len(DatasetCatalog.get("mine_val")) == 9


def move_to_context(content, file_name):
    """Make an image one that only serves others."""
    (image,) = [i for i in content["images"] if i["file_name"] == file_name]
    content["images"].remove(image)
    content["context_images"] = [image]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != image["id"]]


def test_context_images_come_with_the_first_image_of_their_case(copy):
    path = copy / "annotations" / "train.json"
    edit(path, lambda content: move_to_context(content, "P2_LMLO.png"))
    dicts = load(copy)
    assert len(dicts) == 8
    (holder,) = [d for d in dicts if "context_views" in d]
    (view,) = holder["context_views"]
    assert holder["patient_id"] == view["patient_id"] == "P2"
    assert view["file_name"] == str(copy / "images" / "P2_LMLO.png")
    assert view["landmarks"].view == "MLO"
    (case,) = [c for c in group_cases(dicts) if c.case_id == "P2"]
    assert (case.examined, case.auxiliary) == ((0,), (1, 0))
    assert [view["landmarks"] for view in load(copy, landmarks_file=None)[4]["context_views"]] == [
        None
    ]


def test_a_context_image_without_a_case_is_named(copy):
    path = copy / "annotations" / "train.json"
    edit(path, lambda content: move_to_context(content, "P3_RCC.png"))
    with pytest.raises(ValueError, match=r"P3_RCC\.png belongs to no case"):
        load(copy)


def change(kind, entry, **values):
    return lambda content: content[kind][entry].update(values)


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (lambda c: c.pop("categories"), r"train\.json: no categories"),
        (lambda c: c.update(categories=[]), r"train\.json: no categories"),
        (lambda c: c["categories"][0].pop("name"), "category 1 has no name"),
        (lambda c: c["images"][2].pop("id"), "images, entry 2 .*'id' is missing"),
        (lambda c: c["images"][2].pop("file_name"), "images, entry 2 .*has no file_name"),
        (change("images", 2, file_name=None), "images, entry 2 .*has no file_name"),
        (change("images", 2, height=None), r"image P1_RCC\.png has no height"),
        (change("images", 2, patient_id=None), r"image P1_RCC\.png has no patient_id"),
        (change("images", 2, patient_id=""), r"image P1_RCC\.png has no patient_id"),
        (change("images", 2, patient_id=float("nan")), r"image P1_RCC\.png has no patient_id"),
        (change("images", 2, id=1), "image id 1 stands there more than once"),
        (change("images", 2, file_name="P1_LCC.png"), r"P1_LCC\.png: this file .* more than once"),
        (
            lambda c: c.update(context_images=[dict(c["images"][0])]),
            r"context_images, entry 0 .*P1_LCC\.png: this file .* more than once",
        ),
        (change("images", 2, view="ML"), "entry 2 .*view must be CC or MLO, got 'ML'"),
        (change("images", 2, view="cc"), "entry 2 .*view must be CC or MLO, got 'cc'"),
        (change("images", 2, laterality="B"), "entry 2 .*laterality must be L or R, got 'B'"),
        (change("annotations", 3, iscrowd=None), "annotation 4 has no iscrowd"),
        (change("annotations", 3, category_id=None), "annotation 4 has no category_id"),
        (change("annotations", 3, bbox=[1, 1, 0, 1]), "annotations, entry 3 .*must be above 0"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(copy, edited, message):
    edit(copy / "annotations/train.json", edited)
    with pytest.raises(ValueError, match=message):
        load(copy)


def test_numbers_and_texts_are_read_as_meant(copy):
    def edited(content):
        content["annotations"][0] |= {"iscrowd": "0", "lesion_id": 0}
        content["annotations"][1] |= {"lesion_id": ""}
        content["images"][0] |= {"height": 96.0, "patient_id": 7, "case_id": None, "bits": 12.0}
        content["images"][1]["bits"] = float("nan")

    edit(copy / "annotations/train.json", edited)
    first, second = load(copy)[:2]
    assert (first["height"], first["patient_id"], "case_id" in first) == (96, "7", False)
    assert (first["bits"], type(first["bits"]), "bits" in second) == (12, int, False)
    assert first["annotations"][0]["iscrowd"] == 0
    assert first["annotations"][0]["lesion_id"] == "0"
    assert second["annotations"][0]["lesion_id"] is None


def test_images_come_by_their_id_and_categories_by_their_number(copy):
    def edited(content):
        content["images"].reverse()
        content["categories"] = [{"id": 7, "name": "calc"}, {"id": 1, "name": "mass"}]
        content["annotations"][0]["category_id"] = 7

    edit(copy / "annotations/train.json", edited)
    dicts = load(copy, dataset_name="two_classes")
    assert [d["image_id"] for d in dicts] == list(range(1, 10))
    assert [d["annotations"][0]["category_id"] for d in dicts[:2]] == [1, 0]
    assert MetadataCatalog.get("two_classes").thing_classes == ["mass", "calc"]
    MetadataCatalog.remove("two_classes")
    # Without a name there is no metadata to say what 0 is.
    assert [d["annotations"][0]["category_id"] for d in load(copy)[:2]] == [7, 1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../P1_RCC.png", "leads out of the image folder.*AGN_D2_IMAGES_ANYWHERE=1"),
        ("a/../../P1_RCC.png", "leads out of the image folder"),
        ("/etc/P1_RCC.png", "leads out of the image folder"),
        ("C:/P1_RCC.png", "leads out of the image folder"),
        ("sub\\P1_RCC.png", "has a backslash; write folders as a/b.png"),
    ],
)
def test_names_do_not_lead_out_of_the_image_folder(copy, monkeypatch, name, message):
    edit(copy / "annotations/train.json", change("images", 2, file_name=name))
    monkeypatch.delenv("AGN_D2_IMAGES_ANYWHERE", raising=False)
    with pytest.raises(ValueError, match=message):
        load(copy, landmarks_file=None)
    paths = [load(copy, landmarks_file=None, images_anywhere=True)[2]["file_name"]]
    monkeypatch.setenv("AGN_D2_IMAGES_ANYWHERE", "1")
    paths.append(load(copy, landmarks_file=None)[2]["file_name"])
    assert all(path.endswith("P1_RCC.png") for path in paths)


def test_context_images_do_not_lead_out_either(copy):
    path = copy / "annotations" / "train.json"
    edit(path, lambda content: move_to_context(content, "P2_LMLO.png"))
    edit(path, change("context_images", 0, file_name="../P2_LMLO.png"))
    with pytest.raises(ValueError, match="context_images, entry 0 .*leads out"):
        load(copy)


def test_what_one_caller_changes_another_does_not_see(copy):
    first = load(copy)
    first[0]["annotations"][0]["bbox"][0] = -1
    first[0]["annotations"].clear()
    first[0]["patient_id"] = "other"
    again = load(copy)
    assert again[0]["patient_id"] == "P1"
    assert again[0]["annotations"][0]["bbox"] == [10, 40, 16, 12]


def test_unchanged_files_are_read_once(copy, monkeypatch):
    load(copy)
    opened = []
    for name in ("read_bytes", "read_text"):
        read = getattr(Path, name)
        monkeypatch.setattr(
            Path, name, lambda p, read=read, **kw: opened.append(p.name) or read(p, **kw)
        )
    load(copy)
    assert opened == []
    path = copy / "annotations/train.json"
    content = json.loads(path.read_bytes())
    content["images"][0]["patient_id"] = "changed"
    path.write_text(json.dumps(content))
    opened.clear()
    assert load(copy)[0]["patient_id"] == "changed"
    assert opened == ["train.json"]
