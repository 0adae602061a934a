"""Config keys of former versions, read under their present names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from detectron2.config import CfgNode

logger = logging.getLogger(__name__)

# Former key -> present key.
RENAMED_KEYS = {
    "MODEL.DETR.TRUNK": "MODEL.DETR.BACKBONE",
    "MODEL.DETR.TRUNK_FEATURE": "MODEL.DETR.BACKBONE_FEATURE",
    "SOLVER.BACKBONE_LR_FACTOR": "SOLVER.BACKBONE_MULTIPLIER",
    "SOLVER.AGN_LR_FACTOR": "SOLVER.AGN_MULTIPLIER",
    # A norm, or 0 for no clipping: now the three keys of ``_clipping``.
    "SOLVER.MAX_GRADIENT_NORM": "SOLVER.CLIP_GRADIENTS",
    "TEST.WATCH.EPOCHS": "TEST.VALIDATION.EPOCHS",
    "TEST.WATCH.DATASET": "TEST.VALIDATION.DATASET",
    "TEST.WATCH.METRIC": "TEST.VALIDATION.METRIC",
    "TEST.WATCH.PATIENCE": "TEST.VALIDATION.PATIENCE",
}
_CLIPPING = "SOLVER.CLIP_GRADIENTS"


class RenamingCfgNode(CfgNode):
    """A config that reads the keys of former versions, with a warning for each."""

    @classmethod
    def load_yaml_with_base(cls, filename: str, allow_unsafe: bool = False) -> dict[str, Any]:
        """As in fvcore, which calls it for each ``_BASE_`` too: a former key overrides its base."""
        keys = super().load_yaml_with_base(filename, allow_unsafe=allow_unsafe)
        for former, present in rename_keys(keys, filename).items():
            _warn(filename, former, present)
        return keys

    def merge_from_list(self, cfg_list: list[Any]) -> None:
        """As in yacs, pair by pair; the last value of a key counts under whichever name."""
        if len(cfg_list) % 2:
            super().merge_from_list(cfg_list)  # says what is missing
        for former, value in zip(cfg_list[::2], cfg_list[1::2], strict=True):
            present, pair = RENAMED_KEYS.get(former), [former, value]
            if present is not None:
                _warn("KEY VALUE", former, present)
                pair = [present, value]
            if present == _CLIPPING:
                norm = self._decode_cfg_value(value)
                clip = _clipping(norm, self.SOLVER.CLIP_GRADIENTS, former)
                pair = [x for key, v in clip.items() for x in (f"{_CLIPPING}.{key}", v)]
            super().merge_from_list(pair)


def rename_keys(keys: Any, source: str) -> dict[str, str]:
    """Give the keys of former versions their present names, in place.

    Args:
        keys: nested, of a YAML; what is no mapping stays as it is.
        source: the file, for the message.

    Returns:
        former -> present name of the keys found.

    Raises:
        ValueError: two kinds of gradient clipping at once, or a norm that is no number.
    """
    found = {}
    for former, present in RENAMED_KEYS.items():
        path, name = former.split(".")[:-1], former.split(".")[-1]
        node = _descend(keys, path)
        if node is None or name not in node:
            continue
        found[former] = present
        value = node.pop(name)
        if not node:
            # A section of which nothing is left, such as TEST.WATCH.
            _descend(keys, path[:-1]).pop(path[-1])
        *path, name = present.split(".")
        node = keys
        for part in path:
            node = node.setdefault(part, {})
        if present == _CLIPPING:
            clip = node.setdefault(name, {})
            if value and clip.get("ENABLED") and clip.get("CLIP_TYPE", "value") != "full_model":
                raise ValueError(
                    f"config: {source}: {former} and {_CLIPPING}.ENABLED are both set: keep "
                    f"{_CLIPPING} alone"
                )
            clip.update(_clipping(value, clip, former))
        else:
            node[name] = value
    return found


def _clipping(norm: Any, clip: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What a largest norm of all gradients together (0: no limit) makes of ``CLIP_GRADIENTS``."""
    if isinstance(norm, bool) or not isinstance(norm, (int, float)):
        raise ValueError(f"config: {key}: expected a number, 0 for no clipping, got {norm!r}")
    if norm > 0:
        return {
            "ENABLED": True,
            "CLIP_TYPE": "full_model",
            "CLIP_VALUE": float(norm),
            "NORM_TYPE": 2.0,
        }
    # 0 never switched off Detectron2's clipping of single parameters.
    return {"ENABLED": False} if clip.get("CLIP_TYPE") == "full_model" else {}


def _descend(keys: Any, path: Iterable[str]) -> dict[str, Any] | None:
    for part in path:
        keys = keys.get(part) if isinstance(keys, dict) else None
    return keys if isinstance(keys, dict) else None


def _warn(source: str, former: str, present: str) -> None:
    more = ' with CLIP_TYPE "full_model", CLIP_VALUE the norm' if present == _CLIPPING else ""
    logger.warning("%s: %s is now called %s%s.", source, former, present, more)
