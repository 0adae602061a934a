"""Cross-validation: its plan, runs left out, resumed, redone or shared, and the pooled table."""

import functools
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from detectron2.engine import default_argument_parser

from agn_d2.cross_view.training import fit_relation
from agn_d2.data.builtin import register_builtin_datasets
from agn_d2.engine import output_folder
from agn_d2.engine.setup import load_cfg, setup_cfg
from agn_d2.experiments.ablation import RESULT_FILE, Row, Run, read_row
from agn_d2.experiments.cross_validation import LOCK, execute_runs
from agn_d2.experiments.fold_plan import Folds, check_plan, plan_folds
from agn_d2.prepare.folds import write_folds

from .lock_holder import hold_lock

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
BASE = CONFIGS / "agrcnn_EffLite0_FPN_long.yaml"
DETECTOR = CONFIGS / "faster_rcnn_EffLite0_FPN_long.yaml"

# Stands in for train_net.py: a checkpoint first, and it dies then while a file "die_<row>_<fold>"
# lies in the output folder. Its detections: the mass of every image (score 0.9; 0.5 of the detector
# on fold 2) and a mark beside it (0.8; 0.95 with shuffled partners).
FAKE_TRAINER = """
import json, os, pathlib, sys
arguments = sys.argv[1:]
start = max(i for i, a in enumerate(arguments) if a.startswith("--")) + 1
start += arguments[start - 1] == "--config-file"
options = dict(zip(arguments[start::2], arguments[start + 1::2]))
folder = pathlib.Path(options["OUTPUT_DIR"])
row, seed, fold = folder.parts[-3:]
flags = [a for a in arguments if a in ("--resume", "--eval-only")]
with open(folder.parents[2] / "calls.txt", "a") as calls:
    print(row, seed[-1], fold[-1], *flags, file=calls)
(folder / "last_checkpoint").write_text("model_0000001.pth")
if (folder.parents[2] / f"die_{row}_{fold[-1]}").exists():
    sys.exit("a full disk")
(folder / "model_final.pth").touch()
(test,) = eval(options["DATASETS.TEST"])
root = pathlib.Path(os.environ["DETECTRON2_DATASETS"])
truth = json.loads((root / test[:-5] / "annotations/test.json").read_text())
found = []
for lesion in truth["annotations"]:
    image = {"image_id": lesion["image_id"], "category_id": 1}
    unsure = row == "detector" and fold == "fold_2"
    found.append(image | {"bbox": lesion["bbox"], "score": 0.5 if unsure else 0.9})
    shuffled = options.get("DATALOADER.SHUFFLE_PARTNERS") == "True"
    found.append(image | {"bbox": [30, 5, 8, 8], "score": 0.95 if shuffled else 0.8})
out = folder / "inference" / test
out.mkdir(parents=True, exist_ok=True)
(out / "coco_instances_results.json").write_text(json.dumps(found))
(out / f"froc_{test}.json").write_text(json.dumps({"dataset": test, "curve": {}}))
"""


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "cross_validate.py"
    spec = importlib.util.spec_from_file_location("cross_validate_tool", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy_folds(toy_root, tmp_path, monkeypatch):
    """The toy data set in one split, without folds yet; returns the root."""
    root = tmp_path / "datasets"
    (root / "toy/annotations").mkdir(parents=True)
    (root / "toy/images").symlink_to(toy_root / "phantom/images")
    for name in ("train.json", "landmarks.json"):
        source = toy_root / "phantom/annotations" / name
        (root / "toy/annotations" / name).symlink_to(source)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root))
    return root


@pytest.fixture
def validate(tool, toy_folds, tmp_path, monkeypatch):
    """Runs the tool with two folds, a row without and one with a graph, and the fake trainer."""
    # How well a relation is fitted, and what the figure shows, is tested elsewhere.
    hurried = functools.partial(fit_relation, steps=1)
    monkeypatch.setattr("agn_d2.cross_view.results.fit_relation", hurried)
    monkeypatch.setattr("agn_d2.visualization.comparison_files.plot_froc", lambda *a, **k: None)
    trainer = tmp_path / "trainer.py"
    trainer.write_text(FAKE_TRAINER)
    out = tmp_path / "out"
    out.mkdir()

    def run(*arguments, rows=("baseline", "agn_concat"), opts=()):
        files = [str(CONFIGS / f"ablation/{row}.yaml") for row in rows]
        common = ["--dataset", "toy", "--folds", "2", "--detector", str(DETECTOR)]
        common += ["--base", str(BASE), "--rows", *files, "--draws", "5"]
        common += ["--trainer", str(trainer), *map(str, arguments), "--output", str(out)]
        return tool.main([*common, *opts])

    run.output = out
    run.calls = lambda: (out / "calls.txt").read_text().splitlines()
    run.table = lambda: json.loads((out / "table.json").read_text())
    return run


