"""Matching rules, one hand-made image each."""

import numpy as np
import pytest

from agn_d2.evaluation.matching import assign_detections, match_detections
from agn_d2.evaluation.records import Detections, Lesions

LESION = (10, 10, 20, 20)


def match(detections, lesions, ignored=None, **options):
    """(score, found) of the events of one image; detections are (score, box)."""
    events = match_detections(
        Detections(
            np.array([box for _, box in detections]),
            np.array([score for score, _ in detections]),
            np.zeros(len(detections), int),
        ),
        Lesions(np.array(lesions), np.zeros(len(lesions), int), 1, ignored),
        **options,
    )
    assert (np.diff(events.scores) <= 0).all()
    return list(zip(events.scores.tolist(), events.found.tolist(), strict=True))


@pytest.mark.parametrize(
    ("box", "hit"),
    [
        (LESION, True),
        ((10, 10, 12, 20), True),  # 20 / 100, the threshold itself
        ((10, 10, 11.9, 20), False),  # 19 / 100; would be 0.26 if boxes were one pixel larger
        ((10, 10, 20, 60), True),  # 100 / 500
        ((10, 10, 20, 61), False),  # 100 / 510
        ((20, 10, 30, 20), False),  # they only touch
        ((15, 15, 15, 15), False),  # no area
    ],
)
def test_iou_of_continuous_boxes_decides_at_the_threshold(box, hit):
    assert match([(0.5, box)], [LESION]) == [(0.5, hit)]


@pytest.mark.parametrize(
    ("box", "hit"),
    [
        ((0, 0, 20, 20), True),  # center (10, 10): the corner of the lesion
        ((0, 0, 19.9, 20), False),
        ((0, 0, 40, 40), True),  # center (20, 20): the other corner
        ((0, 0, 40.1, 40), False),
        ((-985, -985, 1015, 1015), True),  # IoU far below any threshold
        ((10, 10, 20, 31), False),  # center (15, 20.5), IoU 0.48
    ],
)
def test_center_of_the_detection_must_lie_in_the_lesion(box, hit):
    assert match([(0.5, box)], [LESION], hit="center") == [(0.5, hit)]


def test_iou_threshold_is_an_option():
    half = (10, 10, 20, 15)
    assert match([(0.5, half)], [LESION], iou=0.5) == [(0.5, True)]
    assert match([(0.5, half)], [LESION], iou=0.51) == [(0.5, False)]
    assert match([(0.5, LESION)], [LESION], iou=1) == [(0.5, True)]


@pytest.mark.parametrize(
    ("duplicates", "events"),
    [
        ("ignore", [(0.9, True)]),
        ("fp", [(0.9, True), (0.8, False)]),
        ("any", [(0.9, True)]),
    ],
)
def test_second_detection_of_a_found_lesion(duplicates, events):
    # The second is the better box, but the first has the higher score.
    detections = [(0.8, LESION), (0.9, (10, 10, 20, 15))]
    assert match(detections, [LESION], duplicates=duplicates) == events


@pytest.mark.parametrize(
    ("duplicates", "events"),
    [
        # 0.9 takes the left lesion (its best), 0.8 reaches both and takes the free right one.
        ("ignore", [(0.9, True), (0.8, True)]),
        ("fp", [(0.9, True), (0.8, True)]),
        # 0.9 reaches both at once.
        ("any", [(0.9, True), (0.9, True)]),
    ],
)
def test_detection_takes_the_best_free_lesion(duplicates, events):
    left, right = (0, 0, 10, 10), (8, 0, 18, 10)
    detections = [(0.9, (3, 0, 13, 10)), (0.8, (3, 0, 13, 10))]  # IoU 7/13 and 5/15
    assert match(detections, [right, left], duplicates=duplicates) == events
    assert match(detections, [left, right], duplicates=duplicates) == events


