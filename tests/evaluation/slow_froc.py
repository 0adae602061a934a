"""A second FROC: exact fractions, the whole matching again at every threshold; random cases."""

import math
from fractions import Fraction

import numpy as np

from agn_d2.evaluation.froc import Detections, Lesions


def exact_overlap(a, b):
    """Shared area, and IoU."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return shared, Fraction(shared, sum(areas) - shared)


def slow_reaches(box, lesion, region, iou, hit):
    if hit == "center":
        x, y = Fraction(box[0] + box[2], 2), Fraction(box[1] + box[3], 2)
        return lesion[0] <= x <= lesion[2] and lesion[1] <= y <= lesion[3]
    shared, overlap = exact_overlap(box, lesion)
    if region:
        area = (box[2] - box[0]) * (box[3] - box[1])
        overlap = Fraction(shared, area) if area else 0
    return overlap >= Fraction(str(iou))


def slow_image(detections, annotations, iou, hit, duplicates):
    """(lesions found, false positives) of one image; detections (score, box), (box, region).

    The lesions found are boxes; of equal boxes each counts.
    """
    lesions = sorted(box for box, region in annotations if not region)

    def place(detection):
        score, box = detection
        best = max((exact_overlap(box, lesion)[1] for lesion in lesions), default=0)
        return -score, -best, box

    found, false = set(), 0
    for _, box in sorted(detections, key=place):
        reach = [k for k, g in enumerate(lesions) if slow_reaches(box, g, False, iou, hit)]
        free = [k for k in reach if k not in found]
        if duplicates == "any":
            found.update(reach)
        elif free:
            found.add(max(free, key=lambda k: (exact_overlap(box, lesions[k])[1], -k)))
        excused = any(slow_reaches(box, g, True, iou, hit) for g, region in annotations if region)
        if not reach or (duplicates == "fp" and not free):
            false += not excused
    return [lesions[k] for k in sorted(found)], false


def slow_recall(images, fppi, *, iou, hit, duplicates, lesion_images_only):
    """Recall at each FPPI and the last FPPI; images are (detections, annotations)."""
    if lesion_images_only:
        images = [image for image in images if not all(region for _, region in image[1])]
    lesions = sum(not region for _, annotations in images for _, region in annotations)
    points = [(Fraction(0), Fraction(0))]
    for threshold in {score for detections, _ in images for score, _ in detections}:
        found = false = 0
        for detections, annotations in images:
            kept = [d for d in detections if d[0] >= threshold]
            more = slow_image(kept, annotations, iou, hit, duplicates)
            found, false = found + len(more[0]), false + more[1]
        points.append((Fraction(false, len(images)), Fraction(found, max(lesions, 1))))
    end = float(max(x for x, _ in points))
    if not lesions:
        return [math.nan] * len(fppi), end
    return [float(max(y for x, y in points if x <= Fraction(str(f)))) for f in fppi], end


def random_box(rng, empty):
    x, y = rng.randrange(8), rng.randrange(8)
    return (x, y, x + rng.randrange(not empty, 7), y + rng.randrange(not empty, 7))


def random_images(rng):
    images = []
    for _ in range(rng.randrange(1, 6)):
        annotations = [
            (random_box(rng, False), rng.random() < 0.2) for _ in range(rng.choice((0, 0, 1, 2, 4)))
        ]
        detections = []
        for _ in range(rng.choice((0, 1, 3, 7))):
            exact = annotations and rng.random() < 0.2
            box = rng.choice(annotations)[0] if exact else random_box(rng, True)
            detections.append((rng.choice((0.1, 0.5, 0.6, 0.9)), box))
        images.append((detections, annotations))
    return images


def as_arrays(images):
    dets = [(i, *d) for i, (detections, _) in enumerate(images) for d in detections]
    anns = [(i, *a) for i, (_, annotations) in enumerate(images) for a in annotations]
    return (
        Detections(
            np.array([d[2] for d in dets]),
            np.array([d[1] for d in dets]),
            np.array([d[0] for d in dets], int),
        ),
        Lesions(
            np.array([a[1] for a in anns]),
            np.array([a[0] for a in anns], int),
            len(images),
            np.array([a[2] for a in anns], bool),
        ),
    )
