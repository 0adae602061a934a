"""Distinct views of a batch, their links and their nodes."""

import pytest
import torch
from torch.distributed.utils import _to_kwargs

from agn_d2.structures import View, distinct_views, pad_nodes


def view(projection, nodes=None):
    points = None if nodes is None else torch.rand(nodes, 2)
    return View(torch.zeros(1, 4, 4), projection, points)


def inputs(examined, auxiliary=None, contralateral=None):
    return {
        "file_name": "a.png",
        "image": examined.image,
        "examined_view": examined,
        "auxiliary_view": auxiliary,
        "contralateral_view": contralateral,
    }


def test_shared_views_stand_once_and_examined_ones_first():
    l_cc, l_mlo, r_cc = view("CC"), view("MLO"), view("CC")
    views, links = distinct_views([inputs(l_cc, l_mlo, r_cc), inputs(l_mlo, l_cc)])
    assert [v is w for v, w in zip(views, (l_cc, l_mlo, r_cc), strict=True)] == [True] * 3
    assert links == [[0, 1], [1, 0], [2, -1]]


def test_bad_inputs_name_the_file():
    cc, mlo = view("CC"), view("MLO")
    with pytest.raises(ValueError, match="a.png: .* no 'examined_view'.*agn_d2.Predictor"):
        distinct_views([{"file_name": "a.png", "image": cc.image}])
    with pytest.raises(ValueError, match="a.png: the auxiliary view must show the other"):
        distinct_views([inputs(cc, view("CC"))])
    with pytest.raises(ValueError, match="a.png: the contralateral view must show the same"):
        distinct_views([inputs(cc, None, mlo)])
    with pytest.raises(ValueError, match="a.png: the contralateral view is the examined view"):
        distinct_views([inputs(cc, None, cc)])
    with pytest.raises(ValueError, match="a.png: 'image' is another tensor"):
        distinct_views([inputs(cc) | {"image": torch.ones(1, 4, 4)}])
    with pytest.raises(ValueError, match="projection must be one of"):
        view("ML")


def test_the_image_may_be_the_copy_on_another_device_that_ddp_makes():
    # DistributedDataParallel with device_ids moves the tensors of dicts and lists, not those of a
    # View. "meta" stands for the GPU.
    cc = view("CC")
    batch = [inputs(cc)]
    moved, _ = _to_kwargs((batch,), {}, torch.device("meta"), False)
    ((copied,),) = moved[0]
    assert copied["image"].is_meta and not copied["examined_view"].image.is_meta
    views, _ = distinct_views([copied])
    assert views == [cc]


def test_nodes_are_padded():
    nodes, valid = pad_nodes([view("CC", 2), view("MLO", 3)], (2, 3))
    assert nodes.shape == (2, 3, 2)
    assert valid.tolist() == [[True, True, False], [True, True, True]]
    assert nodes[0, 2].tolist() == [0, 0]


def test_nodes_of_another_layout_or_none_are_refused():
    with pytest.raises(ValueError, match=r"View 0 of the batch, CC, .*\(3, 2\).*\(2, 3\)"):
        pad_nodes([view("CC", 3)], (2, 3))
    with pytest.raises(ValueError, match="View 1 of the batch has no nodes"):
        pad_nodes([view("CC", 2), view("MLO")], (2, 3))