def test_first_detection_takes_the_better_of_two_lesions():
    left, right = (0, 0, 10, 10), (8, 0, 18, 10)
    # 0.9 has IoU 7/13 with the left one; 0.8 reaches the left one only, so it is a duplicate.
    detections = [(0.9, (3, 0, 13, 10)), (0.8, (0, 0, 8, 10))]
    assert match(detections, [left, right]) == [(0.9, True)]
    assert match(detections, [left, right], duplicates="fp") == [(0.9, True), (0.8, False)]


def test_equal_scores_the_higher_iou_goes_first():
    left, right = (0, 0, 10, 10), (8, 0, 18, 10)
    between = (0.7, (5, 0, 15, 10))  # IoU 5/15 left, 7/13 right
    sure = (0.7, (8, 0, 18, 9))  # IoU 18/172 left, 9/10 right
    # `sure` takes the right one first and leaves the left one to `between`.
    assert match([between, sure], [left, right]) == [(0.7, True), (0.7, True)]
    assert match([sure, between], [left, right]) == [(0.7, True), (0.7, True)]


def test_equal_scores_and_ious_the_smaller_coordinates_go_first():
    first, second = (0, 0, 10, 10), (5, 0, 15, 10)
    one = (0.7, (0, 0, 5, 10))  # IoU 1/2 with `first`, nothing of `second`
    both = (0.7, (0, 5, 10, 10))  # IoU 1/2 with `first`, 25/125 with `second`
    # `one` goes first (y0 is smaller), takes `first` and leaves `second` to `both`.
    for detections in ([one, both], [both, one]):
        assert match(detections, [second, first]) == [(0.7, True), (0.7, True)]
    both = (0.7, (-10, 0, 10, 10))  # IoU 100/200 with `first`, 50/250 with `second`
    # Now `both` goes first (x0 is smaller) and takes `first`: `one` is a duplicate.
    for detections in ([one, both], [both, one]):
        assert match(detections, [second, first]) == [(0.7, True)]


def test_detection_on_an_ignored_region_counts_as_nothing():
    region = (50, 50, 90, 90)
    inside, fifth, less = (60, 60, 62, 62), (42, 50, 52, 60), (41.9, 50, 51.9, 60)
    detections = [(0.9, inside), (0.8, fifth), (0.7, less), (0.6, LESION)]
    ignored = np.array([True, False])
    events = [(0.7, False), (0.6, True)]
    for duplicates in ("ignore", "fp", "any"):
        assert match(detections, [region, LESION], ignored, duplicates=duplicates) == events
    # The centers of the two on the border lie outside.
    events = [(0.8, False), (0.7, False), (0.6, True)]
    assert match(detections, [region, LESION], ignored, hit="center") == events


def test_lesion_on_an_ignored_region_is_found_and_its_duplicates_excused():
    region = (0, 0, 90, 90)
    detections = [(0.9, LESION), (0.8, LESION)]
    ignored = np.array([True, False])
    assert match(detections, [region, LESION], ignored, duplicates="fp") == [(0.9, True)]


def test_images_do_not_mix():
    lesions = Lesions(np.array([LESION, LESION]), np.array([0, 2]), 3)
    detections = Detections(np.array([LESION] * 3), np.array([0.9, 0.8, 0.7]), np.array([2, 1, 0]))
    events = match_detections(detections, lesions)
    assert events.scores.tolist() == [0.9, 0.8, 0.7]
    assert events.images.tolist() == [2, 1, 0]
    assert events.found.tolist() == [True, False, True]
    assert events.lesions_per_image.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("duplicates", "taken", "false", "finders"),
    [
        # By falling score: 0.9 takes lesion 1, 0.8 lesion 0, 0.7 comes too late, 0.6 is nowhere.
        ("ignore", [0, -1, 1, -1], [False, False, False, True], [0, 2, -1]),
        ("fp", [0, -1, 1, -1], [False, True, False, True], [0, 2, -1]),
        # Each finds what it reaches: 0.9 and 0.8 both, 0.7 lesion 1.
        ("any", [1, 1, 1, -1], [False, False, False, True], [2, 2, -1]),
    ],
)
def test_what_becomes_of_each_detection(duplicates, taken, false, finders):
    lesions = Lesions([[8, 0, 18, 10], [0, 0, 10, 10], [80, 80, 90, 90]], np.zeros(3, int), 1)
    boxes = [(3, 0, 13, 10), (0, 0, 8, 10), (3, 0, 13, 10), (50, 50, 60, 60)]
    detections = Detections(boxes, [0.8, 0.7, 0.9, 0.6], np.zeros(4, int))
    assigned = assign_detections(detections, lesions, duplicates=duplicates)
    assert assigned.lesions.tolist() == taken
    assert assigned.false.tolist() == false
    assert assigned.finders.tolist() == finders
    events = match_detections(detections, lesions, duplicates=duplicates)
    by_lesion = dict(zip(events.lesions.tolist(), events.scores.tolist(), strict=True))
    assert [by_lesion.get(n) for n in range(3)] == [
        None if d < 0 else detections.scores[d] for d in finders
    ]


