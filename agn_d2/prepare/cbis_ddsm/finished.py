"""What is noted of a preparation that has come to its end, so that it is not done again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...utils.files import write_json


def finished_summary(out: Path, stamp: str) -> dict[str, Any] | None:
    """The summary of a finished run whose files are all there; None: there was none like this.

    Args:
        out: folder of the data set.
        stamp: digest of all that the data set depends on.
    """
    try:
        content = json.loads(_place(out).read_text(encoding="utf-8"))
        if content["stamp"] == stamp and content["outputs"] == _outputs(out):
            return dict(content["summary"])
    except (OSError, ValueError, KeyError, TypeError):
        # Missing, from another version or damaged: the data set is put together anew.
        return None
    return None


def forget_finished(out: Path) -> None:
    """Take back the note, before the data set is changed."""
    _place(out).unlink(missing_ok=True)


def note_finished(out: Path, stamp: str, summary: Mapping[str, Any]) -> None:
    """Note that the data set is as ``stamp`` says, with all files that it has now."""
    write_json(_place(out), {"stamp": stamp, "outputs": _outputs(out), "summary": summary})


def _place(out: Path) -> Path:
    return out / "work" / "finished.json"


def _outputs(out: Path) -> dict[str, int]:
    """Every file of the data set and the report, with its size."""
    return {
        path.relative_to(out).as_posix(): path.stat().st_size
        for name in ("images", "annotations", "report")
        for path in sorted((out / name).iterdir())
    }
