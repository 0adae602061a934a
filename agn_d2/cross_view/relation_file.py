"""A fitted relation as a JSON file: a dozen numbers with their names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from ..utils.files import write_json
from .relation import CandidateRelation

KIND = "agn_d2 candidate relation"


def write_relation(
    path: str | os.PathLike[str],
    relation: CandidateRelation,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a relation, with what it was fitted on."""
    parameters = {name: value.tolist() for name, value in relation.state_dict().items()}
    write_json(path, {"kind": KIND, "fitted_on": dict(facts or {}), "parameters": parameters}, 1)


def read_relation(path: str | os.PathLike[str]) -> CandidateRelation:
    """Read a relation, also from a path of Detectron2's ``PathManager`` such as ``zoo://``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a relation of this version; names the file.
    """
    path = PathManager.get_local_path(os.fspath(path))
    if not Path(path).is_file():
        raise FileNotFoundError(f"No such relation: {path}; tools/cross_view.py fit makes one")
    relation = CandidateRelation()
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["kind"] != KIND:
            raise ValueError(f"its kind is {content['kind']!r}")
        state = {name: torch.tensor(value) for name, value in content["parameters"].items()}
        relation.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not a relation of candidates: {error}") from error
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise ValueError(f"{path}: a parameter is not finite")
    return relation.eval()


def configured_relation(cfg: CfgNode) -> CandidateRelation | None:
    """The relation of ``MODEL.CROSS_VIEW.RELATION``, or None where the config names none."""
    path = cfg.MODEL.CROSS_VIEW.RELATION
    return read_relation(path) if path else None