ALL_CALLS = [
    *("detector 1 1", "detector 1 2", "baseline 1 1", "baseline 1 2"),
    *("agn_concat 1 1", "agn_concat 1 2"),
    *("agn_concat_shuffled 1 1 --eval-only", "agn_concat_shuffled 1 2 --eval-only"),
]


def recall(table, model, part="all"):
    (found,) = [p for p in table["parts"] if p["name"] == part]
    return found["models"][model]["recall"]


def test_the_pooled_table_by_hand(validate, toy_folds, capsys):
    assert validate("--fppi", 0.5, 1) == 0
    assert validate.calls() == ALL_CALLS
    table = validate.table()
    truth = json.loads((toy_folds / "toy_fold1of2/annotations/test.json").read_text())
    share = len(truth["annotations"]) / 9
    assert 0 < share < 1
    # All nine images have a mass and a mark. The detector has the marks above the masses of fold 2.
    assert table["rule"]["images"] == table["rule"]["lesions"] == 9
    assert recall(table, "detector") == pytest.approx([share, 1])
    assert recall(table, "baseline") == recall(table, "agn_concat") == [1, 1]
    # With the views of others its marks come first: one for each image.
    assert recall(table, "agn_concat, shuffled") == [0, 1]
    assert table["candidates"]["agn_concat"]["auc"] == 1
    assert table["candidates"]["agn_concat, shuffled"]["auc"] == 0
    for name in ("detector", "baseline", "agn_concat"):
        assert f"{name} + relation" in table["models"]
        assert f"{name} + relation, shuffled" in table["models"]
    assert "agn_concat, shuffled + relation" not in table["models"]
    difference = table["parts"][0]["models"]["baseline"]["difference"]["value"]
    assert difference == pytest.approx([1 - share, 0])
    markdown = (validate.output / "table.md").read_text()
    assert "| agn_concat, shuffled | 1 | 2 of 2 |" in markdown
    assert "## By the available views" in markdown and "Recall per lesion" in markdown
    assert markdown in capsys.readouterr().out


def test_without_landmarks_the_table_has_no_relation(validate, toy_folds, caplog):
    (toy_folds / "toy/annotations/landmarks.json").unlink()
    assert validate(rows=("baseline",)) == 0
    assert set(validate.table()["models"]) == {"detector", "baseline"}
    assert "detector, seed 1, has no relation: 5 images have no landmarks" in caplog.text


def test_what_is_finished_is_left_out_and_what_failed_is_resumed(validate, caplog):
    (validate.output / "die_agn_concat_2").touch()
    assert validate() == 1
    # Neither the control that needs it nor a figure of the row, but all of the others.
    assert validate.calls() == [c for c in ALL_CALLS if c != "agn_concat_shuffled 1 2 --eval-only"]
    assert "agn_concat, seed 1, fold 2: exit status 1" in caplog.text
    table = validate.table()
    assert "baseline + relation" in table["models"]
    assert not [name for name in table["models"] if name.startswith("agn_concat")]
    (state,) = [s for s in table["runs"] if s["model"] == "agn_concat"]
    assert (state["finished"], state["missing"]) == ([1], [2])
    markdown = (validate.output / "table.md").read_text()
    assert "| agn_concat | 1 | 1 of 2, missing: 2 |" in markdown
    (validate.output / "die_agn_concat_2").unlink()
    (validate.output / "calls.txt").unlink()
    assert validate() == 0
    again = ["agn_concat 1 2 --resume", "agn_concat_shuffled 1 2 --eval-only"]
    assert validate.calls() == again
    assert "agn_concat, shuffled" in validate.table()["models"]
    assert validate() == 0 and validate.calls() == again


def test_pooled_results_of_an_earlier_version_are_made_anew(validate):
    assert validate() == 0
    table = validate.table()
    (old,) = validate.output.glob("pooled/baseline/*/rescored.json")
    old.write_text("[]")
    assert validate() == 0
    assert validate.table()["models"] == table["models"] and old.read_text() != "[]"


