import json

import pytest

from agn_d2.landmarks.view_table import read_views, views_of

VINDR = "study_id,image_id,laterality,view_position\ns1,0f3a,L,CC\ns1,77b2,L,mlo\ns1,91c0,R,XCCL\n"


def test_a_table_of_vindr(tmp_path):
    (tmp_path / "breast-level.csv").write_text("\ufeff" + VINDR, encoding="utf-8")
    table = read_views(tmp_path / "breast-level.csv")
    assert table == {"0f3a": "CC", "77b2": "MLO", "91c0": "XCCL"}
    paths = [tmp_path / "s1" / f"{name}.png" for name in ("77b2", "0f3a", "none")]
    assert views_of(paths, tmp_path, table) == ["MLO", "CC", None]


def test_a_coco_json(tmp_path):
    images = [{"file_name": "a/1.png", "view": "CC"}, {"file_name": "b/1.png", "view": "MLO"}]
    (tmp_path / "train.json").write_text(json.dumps({"images": images}))
    table = read_views(tmp_path / "train.json")
    paths = [tmp_path / "b" / "1.png", tmp_path / "a" / "1.png"]
    assert views_of(paths, tmp_path, table) == ["MLO", "CC"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,view\na,CC\n", r"v\.csv: needs a column file_name or .* has name, view"),
        ("file;view\na;CC\n", r"v\.csv: needs .* semicolons"),
        ("file,view\na,\n", r"v\.csv, line 2: no name or no view"),
        ("file,view\na,CC\nb,CC\na,MLO\n", r"v\.csv, line 4: a is both CC and MLO"),
        ("", r"v\.csv: needs .* has none"),
        ('file,view\n"a,CC\nb,CC\n', r"v\.csv: not readable as CSV"),
    ],
)
def test_clear_messages(tmp_path, text, message):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_views(tmp_path / "v.csv")


@pytest.mark.parametrize("text", ["[]", "{", '{"images": [{"file_name": "a.png"}]}'])
def test_a_json_without_views(tmp_path, text):
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(ValueError, match=r"v\.json: not a COCO JSON whose images have .* view"):
        read_views(tmp_path / "v.json")


def test_a_missing_table(tmp_path):
    with pytest.raises(ValueError, match=r"v\.csv: no such file"):
        read_views(tmp_path / "v.csv")
