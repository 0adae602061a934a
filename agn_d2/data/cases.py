"""Cases: the views of one examination, and which view serves which."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..coco.values import text
from ..utils.view_names import OTHER_SIDE, OTHER_VIEW

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """The views of one examination.

    Attributes:
        case_id: the patient, or "<patient>/<examination>" where the data set tells them apart.
        images: dataset dicts, each with ``laterality`` (L/R) and ``view`` (CC/MLO). Those with
            ``examined`` False only serve the others.
        auxiliary: for each image the position of the other view of the same breast, or None.
        contralateral: for each image the position of the same view of the other breast, or None.
        borrowed: further dataset dicts that are read as context only, never examined; their
            positions follow those of ``images``. See ``shuffle_partners``.
    """

    case_id: str
    images: tuple[dict[str, Any], ...]
    auxiliary: tuple[int | None, ...]
    contralateral: tuple[int | None, ...]
    borrowed: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def examined(self) -> tuple[int, ...]:
        """Positions of the images that are examined, not only read for the others."""
        return tuple(i for i, image in enumerate(self.images) if image.get("examined", True))

    def record(self, position: int) -> dict[str, Any]:
        """The dataset dict at a position, be it an image of the case or a borrowed one."""
        own = len(self.images)
        return self.images[position] if position < own else self.borrowed[position - own]


def group_cases(images: Sequence[dict[str, Any]]) -> list[Case]:
    """Group dataset dicts into cases, in the order in which the cases first appear.

    Where a view was taken twice, both are examined, and the first one serves the others.

    Args:
        images: dataset dicts with ``patient_id``, ``laterality``, ``view``, and ``case_id`` if
            a patient has several examinations. An image may carry ``context_views``: dicts of
            further views of its case, which are read for the others and never examined.

    Raises:
        ValueError: a dict lacks a key, has another laterality or view, or a context view of
            another case; names the file.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for image in images:
        _check(image)
        groups.setdefault(_case_id(image), []).append(image)
    for image in images:
        for view in image.get("context_views", ()):
            _check(view)
            if _case_id(view) != _case_id(image):
                raise ValueError(
                    f"{view.get('file_name', view)}: a context view of case {_case_id(view)} in "
                    f"an image of case {_case_id(image)}"
                )
            # Behind all examined views, so that those serve first.
            groups[_case_id(image)].append(view | {"examined": False})
    return [_link(case_id, group) for case_id, group in groups.items()]


def count_links(cases: Sequence[Case]) -> dict[str, int]:
    """Number of examined images by the views that they can read.

    Returns:
        counts under "both", "auxiliary only", "contralateral only", "neither" and "total".
    """
    names = {
        (True, True): "both",
        (True, False): "auxiliary only",
        (False, True): "contralateral only",
        (False, False): "neither",
    }
    counts = Counter(
        names[case.auxiliary[i] is not None, case.contralateral[i] is not None]
        for case in cases
        for i in case.examined
    )
    return {name: counts[name] for name in names.values()} | {"total": counts.total()}


def _case_id(image: dict[str, Any]) -> str:
    """The patient, and the examination if the data set names one: never two patients in one."""
    patient, examination = (text(image.get(key), key) for key in ("patient_id", "case_id"))
    return patient if examination in (None, patient) else f"{patient}/{examination}"


def _check(image: dict[str, Any]) -> None:
    for key, allowed in (("laterality", OTHER_SIDE), ("view", OTHER_VIEW), ("patient_id", None)):
        if allowed and image.get(key) not in allowed:
            wanted = f"one of {sorted(allowed)}"
        elif not allowed and text(image.get(key), key) is None:
            # Images without one would all become one patient, each other's views.
            wanted = "a patient's name"
        else:
            continue
        # Detectron2's register_coco_instances drops them from a file that has them.
        remedy = "; agn_d2.data.register_multi_view_coco reads it from a COCO file"
        raise ValueError(
            f"{image.get('file_name', image)}: {key!r} is {image.get(key)!r}, expected {wanted}"
            f"{remedy if image.get(key) is None else ''}"
        )


def _link(case_id: str, images: list[dict[str, Any]]) -> Case:
    first: dict[tuple[str, str], int] = {}
    for position, image in enumerate(images):
        key = (image["laterality"], image["view"])
        if key in first:
            logger.info("Case %s has more than one %s %s view", case_id, *key)
        first.setdefault(key, position)
    return Case(
        case_id,
        tuple(images),
        tuple(first.get((i["laterality"], OTHER_VIEW[i["view"]])) for i in images),
        tuple(first.get((OTHER_SIDE[i["laterality"]], i["view"])) for i in images),
    )