BOX = np.array([[0, 0, 1, 1]])
ONE = np.array([0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Detections(np.zeros((1, 5)), [1.0], ONE), r"must be \(n, 4\)"),
        (lambda: Detections([[5, 0, 4, 1]], [1.0], ONE), "negative width"),
        (lambda: Detections(BOX, [np.nan], ONE), "not a finite number"),
        (lambda: Detections(BOX, [1.0, 2.0], ONE), "scores must be"),
        (lambda: Detections([[0, 0, np.inf, 1]], [1.0], ONE), "not finite"),
        (lambda: Detections(BOX, [1.0], np.array([-1])), "below 0"),
        (lambda: Detections(BOX, [1.0], np.array([0.5])), "integers"),
        (lambda: Lesions([[0, 0, 0, 1]], ONE, 1), "above 0"),
        (lambda: Lesions(BOX, np.array([1]), 1), "of only 1 images"),
        (lambda: Lesions(BOX, ONE, 1, np.array([True, False])), "ignored must be"),
    ],
)
def test_records_refuse_what_is_no_data(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou": 0}, "iou must be above 0"),
        ({"iou": 1.1}, "at most 1"),
        ({"iou": float("nan")}, "iou must be"),
        ({"hit": "middle"}, "hit must be one of iou, center"),
        ({"duplicates": "FP"}, "duplicates must be one of ignore, fp, any"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        match([(0.5, LESION)], [LESION], **options)


def test_detection_on_an_image_that_does_not_exist():
    with pytest.raises(ValueError, match="image 3 of only 1 images"):
        match_detections(Detections(BOX, [1.0], np.array([3])), Lesions(BOX, ONE, 1))


def one_decimal_pairs(share, count=500):
    """Lesions and boxes inside of them of exactly a share of their area, corners of one decimal."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        x, y, width, height = rng.integers([0, 0, 1, 10], [30_000, 30_000, 400, 2_000]).tolist()
        lesion = (x / 10, y / 10, x / 10 + width * share / 10, y / 10 + height / 10)
        yield lesion, (x / 10, y / 10, x / 10 + width / 10, y / 10 + height / 10)


@pytest.mark.parametrize("share", [2, 4, 5])
def test_an_iou_of_exactly_the_threshold_is_a_hit_for_boxes_of_one_decimal(share):
    # 1/2, 1/4 and 1/5 by construction; rounding puts about half of them below.
    for lesion, box in one_decimal_pairs(share):
        assert match([(0.5, box)], [lesion], iou=1 / share) == [(0.5, True)]
        assert match([(0.5, box)], [lesion], iou=1 / share + 1e-6) == [(0.5, False)]


def test_the_border_of_a_lesion_is_met_for_boxes_of_one_decimal():
    # Center x of the detection: (0.1 + 0.5) / 2 = 0.3, the lesion begins at 0.1 + 0.2 (> 0.3).
    assert match([(0.5, (0.1, 0, 0.5, 2))], [(0.1 + 0.2, 0, 5, 2)], hit="center") == [(0.5, True)]
