"""The released CSVs, TCIA's metadata and real paths: what the index and the links make of them.

The expected numbers are those of the data set's documentation; the films' files are not needed.
"""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from agn_d2.data.cases import count_links, group_cases
from agn_d2.prepare.cbis_ddsm.index import SeriesByFolder, all_series, index_files
from agn_d2.prepare.cbis_ddsm.links import leaking_patients, plan_films
from agn_d2.prepare.cbis_ddsm.tables import group_films, read_findings

DATA = Path(os.environ.get("AGN_TEST_DATA", ""))
pytestmark = pytest.mark.skipif(
    not (DATA / "layout" / "tcia_metadata.csv").is_file(),
    reason="AGN_TEST_DATA names no folder with csv/ and layout/ of CBIS-DDSM",
)


@pytest.fixture(scope="module")
def films():
    findings, repeated = read_findings(DATA / "csv")
    assert repeated == []
    return group_films(findings)


def lines(films, examined):
    """The link table's lines for the mass films of each released split."""
    table = {}
    for split in ("train", "test"):
        views = [as_image(f) for f in films if f.subset == "mass" and f.split == split]
        used = [as_image(f) for f in films if f.subset == "calc" and examined(f, split)]
        there = {tuple(v.values()) for v in views}
        assert len(there) == len(views)
        used = [v for v in used if tuple(v.values()) not in there]
        first = {view["patient_id"]: view for view in reversed(views)}
        for view in used:
            if view["patient_id"] in first:
                first[view["patient_id"]].setdefault("context_views", []).append(view)
        table[split] = tuple(count_links(group_cases(views)).values())
    return table


def as_image(film):
    return {"patient_id": film.patient_id, "laterality": film.laterality, "view": film.view}


def test_numbers_of_patients_images_and_lesions(films):
    patients = {
        (f.subset, f.split): {g.patient_id for g in films if (g.subset, g.split) == key}
        for f in films
        for key in [(f.subset, f.split)]
    }
    assert {key: len(found) for key, found in patients.items()} == {
        ("mass", "train"): 691,
        ("mass", "test"): 201,
        ("calc", "train"): 602,
        ("calc", "test"): 151,
    }
    assert len(set.union(*patients.values())) == 1566
    assert Counter((f.subset, f.split) for f in films) == {
        ("mass", "train"): 1231,
        ("mass", "test"): 361,
        ("calc", "train"): 1227,
        ("calc", "test"): 284,
    }
    assert Counter((g.subset, g.split) for f in films for g in f.findings) == {
        ("mass", "train"): 1318,
        ("mass", "test"): 378,
        ("calc", "train"): 1546,
        ("calc", "test"): 326,
    }
    assert len(leaking_patients(films)) == 31


def test_the_link_table(films):
    alone = lines(films, lambda film, split: False)
    assert alone == {"train": (87, 931, 13, 200, 1231), "test": (24, 278, 4, 55, 361)}
    borrowed = lines(films, lambda film, split: True)
    assert borrowed == {"train": (117, 910, 26, 178, 1231), "test": (39, 269, 7, 46, 361)}
    leaking = leaking_patients(films)
    clean = lines(films, lambda film, split: film.patient_id not in leaking and film.split == split)
    assert clean == {"train": (113, 914, 24, 180, 1231), "test": (26, 276, 4, 55, 361)}


def test_the_plan_gives_the_table_without_leaks(films):
    plan = plan_films(films, "mass", 0.1, 0)
    by_name = {film.name: film for film in films}
    assert len(plan.examined) + len(plan.context) + len(plan.left_out) == len(films)
    splits = {}
    for name in plan.examined | plan.context:
        split = "test" if (plan.examined | plan.context)[name] == "test" else "train"
        assert splits.setdefault(by_name[name].patient_id, split) == split
    clean = lines(films, lambda film, split: film.name in plan.context and film.split == split)
    assert clean == {"train": (113, 914, 24, 180, 1231), "test": (26, 276, 4, 55, 361)}
    assert sum("leak" in reason for reason in plan.left_out.values()) > 31
    val = {by_name[n].patient_id for n, split in plan.examined.items() if split == "val"}
    train = {by_name[n].patient_id for n, split in plan.examined.items() if split == "train"}
    assert len(val) == round(0.1 * 691)
    assert not val & train


def test_every_real_path_finds_its_series(films):
    series = all_series(films)
    with (DATA / "layout" / "tcia_metadata.csv").open(newline="") as file:
        metadata = {row["Series UID"]: row for row in csv.DictReader(file)}
    assert {ref.series_uid for ref in series} == set(metadata)
    for ref in series:
        row = metadata[ref.series_uid]
        assert (row["Subject ID"], row["Study UID"]) == (ref.folder, ref.study_uid)
    paths = (DATA / "layout" / "nbia_file_paths.txt").read_text().split("\n")
    paths = [path for path in paths if path]
    index = index_files(paths, SeriesByFolder(series), {})
    assert index.counts() == {"by header": 0, "by folder": 7257, "misplaced": 0, "unknown": 0}
    assert len(index.files) == 6669
    for uid, files in index.files.items():
        description = metadata[uid]["Series Description"]
        assert all(f"-{description}-" in file.path for file in files)
        assert len(files) <= int(metadata[uid]["Number of Images"])


def test_the_csvs_own_layout_finds_every_series(films):
    series = all_series(films)
    paths = [ref.path for ref in series]
    index = index_files(paths, SeriesByFolder(series), {})
    assert len(index.files) == 6775


def test_what_the_rows_look_like(films):
    findings = [finding for film in films for finding in film.findings]
    two = Counter(f.subset for f in findings if f.crop.series_uid != f.mask.series_uid)
    assert two == {"mass": 92 + 11, "calc": 1}
    mass_train = [f for f in findings if (f.subset, f.split) == ("mass", "train")]
    assert sum(f.facts["mass_shape"] is None for f in mass_train) == 4
    assert sum(f.facts["mass_margins"] is None for f in mass_train) == 43
