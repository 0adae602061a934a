"""Batches of whole cases: full, without repeats, shared out over ranks."""

import itertools
from collections import Counter

import pytest

from agn_d2.data.sampler import CaseBatchSampler

SIZES = [2, 2, 4, 1, 2, 1, 3, 2, 2, 1]
EXAMINABLE = [list(range(size)) for size in SIZES]


def take(sampler, batches):
    return list(itertools.islice(sampler, batches))


def images(batch):
    return [(item.case, position) for item in batch for position in item.examined]


def test_batches_are_full_and_never_too_full():
    batches = take(CaseBatchSampler(EXAMINABLE, 4, seed=0), 200)
    assert {len(images(batch)) for batch in batches} == {4}


@pytest.mark.parametrize(("views", "size"), [(4, 6), (2, 3), (3, 4)])
def test_batches_are_full_where_no_whole_cases_fill_them(views, size):
    sampler = CaseBatchSampler([list(range(views))] * 12, size, seed=0)
    assert sampler.images_per_pass == 12 * views
    # 5 epochs, as their length is worked out: images of a pass / images of a batch.
    batches = take(sampler, 5 * 12 * views // size)
    assert {len(images(batch)) for batch in batches} == {size}
    seen = Counter(image for batch in batches for image in images(batch))
    assert len(seen) == 12 * views
    assert set(seen.values()) == {5}


def test_what_is_left_of_a_cut_case_comes_next():
    sampler = CaseBatchSampler([[0, 1, 2, 3]] * 3, 6, shuffle=False, seed=0)
    first, second = ([(i.case, i.examined) for i in batch] for batch in take(sampler, 2))
    assert first == [(0, (0, 1, 2, 3)), (1, (0, 1))]
    assert second == [(1, (2, 3)), (2, (0, 1, 2, 3))]


def test_every_image_is_seen_equally_often():
    seen = Counter()
    for batch in take(CaseBatchSampler(EXAMINABLE, 4, seed=1), 500):
        seen.update(images(batch))
    total = sum(SIZES)
    assert len(seen) == total
    # 500 batches of 4 over 20 images: 100 passes; the queue holds back less than 4 of them.
    assert min(seen.values()) >= 2000 / total - 4
    assert max(seen.values()) <= 2000 / total + 4


def test_a_large_case_is_cut_and_a_small_one_stays_whole():
    items = CaseBatchSampler([[0, 1, 2, 3], [0, 1]], 2, seed=0).items
    assert [(item.case, item.examined) for item in items] == [
        (0, (0, 1)),
        (0, (2, 3)),
        (1, (0, 1)),
    ]


def test_few_images_per_case_mix_the_cases():
    sampler = CaseBatchSampler([[0, 1, 2, 3]] * 10, 4, examined_per_case=1, seed=0)
    assert all(len(item.examined) == 1 for item in sampler.items)
    assert Counter((item.case, item.examined) for item in sampler.items) == Counter(
        (case, (position,)) for case in range(10) for position in range(4)
    )
    cases_per_batch = [len({item.case for item in batch}) for batch in take(sampler, 50)]
    assert sum(cases_per_batch) / 50 > 3
    pairs = CaseBatchSampler([[0, 1, 2]], 4, examined_per_case=2, seed=0).items
    assert [item.examined for item in pairs] == [(0, 1), (2,)]


def test_a_negative_share_of_a_case_is_refused():
    with pytest.raises(ValueError, match="examined_per_case"):
        CaseBatchSampler(EXAMINABLE, 4, examined_per_case=-1)


def test_same_seed_same_batches_and_passes_differ():
    first, again = (take(CaseBatchSampler(EXAMINABLE, 4, seed=3), 30) for _ in range(2))
    assert first == again
    assert first != take(CaseBatchSampler(EXAMINABLE, 4, seed=4), 30)
    assert first[:5] != first[5:10]


def test_ranks_share_a_pass_without_repeats():
    samplers = [CaseBatchSampler([[0]] * 10, 1, seed=5) for _ in range(2)]
    for rank, sampler in enumerate(samplers):
        sampler.rank, sampler.world_size = rank, 2
    seen = [item.case for sampler in samplers for (item,) in take(sampler, 5)]
    assert sorted(seen) == list(range(10))


@pytest.mark.parametrize("world_size", [2, 3])
def test_no_draw_is_read_by_two_ranks(world_size):
    draws = []
    for rank in range(world_size):
        sampler = CaseBatchSampler(EXAMINABLE, 4, seed=5)
        sampler.rank, sampler.world_size = rank, world_size
        own = [item.draw for batch in take(sampler, 60) for item in batch]
        assert {draw % world_size for draw in own} == {rank}
        draws += own
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize(("examinable", "size"), [([], 2), ([[], []], 2), ([[0]], 0)])
def test_nothing_to_examine_is_an_error(examinable, size):
    with pytest.raises(ValueError, match="image"):
        CaseBatchSampler(examinable, size, seed=0)
