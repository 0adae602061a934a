"""Loading and registration of the canonical form."""

import json
import shutil

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
    with pytest.raises(ValueError, match=r"train\.json is not a COCO JSON"):
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
