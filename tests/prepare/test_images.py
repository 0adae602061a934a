"""Writing images, and cutting them to the breast with their boxes and landmarks."""

import cv2
import numpy as np
import pytest

from agn_d2.prepare.images import crop_image, write_image


def half_ellipse(height=320, width=240):
    """A breast at the left, its apex at x = 100, from y = 60 to y = 260."""
    y, x = np.mgrid[:height, :width]
    breast = (x / 100) ** 2 + ((y - 160) / 100) ** 2 <= 1
    return np.where(breast, 150, 0).astype(np.uint8)


@pytest.mark.parametrize("compression", [None, 9])
def test_png_keeps_sixteen_bits(tmp_path, compression):
    image = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    write_image(tmp_path / "a.png", image[:, ::-1], compression=compression)
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, image[:, ::-1])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_crop_moves_boxes_and_landmarks_and_counts_the_cut_ones():
    image = half_ellipse()
    boxes = np.array([[20.0, 140.0, 30.0, 20.0], [200.0, 0.0, 30.0, 20.0]])
    whole = crop_image(image, boxes, "CC", crop=False)
    assert whole.box == (0, 0, 240, 320) and whole.cut_boxes == 0
    np.testing.assert_array_equal(whole.boxes, boxes)
    cropped = crop_image(image, boxes, "CC", crop=True)
    x0, y0, x1, y1 = cropped.box
    # The breast is in it, the far corner, where the second box lies, is not.
    assert (x0, x1) != (0, 240) and y0 <= 60 and 100 <= x1 < 200 and y1 >= 260
    np.testing.assert_array_equal(cropped.pixels, image[y0:y1, x0:x1])
    np.testing.assert_array_equal(cropped.boxes, boxes - [x0, y0, 0, 0])
    np.testing.assert_allclose(cropped.landmarks.nipple, whole.landmarks.nipple - [x0, y0])
    assert cropped.cut_boxes == 1
