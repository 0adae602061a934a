"""Augmentations that change gray values only: images of one channel, float in [0, 1]."""

from __future__ import annotations

import cv2
import numpy as np
from detectron2.data import transforms as T
from fvcore.transforms.transform import Transform


class IntensityTransform(Transform):
    """A change of gray values; points, boxes and masks stay."""

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return segmentation


class GammaTransform(IntensityTransform):
    """I -> I^gamma."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return cv2.pow(np.clip(img, 0, 1), self.gamma)


class BrightnessContrastTransform(IntensityTransform):
    """I -> contrast (I - mean) + mean + brightness, cut off at 0 and 1."""

    def __init__(self, brightness: float, contrast: float) -> None:
        super().__init__()
        self.brightness, self.contrast = brightness, contrast

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        offset = (1 - self.contrast) * float(img.mean()) + self.brightness
        return np.clip(img * np.float32(self.contrast) + np.float32(offset), 0, 1)


class BlurTransform(IntensityTransform):
    """Gaussian blur with a standard deviation in pixels; 0 for none."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(img, (0, 0), self.sigma) if self.sigma > 0 else img


class NoiseTransform(IntensityTransform):
    """Gaussian noise, cut off at 0 and 1; the same object adds the same noise each time.

    Args:
        sigma: standard deviation, in gray values of [0, 1].
        seed: random seed of the noise.
    """

    def __init__(self, sigma: float, seed: int) -> None:
        super().__init__()
        self.sigma, self.seed = sigma, seed

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(self.seed).standard_normal(img.shape, dtype=np.float32)
        return np.clip(img + np.float32(self.sigma) * noise, 0, 1)


class RandomGamma(T.Augmentation):
    """Gamma drawn log-uniformly from a range.

    Raises:
        ValueError: the range is not 0 < low <= high.
    """

    def __init__(self, low: float, high: float) -> None:
        if not 0 < low <= high:
            raise ValueError(f"INPUT.GAMMA must be 0 < low <= high, got ({low}, {high})")
        super().__init__()
        self.low, self.high = low, high

    def get_transform(self, image: np.ndarray) -> Transform:
        return GammaTransform(_log_uniform(self.low, self.high))


class RandomBrightnessContrast(T.Augmentation):
    """Brightness drawn uniformly, contrast log-uniformly.

    Args:
        brightness: largest change to both sides, in gray values of [0, 1].
        low, high: range of the contrast.

    Raises:
        ValueError: a negative brightness, or not 0 < low <= high.
    """

    def __init__(self, brightness: float, low: float = 1.0, high: float = 1.0) -> None:
        if not 0 <= brightness <= 1:
            raise ValueError(f"INPUT.BRIGHTNESS must be 0 to 1, got {brightness}")
        if not 0 < low <= high:
            raise ValueError(f"INPUT.CONTRAST must be 0 < low <= high, got ({low}, {high})")
        super().__init__()
        self.brightness, self.low, self.high = brightness, low, high

    def get_transform(self, image: np.ndarray) -> Transform:
        brightness = float(np.random.uniform(-self.brightness, self.brightness))
        return BrightnessContrastTransform(brightness, _log_uniform(self.low, self.high))


class RandomBlur(T.Augmentation):
    """Standard deviation of the blur drawn uniformly, in pixels.

    Raises:
        ValueError: not 0 <= low <= high.
    """

    def __init__(self, low: float, high: float) -> None:
        if not 0 <= low <= high:
            raise ValueError(f"INPUT.BLUR must be 0 <= low <= high, got ({low}, {high})")
        super().__init__()
        self.low, self.high = low, high

    def get_transform(self, image: np.ndarray) -> Transform:
        return BlurTransform(float(np.random.uniform(self.low, self.high)))


class RandomNoise(T.Augmentation):
    """Standard deviation of the noise drawn uniformly, in gray values of [0, 1].

    Raises:
        ValueError: not 0 <= low <= high.
    """

    def __init__(self, low: float, high: float) -> None:
        if not 0 <= low <= high:
            raise ValueError(f"INPUT.NOISE must be 0 <= low <= high, got ({low}, {high})")
        super().__init__()
        self.low, self.high = low, high

    def get_transform(self, image: np.ndarray) -> Transform:
        sigma = float(np.random.uniform(self.low, self.high))
        # A number of draws that does not depend on the image's size.
        return NoiseTransform(sigma, int(np.random.randint(2**31)))


def _log_uniform(low: float, high: float) -> float:
    return float(np.exp(np.random.uniform(np.log(low), np.log(high))))