def test_folds_of_a_data_set_that_was_prepared_anew_are_told(validate, toy_folds, caplog):
    assert validate(rows=()) == 0
    assert "newer than the folds" not in caplog.text
    os.utime(toy_folds / "toy_folds2/annotations/test.json", (1, 1))
    assert validate(rows=()) == 0
    assert "toy/annotations/train.json is newer than the folds" in caplog.text


def test_results_on_folds_that_were_made_anew_are_refused(validate, toy_folds, capsys):
    # Without landmarks no relation looks at the results of each fold by itself.
    (toy_folds / "toy/annotations/landmarks.json").unlink()
    (validate.output / "die_detector_2").touch()
    assert validate(rows=()) == 1
    # The same once more, and they are the same folds.
    write_folds(toy_folds, "toy", 2)
    assert validate(rows=()) == 1
    (validate.output / "die_detector_2").unlink()
    calls = validate.calls()
    file = toy_folds / "toy/annotations/train.json"
    content = json.loads(file.read_text())
    # P3 with most lesions: P1 is then tested in fold 2, as it has been in fold 1 already.
    lesion = next(a for a in content["annotations"] if a["image_id"] == 7)
    content["annotations"] += [lesion | {"id": 100 + n} for n in range(4)]
    file.unlink()
    file.write_text(json.dumps(content))
    write_folds(toy_folds, "toy", 2)
    assert validate(rows=()) == 2
    message = capsys.readouterr().err
    assert "fold_1/result.json belongs to another run (data_digest was" in message
    assert validate.calls() == calls
    # A result of a version that did not write it stays one.
    result = validate.output / "detector/seed_1/fold_1/result.json"
    former = json.loads(result.read_text())
    del former["data_digest"]
    result.write_text(json.dumps(former))
    (validate.output / "detector/seed_1/fold_2/run.json").unlink()
    assert validate(rows=()) == 0


def test_nothing_complete_is_no_comparison(validate):
    for fold in (1, 2):
        (validate.output / f"die_detector_{fold}").touch()
    assert validate() == 1
    assert validate.calls() == ["detector 1 1", "detector 1 2"]
    assert list(validate.table()) == ["runs"]
    assert "missing: 1, 2" in (validate.output / "table.md").read_text()


def test_given_detectors_are_tested_once_for_all_seeds(validate, tmp_path):
    weights = [tmp_path / f"{fold}.pth" for fold in (1, 2)]
    for path in weights:
        torch.save({"model": {"weight": torch.zeros(1)}}, path)
    assert validate("--seeds", 1, 2, "--detector-weights", *weights, rows=["baseline"]) == 0
    assert validate.calls() == [
        *("detector 1 1 --eval-only", "detector 1 2 --eval-only"),
        *("baseline 1 1", "baseline 1 2", "baseline 2 1", "baseline 2 2"),
    ]
    assert len(validate.table()["models"]["baseline"]["runs"]) == 2
    assert len(validate.table()["models"]["detector"]["runs"]) == 1
    shutil.copy(weights[0], tmp_path / "other.pth")
    other = [tmp_path / "other.pth", weights[1]]
    assert validate("--seeds", 1, 2, "--detector-weights", *other, rows=["baseline"]) == 2


