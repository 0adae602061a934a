"""Nodes moved on purpose."""

import numpy as np
import pytest

from agn_d2.data.node_jitter import jitter_nodes
from agn_d2.landmarks.record import Landmarks

LANDMARKS = Landmarks(
    view="CC",
    chest_wall="left",
    nipple=(50, 60),
    pectoral_line=[(0, 10), (0, 110)],
    contour=[(0, 10), (50, 60), (0, 110)],  # 100 px high
    image_size=(120, 80),
)
NODES = np.array([[10.0, 20], [30, 40], [50, 60]])


def test_all_nodes_of_a_view_move_alike_by_the_share():
    step = jitter_nodes(NODES, LANDMARKS, 0.05, "view", seed="a.png") - NODES
    np.testing.assert_allclose(np.hypot(*step.T), 5.0)
    np.testing.assert_allclose(step, np.broadcast_to(step[0], step.shape))


def test_each_node_moves_by_itself():
    step = jitter_nodes(NODES, LANDMARKS, 0.05, "node", seed="a.png") - NODES
    np.testing.assert_allclose(np.hypot(*step.T), 5.0)
    assert np.ptp(step[:, 0]) > 0.1


def test_a_name_decides_the_directions_and_names_differ():
    first, again, other = (
        jitter_nodes(NODES, LANDMARKS, 0.1, "view", seed=name) for name in ("a", "a", "b")
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    steps = [jitter_nodes(NODES, LANDMARKS, 0.1, "view", seed=str(i))[0] for i in range(400)]
    np.testing.assert_allclose(np.mean(steps, axis=0), NODES[0], atol=1.5)  # no preferred side


def test_without_a_name_each_draw_is_new():
    draws = [jitter_nodes(NODES, LANDMARKS, 0.1, "view") for _ in range(2)]
    assert not np.allclose(*draws)


@pytest.mark.parametrize(("share", "mode"), [(-0.1, "view"), (float("nan"), "view"), (0.1, "all")])
def test_bad_values_are_refused(share, mode):
    with pytest.raises(ValueError, match="NODE_JITTER"):
        jitter_nodes(NODES, LANDMARKS, share, mode)
