"""Pictures of mammograms for the screen: JPEG files of moderate size, written once."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, delayed
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from ..images import read_gray
from ..utils.files import write_atomically

logger = logging.getLogger(__name__)

_LONG_SIDE = 1000  # px of a picture at most
_QUALITY = 85
_SPAN = (1.0, 99.8)  # percentiles of the gray values that become black and white


def pictures_folder(output: Path) -> Path:
    """Folder of the pictures of a page."""
    return output / "images"


def picture_path(output: Path, name: str) -> Path:
    """Where the picture of an image lies."""
    return pictures_folder(output) / f"{name}.jpg"


def picture_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of the picture of an image: at most 1000 px long, never enlarged."""
    scale = min(1.0, _LONG_SIDE / max(image_size))
    height, width = (max(1, round(side * scale)) for side in image_size)
    return height, width


def render_picture(image: np.ndarray) -> np.ndarray:
    """A mammogram for the screen.

    Args:
        image: (H, W) uint8 or uint16.

    Returns:
        uint8 of ``picture_size``, from the 1st to the 99.8th percentile of the gray values.
    """
    height, width = picture_size(image.shape)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = np.percentile(small, _SPAN)
    scaled = (small - low) * (255.0 / max(float(high - low), 1.0))
    return np.clip(scaled, 0, 255).round().astype(np.uint8)


def write_pictures(
    sizes: Mapping[str, tuple[int, int]], images: Path, output: Path, workers: int = 1
) -> dict[str, str]:
    """Write the picture of each image; those that are up to date are left as they are.

    Args:
        sizes: file name below ``images`` -> (H, W) that the image must have.
        images: folder of the mammograms.
        output: pictures are written below ``output/images``.
        workers: threads, -1 for one per core.

    Returns:
        file name -> why there is no picture, of those that cannot be read or have another size.

    Raises:
        ValueError: the pictures would lie among the images.
    """
    folder = pictures_folder(output)
    if folder.resolve() == images.resolve():
        raise ValueError(
            f"{output}: the pictures of the page, {folder}, would lie among the images; choose "
            "another folder for the page"
        )
    jobs = Parallel(n_jobs=workers, backend="threading", return_as="generator")(
        delayed(_write_picture)(images / name, picture_path(output, name), size)
        for name, size in sizes.items()
    )
    bar = tqdm(jobs, total=len(sizes), unit="image", disable=not sys.stderr.isatty())
    reasons = zip(sizes, bar, strict=True)
    problems = {name: reason for name, reason in reasons if reason is not None}
    for reason in problems.values():
        logger.warning("no picture: %s", reason)
    return problems


def _write_picture(source: Path, target: Path, image_size: tuple[int, int]) -> str | None:
    origin = _origin(source) if source.is_file() else b""
    if _is_current(target, image_size, origin):
        return None
    try:
        image = read_gray(source)
    except (OSError, ValueError) as error:
        return str(error)
    if image.shape != image_size:
        height, width = image_size
        return (
            f"{source} has {image.shape[1]} x {image.shape[0]} px, the record says "
            f"{width} x {height} px"
        )
    picture = io.BytesIO()
    Image.fromarray(render_picture(image)).save(picture, "JPEG", quality=_QUALITY, comment=origin)
    write_atomically(target, picture.getvalue())
    return None


def _origin(source: Path) -> bytes:
    """What tells a version of a file, whether it is newer than the picture or older."""
    stat = source.stat()
    version = f"{source.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}"
    # The path itself would tell a reader of the page where it lies.
    return hashlib.sha256(os.fsencode(version)).hexdigest().encode()


def _is_current(target: Path, image_size: tuple[int, int], origin: bytes) -> bool:
    """Whether the picture is of this version, and of the size that the record asks for."""
    if not target.is_file():
        return False
    try:
        with Image.open(target) as picture:  # reads the header only
            of_size = picture.size == picture_size(image_size)[::-1]
            return of_size and picture.info.get("comment") == origin
    except UnidentifiedImageError:
        return False
