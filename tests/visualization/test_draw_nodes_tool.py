from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.config import add_agn_config
from agn_d2.graph.prior import CorrespondencePrior, write_prior
from agn_d2.landmarks import write_landmarks
from tests.conftest import toy_landmarks

from ..programs import load_program

TOOL = Path(__file__).parents[2] / "tools" / "draw_nodes.py"


@pytest.fixture(scope="module")
def tool():
    return load_program(TOOL)


@pytest.fixture
def images(tmp_path):
    """Half an ellipse each, chest wall at the left."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    y, x = np.mgrid[0:200, 0:130]
    breast = (x / 110) ** 2 + ((y - 100) / 80) ** 2 < 1
    paths = [folder / "a_CC.png", folder / "sub" / "b_MLO.png"]
    for path in paths:
        cv2.imwrite(str(path), np.where(breast, 150, 0).astype(np.uint8))
    return paths


def run(tool, *options):
    return tool.main([str(option) for option in options])


def test_nodes_and_stages_of_images(tool, images, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(tool, "--images", *images, "--output", out, "--stages", "--layout", "13,17") == 0
    names = ["a_CC_nodes.png", "b_MLO_nodes.png", "b_MLO_stages.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    assert all(cv2.imread(str(out / name)).std() > 10 for name in names)


def test_a_prior_as_svg(tool, tmp_path):
    rng = np.random.default_rng(0)
    prior = CorrespondencePrior(
        np.ones((13, 17)), rng.random((13, 2)), rng.random((17, 2)), "some data"
    )
    write_prior(tmp_path / "prior_13_17.json", prior)
    options = ["--prior", tmp_path / "prior_13_17.json", "--output", tmp_path, "--format", "svg"]
    assert run(tool, *options) == 0
    assert "some data" in (tmp_path / "prior_13_17.svg").read_text()


def test_the_bandwidth_is_that_of_the_config(tool):
    from detectron2.config import get_cfg

    cfg = get_cfg()
    add_agn_config(cfg)
    default = tool.parse_args(["--prior", "x", "--output", "y"]).bandwidth
    assert default == cfg.MODEL.AGN.BGN.PRIOR_BANDWIDTH


def test_records_of_a_file_take_the_place_of_detection(tool, images, tmp_path):
    records = {
        "b_MLO.png": toy_landmarks("CC", 200, 130),
        "sub/b_MLO.png": toy_landmarks("MLO", 200, 130),
    }
    write_landmarks(tmp_path / "l.json", records)
    known = tool.read_landmarks(tmp_path / "l.json")
    # The longest end of the path that the file names.
    assert tool.landmarks_of(images[1], None, "robust", known).view == "MLO"
    options = ["--landmarks", tmp_path / "l.json", "--output", tmp_path / "out"]
    assert run(tool, "--images", images[1], *options) == 0
    assert run(tool, "--images", images[0], *options) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layout", "22"], "node layout"),
        (["--k", "40"], "k = 40"),
        (["--cells", "0"], "cell"),
        (["--landmarks", "none.json"], "none.json"),
    ],
)
def test_clear_errors(tool, images, tmp_path, capsys, options, message):
    assert run(tool, "--images", images[0], "--output", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_view_is_named(tool, images, tmp_path, capsys):
    strange = images[0].rename(images[0].with_name("strange.png"))
    assert run(tool, "--images", strange, "--output", tmp_path / "out") == 2
    assert "strange.png: the name tells no view" in capsys.readouterr().err
    assert run(tool, "--images", strange, "--output", tmp_path / "out", "--view", "CC") == 0


def test_images_of_one_name_do_not_overwrite_each_other(tool, images, tmp_path, capsys):
    """As in an archive with a folder per patient."""
    given = []
    for patient in "ab":
        given.append(tmp_path / patient / "CC.png")
        given[-1].parent.mkdir()
        pixels = cv2.imread(str(images[0]), cv2.IMREAD_GRAYSCALE)
        assert cv2.imwrite(str(given[-1]), pixels if patient == "a" else pixels[:, :100])
    assert run(tool, "--images", *given, "--output", tmp_path / "out") == 0
    written = [tmp_path / "out" / name for name in ("a/CC_nodes.png", "b/CC_nodes.png")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    assert written[0].read_bytes() != written[1].read_bytes()


def test_nothing_to_draw(tool, tmp_path):
    with pytest.raises(SystemExit):
        run(tool, "--output", tmp_path)
