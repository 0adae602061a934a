import numpy as np
import pytest
from detectron2.data import transforms as T

from agn_d2.data.transforms import ResizeTo, build_augmentations
from agn_d2.engine.setup import load_cfg


def test_stretch_takes_the_mean_of_each_area():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    transform = ResizeTo((2, 2)).get_transform(image)
    # By hand: means of the four 2 x 2 blocks.
    assert np.allclose(transform.apply_image(image), [[2.5, 4.5], [10.5, 12.5]])
    assert np.allclose(transform.apply_coords(np.array([[4.0, 2.0]])), [[2.0, 1.0]])


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_that_shrinks_is_averaged_while_the_other_one_grows(axis):
    # Gray values are positions of pixel centers: 0.5 to 15.5 along the axis, which becomes 4 long.
    image = np.broadcast_to(np.arange(16, dtype=np.float32) + 0.5, (3, 16))
    image = np.ascontiguousarray(image.T if axis == 0 else image)
    size = (4, 6) if axis == 0 else (6, 4)
    resized = ResizeTo(size).get_transform(image).apply_image(image)
    assert resized.shape == size
    # By hand: a new pixel covers four old ones, whose centers have the mean 4 j + 2.
    expected = np.broadcast_to([2.0, 6.0, 10.0, 14.0], (6, 4))
    assert np.allclose(resized.T if axis == 0 else resized, expected)


def test_a_mask_is_read_at_the_middle_of_each_new_pixel():
    mask = np.zeros((15, 15), np.uint8)
    mask[1:10, 6:15] = 1
    resized = ResizeTo((3, 3)).get_transform(mask).apply_segmentation(mask)
    # By hand: the middles of the new pixels are the old rows and columns 2, 7 and 12.
    assert resized.tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 0]]


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


def names(*options, is_train=True):
    cfg = load_cfg(None, [str(option) for option in options])
    return [type(a).__name__ for a in build_augmentations(cfg, is_train)]


def test_by_default_nothing_but_flips_and_gamma():
    assert names() == ["ResizeTo", "RandomFlip", "RandomFlip", "RandomGamma"]


ALL = ("ROTATE", 10.0, "SCALE", "(0.9, 1.1)", "ELASTIC", 0.02, "BRIGHTNESS", 0.1)
ALL += ("CONTRAST", "(0.8, 1.25)", "BLUR", "(0.0, 1.0)", "NOISE", "(0.0, 0.02)")


def test_the_order_of_all_of_them():
    options = [f"INPUT.{o}" if isinstance(o, str) and o.isupper() else o for o in ALL]
    assert names(*options) == [
        *("RandomAffine", "ResizeTo", "RandomFlip", "RandomFlip", "RandomElastic"),
        *("RandomGamma", "RandomBrightnessContrast", "RandomBlur", "RandomNoise"),
    ]
    assert names(*options, is_train=False) == ["ResizeTo"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("ROTATE", 5.0, "RandomAffine"),
        ("SCALE", "(1.0, 1.2)", "RandomAffine"),
        ("ELASTIC", 0.01, "RandomElastic"),
        ("BRIGHTNESS", 0.1, "RandomBrightnessContrast"),
        ("CONTRAST", "(0.5, 1.0)", "RandomBrightnessContrast"),
        ("BLUR", "(0.0, 2.0)", "RandomBlur"),
        ("NOISE", "(0.01, 0.01)", "RandomNoise"),
    ],
)
def test_each_key_brings_its_augmentation(key, value, expected):
    assert set(names(f"INPUT.{key}", value)) - set(names()) == {expected}


def test_bad_parameters():
    with pytest.raises(ValueError, match="stretch or fit"):
        ResizeTo((8, 8), "squash")
    with pytest.raises(ValueError, match="INPUT.SIZE"):
        ResizeTo((0, 8))
