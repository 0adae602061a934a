"""The heat map of H^g."""

from dataclasses import replace

import numpy as np
import pytest

from agn_d2.graph.prior import CorrespondencePrior
from agn_d2.visualization.figure_files import write_figure
from agn_d2.visualization.prior_map import prior_figure


def made_up(cc=13, mlo=17):
    rng = np.random.default_rng(0)
    counts = np.where(rng.random((cc, mlo)) < 0.2, rng.integers(1, 5, (cc, mlo)), 0).astype(float)
    return CorrespondencePrior(counts, rng.random((cc, 2)), rng.random((mlo, 2)), "made_up")


def all_axes(figure):
    """Axes by their title; color bars have none."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def test_raw_and_smoothed_maps_and_both_sketches():
    prior = made_up()
    figure = prior_figure(prior, 0.1)
    assert f"PL(13, 17): {prior.counts.sum():.0f} masses" in figure.get_suptitle()
    axes = all_axes(figure)
    zero = f"{(prior.counts == 0).mean():.0%}"
    raw, spread = f"raw counts, {zero} of the pairs 0", "spread by 0.1 breast heights, 0% of"
    assert list(axes)[:2] == ["CC nodes", "MLO nodes"]
    assert len(axes) == 4 and raw in axes
    smooth = next(a for name, a in axes.items() if name.startswith(spread))
    np.testing.assert_allclose(axes[raw].images[0].get_array(), prior.matrix(0))
    np.testing.assert_allclose(smooth.images[0].get_array(), prior.matrix(0.1))
    assert [t.get_text() for t in smooth.get_yticklabels()] == [
        "nipple",
        "pectoral line",
        "1/3",
        "2/3",
    ]
    assert [t.get_text() for t in smooth.get_xticklabels()][4:] == ["corner line", "corner"]
    # Nodes 1 to 4 lie on the pectoral line; after the nipple comes a rule between 0 and 1.
    assert smooth.get_yticks()[1] == 2.5
    assert smooth.lines[0].get_ydata()[0] == 0.5
    for name, template in (("CC nodes", prior.template_cc), ("MLO nodes", prior.template_mlo)):
        drawn = np.concatenate([np.column_stack(d.get_data()) for d in axes[name].lines[1::2]])
        np.testing.assert_allclose(drawn, template)
        assert [t.get_text() for t in axes[name].texts] == [str(n) for n in range(len(template))]
        assert axes[name].yaxis_inverted()


def test_without_bandwidth_only_the_raw_counts():
    axes = all_axes(prior_figure(made_up()))
    assert len(axes) == 3 and any("raw counts" in name for name in axes)


def test_many_nodes_and_no_counts_at_all(tmp_path):
    prior = made_up(100, 105)
    empty = CorrespondencePrior(prior.counts * 0, prior.template_cc, prior.template_mlo, "empty")
    figure = prior_figure(empty, 0.08)
    assert not all_axes(figure)["CC nodes"].texts
    write_figure(figure, tmp_path / "a.png", dpi=20)


def test_what_is_no_layout_is_refused():
    with pytest.raises(ValueError, match="nodes of CC"):
        prior_figure(made_up(12, 17))
    with pytest.raises(ValueError, match="bandwidth"):
        prior_figure(made_up(), -1)


def test_a_data_set_with_dollars_is_no_formula(tmp_path):
    prior = replace(made_up(), dataset="my$^$set")
    write_figure(prior_figure(prior), tmp_path / "a.png", dpi=20)
