"""Whether the gradient of a loss is that of the loss, part by part."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

SHARE = 1e-3  # of the loss that a step promises to take away


def assert_each_gradient_keeps_its_promise(
    loss: Callable[[], Tensor], parts: Mapping[str, nn.Module | nn.Parameter]
) -> None:
    """A small step against the gradient of one part alone lowers the loss by step * |gradient|^2.

    Taken as a central difference, which the curvature does not enter. A part that is cut off, has
    the wrong sign, or gets only a part of its gradient, fails.

    Args:
        loss: gives the same value whenever it is called.
        parts: of the model, by name.
    """
    start = loss()
    owned = {
        name: [part] if isinstance(part, nn.Parameter) else list(part.parameters())
        for name, part in parts.items()
    }
    every = [p for of_part in owned.values() for p in of_part if p.requires_grad]
    found = torch.autograd.grad(start, every, allow_unused=True)
    gradients = {id(p): g for p, g in zip(every, found, strict=True) if g is not None}
    for name, of_part in owned.items():
        moves = [(p, gradients[id(p)]) for p in of_part if id(p) in gradients]
        square = sum(float(g.square().sum()) for _, g in moves)
        assert square > 0, f"{name}: no gradient"
        step = SHARE * start.item() / square
        ahead, back = (_moved(loss, moves, sign * step) for sign in (-1, 1))
        kept = (back - ahead) / (2 * step * square)
        assert 0.8 < kept < 1.2, f"{name}: {kept:.3f} of the promised fall"


@torch.no_grad()
def _moved(loss: Callable[[], Tensor], moves, step: float) -> float:
    before = [p.clone() for p, _ in moves]
    for parameter, gradient in moves:
        parameter += step * gradient
    value = float(loss())
    for (parameter, _), old in zip(moves, before, strict=True):
        parameter.copy_(old)
    return value
