"""Parameters: what is refused, and that they survive JSON."""

import json
from dataclasses import replace

import pytest

from agn_d2.phantom import CBIS_DDSM_VIEW_SHARES, PhantomParams
from agn_d2.phantom.rng import pick, stream


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cases", 0),
        ("cases", 1.5),
        ("seed", -1),
        ("size", 32),
        ("aspect", 0.2),
        ("noise", -0.1),
        ("noise", float("nan")),
        ("hidden_share", 1.1),
        ("tissue_symmetry", -0.1),
        ("density_shares", (1.0, 1.0)),
        ("view_shares", (0.0,) * 5),
        ("split_shares", (1.0, -1.0, 1.0)),
        ("mass_count_shares", ()),
        ("mass_diameter_mm", (20.0, 10.0)),
        ("mass_contrast", (0.0, 0.5)),
    ],
)
def test_bad_values_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        replace(PhantomParams(), **{name: value})


def test_params_survive_json():
    params = PhantomParams(cases=3, view_shares=CBIS_DDSM_VIEW_SHARES, mass_contrast=(0.1, 0.2))
    assert PhantomParams.from_dict(json.loads(json.dumps(params.to_dict()))) == params


def test_unknown_parameter_is_named():
    with pytest.raises(ValueError, match="color"):
        PhantomParams.from_dict({"color": 1})


def test_image_size_follows_aspect():
    assert PhantomParams(size=400, aspect=0.5).image_size == (400, 200)


def test_cbis_shares_give_the_counted_images():
    four, three, pair, both_sides, single = CBIS_DDSM_VIEW_SHARES
    # Each image's partners: of three views one has both, one the other view, one the other side.
    assert 4 * four + three == 87
    assert 2 * pair + three == 931
    assert 2 * both_sides + three == 13
    assert single == 200


def test_pick_follows_the_shares():
    rng = stream(0, 0, "test")
    drawn = [pick(rng, (1.0, 0.0, 3.0)) for _ in range(2000)]
    assert drawn.count(1) == 0
    # Binomial with n 2000, p 1/4: standard deviation 19.
    assert abs(drawn.count(0) - 500) < 5 * 19


def test_streams_differ_by_every_part_of_their_name():
    keys = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (0, 0, "a", "b")]
    first = [stream(seed, index, *names).random() for seed, index, *names in keys]
    assert len(set(first)) == len(keys)
    assert stream(0, 0, "a").random() == first[0]
