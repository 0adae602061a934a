"""Cross-validation folds: every image is tested once, no patient stands on both sides."""

import gzip
import json

import pytest
from detectron2.data import DatasetCatalog

from agn_d2.data.builtin import register_builtin_datasets
from agn_d2.data.multi_view_coco import load_multi_view_coco
from agn_d2.prepare.folds import assign_folds, write_folds


def test_folds_are_balanced_and_hang_on_the_seed_alone():
    lesions = {f"P{n}": n % 3 for n in range(30)}
    images = {f"P{n}": 2 + n % 2 for n in range(30)}
    folds = assign_folds(lesions, images, 3)
    assert folds == assign_folds(lesions, images, 3) != assign_folds(lesions, images, 3, seed=1)
    assert set(folds) == set(images)
    for counts, apart in ((lesions, 1), (images, 3)):
        sums = [sum(counts[p] for p, f in folds.items() if f == fold) for fold in (1, 2, 3)]
        assert max(sums) - min(sums) <= apart, sums


def test_patients_without_a_lesion_are_in_all_folds():
    """Also where the lesions cannot be divided evenly."""
    lesions = {f"P{n}": 1 for n in range(29)}
    images = dict.fromkeys(lesions, 2) | {f"H{n}": 2 + n % 3 for n in range(40)}
    folds = assign_folds(lesions, images, 3)
    healthy = [sum(p[0] == "H" and f == fold for p, f in folds.items()) for fold in (1, 2, 3)]
    assert min(healthy) > 10, healthy
    sums = [sum(images[p] for p, f in folds.items() if f == fold) for fold in (1, 2, 3)]
    assert max(sums) - min(sums) <= 4, sums


def test_ignored_regions_are_no_lesions_of_a_patient(toy_root, tmp_path, monkeypatch):
    copy_train(toy_root, tmp_path)
    file = tmp_path / "phantom/annotations/train.json"
    content = json.loads(file.read_text())
    counted = []
    monkeypatch.setattr(
        "agn_d2.prepare.folds.assign_folds",
        lambda lesions, *rest: counted.append(dict(lesions)) or assign_folds(lesions, *rest),
    )
    write_folds(tmp_path, "phantom", 2)
    first = content["annotations"][0]
    content["annotations"] += [first | {"id": 1000 + n, "iscrowd": 1} for n in range(5)]
    file.unlink()
    file.write_text(json.dumps(content))
    write_folds(tmp_path, "phantom", 2)
    assert counted[0] == counted[1] and sum(counted[0].values()) == len(content["annotations"]) - 5


def test_too_many_folds_are_refused():
    with pytest.raises(ValueError, match="folds must be 2 to 2, the number of patients; got 3"):
        assign_folds({}, {"a": 1, "b": 1}, 3)
    with pytest.raises(ValueError, match="got 1"):
        assign_folds({}, {"a": 1, "b": 1}, 1)


def copy_train(toy_root, root):
    """The toy data set with its training split alone: the others have the same images."""
    (root / "phantom" / "annotations").mkdir(parents=True)
    (root / "phantom" / "images").symlink_to(toy_root / "phantom" / "images")
    for name in ("train.json", "landmarks.json"):
        (root / "phantom" / "annotations" / name).symlink_to(
            toy_root / "phantom" / "annotations" / name
        )


def test_an_image_in_two_splits_is_refused(toy_root, tmp_path):
    (tmp_path / "phantom").symlink_to(toy_root / "phantom")
    with pytest.raises(ValueError, match=r"val\.json: P1_LCC\.png is in train\.json too"):
        write_folds(tmp_path, "phantom", 2)


def read(root, name, split):
    return json.loads((root / name / "annotations" / f"{split}.json").read_text())


