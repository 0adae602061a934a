"""The patient bootstrap: against the binomial distribution, slow draws, and its edges."""

import random
import time

import numpy as np
import pytest
from scipy.stats import binom

from agn_d2.evaluation.bootstrap import bootstrap_recall, bootstrap_recalls, percentile_interval
from agn_d2.evaluation.froc import FrocEvents, froc_curve, match_detections, recall_at_fppi

from .slow_froc import as_arrays, random_images

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


def test_one_patient_says_nothing_of_others():
    # Always drawn, it would have an interval of no width, from any number of images.
    events, _ = one_lesion_an_image(np.arange(50) < 25)
    assert np.isnan(bootstrap_recall(events, ["a"] * 50, FPPI)).all()
    # A second one that is not counted is none.
    weights, patients = np.repeat([1.0, 0.0], 25), ["a"] * 25 + ["b"] * 25
    assert np.isnan(bootstrap_recall(events, patients, FPPI, image_weights=weights)).all()


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


def test_draws_against_the_curve_of_each_draw():
    """The same draws, each read from a whole curve, with ties, groups and images left out."""
    rng, values = random.Random(3), set()
    for case in range(150):
        images = random_images(rng)
        patients = [rng.choice("abc") for _ in images]
        weights = np.array([rng.random() < 0.8 for _ in images], float)
        models = []
        for _ in range(2):
            more = [(rng.sample(d, rng.randrange(len(d) + 1)), a) for d, a in images]
            models.append(match_detections(*as_arrays(more), duplicates=rng.choice(("fp", "any"))))
        drawn = bootstrap_recalls(
            models, patients, (0, 0.25, 1, 2), image_weights=weights, draws=5, seed=case
        )
        names = np.unique(patients).tolist()
        there = [
            k
            for k, n in enumerate(names)
            if any(p == n and w for p, w in zip(patients, weights, strict=True))
        ]
        generator = np.random.default_rng(case)
        for row in drawn:
            if len(there) < 2:
                assert np.isnan(row).all()
                continue
            picked = generator.choice(there, size=len(there)).tolist()
            times = np.array([picked.count(names.index(p)) for p in patients])
            for k, events in enumerate(models):
                expected = recall_at_fppi(froc_curve(events, weights * times), (0, 0.25, 1, 2))
                np.testing.assert_array_equal(row[k], expected)
                values.update(expected[~np.isnan(expected)])
    assert len(values) > 10


# Of n patients with two images of one lesion and one false positive each. Scores of false
# positives are uniform, those of lesions have P(score >= t) = 1 - t ** skill; at 0.5 FPPI the
# threshold is 0.5, so the true recall is 1 - 0.5 ** skill.
SKILLS = (3.0, 2.0)
TRUE_DIFFERENCE = 0.5**2 - 0.5**3


def made_up_models(rng, patients=50):
    """Two models; what makes a lesion easy is shared by the images of a patient and the models."""
    ease = rng.random(patients).repeat(2)
    models = []
    for skill in SKILLS:
        # A mixture keeps each score's distribution uniform and correlates it with the ease.
        own = np.where(rng.random(2 * patients) < 0.7, ease, rng.random(2 * patients))
        scores = np.concatenate([own ** (1 / skill), rng.random(2 * patients)])
        order = np.argsort(-scores)
        images = np.tile(np.arange(2 * patients), 2)
        found = np.arange(4 * patients) < 2 * patients
        models.append(
            FrocEvents(scores[order], images[order], found[order], np.ones(2 * patients, int))
        )
    return models, [str(n) for n in np.arange(patients).repeat(2)]


def test_paired_interval_covers_the_known_difference_and_is_narrower_than_unpaired():
    rng = np.random.default_rng(5)
    covered, wrong_way, paired, unpaired, trials = 0, 0, [], [], 200
    for trial in range(trials):
        models, patients = made_up_models(rng)
        drawn = bootstrap_recalls(models, patients, (0.5,), draws=200, seed=trial)
        low, high = percentile_interval(drawn[:, 0] - drawn[:, 1])
        covered += bool(low[0] <= TRUE_DIFFERENCE <= high[0])
        wrong_way += bool(low[0] <= -TRUE_DIFFERENCE <= high[0])
        paired.append(high[0] - low[0])
        low, high = percentile_interval(drawn[:, 0] - rng.permutation(drawn[:, 1]))
        unpaired.append(high[0] - low[0])
    # 95 % of 200 is 190; the standard deviation of the count is 3.1.
    assert covered >= 190 - 4 * 3.1
    assert wrong_way < trials / 4
    assert np.mean(paired) < 0.9 * np.mean(unpaired)


def test_models_of_no_difference_differ_in_no_draw():
    models, patients = made_up_models(np.random.default_rng(0))
    drawn = bootstrap_recalls([models[0], models[0]], patients, (0.5, 1), draws=20)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert drawn[:, 0].std() > 0


def test_a_hundred_thousand_detections_are_drawn_a_thousand_times_in_seconds():
    rng = np.random.default_rng(1)
    size, images = 100_000, 10_000
    events = FrocEvents(
        scores=np.sort(rng.random(size))[::-1],
        images=rng.integers(0, images, size),
        found=rng.random(size) < 0.05,
        lesions_per_image=np.ones(images, int),
    )
    start = time.process_time()
    drawn = bootstrap_recalls([events], [str(n // 4) for n in range(images)])
    assert drawn.shape == (1000, 1, 5)
    assert time.process_time() - start < 20  # about 0.6 s on one core that is free
