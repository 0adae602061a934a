import numpy as np
import pytest

from agn_d2.landmarks.record import Landmarks
from agn_d2.visualization.landmarks import (
    CONTOUR_COLOUR,
    NODE_COLOUR,
    PECTORAL_COLOUR,
    draw_landmarks,
)

LANDMARKS = Landmarks(
    view="CC",
    chest_wall="left",
    nipple=[80.5, 60.5],
    pectoral_line=[[5.5, 20.5], [5.5, 100.5]],
    contour=[[5.5, 20.5], [60.5, 20.5], [60.5, 100.5], [5.5, 100.5]],
    image_size=(140, 120),
)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, float])
def test_everything_stands_where_it_belongs(dtype):
    image = np.zeros((140, 120), dtype)
    image[0, 0] = 200
    drawing = draw_landmarks(image, LANDMARKS, nodes=np.array([[30.5, 70.5]]))
    assert drawing.shape == (140, 120, 3) and drawing.dtype == np.uint8
    assert tuple(drawing[0, 0]) == (255, 255, 255)
    assert tuple(drawing[20, 40]) == CONTOUR_COLOUR
    assert tuple(drawing[60, 5]) == PECTORAL_COLOUR
    assert tuple(drawing[70, 30]) == NODE_COLOUR
    assert tuple(drawing[45, 100]) == (0, 0, 0)
    assert not image[1:].any()  # the image itself is left alone


def test_landmarks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="140, 120"):
        draw_landmarks(np.zeros((120, 140)), LANDMARKS)
