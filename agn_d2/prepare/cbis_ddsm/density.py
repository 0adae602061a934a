"""Breast density of the films of CBIS-DDSM, from the case-description CSVs."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path

from .tables import read_findings

logger = logging.getLogger(__name__)

Place = tuple[str, str, str]  # patient, laterality, view


def read_densities(folder: str | Path) -> dict[Place, int]:
    """The density that the mass CSVs give each film.

    Args:
        folder: holds the CSVs of the mass subset under their released names.

    Returns:
        (patient id, L/R, CC/MLO) -> ``breast_density`` of its rows, ACR 1 to 4. A film without
        a value, or whose rows disagree, is not in it; the latter is logged.

    Raises:
        FileNotFoundError, ValueError: as ``read_findings``.
    """
    values: dict[Place, set[int]] = defaultdict(set)
    findings, _ = read_findings(folder, ("mass",))
    for finding in findings:
        density = finding.facts["breast_density"]
        if isinstance(density, int):
            values[finding.patient_id, finding.laterality, finding.view].add(density)
    for place, found in values.items():
        if len(found) > 1:
            logger.warning("%s: densities %s; none is taken", " ".join(place), sorted(found))
    return {place: found.pop() for place, found in values.items() if len(found) == 1}
