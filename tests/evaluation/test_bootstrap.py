"""The patient bootstrap: against the binomial distribution, and its edges."""

import numpy as np
import pytest
from scipy.stats import binom

from agn_d2.evaluation.bootstrap import bootstrap_recall
from agn_d2.evaluation.froc import FrocEvents

FPPI = (0.5, 1.0)


def one_lesion_an_image(found, patients=None):
    """Events of images with one lesion each, found or not, and no false positive."""
    images = np.flatnonzero(found)
    events = FrocEvents(
        scores=np.full(len(images), 0.5),
        images=images,
        found=np.ones(len(images), bool),
        lesions_per_image=np.ones(len(found), int),
    )
    return events, patients or [str(i) for i in range(len(found))]


def test_interval_of_independent_patients_is_the_binomial_one():
    events, patients = one_lesion_an_image(np.arange(50) < 35)
    low, high = bootstrap_recall(events, patients, FPPI, draws=4000)
    # 35 of 50 drawn with replacement: 50 draws of probability 0.7. One lesion is 0.02.
    assert low == pytest.approx(binom.ppf(0.025, 50, 0.7) / 50, abs=0.021)
    assert high == pytest.approx(binom.ppf(0.975, 50, 0.7) / 50, abs=0.021)
    low, high = bootstrap_recall(events, patients, FPPI, draws=4000, level=0.5)
    assert low == pytest.approx(binom.ppf(0.25, 50, 0.7) / 50, abs=0.021)
    assert high == pytest.approx(binom.ppf(0.75, 50, 0.7) / 50, abs=0.021)


def test_images_of_one_patient_are_drawn_together():
    # Two patients of 25 images, one found throughout and one never: recall is 0, 1/2 or 1.
    events, patients = one_lesion_an_image(np.arange(50) < 25, ["a"] * 25 + ["b"] * 25)
    low, high = bootstrap_recall(events, patients, FPPI)
    assert low.tolist() == [0, 0]
    assert high.tolist() == [1, 1]
    # One patient alone is always drawn.
    low, high = bootstrap_recall(events, ["a"] * 50, FPPI)
    assert low.tolist() == high.tolist() == [0.5, 0.5]


def test_images_of_weight_0_change_nothing():
    events, patients = one_lesion_an_image(np.arange(20) % 3 == 0)
    expected = bootstrap_recall(events, patients, FPPI, draws=50)
    # As many images more with lesions never found: of the same patients, and of other ones.
    for others in (patients, [f"other {patient}" for patient in patients]):
        more, _ = one_lesion_an_image(np.arange(40) % 3 + np.arange(40) // 20 * 3 == 0)
        weights = np.repeat([1.0, 0.0], 20)
        again = bootstrap_recall(more, patients + others, FPPI, image_weights=weights, draws=50)
        np.testing.assert_array_equal(again, expected)


def test_seed_decides():
    events, patients = one_lesion_an_image(np.arange(50) % 3 == 0)
    one, again, other = (
        np.concatenate(bootstrap_recall(events, patients, FPPI, draws=20, seed=seed))
        for seed in (1, 1, 2)
    )
    assert one.tolist() == again.tolist()
    assert one.tolist() != other.tolist()


def test_without_a_lesion_there_is_no_interval():
    events = FrocEvents(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), np.zeros(3, int))
    low, high = bootstrap_recall(events, ["a", "b", "c"], FPPI, draws=5)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_draws_without_a_lesion_are_left_out():
    # Of two patients only one has a lesion, and it is found: recall 1 whenever it is defined.
    events = FrocEvents(
        np.array([0.5]), np.array([0]), np.array([True]), lesions_per_image=np.array([1, 0])
    )
    low, high = bootstrap_recall(events, ["a", "b"], FPPI, draws=50)
    assert low.tolist() == high.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("patients", "options", "message"),
    [
        (["a"], {}, "one for each of 2 images"),
        (["a", "b"], {"draws": 0}, "draws must be at least 1"),
        (["a", "b"], {"level": 1}, r"level in \(0, 1\)"),
    ],
)
def test_bad_options(patients, options, message):
    events, _ = one_lesion_an_image(np.array([True, False]))
    with pytest.raises(ValueError, match=message):
        bootstrap_recall(events, patients, FPPI, **options)
