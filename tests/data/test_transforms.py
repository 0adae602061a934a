import numpy as np
import pytest
from detectron2.data import transforms as T

from agn_d2.data.transforms import GammaTransform, RandomGamma, ResizeTo


def test_stretch_takes_the_mean_of_each_area():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    transform = ResizeTo((2, 2)).get_transform(image)
    # By hand: means of the four 2 x 2 blocks.
    assert np.allclose(transform.apply_image(image), [[2.5, 4.5], [10.5, 12.5]])
    assert np.allclose(transform.apply_coords(np.array([[4.0, 2.0]])), [[2.0, 1.0]])


def test_fit_keeps_the_aspect_ratio():
    image = np.zeros((200, 50), np.float32)
    assert ResizeTo((100, 100), "fit").get_transform(image).apply_image(image).shape == (100, 25)


def test_one_transform_moves_image_and_points_together():
    image = np.zeros((40, 60), np.float32)
    image[10:14, 20:24] = 1
    augmentations = T.AugmentationList(
        [ResizeTo((80, 80)), T.RandomFlip(1.0), T.RandomFlip(1.0, horizontal=False, vertical=True)]
    )
    inputs = T.AugInput(image)
    transforms = augmentations(inputs)
    ((x, y),) = transforms.apply_coords(np.array([[22.0, 12.0]]))
    ys, xs = np.nonzero(inputs.image > 0.5)
    assert x == pytest.approx(xs.mean() + 0.5, abs=0.5)
    assert y == pytest.approx(ys.mean() + 0.5, abs=0.5)


def test_gamma_changes_gray_values_only():
    image = np.array([[0.0, 0.25, 1.0]], np.float32)
    assert np.allclose(GammaTransform(0.5).apply_image(image), [[0.0, 0.5, 1.0]])
    points = np.array([[1.0, 2.0]])
    assert np.array_equal(GammaTransform(0.5).apply_coords(points), points)


def test_bad_parameters():
    with pytest.raises(ValueError, match="stretch or fit"):
        ResizeTo((8, 8), "squash")
    with pytest.raises(ValueError, match="INPUT.SIZE"):
        ResizeTo((0, 8))
    with pytest.raises(ValueError, match="INPUT.GAMMA"):
        RandomGamma(0.0, 1.0)
