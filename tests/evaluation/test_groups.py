"""Parts of a data set: by hand, and against a slow FROC of lesions and breasts."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from agn_d2.data.cases import count_links, group_cases
from agn_d2.evaluation.coco_results import read_ground_truth
from agn_d2.evaluation.froc import froc_curve, match_detections, recall_at_fppi
from agn_d2.evaluation.groups import (
    find_targets,
    image_groups,
    lesion_sizes,
    lesion_targets,
    size_groups,
)

from .slow_froc import as_arrays, random_images, slow_image


def image(number, name, **more):
    """An image "<patient>_<laterality><view>"."""
    patient, _, side = name.partition("_")
    keys = {"patient_id": patient, "laterality": side[0], "view": side[1:]}
    return {"id": number, "file_name": f"{name}.png", "width": 99, "height": 99, **keys, **more}


@pytest.fixture
def read(write):
    def read_content(images, boxes, **more):
        """Boxes are (image, size, lesion_id or None)."""
        annotations = [
            {"id": n, "image_id": i, "bbox": [0, 0, size, size], "lesion_id": lesion}
            for n, (i, size, lesion) in enumerate(boxes)
        ]
        content = {"images": images, "annotations": annotations, **more}
        return read_ground_truth(write("gt.json", content))

    return read_content


def test_views_and_densities(read):
    names = ["a_LCC", "a_LMLO", "b_RCC"]
    images = [image(n, name) for n, name in enumerate(names)]
    truth = read(images, [])
    groups = image_groups(truth, "view")
    assert {k: v.tolist() for k, v in groups.items()} == {
        "CC": [True, False, True],
        "MLO": [False, True, False],
    }
    assert image_groups(truth, "density") == {}
    images[0]["density"], images[2]["density"] = 4, 2
    groups = image_groups(read(images, []), "density")
    assert list(groups) == ["2", "4", "not stated"]
    assert groups["not stated"].tolist() == [False, True, False]


def test_views_at_hand_by_hand_and_as_the_cases_say(read):
    sides = ["LCC", "LMLO", "RCC", "RMLO"]
    names = [
        f"{k}_{side}"
        for k, chosen in enumerate(
            itertools.chain(*(itertools.combinations(sides, n) for n in range(1, 5)))
        )
        for side in chosen
    ]
    images = [image(n, name) for n, name in enumerate(names)]
    groups = image_groups(read(images, []), "available views")
    links = count_links(group_cases(images))
    assert {name: int(mask.sum()) for name, mask in groups.items()} == {
        "auxiliary and contralateral": links["both"],
        "auxiliary only": links["auxiliary only"],
        "contralateral only": links["contralateral only"],
        "neither": links["neither"],
    }
    # Another examination of the patient serves nobody; a context image serves and is not counted.
    pair = [image(1, "p_LCC", case_id="1"), image(2, "p_LMLO", case_id="2")]
    assert list(image_groups(read(pair, []), "available views")) == ["neither"]
    context = image(9, "p_RCC", case_id="1")
    groups = image_groups(read(pair, [], context_images=[context]), "available views")
    assert {k: v.tolist() for k, v in groups.items()} == {
        "contralateral only": [True, False],
        "neither": [False, True],
    }


def test_sizes_in_pixels_and_millimeters(read):
    images = [image(1, "a_LCC"), image(2, "b_LCC")]
    boxes = [(1, size, None) for size in (10, 20, 30)] + [(2, 40, None)]
    truth = read(images, boxes)
    groups, unit = size_groups(truth, (20, 35))
    assert unit == "px"
    assert {k: v.tolist() for k, v in groups.items()} == {
        "< 20 px": [True, False, False, False],
        "20 - 35 px": [False, True, True, False],
        ">= 35 px": [False, False, False, True],
    }
    assert list(size_groups(truth)[0]) == ["< 20 px", "20 - 30 px", ">= 30 px"]
    images[0]["mm_per_pixel"] = 0.5
    assert lesion_sizes(read(images, boxes))[1] == "px"
    images[1]["mm_per_pixel"] = 0.1
    sizes, unit = lesion_sizes(read(images, boxes))
    assert unit == "mm"
    assert sizes.tolist() == [5, 10, 15, 4]
    for edges in ((3, 3), (0, 4), (5, 4)):
        with pytest.raises(ValueError, match="must rise from above 0"):
            size_groups(truth, edges)
    assert size_groups(read(images, []))[0] == {}


def test_a_region_to_ignore_needs_no_spacing(read):
    # A mass of 10 px on an image of 0.5 mm a pixel, a region on one that states no spacing.
    images = [image(0, "a_LCC", mm_per_pixel=0.5), image(1, "b_LCC")]
    mass = {"id": 1, "image_id": 0, "bbox": [0, 0, 10, 10]}
    region = {"id": 2, "image_id": 1, "bbox": [0, 0, 10, 10], "iscrowd": 1}
    truth = read(images, [], annotations=[mass, region])
    sizes, unit = lesion_sizes(truth)
    assert unit == "mm" and sizes[0] == 5
    groups, unit = size_groups(truth, [4, 6])
    assert unit == "mm" and {k: v.tolist() for k, v in groups.items()} == {
        "4 - 6 mm": [True, False]
    }


def test_targets(read):
    names = ["a_LCC", "a_LMLO", "a_RCC", "a_RMLO", "b_LCC", "b_LMLO"]
    images = [image(n, name) for n, name in enumerate(names)]
    boxes = [
        (0, 10, "x"), (0, 10, "y"), (1, 10, "y"), (1, 10, "z"),  # ids
        (2, 10, None), (3, 10, None),  # one box in each view: one lesion
        (4, 10, None), (5, 10, None), (5, 10, None),  # who is who?
    ]  # fmt: skip
    truth = read(images, boxes)
    assert lesion_targets(truth, "box").tolist() == list(range(9))
    assert lesion_targets(truth, "lesion").tolist() == [0, 1, 1, 2, 3, 3, 4, 5, 6]
    assert lesion_targets(truth, "breast").tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2]
    with pytest.raises(ValueError, match="unit must be one of box, lesion, breast"):
        lesion_targets(truth, "patient")
    del images[5]["laterality"]
    with pytest.raises(ValueError, match="image 5: without patient_id and laterality"):
        lesion_targets(read(images, boxes), "breast")


def test_boxes_of_other_or_unknown_views_are_no_counterparts(read):
    images = [image(1, "a_LCC"), image(2, "a_LMLO"), image(3, "a_LML"), image(4, "a_L")]
    images[3]["view"] = None
    boxes = [(3, 5, None), (1, 5, None), (2, 5, None), (4, 5, None), (3, 5, None)]
    assert lesion_targets(read(images, boxes), "lesion").tolist() == [0, 1, 1, 2, 3]
    assert lesion_targets(read(images, boxes), "breast").tolist() == [0] * 5


def test_equal_ids_of_two_patients_are_two_lesions(read):
    images = [image(1, "a_LCC"), image(2, "b_LCC"), image(3, "a_RCC")]
    truth = read(images, [(1, 5, "m1"), (2, 5, "m1"), (3, 5, "m1")])
    assert lesion_targets(truth, "lesion").tolist() == [0, 1, 2]


def slow_target_recall(images, targets, fppi, **options):
    """Recall of targets at each FPPI: a target is found if any of its boxes is."""
    total = len(set(itertools.chain(*targets)))
    points = [(0, 0)]
    for threshold in {score for detections, _ in images for score, _ in detections}:
        found, false = set(), 0
        for (detections, annotations), target in zip(images, targets, strict=True):
            kept = [d for d in detections if d[0] >= threshold]
            boxes, more = slow_image(kept, annotations, **options)
            false += more
            lesions = [box for box, region in annotations if not region]
            found |= {target[lesions.index(box)] for box in boxes}
        points.append((false / len(images), len(found) / max(total, 1)))
    if not total:
        return [np.nan] * len(fppi)
    return [max(y for x, y in points if x <= f) for f in fppi]


@pytest.mark.parametrize("duplicates", ["ignore", "fp", "any"])
def test_targets_against_a_slow_froc(duplicates):
    rng, values = random.Random(duplicates), Counter()
    for _ in range(200):
        images = random_images(rng)
        for _, annotations in images:  # equal boxes of one image could not be told apart
            unique = {box: (box, region) for box, region in annotations}
            annotations[:] = unique.values()
        targets = [
            [rng.randrange(4) for box, region in annotations if not region]
            for _, annotations in images
        ]
        detections, lesions = as_arrays(images)
        flat = np.full(len(lesions.boxes), -1)
        flat[~lesions.ignored] = list(itertools.chain(*targets))
        # As in a data set, the names of targets are without gaps.
        names, numbers = np.unique(flat[flat >= 0], return_inverse=True)
        flat[flat >= 0] = numbers
        events = match_detections(detections, lesions, duplicates=duplicates)
        curve = froc_curve(find_targets(events, flat, lesions.images))
        fppi = (0, 0.5, 1, 2)
        expected = slow_target_recall(
            images, targets, fppi, iou=0.2, hit="iou", duplicates=duplicates
        )
        np.testing.assert_array_equal(recall_at_fppi(curve, fppi), expected)
        assert curve.lesions == len(names)
        values.update(expected)
    assert len(values) > 7
