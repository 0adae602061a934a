"""The account of a preparation as files."""

import json

import pytest

from agn_d2.prepare.account import annotations_of, write_account


def test_counts_and_decisions(tmp_path):
    summary = {"images": 2, "left out": {"no view": 1}, "lost": {}}
    rows = [{"image": "a", "decision": "view, unknown"}, {"image": "b"}]
    write_account(tmp_path / "report", summary, rows, ("image", "decision"))
    read = {path.name: path.read_text() for path in (tmp_path / "report").iterdir()}
    assert json.loads(read.pop("summary.json")) == summary
    assert read == {
        "summary.txt": "images: 2\nleft out:\n  no view: 1\nlost: none\n",
        "decisions.csv": 'image,decision\na,"view, unknown"\nb,\n',
    }


def test_a_column_that_is_not_announced(tmp_path):
    with pytest.raises(ValueError, match="'why'"):
        write_account(tmp_path, {}, [{"why": "x"}], ("image",))


def test_annotations_of_large_data_sets_are_found_by_film():
    """Each annotation is looked at once, not once for each image."""
    looked_at = []

    class Annotation(dict):
        def __getitem__(self, key):
            looked_at.append(key)
            return super().__getitem__(key)

    files = {
        split: {
            "images": [{"id": n, "file_name": f"{split}{n}.png"} for n in range(50)],
            "annotations": [Annotation(image_id=n, lesion="1") for n in range(50)],
        }
        for split in ("train", "test")
    }
    found = annotations_of(files, "lesion")
    assert found["test3.png", "1"] is files["test"]["annotations"][3]
    assert len(found) == 100
    assert len(looked_at) == 2 * 100