def test_given_detectors_have_not_seen_their_test_sets(validate, tmp_path, capsys, caplog):
    def given(*trained):
        """Runs the tool with detectors that were trained on these data sets."""
        paths = [tmp_path / f"{number}.pth" for number in range(len(trained))]
        for path, name in zip(paths, trained, strict=True):
            config = yaml.safe_dump({"DATASETS": {"TRAIN": (name,)}})
            torch.save({"model": {"weight": torch.zeros(1)}, "config": config}, path)
        return validate("--detector-weights", *paths, rows=())

    assert given("toy_fold2of2_train", "toy_fold1of2_train") == 2
    message = "0.pth is given for toy_fold1of2, but was trained on toy_fold2of2_train"
    assert message in capsys.readouterr().err
    assert not (validate.output / "calls.txt").exists()
    assert given("toy_fold1of2_train", "toy_fold2of2_train") == 0
    assert "same images" not in caplog.text
    # Results of other weights, be they at the same place, are not those of these.
    assert given("toy_train", "toy_fold2of2_train") == 2
    assert "weights_digest was" in capsys.readouterr().err
    shutil.rmtree(validate.output / "detector")
    # The whole data set has the images of all folds.
    assert given("toy_train", "toy_fold2of2_train") == 0
    assert "5 images of toy_fold1of2_test are in toy_train too" in caplog.text
    (tmp_path / "0.pth").write_bytes(b"half")
    weights = [tmp_path / f"{number}.pth" for number in (0, 1)]
    assert validate("--detector-weights", *weights, rows=()) == 2
    assert "0.pth is no whole checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detector-weights", "a.pth"], "one detector for each of the 2 folds, got 1"),
        (["--detector-weights", "a.pth", "b.pth"], "No weights of a detector: a.pth"),
        (["--baseline", "agn"], "'agn' is none of the rows detector, baseline, agn_concat"),
        (["--row-opts", "SOLVER.MAXITER", "5"], "Non-existent key: SOLVER.MAXITER"),
        (["--seeds", "1", "1"], "seeds must be some, each once"),
        (["--folds", "9"], "folds must be 2 to 4, the number of patients; got 9"),
        (["--fppi", "0.5", "-1"], "FPPI values must be finite and at least 0"),
        (["--draws", "-1"], "draws must not be negative, got -1"),
    ],
)
def test_bad_arguments_end_before_any_run(validate, capsys, arguments, message):
    assert validate(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cross_validate: ") and message in line
    assert not (validate.output / "calls.txt").exists()


def test_a_prior_of_another_layout_is_missed_before_any_run(validate, capsys):
    assert validate("--row-opts", "MODEL.AGN.LAYOUT", "(9, 9)") == 2
    assert "toy_fold1of2/annotations/prior_9_9.json" in capsys.readouterr().err
    assert not (validate.output / "calls.txt").exists()


def toy_plan(output, rows=("baseline", "agn_residual"), **options):
    return plan_folds(
        read_row(DETECTOR),
        [read_row(CONFIGS / f"ablation/{row}.yaml", BASE) for row in rows],
        Folds("toy", 2),
        *([1], output),
        **options,
    )


def test_the_trainer_gets_the_folds_data_prior_and_detector(toy_folds, tmp_path):
    write_folds(toy_folds, "toy", 2)
    register_builtin_datasets()
    runs = toy_plan(tmp_path)
    assert [(r.row.name, r.fold, r.shuffled) for r in runs[4:]] == [
        *(("agn_residual", 1, False), ("agn_residual", 2, False)),
        *(("agn_residual", 1, True), ("agn_residual", 2, True)),
    ]

    def config(run):
        args = default_argument_parser().parse_args(run.arguments())
        args.opts += ["MODEL.DEVICE", "cpu"]
        assert args.eval_only == run.shuffled
        # A checkpoint is not there yet.
        args.eval_only = False
        return setup_cfg(args)

    for run in runs:
        cfg = config(run)
        assert (f"toy_fold{run.fold}of2_train",) == cfg.DATASETS.TRAIN
        assert (f"toy_fold{run.fold}of2_test",) == cfg.DATASETS.TEST
        assert run.shuffled == cfg.DATALOADER.SHUFFLE_PARTNERS
        assert cfg.TEST.VALIDATION.EPOCHS == 0
    detector, baseline, trained, control = (config(runs[n]) for n in (1, 3, 5, 7))
    assert detector.MODEL.WEIGHTS == "" and not detector.MODEL.AGN.ENABLED
    weights = str(tmp_path / "detector/seed_1/fold_2/model_final.pth")
    assert baseline.MODEL.WEIGHTS == trained.MODEL.WEIGHTS == weights
    assert not baseline.MODEL.AGN.ENABLED and trained.MODEL.AGN.ENABLED
    prior = "toy_fold2of2/annotations/prior_{layout}.json"
    assert trained.MODEL.AGN.BGN.PRIOR == control.MODEL.AGN.BGN.PRIOR == prior
    assert "MODEL.AGN.BGN.PRIOR" not in runs[3].options
    assert str(tmp_path / "agn_residual/seed_1/fold_2/model_final.pth") == control.MODEL.WEIGHTS
    assert str(tmp_path / "agn_residual_shuffled/seed_1/fold_2") == control.OUTPUT_DIR


def test_a_row_without_a_prior_keeps_none(tmp_path):
    row = read_row(CONFIGS / "ablation/agn_residual.yaml", BASE)
    row = Row(row.name, row.config_file, (*row.options, "MODEL.AGN.BGN.PRIOR", ""))
    runs = plan_folds(read_row(DETECTOR), [row], Folds("toy", 2), [1], tmp_path)
    assert not any("toy_fold" in option for option in runs[2].row.options + runs[2].places)
    assert "MODEL.AGN.BGN.PRIOR" not in runs[2].options


def test_a_detector_with_a_graph_has_the_prior_of_its_fold_too(tmp_path):
    runs = plan_folds(read_row(BASE), [], Folds("toy", 2), [1], tmp_path)
    assert runs[1].options[-1] == "toy_fold2of2/annotations/prior_{layout}.json"


def test_a_data_set_with_an_apostrophe_in_its_name(tmp_path):
    detector = read_row(DETECTOR)
    run, _ = plan_folds(detector, [], Folds("st john's", 2), [1], tmp_path)
    datasets = load_cfg(run.row.config_file, run.options).DATASETS
    assert datasets.TRAIN == ("st john's_fold1of2_train",)
    assert datasets.TEST == ("st john's_fold1of2_test",)


def test_a_config_of_the_zoo_is_a_row():
    name = "faster_rcnn_EffLite0_FPN_cbis_ddsm"
    row = read_row(f"zoo://{name}/config.yaml")
    assert (row.name, row.config_file) == (name, f"zoo://{name}/config.yaml")
    assert len(Run(row, 1, Path("out")).describe()["config_digest"]) == 12
    row = read_row(ROOT / "configs/ablation/baseline.yaml", f"zoo://{name}/config.yaml")
    assert row.name == "baseline" and row.options
    with pytest.raises(ValueError, match="no model 'none' in the model zoo"):
        read_row("zoo://none/config.yaml")


def test_a_control_needs_no_control_of_its_own(tmp_path):
    runs = toy_plan(tmp_path, ["shuffled_partners"])
    assert not any(run.shuffled for run in runs)


def test_rows_of_one_folder_are_refused(tmp_path):
    rows = [Row(name, str(BASE)) for name in ("a", "a_shuffled")]
    with pytest.raises(ValueError, match="two rows would write into the folder 'a_shuffled'"):
        plan_folds(read_row(DETECTOR), rows, Folds("toy", 2), [1], tmp_path)
    with pytest.raises(ValueError, match="into the folder 'detector'"):
        plan_folds(read_row(DETECTOR), [Row("detector", "")], Folds("toy", 2), [1], tmp_path)


def test_a_moved_folder_is_taken_up_and_other_options_are_not(tmp_path):
    before = toy_plan(tmp_path / "before", ["baseline"])
    for run in before:
        run.folder.mkdir(parents=True)
        (run.folder / RESULT_FILE).write_text(json.dumps(run.describe()))
    (tmp_path / "before").rename(tmp_path / "after")
    runs = toy_plan(tmp_path / "after", ["baseline"])
    check_plan(runs)
    assert all(run.finished for run in runs)
    (runs[0].folder / RESULT_FILE).write_text(json.dumps(runs[1].describe()))
    with pytest.raises(ValueError, match="belongs to another run"):
        check_plan(runs)


# A process that was killed may leave its trainer at work, which has a lock of its own.
@pytest.mark.parametrize("name", [LOCK, output_folder.LOCK])
def test_what_another_process_has_taken_is_left_and_waited_for(toy_folds, tmp_path, caplog, name):
    write_folds(toy_folds, "toy", 2)
    trainer = tmp_path / "trainer.py"
    trainer.write_text(FAKE_TRAINER)
    runs = toy_plan(tmp_path, ["baseline"])
    lock = runs[0].folder / name
    other = hold_lock(lock)
    caplog.set_level("INFO")
    ended = execute_runs(runs, [sys.executable, str(trainer)], patience=0.05)
    # Its detector is being trained elsewhere: fold 1 has to wait.
    assert [str(next(ended)) for _ in range(2)] == [
        *("detector, seed 1, fold 2", "baseline, seed 1, fold 2"),
    ]
    assert not (lock.parent / RESULT_FILE).exists()
    # Killed, it leaves no lock, and the run is done here.
    other.kill()
    other.communicate()
    assert [str(run) for run in ended] == ["detector, seed 1, fold 1", "baseline, seed 1, fold 1"]
    assert all(run.finished for run in runs)
