"""From the written image to the film and back, by hand."""

import numpy as np
import pytest

from agn_d2.prepare.frames import boxes_from_film, boxes_to_film

CROP = {"width": 100, "crop": [30, 7, 130, 207]}


@pytest.mark.parametrize(
    ("mirrored", "on_film"), [(False, [40, 27, 50, 67]), (True, [110, 27, 120, 67])]
)
def test_boxes_move_by_the_crop_and_turn_around_in_it(mirrored, on_film):
    image = CROP | {"mirrored": mirrored}
    assert boxes_to_film(np.array([[10, 20, 20, 60]]), image).tolist() == [on_film]
    assert boxes_from_film(np.array([on_film]), image).tolist() == [[10, 20, 20, 60]]
    assert boxes_to_film(np.empty((0, 4)), image).shape == (0, 4)
