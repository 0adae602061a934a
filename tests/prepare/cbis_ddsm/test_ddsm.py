"""Views that CBIS-DDSM lacks, from the original DDSM."""

import pytest

from agn_d2.prepare.cbis_ddsm.ddsm import missing_views
from agn_d2.prepare.cbis_ddsm.links import Plan
from agn_d2.prepare.cbis_ddsm.tables import Film, SeriesRef


def _film(patient, split, side, view):
    name = f"{patient}_{side}_{view}"
    return Film(name, "mass", split, patient, side, view, SeriesRef(name, "1", name, "x"), ())


@pytest.mark.parametrize(("patient", "split"), [("P_00869", "train"), ("P_00870", "train")])
def test_the_copy_of_a_test_film_is_not_taken(tmp_path, patient, split):
    film = _film(patient, split, "L", "MLO")
    for view in ("LEFT_MLO", "RIGHT_MLO", "LEFT_CC"):
        (tmp_path / f"C_0388_1.{view}.png").write_bytes(b"")
    plan = Plan({film.name: "train"}, {}, {})
    table = {film.name: ("C_0388_1.LEFT_MLO.png", 300.0)}
    found, missed = missing_views([film], plan, table, tmp_path, set())
    taken = [view.path for view in found]
    if patient == "P_00869":
        assert taken == ["C_0388_1.LEFT_CC.png"]
        (reason,) = missed
        assert reason[1] == "RIGHT_MLO: the same film is in the test split: P_00173_RIGHT_MLO"
    else:
        assert taken == ["C_0388_1.LEFT_CC.png", "C_0388_1.RIGHT_MLO.png"]
        assert not missed
