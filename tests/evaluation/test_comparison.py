"""Several models in one report: by hand on the small data set, its text, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from agn_d2.evaluation.bootstrap import bootstrap_recalls, percentile_interval
from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.comparison import FrocRule, compare
from agn_d2.evaluation.comparison_text import comparison_markdown, recall_cells
from agn_d2.evaluation.froc import match_detections, recall_at_fppi
from agn_d2.evaluation.records import Detections, Lesions

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))


@pytest.fixture
def truth(coco_gt, write):
    """Images 0 and 1 are the two views of a breast of p1: one box in 0, two in 1."""
    places = [("L", "CC", 1), ("L", "MLO", 1), ("L", "CC", 2), ("R", "MLO", 3)]
    for image, (laterality, view, density) in zip(coco_gt["images"], places, strict=True):
        image |= {"laterality": laterality, "view": view, "density": density}
    for annotation, lesion in zip(coco_gt["annotations"], ("m1", "m1", "m2", "m3"), strict=True):
        annotation["lesion_id"] = lesion
    return read_ground_truth(write("gt.json", coco_gt))


@pytest.fixture
def models(truth, coco_dt, write):
    return {"one": [read_detections(write("dt.json", coco_dt), truth)], "none": [NOTHING]}


def without_last(detections):
    return Detections(detections.boxes[:-1], detections.scores[:-1], detections.images[:-1])


def part(report, breakdown, name):
    (found,) = [p for p in report["parts"] if (p["breakdown"], p["name"]) == (breakdown, name)]
    return found


def test_parts_by_hand(truth, models):
    report = compare(
        models, truth, fppi=(0.2, 1), baseline="none", draws=20, size_edges=(15, 80)
    ).report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    whole = part(report, "all", "all")
    assert (whole["images"], whole["lesions"], whole["patients"]) == (4, 4, 3)
    one = whole["models"]["one"]
    assert one["recall"] == [0.25, 0.5]
    assert one["difference"]["value"] == [0.25, 0.5]
    # 0.25 at 1/8 FPPI, 0.5 at 1/4 to 8; the other model finds nothing.
    assert one["mean_recall"] == one["difference"]["mean_value"] == pytest.approx(3.25 / 7)
    assert whole["models"]["none"]["recall"] == [0, 0]
    assert "difference" not in whole["models"]["none"]
    # The two hits are the two views of m1: 1 of 3 lesions, 1 of 2 breasts, with the first hit.
    lesions = part(report, "recall per", "lesion")
    assert lesions["lesions"] == 3
    assert lesions["models"]["one"]["recall"] == pytest.approx([1 / 3, 1 / 3])
    assert part(report, "recall per", "breast")["models"]["one"]["recall"] == [0.5, 0.5]
    # CC: images 0 and 2, one lesion, found before the false positives 0.8 and 0.7.
    cc = part(report, "view", "CC")
    assert (cc["images"], cc["lesions"], cc["models"]["one"]["recall"]) == (2, 1, [1, 1])
    # MLO: images 1 and 3, three lesions, one found.
    assert part(report, "view", "MLO")["models"]["one"]["recall"] == pytest.approx([1 / 3, 1 / 3])
    assert part(report, "density", "2")["models"]["one"]["recall"] == [None, None]
    assert part(report, "available views", "auxiliary only")["images"] == 2
    assert part(report, "available views", "neither")["lesions"] == 1
    # 3 false positives on the two images, 1 on two, none on one; "neither" has half of an FPPI.
    ends = [("available views", "auxiliary only"), ("available views", "neither"), ("density", "3")]
    marks = [part(report, *key)["models"]["one"]["truncated"] for key in ends]
    assert marks == [[], [1], [0.2, 1]]
    # Boxes of 10 (three, two found) and of 20 (one, not found); all images count in both.
    sizes = [p for p in report["parts"] if p["breakdown"] == "mass size"]
    assert [(p["images"], p["lesions"]) for p in sizes] == [(4, 3), (4, 1)]
    found = [p["models"]["one"]["recall"] for p in sizes]
    assert found == [pytest.approx([1 / 3, 2 / 3]), [0, 0]]


def test_intervals_are_those_of_the_same_draws(truth, models, coco_dt):
    models["worse"] = [without_last(models["one"][0])]
    report = compare(
        models, truth, fppi=(0.2, 1), baseline="worse", draws=40, seed=3, breakdowns=()
    ).report
    assert [p["breakdown"] for p in report["parts"]] == ["all", "recall per", "recall per"]
    events = [match_detections(models[name][0], truth.lesions) for name in ("one", "worse")]
    drawn = bootstrap_recalls(events, truth.patients, (0.2, 1), draws=40, seed=3)
    one = part(report, "all", "all")["models"]["one"]
    np.testing.assert_array_equal((one["low"], one["high"]), percentile_interval(drawn[:, 0]))
    low, high = percentile_interval(drawn[:, 0] - drawn[:, 1])
    assert (one["difference"]["low"], one["difference"]["high"]) == (low.tolist(), high.tolist())
    at = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
    means = bootstrap_recalls(events, truth.patients, at, draws=40, seed=3).mean(axis=2)
    for values, found in ((means[:, 0], one), (means[:, 0] - means[:, 1], one["difference"])):
        low, high = percentile_interval(values[:, None])
        assert (found["mean_low"], found["mean_high"]) == pytest.approx((low[0], high[0]))


def test_runs_of_a_model_count_by_their_mean(truth, models):
    one = models["one"][0]
    runs = {"two": [one, NOTHING], "three": [one, without_last(one), one], "one": [one]}
    result = compare(
        runs, truth, fppi=(0.2, 1), baseline="three", draws=40, seed=3, breakdowns=("view",)
    )
    report = result.report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    whole = part(report, "all", "all")["models"]
    assert whole["two"]["recall"] == [0.125, 0.25]
    assert part(report, "view", "CC")["models"]["two"]["recall"] == [0.5, 0.5]
    two = report["models"]["two"]
    assert [run["recall"] for run in two["runs"]] == [[0.25, 0.5], [0, 0]]
    assert [run["detections"] for run in two["runs"]] == [6, 0]
    assert two["spread"] == pytest.approx([0.25 / 2**0.5, 0.5 / 2**0.5])
    # The second run of "two" ends at 0 FPPI.
    assert two["truncated"] == [0.2, 1]
    assert report["models"]["one"]["spread"] is None
    assert [len(curves) for curves in result.curves.values()] == [2, 3, 1]
    np.testing.assert_array_equal(
        recall_at_fppi(result.mean_curves["two"], (0.2, 1)), [0.125, 0.25]
    )

    events = [match_detections(run, truth.lesions) for name in runs for run in runs[name]]
    drawn = bootstrap_recalls(events, truth.patients, (0.2, 1), draws=40, seed=3)
    means = {"two": drawn[:, :2].mean(1), "three": drawn[:, 2:5].mean(1), "one": drawn[:, 5]}
    for name, mean in means.items():
        ends = whole[name]["low"], whole[name]["high"]
        np.testing.assert_array_equal(ends, percentile_interval(mean))
        np.testing.assert_array_equal(result.intervals[name], ends)
        if name != "three":
            difference = whole[name]["difference"]
            ends = difference["low"], difference["high"]
            np.testing.assert_array_equal(ends, percentile_interval(mean - means["three"]))


def test_text_of_runs(truth, models):
    runs = {"both": [models["one"][0], NOTHING], "none": [NOTHING]}
    text = comparison_markdown(compare(runs, truth, fppi=(0.2, 4), draws=20).report)
    assert "The recall of a model with several runs is their mean." in text
    assert "| model | run | 0.2 FPPI | 4 FPPI | mean |" in text
    # 46.4: 1/4 at 1/8 FPPI, 1/2 at 1/4 to 8. Two values lie 2 ** 0.5 standard deviations apart.
    assert "| both | 1 | 25.0 | 50.0 | 46.4 |\n| both | 2 | 0.0 | 0.0 | 0.0 |\n" in text
    assert "| both | mean | 12.5 ± 17.7 | 25.0 ± 35.4 | 23.2 ± 32.8 |" in text
    assert "none" not in text.partition("## Run by run")[2].partition("\n- ")[0]
    assert "both (run 1) ends at 1 FPPI" in text and "both (run 2) has no detection" in text
    alone = comparison_markdown(compare(models, truth, draws=0).report)
    assert "Run by run" not in alone and "is their mean" not in alone


def test_lesion_images_only_and_other_rules(truth, models):
    rule = FrocRule(hit="center", duplicates="any", lesion_images_only=True)
    report = compare(models, truth, rule=rule, fppi=(1 / 3,), draws=0, breakdowns=("view",)).report
    assert report["rule"]["text"] == (
        "hit: center in box; any-to-any matching; all classes; "
        "FPPI over 3 images with a lesion, 4 lesions"
    )
    assert report["bootstrap"] is None
    whole = part(report, "all", "all")
    assert (whole["images"], whole["models"]["one"]["recall"]) == (3, [0.5])
    assert "low" not in whole["models"]["one"]
    # Image 2 has no lesion: of the CC views, one counts.
    assert part(report, "view", "CC")["images"] == 1
    assert report["models"]["one"]["runs"][0]["detections"] == 5


def test_chosen_images_by_hand(truth, models):
    chosen = {truth.images[n].file_name for n in (0, 2)}
    options = {"fppi": (0.5, 1), "baseline": "none", "breakdowns": ("view", "mass size")}
    report = compare(models, truth, only=chosen, draws=20, **options).report
    assert "FPPI over 2 chosen images, 1 lesions" in report["rule"]["text"]
    # As if the annotations and the results had these images alone.
    keep = {0: 0, 2: 1}
    lesions, (found,) = truth.lesions, models["one"]
    there, of_chosen = np.isin(lesions.images, [0, 2]), np.isin(found.images, [0, 2])
    alone = replace(
        truth,
        image_ids=tuple(truth.image_ids[n] for n in keep),
        images=tuple(truth.images[n] for n in keep),
        lesion_ids=tuple(np.array(truth.lesion_ids)[there]),
        lesions=Lesions(
            lesions.boxes[there], np.array([keep[n] for n in lesions.images[there]]), 2
        ),
    )
    images = np.array([keep[n] for n in found.images[of_chosen]])
    few = Detections(found.boxes[of_chosen], found.scores[of_chosen], images)
    expected = compare({"one": [few], "none": [NOTHING]}, alone, draws=0, **options).report
    plain = compare(models, truth, only=chosen, draws=0, **options).report
    for what in ("parts", "models", "notes"):
        assert plain[what] == expected[what]
    both = FrocRule(lesion_images_only=True)
    report = compare(models, truth, only=chosen, rule=both, draws=0, **options).report
    assert "FPPI over 1 chosen images with a lesion, 1 lesions" in report["rule"]["text"]


def test_sizes_are_those_of_the_chosen_images(truth, models):
    lesions = truth.lesions
    corner = lesions.boxes[:, :2]
    boxes = np.hstack([corner, corner + 10 * np.arange(1, len(corner) + 1)[:, None]])
    sized = replace(truth, lesions=Lesions(boxes, lesions.images, len(truth.images)))
    # Boxes of 10, 20, 30 and 40 px; on image 1 lie those of 20 and 30.
    only = [truth.images[1].file_name]
    report = compare(models, sized, only=only, draws=0, breakdowns=("mass size",)).report
    sizes = [p for p in report["parts"] if p["breakdown"] == "mass size"]
    assert [(p["name"], p["lesions"]) for p in sizes] == [("< 23.3 px", 1), (">= 26.7 px", 1)]


def test_chosen_images_that_are_not_there(truth, models, caplog):
    name = truth.images[0].file_name
    report = compare(models, truth, only=[name, "y.png", "x.png"], draws=0).report
    assert report["rule"]["images"] == 1
    assert "lack 2 of the 3 images that are chosen; the first is x.png" in caplog.text
    for names in (["y.png", "x.png"], []):
        with pytest.raises(ValueError, match=f"none of the {len(names)} images"):
            compare(models, truth, only=names)


def test_text(truth, models):
    report = compare(models, truth, fppi=(0.2, 4), baseline="none", draws=20).report
    text = comparison_markdown(report)
    assert "IoU >= 0.2; duplicates ignored; all classes; FPPI over 4 images, 4 lesions" in text
    assert "20 draws, seed 0" in text
    whole = report["parts"][0]["models"]["one"]
    low, high = (100 * whole[end][0] for end in ("low", "high"))
    assert f"| all | one | 4 | 4 | 25.0 ({low:.1f} to {high:.1f}) | 50.0 (" in text
    assert "Difference to none" in text and "| all | all | one | +25.0 (" in text
    assert "| 2 | one | 1 | 0 | – | – |" in text
    row = part(report, "available views", "neither")["models"]["one"]
    # One lesion, not found; 0.5 FPPI.
    cells = recall_cells(row, report["fppi"])
    assert [cell.endswith(" *") for cell in cells] == [False, True, False]
    assert f"| neither | one | 2 | 1 | {' | '.join(cells)} |" in text
    assert "\\* one ends at 1 FPPI" in text and "none has no detection" in text
    without = comparison_markdown(compare(models, truth, draws=0).report)
    assert "in a part" not in comparison_markdown(compare(models, truth, breakdowns=()).report)
    small = comparison_markdown(compare(models, truth, fppi=(1,), draws=0).report)
    assert "| neither | one | 2 | 1 | 0.0 * |" in small and "one ends at" not in small
    assert "\\* in a part: the curve on its images ends before, its last recall stands." in small
    # 0.9 beats the four others, 0.8 ties with one of them: 7.5 of 8 pairs.
    assert "| one | 2 | 4 | 0.938 |" in without and "| none | 0 | 0 | – |" in without
    assert "| one | 2 | 4 | 0.938 (" in text and "| none | 0 | 0 | – | – |" in text
    assert "interval" not in without and "Difference" not in without


def test_without_a_lesion_no_recall_is_claimed(coco_gt, models, write):
    truth = read_ground_truth(write("none.json", coco_gt | {"annotations": []}))
    text = comparison_markdown(compare(models, truth, draws=0).report)
    assert "| all | one | 4 | 0 | – | – |" in text
    assert "its recall" not in text and "last recall" not in text
    assert "- There is no lesion: recall is undefined." in text


def test_what_the_annotations_do_not_say_is_told(coco_gt, coco_dt, write):
    truth = read_ground_truth(write("gt.json", coco_gt))
    models = {"one": [read_detections(write("dt.json", coco_dt), truth)]}
    report = compare(models, truth, draws=0).report
    assert {p["breakdown"] for p in report["parts"]} == {"all", "mass size"}
    text = comparison_markdown(report)
    for name in ("view", "density", "available views"):
        assert f"- {name}: the annotations do not say." in text
    assert "recall per breast: image 10: without patient_id and laterality" in text
    assert "mass size: in pixels" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": {}}, "no model"),
        ({"models": {"none": []}}, "the model 'none' has no run"),
        ({"baseline": "two"}, "baseline 'two' is none of the models one, none"),
        ({"breakdowns": ("age",)}, "unknown breakdown 'age'"),
        ({"draws": -1}, "draws must not be negative"),
        ({"fppi": (-1,)}, "FPPI values"),
        ({"rule": FrocRule(iou=0)}, "iou must be above 0"),
        ({"size_edges": (5, 5)}, "must rise"),
    ],
)
def test_refused(truth, models, options, message):
    with pytest.raises(ValueError, match=message):
        compare(**({"models": models, "truth": truth, "draws": 0} | options))


def test_intervals_need_patients(coco_gt, write):
    coco_gt["images"][2].pop("patient_id")
    truth = read_ground_truth(write("gt.json", coco_gt))
    with pytest.raises(ValueError, match="patient_id of each image, 12 has none"):
        compare({"none": [NOTHING]}, truth)
    assert compare({"none": [NOTHING]}, truth, draws=0).report["parts"]
