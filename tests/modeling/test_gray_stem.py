"""An RGB convolution for one gray channel."""

import pytest
import torch

from agn_d2.modeling.gray_stem import gray_stem

WEIGHT = torch.tensor([100.0, 10.0, 1.0]).reshape(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("kind", "order", "expected"),
    [
        ("luma", "RGB", 0.299 * 100 + 0.587 * 10 + 0.114 * 1),
        ("luma", "BGR", 0.114 * 100 + 0.587 * 10 + 0.299 * 1),
        ("sum", "RGB", 111.0),
        ("sum", "BGR", 111.0),
    ],
)
def test_by_hand(kind, order, expected):
    gray = gray_stem(WEIGHT, kind, order=order)
    assert gray.shape == (1, 1, 1, 1)
    assert gray.item() == pytest.approx(expected)


def test_sum_computes_what_the_rgb_stem_computes_on_the_repeated_image():
    weight, image = torch.randn(4, 3, 3, 3), torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(
        torch.conv2d(image, gray_stem(weight, "sum")),
        torch.conv2d(image.expand(-1, 3, -1, -1), weight),
        rtol=1e-4,
        atol=1e-5,
    )


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"expected weights \(C, 3, h, w\), got \(4, 1, 3, 3\)"):
        gray_stem(torch.zeros(4, 1, 3, 3))
    for kind, order in [("mean", "RGB"), ("luma", "GBR")]:
        with pytest.raises(ValueError, match=f"'{kind}', '{order}'"):
            gray_stem(WEIGHT, kind, order=order)
