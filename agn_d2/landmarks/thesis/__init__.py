"""The landmark recipe of [S] (thesis, 2025) as it is, beside our own: ``method="thesis"``."""

from .detect import detect_thesis, pectoral_stages
from .pectoral import PectoralStages

__all__ = ["PectoralStages", "detect_thesis", "pectoral_stages"]
