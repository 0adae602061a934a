"""Ablations: rows, runs that are left out, resumed or redone, and the table."""

import json
import re
from pathlib import Path

import pytest

from agn_d2.engine.output_folder import LOCK
from agn_d2.engine.setup import load_cfg
from agn_d2.experiments.ablation import Row, plan_runs, read_row, source_version

from ..programs import load_program
from .lock_holder import hold_lock

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "run_ablation.py"
ROWS = sorted((ROOT / "configs/ablation").glob("*.yaml"))

# Stands in for train_net.py: recall 0.5 + 0.1 * SEED, a checkpoint first, and it dies between the
# two while a file named "die" lies in the output folder's grandparent.
FAKE_TRAINER = """
import json, pathlib, sys
arguments = sys.argv[1:]
options = dict(zip(arguments[-4::2], arguments[-3::2]))
folder = pathlib.Path(options["OUTPUT_DIR"])
with open(folder.parents[1] / "calls.txt", "a") as calls:
    calls.write(f"{folder.parent.name} {options['SEED']} {'--resume' in arguments}\\n")
folder.mkdir(parents=True, exist_ok=True)
(folder / "last_checkpoint").write_text("model_0000001.pth")
if (folder.parents[1] / f"die_{folder.parent.name}").exists():
    sys.exit("a full disk")
report = {
    "dataset": "toy_test", "fppi": [0.5, 1.0], "recall": [0.5 + 0.1 * int(options["SEED"]), 0.9],
    "images": 7, "lesions": 5, "iou": 0.2, "hit": "iou", "duplicates": "ignore",
    "lesion_images_only": False, "curve": {"fppi": [0, 1]},
}
(folder / "inference/toy_test").mkdir(parents=True, exist_ok=True)
(folder / "inference/toy_test/froc_toy_test.json").write_text(json.dumps(report))
"""


@pytest.fixture(scope="module")
def tool():
    return load_program(TOOL)


@pytest.fixture
def ablation(tool, tmp_path):
    """Runs the tool on two rows with the fake trainer; returns its exit status."""
    trainer = tmp_path / "trainer.py"
    trainer.write_text(FAKE_TRAINER)
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text("MODEL:\n  AGN:\n    ENABLED: True\n")
    (tmp_path / "out").mkdir()

    def run(*arguments, seeds=("1", "3")):
        rows = [str(tmp_path / f"{name}.yaml") for name in ("first", "second")]
        common = ["--trainer", str(trainer), "--output", str(tmp_path / "out")]
        return tool.main(["--rows", *rows, "--seeds", *seeds, *common, *arguments])

    run.calls = tmp_path / "out/calls.txt"
    run.output = tmp_path / "out"
    return run


def test_the_table_by_hand(ablation, capsys):
    assert ablation("SOLVER.MAX_ITER", "5") == 0
    # Recalls 0.6 and 0.8: mean 0.7, sample deviation 0.1 * sqrt(2).
    table = json.loads((ablation.output / "table.json").read_text())
    first, second = table["summary"]["toy_test"]
    assert (first["row"], second["row"]) == ("first", "second")
    assert first["mean"] == pytest.approx([0.7, 0.9])
    assert first["spread"] == pytest.approx([0.1 * 2**0.5, 0])
    assert first["seeds"] == [1, 3] and first["images"] == 7 and first["lesions"] == 5
    assert len(table["runs"]) == 4 and "curve" not in table["runs"][0]["datasets"]["toy_test"]
    assert all(r["options"] == ["SOLVER.MAX_ITER", "5"] for r in table["runs"])
    commit = source_version(ROOT)
    markdown = (ablation.output / "table.md").read_text()
    assert f"| first | 70.0 ± 14.1 | 90.0 ± 0.0 | – | 5 | 7 | 1, 3 | {commit} |" in markdown
    assert "IoU >= 0.2" in markdown and markdown in capsys.readouterr().out


def test_rows_with_a_relation_show_both(ablation, tmp_path):
    rescored = """
report["recall"] = [0.95, 0.97]
(folder / "inference/toy_test/relation").mkdir(exist_ok=True)
(folder / "inference/toy_test/relation/froc_toy_test.json").write_text(json.dumps(report))
"""
    (tmp_path / "trainer.py").write_text(
        FAKE_TRAINER + 'if folder.parent.name == "second": sys.exit()\n' + rescored
    )
    assert ablation(seeds=["1"]) == 0
    summary = json.loads((ablation.output / "table.json").read_text())["summary"]
    means = {name: rows[0]["mean"] for name, rows in summary.items()}
    assert means == {"toy_test": [0.6, 0.9], "toy_test + relation": [0.95, 0.97]}
    # The row without a relation is not in its table.
    assert [row["row"] for row in summary["toy_test + relation"]] == ["first"]
    markdown = (ablation.output / "table.md").read_text()
    assert "toy_test + relation" in markdown and "not run" not in markdown


