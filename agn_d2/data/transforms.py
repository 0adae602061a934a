"""The resize, and all augmentations of a config as Detectron2 ``Augmentation``s."""

from __future__ import annotations

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from fvcore.transforms.transform import Transform

from .intensity import RandomBlur, RandomBrightnessContrast, RandomGamma, RandomNoise
from .spatial import RandomAffine, RandomElastic


class AreaResizeTransform(T.ResizeTransform):
    """Resize that averages where it shrinks.

    Detectron2's ``ResizeTransform`` resizes float images without a low-pass filter, which
    aliases fine structures of a mammogram; this one takes the mean of each area.
    """

    def __init__(self, h: int, w: int, new_h: int, new_w: int) -> None:
        super().__init__(h, w, new_h, new_w)

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """(H, W) or (H, W, C) of any dtype -> resized."""
        if interp is not None:
            return cv2.resize(img, (self.new_w, self.new_h), interpolation=interp)
        # Where one axis grows OpenCV's INTER_AREA averages along neither, and shifts the image.
        smaller = min(self.new_w, self.w), min(self.new_h, self.h)
        if smaller != (self.w, self.h):
            img = cv2.resize(img, smaller, interpolation=cv2.INTER_AREA)
        if smaller != (self.new_w, self.new_h):
            img = cv2.resize(img, (self.new_w, self.new_h), interpolation=cv2.INTER_LINEAR)
        return img

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        # INTER_NEAREST takes the first pixel of those that a new one covers, not the middle one.
        size = (self.new_w, self.new_h)
        return cv2.resize(segmentation, size, interpolation=cv2.INTER_NEAREST_EXACT)

    def inverse(self) -> AreaResizeTransform:
        return AreaResizeTransform(self.new_h, self.new_w, self.h, self.w)


class ResizeTo(T.Augmentation):
    """Resize to a fixed size, or to the largest that fits into it.

    Args:
        size: (H, W) in pixels.
        mode: "stretch" (exactly ``size``, the aspect ratio is lost) or "fit" (it is kept; the
            batch is padded at the right and the bottom).

    Raises:
        ValueError: another mode, or a size that is not positive.
    """

    def __init__(self, size: tuple[int, int], mode: str = "stretch") -> None:
        if mode not in ("stretch", "fit"):
            raise ValueError(f"INPUT.RESIZE must be stretch or fit, got {mode!r}")
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"INPUT.SIZE must be (height, width) in pixels, got {size}")
        super().__init__()
        self.size = tuple(size)
        self.mode = mode

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = image.shape[:2]
        new_height, new_width = self.size
        if self.mode == "fit":
            scale = min(new_height / height, new_width / width)
            new_height, new_width = round(height * scale), round(width * scale)
        return AreaResizeTransform(height, width, max(new_height, 1), max(new_width, 1))


def build_augmentations(cfg: CfgNode, is_train: bool) -> list[T.Augmentation]:
    """The augmentations of ``INPUT``: the resize always, the random ones in training only.

    Rotation and scaling come before the resize, which may change the aspect ratio: they turn the
    breast as it is. What changes gray values comes last.
    """
    augmentations: list[T.Augmentation] = [ResizeTo(cfg.INPUT.SIZE, cfg.INPUT.RESIZE)]
    if not is_train:
        return augmentations
    if cfg.INPUT.ROTATE != 0 or tuple(cfg.INPUT.SCALE) != (1, 1):
        augmentations.insert(0, RandomAffine(cfg.INPUT.ROTATE, *cfg.INPUT.SCALE))
    if cfg.INPUT.FLIP_HORIZONTAL > 0:
        augmentations.append(T.RandomFlip(cfg.INPUT.FLIP_HORIZONTAL))
    if cfg.INPUT.FLIP_VERTICAL > 0:
        augmentations.append(T.RandomFlip(cfg.INPUT.FLIP_VERTICAL, horizontal=False, vertical=True))
    if cfg.INPUT.ELASTIC != 0:
        augmentations.append(RandomElastic(cfg.INPUT.ELASTIC, cfg.INPUT.ELASTIC_POINTS))
    if tuple(cfg.INPUT.GAMMA) != (1, 1):
        augmentations.append(RandomGamma(*cfg.INPUT.GAMMA))
    if cfg.INPUT.BRIGHTNESS != 0 or tuple(cfg.INPUT.CONTRAST) != (1, 1):
        augmentations.append(RandomBrightnessContrast(cfg.INPUT.BRIGHTNESS, *cfg.INPUT.CONTRAST))
    if tuple(cfg.INPUT.BLUR) != (0, 0):
        augmentations.append(RandomBlur(*cfg.INPUT.BLUR))
    if tuple(cfg.INPUT.NOISE) != (0, 0):
        augmentations.append(RandomNoise(*cfg.INPUT.NOISE))
    return augmentations
