"""Digests of what a run reads, so that a changed input is not taken for the same run."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode, get_cfg
from detectron2.data import MetadataCatalog

from ..coco.reading import once
from ..config import add_agn_config
from ..data.builtin import register_builtin_datasets
from ..engine.renamed_keys import RENAMED_KEYS
from ..engine.setup import read_config_file
from ..utils.paths import resolve_data_path

# Config, annotations of the training and test sets; and where they take part, initial weights,
# those of a timm network, the relation of candidates, annotations of the validation set, landmarks,
# and the prior of BGN.
DIGESTS = (
    *("config_digest", "data_digest", "weights_digest", "timm_weights_digest", "relation_digest"),
    *("validation_digest", "landmarks_digest", "prior_digest"),
)
_FILES = {
    "weights_digest": "MODEL.WEIGHTS",
    "timm_weights_digest": "MODEL.TIMM.WEIGHTS",
    "relation_digest": "MODEL.CROSS_VIEW.RELATION",
}


def digest_inputs(config_file: str, options: Sequence[str]) -> dict[str, str]:
    """Digests of a config and of the files that a run with it reads.

    Not of the images nor of weights that are downloaded, and none of a file that is not there.

    Args:
        config_file: a YAML of Detectron2.
        options: KEY, VALUE, KEY, VALUE, ... on top of it.

    Returns:
        some of ``DIGESTS`` -> hexadecimal digits.

    Raises:
        FileNotFoundError, ValueError: a fault of the config.
    """
    config = read_config_file(config_file)
    # Not by load_cfg: only the trainer needs to know all keys.
    keys = dict(flatten_keys(config))
    for key, value in zip(options[::2], options[1::2], strict=False):
        keys[RENAMED_KEYS.get(key, key)] = value
    text = json.dumps({**config, "OUTPUT_DIR": None}, sort_keys=True, default=str)
    inputs = _input_files(keys)
    return {
        "config_digest": hashlib.sha256(text.encode()).hexdigest()[:12],
        **{name: "".join(_file_digest(f) for f in files) for name, files in inputs.items()},
    }


def flatten_keys(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The keys of a config, written with dots, and the texts of their values."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flatten_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _input_files(keys: Mapping[str, str]) -> dict[str, list[Path]]:
    """Digest -> the files that it is made of, those that are there."""
    known = register_builtin_datasets()

    def files_of(what: str, *of: str) -> list[Path]:
        names = [name for key in of for name in _names(_value(keys, key)) if name in known]
        files = (MetadataCatalog.get(name).get(what) for name in names)
        return [path for file in files if file and (path := Path(file)).is_file()]

    sets = ["DATASETS.TRAIN", "DATASETS.TEST"]
    inputs = {"data_digest": files_of("json_file", *sets)}
    for digest, key in _FILES.items():
        file = Path(str(_value(keys, key))).expanduser()
        if file.is_file():
            inputs[digest] = [file]
    if _value(keys, "TEST.VALIDATION.EPOCHS"):
        sets.append("TEST.VALIDATION.DATASET")
        inputs["validation_digest"] = files_of("json_file", sets[-1])
    if _value(keys, "MODEL.AGN.ENABLED"):
        # One file for all splits of a data set and for its folds.
        inputs["landmarks_digest"] = sorted(
            {f.resolve() for f in files_of("landmarks_file", *sets)}
        )
        if _value(keys, "MODEL.AGN.BGN.ENABLED"):
            inputs["prior_digest"] = _prior_files(keys)
    return inputs


def _prior_files(keys: Mapping[str, str]) -> list[Path]:
    layout = "_".join(re.findall(r"\d+", str(_value(keys, "MODEL.AGN.LAYOUT"))))
    name = str(_value(keys, "MODEL.AGN.BGN.PRIOR")).replace("{layout}", layout)
    try:
        path = resolve_data_path(name)
    except FileNotFoundError:  # the trainer says so
        return []
    return [path] if path.is_file() else []


def _value(keys: Mapping[str, str], key: str) -> Any:
    """Of a key, or its default. YAML has no tuples: "('a', 'b')" is a text there as well."""
    if key not in keys:
        node = _defaults()
        for part in key.split("."):
            node = node[part]
        return node
    try:
        return ast.literal_eval(keys[key])
    except (ValueError, SyntaxError):
        return keys[key]


@functools.cache
def _defaults() -> CfgNode:
    cfg = get_cfg()
    add_agn_config(cfg)
    return cfg


def _names(value: Any) -> Sequence[str]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _read_digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:6]


# The runs of a plan are asked again and again whether they are finished.
_file_digest = once(_read_digest, most=1000)
