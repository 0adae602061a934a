"""The account of a preparation: its counts as JSON and text, its decisions as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.cases import count_links, group_cases
from ..utils.files import write_atomically, write_json


def write_account(
    folder: Path,
    summary: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
) -> None:
    """Write summary.json, summary.txt and decisions.csv.

    Args:
        folder: made if it is not there.
        summary: counts, nested where that helps.
        rows: the decisions; a column that a row lacks stays empty.
        columns: of the CSV, in order.

    Raises:
        OSError: a file cannot be written.
        ValueError: a row has a column that is not among ``columns``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary, indent=1)
    write_atomically(folder / "summary.txt", format_summary(summary).encode("utf-8"))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / "decisions.csv", text.getvalue().encode("utf-8"))


def count_split(content: Mapping[str, Any]) -> dict[str, Any]:
    """Patients, images, lesions and links of one split.

    Args:
        content: COCO JSON, with context images of the cases of its images.
    """
    images = [dict(image) for image in content["images"]]
    first = {_case(image): image for image in reversed(images)}
    for view in content["context_images"]:
        first[_case(view)].setdefault("context_views", []).append(dict(view))
    return {
        "patients": len({image["patient_id"] for image in images}),
        "images": len(images),
        "lesions": len(content["annotations"]),
        "context images": len(content["context_images"]),
        "links": count_links(group_cases(images)),
    }


def _case(image: Mapping[str, Any]) -> tuple[Any, Any]:
    return image["patient_id"], image.get("case_id")


def annotations_of(
    files: Mapping[str, Mapping[str, Any]], key: str
) -> dict[tuple[str, Any], dict[str, Any]]:
    """(file name, what tells the lesions of a film apart) -> annotation, of all splits.

    Args:
        files: split -> COCO content.
        key: of the annotations.
    """
    found = {}
    for content in files.values():
        names = {image["id"]: image["file_name"] for image in content["images"]}
        found |= {(names[a["image_id"]], a[key]): a for a in content["annotations"]}
    return found


def format_summary(summary: Mapping[str, Any]) -> str:
    """The summary as indented text."""
    return "\n".join(_lines(summary, 0)) + "\n"


def _lines(value: Mapping[str, Any], depth: int) -> list[str]:
    lines = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            lines.append("  " * depth + f"{key}:" + ("" if item else " none"))
            lines += _lines(item, depth + 1)
        else:
            lines.append("  " * depth + f"{key}: {item}")
    return lines
