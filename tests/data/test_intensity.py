"""Gray values change by hand-worked amounts, and nothing else moves."""

import numpy as np
import pytest

from agn_d2.data.intensity import (
    BlurTransform,
    BrightnessContrastTransform,
    GammaTransform,
    NoiseTransform,
    RandomBlur,
    RandomBrightnessContrast,
    RandomGamma,
    RandomNoise,
)
from agn_d2.data.seeding import numpy_seed

TRANSFORMS = (
    GammaTransform(0.5),
    BrightnessContrastTransform(0.1, 2.0),
    BlurTransform(1.0),
    NoiseTransform(0.1, 3),
)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_gray_values_only(transform):
    image = np.random.default_rng(0).random((9, 7), dtype=np.float32)
    before = image.copy()
    changed = transform.apply_image(image)
    assert changed.dtype == np.float32
    assert changed.shape == image.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not np.allclose(changed, image)
    assert np.array_equal(image, before)
    # Twice the same: image and mask of one view are moved by one object.
    assert np.array_equal(transform.apply_image(image), changed)
    points, mask = np.array([[1.0, 2.0]]), np.eye(3, dtype=np.uint8)
    assert np.array_equal(transform.apply_coords(points), points)
    assert np.array_equal(transform.apply_box(np.array([[1.0, 2, 3, 5]])), [[1, 2, 3, 5]])
    assert np.array_equal(transform.apply_segmentation(mask), mask)


def test_gamma_by_hand():
    image = np.array([[0.0, 0.25, 1.0]], np.float32)
    assert np.allclose(GammaTransform(0.5).apply_image(image), [[0.0, 0.5, 1.0]])


def test_brightness_and_contrast_by_hand():
    image = np.array([[0.2, 0.4, 0.6, 0.8]], np.float32)  # mean 0.5
    brighter = BrightnessContrastTransform(0.1, 1.0).apply_image(image)
    assert np.allclose(brighter, [[0.3, 0.5, 0.7, 0.9]])
    # 0.5 + 2 (I - 0.5), cut off below 0 and above 1.
    stronger = BrightnessContrastTransform(0.0, 2.0).apply_image(image)
    assert np.allclose(stronger, [[0.0, 0.3, 0.7, 1.0]])


def test_blur_by_hand():
    image = np.zeros((21, 21), np.float32)
    image[10, 10] = 1
    blurred = BlurTransform(1.5).apply_image(image)
    # The center of a Gaussian is 1 / (2 pi sigma^2), and its neighbor exp(-1 / (2 sigma^2)) of it.
    assert blurred[10, 10] == pytest.approx(1 / (2 * np.pi * 1.5**2), rel=0.01)
    assert blurred[10, 11] / blurred[10, 10] == pytest.approx(np.exp(-1 / 4.5), rel=0.01)
    assert blurred.sum() == pytest.approx(1, rel=1e-3)
    assert BlurTransform(0.0).apply_image(image) is image


def test_noise_has_its_deviation_and_its_seed():
    image = np.full((200, 200), 0.5, np.float32)
    noise = NoiseTransform(0.05, 1).apply_image(image) - image
    assert noise.std() == pytest.approx(0.05, rel=0.02)
    assert abs(noise.mean()) < 0.001
    assert not np.array_equal(noise, NoiseTransform(0.05, 2).apply_image(image) - image)


IMAGE = np.zeros((4, 4), np.float32)
RANDOM = (
    (RandomGamma(0.5, 2.0), "gamma", 0.5, 2.0, 1.0),
    (RandomBrightnessContrast(0.2), "brightness", -0.2, 0.2, 0.0),
    (RandomBrightnessContrast(0.0, 0.5, 2.0), "contrast", 0.5, 2.0, 1.0),
    (RandomBlur(1.0, 3.0), "sigma", 1.0, 3.0, 2.0),
    (RandomNoise(0.1, 0.3), "sigma", 0.1, 0.3, 0.2),
)


@pytest.mark.parametrize(("augmentation", "name", "low", "high", "median"), RANDOM)
def test_draws_fill_their_range(augmentation, name, low, high, median):
    with numpy_seed(0):
        drawn = [getattr(augmentation.get_transform(IMAGE), name) for _ in range(400)]
    assert low <= min(drawn) < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < max(drawn) <= high
    # Log-uniform factors have their median at 1, the others in the middle.
    assert np.median(drawn) == pytest.approx(median, abs=0.1 * (high - low))


def test_noise_differs_from_draw_to_draw():
    with numpy_seed(0):
        first, second = (RandomNoise(0.1, 0.1).get_transform(IMAGE) for _ in range(2))
    assert first.seed != second.seed


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: RandomGamma(0.0, 1.0), "INPUT.GAMMA"),
        (lambda: RandomBrightnessContrast(-0.1), "INPUT.BRIGHTNESS"),
        (lambda: RandomBrightnessContrast(0.0, 2.0, 1.0), "INPUT.CONTRAST"),
        (lambda: RandomBlur(2.0, 1.0), "INPUT.BLUR"),
        (lambda: RandomNoise(-0.1, 0.1), "INPUT.NOISE"),
    ],
)
def test_a_wrong_range_names_its_key(make, key):
    with pytest.raises(ValueError, match=key):
        make()