def test_every_image_is_tested_once_by_new_ids(toy_root, tmp_path):
    copy_train(toy_root, tmp_path)
    names = write_folds(tmp_path, "phantom", 2)
    assert names == ["phantom_fold1of2", "phantom_fold2of2"]
    pooled = read(tmp_path, "phantom_folds2", "test")
    tested = []
    for name in names:
        train, test = (read(tmp_path, name, split) for split in ("train", "test"))
        patients = [{i["patient_id"] for i in part["images"]} for part in (train, test)]
        assert not patients[0] & patients[1]
        assert len(train["images"]) + len(test["images"]) == len(pooled["images"])
        for part in (train, test):
            ids = {image["id"] for image in part["images"]}
            assert {a["image_id"] for a in part["annotations"]} <= ids
        tested += [(image["id"], image["file_name"]) for image in test["images"]]
    assert sorted(tested) == sorted((i["id"], i["file_name"]) for i in pooled["images"])
    assert len({a["id"] for a in pooled["annotations"]}) == len(pooled["annotations"])


def test_folds_of_two_calls_are_not_taken_for_complete(toy_root, tmp_path, monkeypatch):
    copy_train(toy_root, tmp_path)
    write_folds(tmp_path, "phantom", 2)
    complete = tmp_path / "phantom_folds2/annotations/test.json"
    assert complete.is_file()
    with monkeypatch.context() as patch:
        patch.setattr("agn_d2.prepare.folds.count_priors", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_folds(tmp_path, "phantom", 2, seed=1)
    assert not complete.exists()
    write_folds(tmp_path, "phantom", 2, seed=1)
    assert complete.is_file()


def test_folds_load_with_landmarks_and_are_registered(toy_root, tmp_path):
    copy_train(toy_root, tmp_path)
    write_folds(tmp_path, "phantom", 2)
    registered = register_builtin_datasets(tmp_path)
    assert {"phantom_fold1of2_train", "phantom_fold2of2_test", "phantom_folds2_test"} <= set(
        registered
    )
    folder = tmp_path / "phantom_fold1of2"
    images = load_multi_view_coco(
        folder / "annotations/test.json",
        folder / "images",
        None,
        folder / "annotations/landmarks.json",
    )
    assert images and all(image["landmarks"] is not None for image in images)


def test_an_unknown_data_set_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing/annotations: no data set"):
        write_folds(tmp_path, "nothing", 2)


def edit(root, source, target, change):
    """A split of the data set in ``root``, changed, as another file of its annotations."""
    folder = root / "phantom/annotations"
    content = json.loads((folder / source).read_text())
    change(content)
    data = json.dumps(content).encode()
    (folder / target).unlink(missing_ok=True)
    (folder / target).write_bytes(gzip.compress(data) if target.endswith(".gz") else data)


def keep(*patients):
    def change(content):
        content["images"] = [i for i in content["images"] if i["patient_id"] in patients]
        ids = {image["id"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]

    return change


def test_a_gzipped_split_takes_part(toy_root, tmp_path):
    copy_train(toy_root, tmp_path)
    images = read(tmp_path, "phantom", "train")["images"]
    patients = sorted({image["patient_id"] for image in images})
    edit(tmp_path, "train.json", "test.json.gz", keep(patients[0]))
    edit(tmp_path, "train.json", "train.json", keep(*patients[1:]))
    write_folds(tmp_path, "phantom", 2)
    pooled = read(tmp_path, "phantom_folds2", "test")["images"]
    assert sorted(i["file_name"] for i in pooled) == sorted(i["file_name"] for i in images)


def test_a_patient_who_is_2_in_one_split_and_2_0_in_another_is_one(toy_root, tmp_path):
    copy_train(toy_root, tmp_path)

    def number(value, wanted):
        def change(content):
            keep("P1", "P2")(content)
            chosen = [i for i in content["images"] if i["view"] == wanted]
            for image in chosen:
                image["patient_id"] = value * int(image["patient_id"][1:])
            content["images"] = chosen
            ids = {image["id"] for image in chosen}
            content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]

        return change

    edit(tmp_path, "train.json", "test.json", number(1.0, "MLO"))
    edit(tmp_path, "train.json", "train.json", number(1, "CC"))
    for name in write_folds(tmp_path, "phantom", 2):
        train, test = (read(tmp_path, name, split)["images"] for split in ("train", "test"))
        of_train, of_test = ({i["file_name"][:2] for i in part} for part in (train, test))
        assert len(of_train) == len(of_test) == 1 and of_train != of_test


def test_an_image_without_a_patient_is_named(toy_root, tmp_path):
    copy_train(toy_root, tmp_path)
    edit(tmp_path, "train.json", "train.json", lambda c: c["images"][1].update(patient_id=None))
    with pytest.raises(
        ValueError, match=r"phantom/annotations/train\.json: images, entry 1 .* no patient_id"
    ):
        write_folds(tmp_path, "phantom", 2)


def test_masses_in_one_view_alone_have_folds_and_no_prior(toy_root, tmp_path, caplog):
    copy_train(toy_root, tmp_path)

    def in_cc(content):
        views = {image["id"]: image["view"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if views[a["image_id"]] == "CC"]

    edit(tmp_path, "train.json", "train.json", in_cc)
    names = write_folds(tmp_path, "phantom", 2)
    assert read(tmp_path, "phantom_folds2", "test")["annotations"]
    assert not any((tmp_path / name / "annotations/prior_13_17.json").exists() for name in names)
    assert "no mass is seen in both views" in caplog.text


def test_a_data_set_without_landmarks_has_folds_without_priors(toy_root, tmp_path):
    copy_train(toy_root, tmp_path)
    (tmp_path / "phantom/annotations/landmarks.json").unlink()
    names = write_folds(tmp_path, "phantom", 2)
    register_builtin_datasets(tmp_path)
    for name in names:
        assert {image["landmarks"] for image in DatasetCatalog.get(f"{name}_train")} == {None}
        assert not list((tmp_path / name / "annotations").glob("prior_*"))


def split_in_two(toy_root, root):
    """The toy data set with P1 and P2 in train.json, the others in test.json; their writer."""
    copy_train(toy_root, root)
    content = read(root, "phantom", "train")

    def write(split, patients, categories):
        images = [i for i in content["images"] if i["patient_id"] in patients]
        ids = {image["id"] for image in images}
        kind = {"category_id": categories[0]["id"] if categories else 1}
        annotations = [a | kind for a in content["annotations"] if a["image_id"] in ids]
        part = {"images": images, "annotations": annotations, "categories": categories}
        file = root / "phantom" / "annotations" / f"{split}.json"
        file.unlink(missing_ok=True)
        file.write_text(json.dumps(part))

    return write


MASS, CALCIFICATION = {"id": 1, "name": "mass"}, {"id": 2, "name": "calcification"}


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([MASS | {"id": 2}, CALCIFICATION | {"id": 1}], r"category 2 is mass, .*split 1 is mass"),
        ([MASS | {"id": 3}], "category 3 is mass, but in another split 1 is mass; give all"),
        ([CALCIFICATION | {"id": 1}], "category 1 is calcification, .*another split 1 is mass"),
        ([], "no categories; list the classes"),
        ([{"id": 1}], "a class needs a name"),
    ],
)
def test_splits_that_number_their_classes_differently_are_refused(
    toy_root, tmp_path, categories, message
):
    write = split_in_two(toy_root, tmp_path)
    write("train", ("P1", "P2"), [MASS, CALCIFICATION])
    write("test", ("P3", "P4"), categories)
    with pytest.raises(ValueError, match=rf"phantom/annotations/test\.json: .*{message}"):
        write_folds(tmp_path, "phantom", 2)


def test_a_class_of_one_split_alone_is_a_class_of_the_folds(toy_root, tmp_path):
    write = split_in_two(toy_root, tmp_path)
    write("train", ("P1", "P2"), [MASS | {"name": "Mass"}])
    write("test", ("P3", "P4"), [CALCIFICATION, MASS])
    write_folds(tmp_path, "phantom", 2)
    found = read(tmp_path, "phantom_fold1of2", "train")["categories"]
    assert found == [MASS | {"name": "Mass"}, CALCIFICATION]
