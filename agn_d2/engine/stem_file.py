"""Checkpoint files whose RGB stem is turned gray once and for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..modeling.gray_stem import gray_stem


def convert_checkpoint(
    content: dict[str, Any], kind: str, order: str
) -> tuple[dict[str, Any], str]:
    """Turn the one convolution that reads three channels gray; everything else stays.

    Args:
        content: what ``read_checkpoint_file`` returns.
        kind, order: see ``gray_stem``.

    Returns:
        the content and the name of the stem's weight.

    Raises:
        ValueError: no convolution reads three channels, or several do.
    """
    key = next((k for k in ("model", "state_dict") if isinstance(content.get(k), dict)), None)
    weights = content if key is None else content[key]
    stems = [name for name, value in weights.items() if _reads_rgb(value)]
    if len(stems) != 1:
        raise ValueError(f"expected one convolution that reads three channels, got {stems}")
    stem = torch.as_tensor(np.asarray(weights[stems[0]]))
    converted = {name: _tensor(value) for name, value in weights.items()}
    converted[stems[0]] = gray_stem(stem, kind, order=order)
    return (converted if key is None else content | {key: converted}), stems[0]


def _reads_rgb(value: Any) -> bool:
    shape = getattr(value, "shape", ())
    return len(shape) == 4 and shape[1] == 3


def _tensor(value: Any) -> Any:
    return torch.as_tensor(value) if isinstance(value, np.ndarray) else value
