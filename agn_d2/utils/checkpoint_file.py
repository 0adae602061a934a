"""Checkpoint files: read without running what stands in them, written in one step."""

from __future__ import annotations

import codecs
import os
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors.torch import load_file as load_safetensors
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from .files import write_atomically

SAFETENSORS = ".safetensors"

# What a .pkl may ask for: NumPy arrays and plain containers. NumPy has renamed the modules of its
# helpers; the files keep the names of the version that wrote them.
_NUMPY_HELPERS = {
    "_reconstruct": np.empty(0).__reduce__()[0],
    "_frombuffer": np.empty(0).__reduce_ex__(5)[0],
    "scalar": np.float64(0).__reduce__()[0],
}
_PLAIN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    # How protocol 2 writes bytes.
    ("_codecs", "encode"): codecs.encode,
} | {
    (f"numpy.{core}.{module}", name): _NUMPY_HELPERS[name]
    for core in ("core", "_core")
    for module, name in (
        ("multiarray", "_reconstruct"),
        ("multiarray", "scalar"),
        ("numeric", "_frombuffer"),
    )
}


class _PlainUnpickler(pickle.Unpickler):
    """Refuses whatever is not an array or a plain container, and so runs no code of the file."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not read")
        return _PLAIN[module, name]


def read_checkpoint_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a .pkl (Detectron2's model zoo), .safetensors or file of ``torch.save``.

    Nothing but tensors, arrays, numbers, text and plain containers is read: a file from a source
    that nobody vouches for does no harm.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is cut off, empty, no checkpoint, or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                content = _PlainUnpickler(file, encoding="latin1").load()
        elif path.suffix == SAFETENSORS:
            content = load_safetensors(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    # Of damaged bytes the readers raise nearly anything: KeyError, EOFError, RuntimeError, ...
    except Exception as error:
        detail = (str(error).splitlines() or [""])[0][:160]
        raise ValueError(
            f"{path} is no whole checkpoint: cut off, empty, of another kind, or with more in it "
            f"than weights and plain values ({type(error).__name__}: {detail})"
        ) from error
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} is no checkpoint: it holds no weights by name")
    return content


def read_model_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A checkpoint in the form of Detectron2, from any of the formats that Detectron2 reads.

    Returns:
        ``model``: name -> weight; ``matching_heuristics``: True where names are of another
        program; and whatever else the file holds.

    Raises:
        OSError, ValueError: as in ``read_checkpoint_file``, and weights that are none.
    """
    content = read_checkpoint_file(path)
    suffix = Path(path).suffix
    if suffix == ".pkl" and not {"model", "__author__"} <= content.keys():
        # Caffe2's; a detector has its weights in "blobs".
        blobs = content.get("blobs", content)
        weights = {name: blob for name, blob in blobs.items() if not name.endswith("_momentum")}
        content = {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}
    elif suffix == ".pyth":
        state = content.get("model_state", {})
        weights = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
        content = {"model": weights, "__author__": "pycls", "matching_heuristics": True}
    elif "model" not in content:
        content = {"model": content}
    weights = content["model"]
    if not isinstance(weights, dict) or not weights:
        raise ValueError(f"{path} is no checkpoint: it holds no weights by name")
    for name, value in weights.items():
        if not isinstance(value, (np.ndarray, torch.Tensor)):
            raise ValueError(
                f"{path} is no checkpoint of a model: {name!r} is a {type(value).__name__}, not a "
                "tensor"
            )
    return content


def write_checkpoint_file(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write a checkpoint in one step: a kill or a full disk leaves the file that was there.

    Raises:
        OSError: as from the system; names the file.
    """

    def write(file: BinaryIO) -> None:
        torch.save(content, file)
        # On the disk before it takes its name: a crash of the machine leaves no empty file either.
        file.flush()
        os.fsync(file.fileno())

    try:
        write_atomically(path, write)
    except RuntimeError as error:
        # How torch reports that a write has failed.
        raise OSError(f"{path} cannot be written: {str(error).splitlines()[0]}") from error


def write_half(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write weights as safetensors, in one step: floats as float16, integers as they are.

    Args:
        path: where to.
        state: name -> tensor or array.

    Raises:
        ValueError: a value that float16 cannot hold; names the weight.
        OSError: it cannot be written.
    """
    half = {name: _half(name, value) for name, value in state.items()}
    write_atomically(path, safetensors_bytes(half, metadata={"format": "pt"}))


def _half(name: str, value: Any) -> Tensor:
    tensor = torch.as_tensor(np.asarray(value) if not isinstance(value, Tensor) else value)
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float16)
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} has values that float16 cannot hold (NaN, or beyond 65504)")
    # A copy: safetensors refuses tensors that share their memory.
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