def test_goes_on_after_an_interruption(ablation, caplog):
    (ablation.output / "die_second").touch()
    assert ablation(seeds=["1"]) == 1
    assert "second, seed 1: exit status 1" in caplog.text
    assert "a full disk" in (ablation.output / "second/seed_1/run.log").read_text()
    assert "| second | – | – | – | 5 | 7 | not run |" in (ablation.output / "table.md").read_text()
    (ablation.output / "die_second").unlink()
    assert ablation(seeds=["1"]) == 0
    # The finished row was left out, the other one resumed.
    assert ablation.calls.read_text().splitlines() == [
        "first 1 False",
        "second 1 False",
        "second 1 True",
    ]
    assert "| second | 60.0 | 90.0 | – | 5 | 7 | 1 |" in (ablation.output / "table.md").read_text()


def test_results_of_other_options_are_not_taken_for_these(ablation, capsys):
    assert ablation("SOLVER.MAX_ITER", "5", seeds=["1"]) == 0
    assert ablation("SOLVER.MAX_ITER", "6", seeds=["1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match("run_ablation: .*belongs to another run.*--output", error)


def test_a_run_begun_with_other_options_is_not_taken_up(ablation, capsys):
    (ablation.output / "die_second").touch()
    assert ablation("SOLVER.BASE_LR", "0.1", seeds=["1"]) == 1
    (ablation.output / "first/seed_1/result.json").unlink()
    (ablation.output / "die_second").unlink()
    calls = ablation.calls.read_text()
    assert ablation("SOLVER.BASE_LR", "0.2", seeds=["1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match("run_ablation: .*first/seed_1/run.json belongs to another run.*0.1.*0.2", error)
    assert ablation.calls.read_text() == calls
    # Where nothing was begun, the options may change.
    for row in ("first", "second"):
        (ablation.output / row / "seed_1/last_checkpoint").unlink()
    assert ablation("SOLVER.BASE_LR", "0.2", seeds=["1"]) == 0
    assert ablation.calls.read_text() == calls + "first 1 False\nsecond 1 False\n"


def test_all_runs_are_looked_at_before_one_is_trained(ablation):
    assert ablation("SOLVER.MAX_ITER", "5", seeds=["1"]) == 0
    (ablation.output / "first/seed_1/result.json").unlink()
    (ablation.output / "first/seed_1/last_checkpoint").unlink()
    calls = ablation.calls.read_text()
    assert ablation("SOLVER.MAX_ITER", "6", seeds=["1"]) == 2
    assert ablation.calls.read_text() == calls


def test_results_on_data_that_were_prepared_anew_are_refused(
    ablation, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "data"))
    file = tmp_path / "data/my toy+/annotations/train.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"images": [], "annotations": []}')
    data = ("DATASETS.TRAIN", "('my toy+_train',)", "DATASETS.TEST", "('my toy+_test',)")
    assert ablation(*data, seeds=["1"]) == 0
    calls = ablation.calls.read_text()
    # The same elsewhere.
    (tmp_path / "data").rename(tmp_path / "moved")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "moved"))
    assert ablation(*data, seeds=["1"]) == 0
    file = tmp_path / "moved/my toy+/annotations/train.json"
    file.write_text('{"images": [], "annotations": [], "info": {}}')
    assert ablation(*data, seeds=["1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match("run_ablation: .*first/seed_1/result.json belongs to another.*data_", error)
    assert ablation.calls.read_text() == calls


def test_runs_with_a_graph_are_refused_on_other_landmarks(ablation, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    landmarks = tmp_path / "toy/annotations/landmarks.json"
    landmarks.parent.mkdir(parents=True)
    for split in ("train", "test"):
        landmarks.with_name(f"{split}.json").write_text('{"images": [], "annotations": []}')
    landmarks.write_text("{}")
    data = ("DATASETS.TRAIN", "('toy_train',)", "DATASETS.TEST", "('toy_test',)")
    (tmp_path / "second.yaml").write_text("MODEL:\n  AGN:\n    ENABLED: False\n")
    assert ablation(*data, seeds=["1"]) == 0
    calls = ablation.calls.read_text()
    assert ablation(*data, seeds=["1"]) == 0
    landmarks.write_text("{} ")
    assert ablation(*data, seeds=["1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match("run_ablation: .*first/seed_1/result.json belongs.*landmarks_digest was", error)
    assert ablation.calls.read_text() == calls
    # A former version did not write it.
    file = ablation.output / "first/seed_1/result.json"
    content = json.loads(file.read_text())
    assert len(content.pop("landmarks_digest")) == 6
    file.write_text(json.dumps(content))
    # The detector without a graph, which does not read them, was never another one.
    assert ablation(*data, seeds=["1"]) == 0
    assert ablation.calls.read_text() == calls


@pytest.mark.parametrize("key", ["WEIGHTS", "TIMM.WEIGHTS", "CROSS_VIEW.RELATION"])
def test_other_weights_make_another_run(ablation, tmp_path, capsys, key):
    weights = tmp_path / "detector.pth"
    weights.write_bytes(b"one")
    options = (f"MODEL.{key}", str(weights))
    assert ablation(*options, seeds=["1"]) == ablation(*options, seeds=["1"]) == 0
    weights.write_bytes(b"two")
    assert ablation(*options, seeds=["1"]) == 2
    said = {"WEIGHTS": "weights", "TIMM.WEIGHTS": "timm_weights"}.get(key, "relation")
    assert f"({said}_digest was " in capsys.readouterr().err
    # Weights may be cleared away once all is done, in whatever order.
    weights.unlink()
    assert ablation(*options, seeds=["1"]) == 0


def test_a_result_of_a_former_version_lacks_the_digest_of_timm_weights(ablation, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.pth").write_bytes(name.encode())
    options = ("MODEL.WEIGHTS", str(tmp_path / "one.pth"))
    options += ("MODEL.TIMM.WEIGHTS", str(tmp_path / "two.pth"))
    assert ablation(*options, seeds=["1"]) == 0
    for row in ("first", "second"):
        file = ablation.output / row / "seed_1/result.json"
        content = json.loads(file.read_text())
        assert len(content.pop("timm_weights_digest")) == len(content["weights_digest"]) == 6
        file.write_text(json.dumps(content))
    assert ablation(*options, seeds=["1"]) == 0
    (tmp_path / "two.pth").unlink()
    assert ablation(*options, seeds=["1"]) == 0


def test_a_training_that_its_killed_starter_left_is_told(ablation, caplog):
    lock = ablation.output / "first/seed_1" / LOCK
    other = hold_lock(lock)
    assert ablation(seeds=["1"]) == 1
    assert "first, seed 1: another process trains in" in caplog.text
    assert ablation.calls.read_text().splitlines() == ["second 1 False"]
    other.kill()
    other.communicate()
    assert ablation(seeds=["1"]) == 0


@pytest.mark.parametrize(("changed", "said"), [("val", "validation"), ("prior_22_26", "prior")])
def test_validation_set_and_prior_are_inputs_where_they_are_read(
    ablation, tmp_path, capsys, monkeypatch, changed, said
):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    folder = tmp_path / "toy/annotations"
    folder.mkdir(parents=True)
    for name in ("train", "val", "prior_22_26"):
        (folder / f"{name}.json").write_text('{"images": [], "annotations": []}')
    (tmp_path / "second.yaml").write_text("MODEL: {AGN: {BGN: {ENABLED: False}}}\n")
    prior = ("MODEL.AGN.BGN.PRIOR", "toy/annotations/prior_{layout}.json")
    data = ("DATASETS.TRAIN", "('toy_train',)", "TEST.VALIDATION.DATASET", "toy_val", *prior)
    watched = (*data, "TEST.WATCH.EPOCHS", "1.0")
    assert ablation(*watched, seeds=["1"]) == ablation(*data, seeds=["2"]) == 0
    (folder / f"{changed}.json").write_text('{"images": [], "annotations": [], "info": {}}')
    assert ablation(*watched, seeds=["1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match(f"run_ablation: .*first/seed_1/result.json belongs.*{said}_digest was", error)
    # A row without BGN has no prior, and a run that is not watched no validation set.
    assert ablation(*data, seeds=["2"]) == (0 if changed == "val" else 2)
    (ablation.output / "first/seed_1/result.json").unlink()
    (ablation.output / "first/seed_1/last_checkpoint").unlink()
    assert ablation(*watched, seeds=["1"]) == (2 if changed == "val" else 0)


def test_keys_that_only_the_trainer_knows_are_left_to_it(ablation, tmp_path):
    row = tmp_path / "first.yaml"
    row.write_text("MODEL: {OTHER: {LAYERS: 2}}\nDATASETS: {TRAIN: ('toy_train',)}\n")
    assert ablation("MODEL.OTHER.HEADS", "3", seeds=["1"]) == 0


def test_results_of_a_config_that_was_edited_are_not_taken_for_its_own(ablation, tmp_path, capsys):
    (tmp_path / "base.yaml").write_text("SOLVER: {MAX_ITER: 5}\n")
    row = tmp_path / "first.yaml"
    row.write_text("_BASE_: base.yaml\nMODEL: {AGN: {ENABLED: True}}\n")
    assert ablation(seeds=["1"]) == 0
    # The same in other words, and in a folder of its own.
    row.write_text("# On.\nMODEL:\n  AGN:\n    ENABLED: True\n_BASE_: sub/base.yaml\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.yaml").rename(tmp_path / "sub/base.yaml")
    assert ablation(seeds=["1"]) == 0
    assert len(ablation.calls.read_text().splitlines()) == 2
    (tmp_path / "sub/base.yaml").write_text("SOLVER: {MAX_ITER: 6}\n")
    assert ablation(seeds=["1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match("run_ablation: .*first/seed_1/result.json belongs to another.*config_", error)
    # A former version did not write it.
    file = ablation.output / "first/seed_1/result.json"
    content = json.loads(file.read_text())
    del content["config_digest"]
    file.write_text(json.dumps(content))
    assert ablation(seeds=["1"]) == 0


@pytest.mark.parametrize("content", ["MODEL: [1, 2", "MODEL: !!python/name:os.system"])
def test_a_row_that_is_no_yaml_is_named(ablation, tmp_path, capsys, content):
    (tmp_path / "second.yaml").write_text(content)
    for base in ([], ["--base", str(tmp_path / "first.yaml")]):
        assert ablation(*base) == 2
        (error,) = capsys.readouterr().err.splitlines()
        assert error.startswith("run_ablation: ") and "second.yaml" in error
    assert not ablation.calls.exists()


def test_a_file_in_the_place_of_a_result_is_named(ablation, capsys):
    (ablation.output / "first/seed_1").mkdir(parents=True)
    (ablation.output / "first/seed_1/result.json").write_text("[]")
    assert ablation() == 2
    assert "first/seed_1/result.json: is no description of a run" in capsys.readouterr().err


def leaves(node, prefix=""):
    for key, value in node.items():
        name = f"{prefix}{key}"
        yield from leaves(value, f"{name}.") if hasattr(value, "items") else [(name, value)]


EXPECTED = {
    "agn_concat": {
        "MODEL.AGN.FUSION": "concat",
        "MODEL.AGN.IGN.OWN_WEIGHT": True,
        "MODEL.AGN.IGN.NORMALIZE": True,
    },
    "agn_paper": {"MODEL.AGN.FUSION": "paper"},
    "agn_residual": {},
    "baseline": {"MODEL.AGN.ENABLED": False},
    "bgn_only": {"MODEL.AGN.IGN.ENABLED": False},
    "ign_only": {"MODEL.AGN.BGN.ENABLED": False},
    "k_1": {"MODEL.AGN.NUM_NEIGHBORS": 1},
    "k_5": {"MODEL.AGN.NUM_NEIGHBORS": 5},
    "pl_100_105": {"MODEL.AGN.LAYOUT": (100, 105)},
    "pl_13_17": {"MODEL.AGN.LAYOUT": (13, 17)},
    "shuffled_partners": {"DATALOADER.SHUFFLE_PARTNERS": True},
}


@pytest.mark.parametrize("base", ["agrcnn_R50_FPN", "agrcnn_EffLite0_FPN_cpu"])
def test_each_row_changes_what_its_name_says_and_nothing_else(base):
    assert [path.stem for path in ROWS] == list(EXPECTED)
    file = ROOT / f"configs/{base}.yaml"
    before = dict(leaves(load_cfg(str(file))))
    for path in ROWS:
        row = read_row(path, file)
        after = dict(leaves(load_cfg(row.config_file, row.options)))
        assert {k: v for k, v in after.items() if v != before[k]} == EXPECTED[path.stem]
        if base == "agrcnn_R50_FPN":
            alone = dict(leaves(load_cfg(str(path))))
            assert alone.pop("OUTPUT_DIR").endswith(f"ablation/{path.stem}")
            assert alone.items() <= after.items()


def test_plan_goes_seed_by_seed(tmp_path):
    rows = [Row("a", "a.yaml"), Row("b", "b.yaml", ("K", "1"))]
    runs = plan_runs(rows, [2, 5], tmp_path, ["X", "y"])
    assert [(run.row.name, run.seed) for run in runs] == [("a", 2), ("b", 2), ("a", 5), ("b", 5)]
    expected = ["--config-file", "b.yaml", "K", "1", "X", "y", "SEED", "5"]
    assert runs[3].arguments() == [*expected, "OUTPUT_DIR", str(tmp_path / "b/seed_5")]
    with pytest.raises(ValueError, match=r"rows must be some, each once, got \['a', 'a'\]"):
        plan_runs(rows[:1] * 2, [1], tmp_path)
    with pytest.raises(ValueError, match=r"seeds must be some, each once, got \[\]"):
        plan_runs(rows, [], tmp_path)


def test_missing_rows_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No config file .*none\.yaml"):
        read_row(tmp_path / "none.yaml")


def test_version_outside_of_git_is_unknown(tmp_path):
    assert source_version(tmp_path) is None
