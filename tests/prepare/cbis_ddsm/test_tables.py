"""The four CSVs: quirks of their cells, messages about bad ones."""

import pytest

from agn_d2.prepare.cbis_ddsm.tables import csv_name, group_films, read_findings

MASS = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,"
    "mass shape,mass margins,assessment,pathology,subtlety,image file path,"
    "cropped image file path,ROI mask file path"
)
CALC = (
    "patient_id,breast density,left or right breast,image view,abnormality id,abnormality type,"
    "calc type,calc distribution,assessment,pathology,subtlety,image file path,"
    "cropped image file path,ROI mask file path"
)


def row(folder, abnormality=1, shape="OVAL", side="LEFT", view="CC", patient="P_1", kind="mass"):
    """A row as released: CRLF, and a newline at the end of a path."""
    image = f"{folder}/1.2.1/1.2.2/000000.dcm"
    roi = f"{folder}_{abnormality}/1.3.{abnormality}/1.4.{abnormality}"
    return (
        f"{patient},3,{side},{view},{abnormality},{kind},{shape},N/A,4,BENIGN,5,{image},"
        f'{roi}/000000.dcm,"{roi}/000001.dcm\n"\r\n'
    )


@pytest.fixture
def tables(tmp_path):
    def write(**rows):
        for subset, header, kind in (("mass", MASS, "mass"), ("calc", CALC, "calcification")):
            for split in ("train", "test"):
                default = row(f"{subset}-{split}", kind=kind)
                text = rows.get(f"{subset}_{split}", default)
                (tmp_path / csv_name(subset, split)).write_text(
                    header + "\r\n" + text, encoding="utf-8", newline=""
                )
        return tmp_path

    return write


def test_cells_lose_their_newlines_and_na_is_nothing(tables):
    findings, repeated = read_findings(tables(mass_train=row("A") + row("A", 2, "N/A")))
    first, second = findings[:2]
    assert repeated == []
    assert first.mask.path == "A_1/1.3.1/1.4.1/000001.dcm"
    assert first.facts == {
        "mass_shape": "OVAL",
        "mass_margins": None,
        "pathology": "BENIGN",
        "assessment": 4,
        "subtlety": 5,
        "breast_density": 3,
    }
    assert second.facts["mass_shape"] is None
    assert (first.source, second.source) == (
        "mass_case_description_train_set.csv, line 2",
        "mass_case_description_train_set.csv, line 4",
    )
    calc = [f for f in findings if f.subset == "calc"]
    assert {f.split for f in calc} == {"train", "test"}
    assert all(f.facts["breast_density"] == 3 and "calc_type" in f.facts for f in calc)
    assert [f.subset for f in read_findings(tables(), ["calc"])[0]] == ["calc", "calc"]


def test_findings_of_one_film_come_together(tables):
    films = group_films(read_findings(tables(mass_train=row("A") + row("B") + row("A", 2)))[0])
    assert [(film.name, len(film.findings)) for film in films[:2]] == [("A", 2), ("B", 1)]
    assert films[0].place == ("P_1", "L", "CC")


def test_films_that_contradict_themselves_are_named(tables):
    findings, _ = read_findings(tables(mass_train=row("A") + row("A", 2, side="RIGHT")))
    with pytest.raises(ValueError, match="line 4: laterality of A is R, but .* line 2 says L"):
        group_films(findings)


def test_a_row_that_stands_there_twice_is_counted_once(tables):
    findings, repeated = read_findings(tables(mass_train=row("A") + row("A")), ["mass"])
    assert len(findings) == 2
    assert repeated == [
        "mass_case_description_train_set.csv, line 4: the finding of "
        "mass_case_description_train_set.csv, line 2 once more"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row("A", side="LINKS"), r"line 2: left_or_right_breast is 'LINKS', not LEFT or RIGHT"),
        (row("A", view="ML"), "line 2: image_view is 'ML'"),
        (row("A", kind="calcification"), "abnormality_type is 'calcification', not mass"),
        (row("A", patient=""), "patient_id is empty"),
        (row("A", abnormality="x"), "abnormality_id is 'x', not a whole number"),
        (row("A/B"), "image_file_path is 'A/B/1.2.1"),
        (row("A") + "P_1,3\r\n", "line 4: left_or_right_breast is ''"),
        ("", "no rows"),
        ('"', "not readable as CSV"),
    ],
)
def test_bad_rows_are_named(tables, text, message):
    with pytest.raises(ValueError, match=message):
        read_findings(tables(mass_train=text))


def test_bad_files_are_named(tables, tmp_path):
    with pytest.raises(FileNotFoundError, match="--csv must be the folder"):
        read_findings(tmp_path)
    folder = tables()
    path = folder / csv_name("mass", "test")
    path.write_bytes(b"\xff\xfe\x00P")
    with pytest.raises(ValueError, match="test_set.csv: not UTF-8 text"):
        read_findings(folder)
    path.write_text(MASS.replace(",pathology", ""))
    with pytest.raises(ValueError, match="test_set.csv: no column pathology"):
        read_findings(folder)
