"""The prior H^g: normalization, smoothing and its file."""

import json

import numpy as np
import pytest

from agn_d2.graph.prior import (
    CorrespondencePrior,
    normalize_counts,
    read_prior,
    uniform_prior,
    write_prior,
)

CC, MLO = 4, 5


@pytest.fixture
def prior():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (CC, MLO)).astype(float)
    counts[2] = 0  # a node at which no mass was seen
    return CorrespondencePrior(counts, rng.random((CC, 2)), rng.random((MLO, 2)), "made_up")


def test_normalization_by_hand():
    # Row sums 4, 0, 4; column sums 5, 3.
    counts = np.array([[1.0, 3.0], [0.0, 0.0], [4.0, 0.0]])
    expected = [[1 / np.sqrt(20), 3 / np.sqrt(12)], [0, 0], [4 / np.sqrt(20), 0]]
    np.testing.assert_allclose(normalize_counts(counts), expected)


def test_normalization_of_whole_numbers_is_not_rounded():
    np.testing.assert_allclose(normalize_counts(np.array([[1, 3], [4, 0]]))[0, 0], 1 / np.sqrt(20))


def test_bandwidth_zero_takes_the_raw_counts(prior):
    np.testing.assert_array_equal(prior.matrix(), normalize_counts(prior.counts))
    np.testing.assert_allclose(prior.matrix(1e-3), normalize_counts(prior.counts), atol=1e-12)
    assert not prior.matrix()[2].any()


def test_smoothing_equals_spreading_each_lesion_by_itself(prior):
    bandwidth = 0.3

    def share(template, at):
        """How one lesion at a node spreads over the nodes: Gaussian, together 1."""
        gauss = [
            np.exp(-0.5 * (np.hypot(*(other - template[at])) / bandwidth) ** 2)
            for other in template
        ]
        return np.array(gauss) / sum(gauss)

    spread = np.zeros((CC, MLO))
    for i in range(CC):
        for j in range(MLO):
            for _ in range(int(prior.counts[i, j])):
                spread += np.outer(share(prior.template_cc, i), share(prior.template_mlo, j))
    assert spread.sum() == pytest.approx(prior.counts.sum())
    np.testing.assert_allclose(prior.matrix(bandwidth), normalize_counts(spread))
    assert prior.matrix(bandwidth)[2].all()


def test_smoothing_keeps_the_weight_of_each_lesion():
    # CC nodes 0 and 1 lie together, node 2 far away; one lesion at 0, one at 2, one MLO node.
    # The first spreads to (1/2, 1/2, 0): counts (1/2, 1/2, 1), column sum 2, so
    # H = e / sqrt(e * 2) = (1/2, 1/2, 1/sqrt 2). Weights that are not normalized would count
    # the lesion at the crowded spot twice.
    prior = CorrespondencePrior(
        np.array([[1.0], [0.0], [1.0]]), np.array([[0, 0], [0, 0], [9, 9]]), np.zeros((1, 2)), "x"
    )
    np.testing.assert_allclose(prior.matrix(0.1)[:, 0], [0.5, 0.5, np.sqrt(0.5)])


def test_a_wide_bandwidth_ends_in_the_uniform_prior(prior):
    np.testing.assert_allclose(prior.matrix(1e4), uniform_prior((CC, MLO)), rtol=1e-6)


def test_negative_bandwidth_is_refused(prior):
    with pytest.raises(ValueError, match="bandwidth must not be negative, got -0.1"):
        prior.matrix(-0.1)


def test_uniform_prior_by_hand():
    # Every count 1: row sums 8, column sums 2.
    np.testing.assert_allclose(uniform_prior((2, 8)), np.full((2, 8), 1 / 4))


def test_file_round_trip(prior, tmp_path):
    path = tmp_path / "new" / "prior.json"
    write_prior(path, prior)
    again = read_prior(path, (CC, MLO))
    assert (again.layout, again.dataset) == ((CC, MLO), "made_up")
    np.testing.assert_array_equal(again.counts, prior.counts)
    np.testing.assert_allclose(again.template_cc, prior.template_cc, atol=5e-5)
    np.testing.assert_allclose(again.template_mlo, prior.template_mlo, atol=5e-5)
    np.testing.assert_allclose(again.matrix(0.2), prior.matrix(0.2), rtol=1e-2)
    assert [p.name for p in path.parent.iterdir()] == ["prior.json"]
    # What a person reads in it.
    record = json.loads(path.read_text())
    assert record["layout"] == [CC, MLO] and record["dataset"] == "made_up"
    assert record["lesions"] == prior.counts.sum()


def test_another_layout_is_refused(prior, tmp_path):
    path = tmp_path / "prior.json"
    write_prior(path, prior)
    with pytest.raises(ValueError, match=r"made for layout \(4, 5\), but .*LAYOUT is \(22, 26\)"):
        read_prior(path, (22, 26))


def test_without_a_layout_the_file_tells_it(prior, tmp_path):
    write_prior(tmp_path / "prior.json", prior)
    assert read_prior(tmp_path / "prior.json").layout == (CC, MLO)


def test_missing_file_names_the_tool_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No prior .*none\.json; tools/build_prior\.py"):
        read_prior(tmp_path / "none.json", (CC, MLO))


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "[1, 2]",
        '{"dataset": "x"}',
        '{"counts": [[1, 2], [3]], "template_cc": [], "template_mlo": [], "dataset": "x"}',
    ],
)
def test_something_else_than_a_prior_is_refused(content, tmp_path):
    path = tmp_path / "prior.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"prior\.json is not a prior"):
        read_prior(path, (CC, MLO))


def test_templates_must_fit_the_counts(prior, tmp_path):
    path = tmp_path / "prior.json"
    odd = CorrespondencePrior(prior.counts, prior.template_cc[:3], prior.template_mlo, "x")
    write_prior(path, odd)
    with pytest.raises(ValueError, match="counts and templates do not fit"):
        read_prior(path, (CC, MLO))
