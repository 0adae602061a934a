"""datasets/make_ddsm_299_table.py: the aspect ratio, the boxes and the table."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.prepare.table import read_table

from ..programs import load_program

TOOL = Path(__file__).resolve().parents[2] / "datasets" / "make_ddsm_299_table.py"
TALL, WIDE = (4000, 2000), (2000, 2500)


@pytest.fixture(scope="module")
def tool():
    return load_program(TOOL)


@pytest.fixture
def source(tmp_path):
    """An examined breast with a box of either source, one film without; a wide context film."""
    folder = tmp_path / "ddsm_299"
    images = {split: [] for split in ("train", "val", "test")}
    names = ("P_1.LEFT_CC", "P_1.LEFT_MLO", "P_1.RIGHT_MLO", "P_2.LEFT_CC", "P_3.LEFT_CC")
    splits = ("train", "train", "train", "test", "val")
    sizes = (TALL, TALL, WIDE, TALL, (0, 0))
    for n, (name, split, (height, width)) in enumerate(zip(names, splits, sizes, strict=True)):
        patient, side, view = name.replace(".", "_").rsplit("_", 2)
        entry = {"id": n, "file_name": f"{name}.jpg", "width": 299, "height": 299}
        entry |= {"patient_id": patient, "laterality": side[0], "view": view}
        entry |= {"orig_height": height, "orig_width": width, "breast_density": n or None}
        images[split].append(entry)
        pixels = np.zeros((299, 299), np.uint8)
        pixels[100:120, 50:90] = 255
        (folder / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), pixels)
    context = images["train"].pop()
    del context["id"]
    box = {"category_id": 1, "bbox": [50, 100, 40, 20], "area": 800, "iscrowd": 0}
    both = [
        box | {"id": 1, "image_id": 0, "source": "cbis", "lesion_id": "P_1.LEFT"},
        box | {"id": 2, "image_id": 1, "source": "overlay"},
    ]
    (folder / "annotations").mkdir()
    for split, listed in images.items():
        train = split == "train"
        content = {"images": listed, "annotations": both if train else []}
        content |= {"context_images": [context] if train else []}
        content["categories"] = [{"id": 1, "name": "mass"}]
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
    rows = "".join(f"{name}.jpg,{50 if n else ''}\n" for n, name in enumerate(names))
    (folder / "views.csv").write_text(f"file,um_per_pixel\n{rows}")
    return folder


def rows_of(out):
    with (out / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_films_have_their_aspect_ratio_and_boxes_lie_where_they_lay(tool, source, tmp_path, capsys):
    out = tmp_path / "restored"
    assert tool.main(["--source", str(source), "--out", str(out), "--shrink", "0.5"]) == 0
    cbis, overlay, none, context = sorted(rows_of(out), key=lambda row: row["examined"] == "no")
    written = capsys.readouterr()
    assert "4 films, 3 examined, 2 masses" in written.out
    assert "left out: P_3.LEFT_CC.jpg: the size of the film is unknown" in written.err
    assert (cbis["file"], cbis["split"], cbis["lesion"]) == ("P_1.LEFT_CC.png", "train", "P_1.LEFT")
    assert [cbis[key] for key in "xywh"] == ["50.00", "200.00", "40.00", "40.00"]
    film = cv2.imread(str(out / "films" / cbis["file"]), cv2.IMREAD_GRAYSCALE)
    assert film.shape == (598, 299)
    bright = np.argwhere(film > 127)
    assert bright.min(0).tolist() == [200, 50] and bright.max(0).tolist() == [239, 89]
    # Half as wide and high, about the same center.
    assert [overlay[key] for key in "xywh"] == ["60.00", "210.00", "20.00", "20.00"]
    assert none["x"] == none["lesion"] == "" and none["split"] == "test"
    # 0.05 mm, 4,000 rows to 598; the wide film gains columns; no spacing of the first.
    assert float(overlay["mm_per_pixel"]) == pytest.approx(0.05 * 4000 / 598, rel=1e-5)
    assert cbis["mm_per_pixel"] == "" and cbis["density"] == "" and overlay["density"] == "1"
    assert cv2.imread(str(out / "films" / context["file"])).shape[:2] == (299, 374)
    assert context["examined"] == "no" and context["x"] == ""
    listed = (out / "cbis_or_none.txt").read_text().split()
    assert listed == ["P_1.LEFT_CC.png", "P_2.LEFT_CC.png"]


def test_prepare_reads_the_table(tool, source, tmp_path):
    out = tmp_path / "restored"
    tool.main(["--source", str(source), "--out", str(out)])
    films = read_table(out / "table.csv", out / "films", box_format="xywh").films
    assert [len(film.lesions) for film in films] == [1, 1, 0, 0]
    assert [film.examined for film in films] == [True, True, False, True]
    assert films[0].lesions[0].box == (50, 200, 90, 240)
    # The default share of DDSM's outlines.
    x0, _, x1, _ = films[1].lesions[0].box
    assert (x0 + x1) / 2 == pytest.approx(70) and x1 - x0 == pytest.approx(0.65 * 40)


def test_faults_are_named(tool, source, tmp_path, capsys):
    arguments = ["--source", str(source), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        tool.main([*arguments, "--shrink", "0"])
    table = (source / "views.csv").read_text()
    (source / "views.csv").write_text(table.replace("P_2.LEFT_CC.jpg,50", "P_2.LEFT_CC.jpg,fifty"))
    assert tool.main(arguments) == 2
    assert "views.csv, line 5: um_per_pixel" in capsys.readouterr().err
    (source / "views.csv").write_text(table)
    (source / "images/P_2.LEFT_CC.jpg").write_bytes(b"")
    assert tool.main(arguments) == 2
    assert "P_2.LEFT_CC.jpg" in capsys.readouterr().err
    assert not (tmp_path / "out/table.csv").exists()
    (source / "views.csv").write_text("file,um_per_pixel\nP_1.LEFT_CC.jpg,50\n")
    assert tool.main(arguments) == 2
    assert "views.csv has no row of P_1.LEFT_MLO.jpg" in capsys.readouterr().err
    (source / "views.csv").write_text(table)
    file = source / "annotations/train.json"
    text = file.read_text()
    for change, said in (
        (("annotations", 0, "iscrowd", 1), "train.json: has iscrowd regions"),
        (("images", 0, "patient_id", None), "P_1.LEFT_CC.jpg has no patient_id"),
        (("images", 0, "file_name", "more/P_1.LEFT_MLO.jpg"), "more than one picture would be"),
    ):
        kind, n, key, value = change
        content = json.loads(text)
        content[kind][n][key] = value
        file.write_text(json.dumps(content))
        (source / "views.csv").write_text(f"{table}more/P_1.LEFT_MLO.jpg,50\n")
        assert tool.main(arguments) == 2
        assert said in capsys.readouterr().err
    (source / "annotations/train.json").unlink()
    assert tool.main(arguments) == 2
    assert "train.json" in capsys.readouterr().err
