"""The relation against its equations, and what must not change anything."""

import math
from dataclasses import replace

import pytest
import torch

from agn_d2.cross_view import CandidateBatch, CandidateRelation

from .slow_relation import slow_delta, slow_terms


def random_views(count=4, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(shape, generator=generator)

    valid = draw(count, width) < 0.8
    valid[:, 0] = True
    return CandidateBatch(
        logits=4 * draw(count, width) - 2,
        depth=draw(count, width),
        height=draw(count, width) - 0.5,
        size=0.05 + 0.2 * draw(count, width),
        valid=valid,
        breast_height=0.5 + draw(count),
    )


def random_relation(seed=0):
    torch.manual_seed(seed)
    relation = CandidateRelation()
    with torch.no_grad():
        for name, parameter in relation.named_parameters():
            if "sigma" not in name:
                parameter.copy_(torch.randn_like(parameter))
    return relation.eval()


EXAMINED = torch.tensor([0, 1, 2, 3])
AUXILIARY = torch.tensor([1, 0, -1, -1])
CONTRALATERAL = torch.tensor([2, -1, 0, -1])


def as_lists(views, n):
    candidates = [
        {"s": float(s), "d": float(d), "h": float(h), "l": float(size)}
        for s, d, h, size, valid in zip(
            views.logits[n],
            views.depth[n],
            views.height[n],
            views.size[n],
            views.valid[n],
            strict=True,
        )
        if valid
    ]
    return candidates, float(views.breast_height[n])


@torch.no_grad()
def test_it_computes_its_equations():
    views, relation = random_views(), random_relation()
    logits = relation(views, EXAMINED, AUXILIARY, CONTRALATERAL)
    for n in range(4):
        own = as_lists(views, n)
        expected = [candidate["s"] for candidate in own[0]]
        partners = (
            (AUXILIARY[n], relation.auxiliary, relation.no_auxiliary, False),
            (CONTRALATERAL[n], relation.contralateral, relation.no_contralateral, True),
        )
        if any(partner >= 0 for partner, *_ in partners):
            for partner, attention, missing, height in partners:
                deltas = (
                    slow_delta(attention, own, as_lists(views, int(partner)), height=height)
                    if partner >= 0
                    else [float(missing)] * len(expected)
                )
                expected = [s + delta for s, delta in zip(expected, deltas, strict=True)]
        assert logits[n][views.valid[n]].tolist() == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_intermediates_follow_the_equations_and_add_up():
    views, relation = random_views(), random_relation()
    links = (EXAMINED, AUXILIARY, CONTRALATERAL)
    logits, steps = relation(views, *links, return_intermediates=True)
    assert torch.equal(logits, relation(views, *links))
    # View 0 reads both, view 1 its auxiliary view 0 alone.
    for n, partner, reading, attention, height in (
        (0, 1, steps.auxiliary, relation.auxiliary, False),
        (0, 2, steps.contralateral, relation.contralateral, True),
        (1, 0, steps.auxiliary, relation.auxiliary, False),
    ):
        pair = as_lists(views, n), as_lists(views, partner)
        here = views.valid[n]
        rows = slow_terms(attention, *pair, height=height)
        whole = rows[0][-1] + sum(math.exp(candidate["s"]) for candidate in pair[1][0])
        shares = [sum(terms) / whole for terms in rows]
        assert reading.log_share[n][here].exp().tolist() == pytest.approx(shares, abs=1e-5)
        expected = slow_delta(attention, *pair, height=height)
        assert reading.change[n][here].tolist() == pytest.approx(expected, abs=1e-5)
        there = torch.cat([views.valid[partner], torch.tensor([True])])
        weights = reading.log_attention[n][here].exp()[:, there]
        for row, terms in zip(weights, rows, strict=True):
            assert row.tolist() == pytest.approx([t / sum(terms) for t in terms], abs=1e-5)
    no_contralateral, no_auxiliary = relation.no_contralateral, relation.no_auxiliary
    assert steps.missing.tolist() == [0, float(no_contralateral), float(no_auxiliary), 0]
    total = views.logits + steps.missing[:, None]
    total[:2] += steps.auxiliary.change[:2]
    total[[0, 2]] += steps.contralateral.change[[0, 2]]
    torch.testing.assert_close(logits[views.valid], total[views.valid])


@torch.no_grad()
def test_the_logits_start_as_the_detectors():
    views = random_views()
    logits = CandidateRelation()(views, EXAMINED, AUXILIARY, CONTRALATERAL)
    assert torch.equal(logits, views.logits)


@torch.no_grad()
def test_without_a_partner_view_the_logits_are_the_detectors_to_the_bit():
    views = random_views()
    logits = random_relation()(views, EXAMINED, AUXILIARY, CONTRALATERAL)
    assert torch.equal(logits[3], views.logits[3])
    assert not torch.equal(logits[2], views.logits[2])


@torch.no_grad()
def test_attention_sums_to_one_over_the_partners_candidates_and_none():
    views = random_views()
    _, steps = random_relation()(
        views, EXAMINED, AUXILIARY, CONTRALATERAL, return_intermediates=True
    )
    attention = steps.auxiliary.log_attention
    torch.testing.assert_close(attention[:2].exp().sum(dim=-1), torch.ones(2, 5))
    padding = ~views.valid[1]
    assert float(attention[0][:, :-1][:, padding].exp().sum()) == 0


@torch.no_grad()
def test_padding_and_order_change_nothing():
    views, relation = random_views(), random_relation()
    logits = relation(views, EXAMINED, AUXILIARY, CONTRALATERAL)
    order = torch.tensor([3, 1, 4, 0, 2])
    names = ("logits", "depth", "height", "size", "valid")
    moved = replace(views, **{name: getattr(views, name)[:, order] for name in names})
    torch.testing.assert_close(
        relation(moved, EXAMINED, AUXILIARY, CONTRALATERAL), logits[:, order]
    )
    wider = {name: torch.nn.functional.pad(getattr(views, name), (0, 3)) for name in names}
    wider["size"] = wider["size"].clamp(min=1e-3)
    padded = replace(views, **wider)
    torch.testing.assert_close(relation(padded, EXAMINED, AUXILIARY, CONTRALATERAL)[:, :5], logits)


@torch.no_grad()
def test_a_batch_is_its_views_one_by_one():
    views, relation = random_views(), random_relation()
    logits = relation(views, EXAMINED, AUXILIARY, CONTRALATERAL)
    for n in range(4):
        one = slice(n, n + 1)
        alone = relation(views, EXAMINED[one], AUXILIARY[one], CONTRALATERAL[one])
        torch.testing.assert_close(alone, logits[one])


@torch.no_grad()
def test_the_height_counts_in_the_contralateral_view_only():
    views, relation = random_views(), random_relation()
    logits = relation(views, EXAMINED, AUXILIARY, CONTRALATERAL)
    raised = views.height.clone()
    raised[1] += 1.0
    raised[2] += 1.0
    other = relation(replace(views, height=raised), EXAMINED, AUXILIARY, CONTRALATERAL)
    # View 1 reads its auxiliary view alone, view 0 its contralateral view 2 too.
    assert torch.equal(other[1], logits[1])
    assert not torch.allclose(other[0], logits[0])


def test_gradients_reach_every_parameter():
    views, relation = random_views(), random_relation()
    logits, steps = relation(views, EXAMINED, AUXILIARY, CONTRALATERAL, return_intermediates=True)
    (logits[views.valid].sum() + steps.auxiliary.log_attention[0].sum()).backward()
    for name, parameter in relation.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name
