"""Which lesion of the CC view is which of the MLO view; examples after real rows."""

from agn_d2.prepare.lesion_match import (
    FACTS,
    FACTS_OTHER_ID,
    ID_DISTANCE,
    LAST,
    ONLY,
    Pair,
    Seen,
    match_views,
)

OVAL, ROUND, IRREGULAR = ("OVAL", 3), ("ROUND", 3), ("IRREGULAR", 4)


def seen(number, facts=OVAL, distance=0.3, pathology="BENIGN"):
    return Seen(number, pathology, facts, distance)


def test_one_lesion_in_each_view_whatever_its_id_and_shape():
    assert match_views([seen(1)], [seen(2, ROUND, 0.9)]) == [Pair(0, 0, ONLY)]
    assert match_views([seen(1)], [seen(1, pathology="MALIGNANT")]) == []
    assert match_views([seen(1)], [seen(1, distance=None)]) == [Pair(0, 0, ONLY)]


def test_swapped_ids_are_seen_by_the_facts():
    cc = [seen(1, OVAL), seen(2, IRREGULAR)]
    mlo = [seen(1, IRREGULAR), seen(2, OVAL)]
    assert match_views(cc, mlo) == [Pair(0, 1, FACTS_OTHER_ID), Pair(1, 0, FACTS_OTHER_ID)]
    assert match_views(cc, cc) == [Pair(0, 0, FACTS), Pair(1, 1, FACTS)]


def test_facts_that_two_lesions_share_decide_nothing():
    cc = [seen(1), seen(2), seen(3, ROUND)]
    mlo = [seen(1), seen(2), seen(3, ROUND)]
    assert match_views(cc, mlo) == [Pair(2, 2, FACTS)]


def test_the_last_lesion_left_is_a_pair_if_it_lies_as_far_from_the_nipple():
    cc = [seen(1, OVAL), seen(2, ROUND, 0.3)]
    assert match_views(cc, [seen(1, OVAL), seen(2, IRREGULAR, 0.35)])[1] == Pair(1, 1, LAST)
    assert len(match_views(cc, [seen(1, OVAL), seen(2, IRREGULAR, 0.6)])) == 1
    assert len(match_views(cc, [seen(1, OVAL), seen(2, IRREGULAR, None)])) == 1
    malignant = seen(2, IRREGULAR, 0.3, "MALIGNANT")
    assert len(match_views(cc, [seen(1, OVAL), malignant])) == 1


def test_alike_lesions_are_told_apart_by_id_and_distance_together():
    cc = [seen(1, distance=0.2), seen(2, distance=0.6)]
    mlo = [seen(1, distance=0.25), seen(2, distance=0.55)]
    assert match_views(cc, mlo) == [Pair(0, 0, ID_DISTANCE), Pair(1, 1, ID_DISTANCE)]
    swapped = [seen(2, distance=0.25), seen(1, distance=0.55)]
    assert match_views(cc, swapped) == []
    close = [seen(1, distance=0.2), seen(2, distance=0.22)]
    assert match_views(close, close) == []


def test_a_lost_lesion_leaves_the_others_unsure():
    cc = [seen(1, distance=0.2), seen(2, distance=0.6)]
    mlo = [seen(1, distance=0.2), seen(2, distance=None)]
    assert match_views(cc, mlo) == []


def test_more_lesions_in_one_view():
    cc = [seen(1, distance=0.2)]
    mlo = [seen(1, distance=0.2), seen(2, distance=0.5)]
    assert match_views(cc, mlo) == [Pair(0, 0, ID_DISTANCE)]
    assert match_views(cc, [mlo[0], seen(2, distance=0.23)]) == []
    assert match_views([], mlo) == []


def test_views_are_treated_alike():
    cc = [seen(1, OVAL, 0.2), seen(2, OVAL, 0.6), seen(3, ROUND, 0.4)]
    mlo = [seen(4, ROUND, 0.4), seen(2, OVAL, 0.58), seen(1, OVAL, 0.22)]
    pairs = {(p.cc, p.mlo, p.rule) for p in match_views(cc, mlo)}
    assert pairs == {(p.mlo, p.cc, p.rule) for p in match_views(mlo, cc)}
    assert len(pairs) == 3


def test_two_lesions_never_share_the_one_of_the_other_view():
    cc = [seen(1), seen(2), seen(3, ROUND)]
    assert match_views(cc, [seen(1), seen(3, ROUND)]) == [Pair(2, 1, FACTS)]
    assert match_views([seen(1), seen(3, ROUND)], cc) == [Pair(1, 2, FACTS)]
