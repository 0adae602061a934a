"""File names that tell case, side and view."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..utils.view_names import SIDE_AND_VIEW, side_and_view

NAME_FORM = "<case>_<LEFT|RIGHT>_<CC|MLO>"
_NAME = re.compile(rf"^(?:(?P<case>.+)[_\- ])?{SIDE_AND_VIEW}$", re.I)


def parse_name(path: str | os.PathLike[str]) -> tuple[str, str, str]:
    """Case, side and view that the name of an image file tells.

    Args:
        path: ``<case>_<LEFT|RIGHT>_<CC|MLO>.<suffix>``; without a case in the name, the case is
            the name of the folder.

    Returns:
        case, laterality ("L" or "R"), view ("CC" or "MLO").

    Raises:
        ValueError: the name is not so; names the file.
    """
    match = _NAME.match(Path(path).stem)
    if match is None:
        raise ValueError(f"{path}: the name must be {NAME_FORM}")
    # The folder of a link, not of its target: files of a store lie in other folders.
    case = match["case"] or Path(os.path.abspath(path)).parent.name
    return case, *side_and_view(match)
