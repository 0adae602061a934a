"""Film: borders, labels and tape come on request and leave the anatomy alone."""

from dataclasses import replace

import numpy as np

from agn_d2.phantom import PhantomParams, generate_case

PLAIN = PhantomParams(size=256, noise=0.0)


def test_plain_film_has_nothing_outside_the_breast():
    for view in generate_case(1, 0, PLAIN).views:
        edge = view.image[:, -1] if view.landmarks["chest_wall"] == "left" else view.image[:, 0]
        assert (edge == 983).all()


def test_borders_are_white_and_frame_the_truth():
    found = 0
    for index in range(4):
        for view in generate_case(1, index, replace(PLAIN, border_share=1.0)).views:
            height, width = view.image.shape
            frame = view.geometry.frame
            left, right = int(frame.left), int(width - frame.right)
            if view.landmarks["chest_wall"] == "right":
                left, right = right, left
            white = round(0.97 * 65535)
            top, bottom = int(frame.top), int(height - frame.bottom)
            for strip in (view.image[:top], view.image[:, :left]):
                assert np.abs(strip.astype(int) - white).max(initial=0) <= 1
            assert (view.image[height - bottom :] >= white - 1).all()
            found += left + right + top + bottom > 0
            contour = np.array(view.landmarks["contour"])
            assert contour[:, 0].min() >= left - 1e-3
            assert contour[:, 0].max() <= width - right + 1e-3
            assert contour[:, 1].min() >= top - 1e-3
            assert contour[:, 1].max() <= height - bottom + 1e-3
    assert found >= 12


def test_label_and_tape_change_only_what_they_cover():
    for name in ("label_share", "tape_share"):
        changed = 0
        for index in range(3):
            plain = generate_case(1, index, PLAIN)
            marked = generate_case(1, index, replace(PLAIN, **{name: 1.0}))
            for a, b in zip(plain.views, marked.views, strict=True):
                different = a.image != b.image
                changed += different.any()
                assert (b.image[different] > a.image[different]).all()
                assert different.mean() < 0.08
                assert a.landmarks == b.landmarks
        assert changed >= 10


def test_label_is_away_from_the_chest_wall():
    for index in range(3):
        plain = generate_case(1, index, PLAIN)
        marked = generate_case(1, index, replace(PLAIN, label_share=1.0))
        for a, b in zip(plain.views, marked.views, strict=True):
            columns = np.nonzero(a.image != b.image)[1]
            middle = a.image.shape[1] / 2
            assert (columns.mean() > middle) == (a.landmarks["chest_wall"] == "left")


def test_noise_scales():
    quiet, loud = (generate_case(1, 0, replace(PLAIN, noise=n)).views[0] for n in (1.0, 3.0))
    clean = generate_case(1, 0, PLAIN).views[0].image.astype(float)
    breast = clean > 15000
    ratio = (loud.image - clean)[breast].std() / (quiet.image - clean)[breast].std()
    assert 2.9 < ratio < 3.1
