"""The grid of augmented views: what is drawn where, and the tool that draws it."""

from pathlib import Path

import numpy as np
import pytest

from agn_d2.visualization.augmentation_grid import InputPicture, augmentation_grid
from agn_d2.visualization.figure_files import write_figure

from ..programs import load_program

ROOT = Path(__file__).resolve().parents[2]


def picture(with_mask=False):
    mask = np.zeros((1, 20, 10), bool)
    mask[0, 5:9, 2:6] = True
    return InputPicture(
        np.zeros((20, 10), np.float32),
        np.array([[2.0, 5.0, 6.0, 9.0]]),
        mask if with_mask else None,
        np.array([[3.0, 4.0], [5.0, 6.0]]),
    )


def test_boxes_masks_and_nodes_lie_where_they_are():
    figure = augmentation_grid("case", ["a", "b"], {"L-CC": [picture(), picture(with_mask=True)]})
    plain, masked = figure.axes
    (box,) = plain.patches
    assert box.get_bbox().extents.tolist() == [2, 5, 6, 9]
    assert plain.lines[0].get_xydata().tolist() == [[3, 4], [5, 6]]
    assert len(plain.collections) == 0
    outline = np.concatenate([p.vertices for p in masked.collections[0].get_paths()])
    # Half a pixel's step between mask and background: the outline runs along its edge.
    assert np.allclose([outline.min(axis=0), outline.max(axis=0)], [[2, 5], [6, 9]], atol=0.01)
    assert plain.get_title() == "a"
    assert plain.get_ylabel() == "L-CC"


def test_a_row_that_is_too_short_is_named():
    with pytest.raises(ValueError, match="L-CC: 1 pictures for 2 columns"):
        augmentation_grid("case", ["a", "b"], {"L-CC": [picture()]})
    with pytest.raises(ValueError, match="no view"):
        augmentation_grid("case", ["a"], {})


def test_a_case_with_dollars_is_no_formula(tmp_path):
    figure = augmentation_grid("P$_$1", ["a"], {"L-CC": [picture()]})
    write_figure(figure, tmp_path / "a.png", dpi=20)


def load_tool():
    return load_program("tools/show_augmentations.py")


def test_the_tool_draws_a_case_and_names_one_that_is_not_there(toy_datasets, tmp_path, capsys):
    tool = load_tool()
    common = ["--config-file", str(ROOT / "configs/agrcnn_phantom_demo.yaml")]
    common += ["--output", str(tmp_path / "grid.png"), "--draws", "1"]
    keys = ["INPUT.SIZE", "(48, 32)", "INPUT.ROTATE", "10.0", "MODEL.DEVICE", "cpu"]
    assert tool.main([*common, "--each", "--case", "P2", *keys]) == 0
    assert (tmp_path / "grid.png").stat().st_size > 5000
    assert tool.main([*common, "--case", "P9", *keys]) == 2
    assert "no case P9; the first ones: ['P1', 'P2'" in capsys.readouterr().err


def test_columns_are_the_augmentations_alone_and_together():
    tool = load_tool()
    from agn_d2.engine.setup import load_cfg

    cfg = load_cfg(None, ["INPUT.ROTATE", "10.0", "INPUT.GAMMA", "(1.0,1.0)"])
    found = {name: [type(a).__name__ for a in value] for name, value in columns(tool, cfg)}
    every = ["RandomAffine", "ResizeTo", "RandomFlip", "RandomFlip"]
    assert found == {
        "as in testing": ["ResizeTo"],
        "Affine alone": ["RandomAffine", "ResizeTo"],
        "draw 1": every,
        "draw 2": every,
    }


def columns(tool, cfg):
    return tool.columns(cfg, draws=2, each=True).items()
