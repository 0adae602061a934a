"""The landmark recipe of [S] (thesis, 2025) as it is, beside our own: ``method="seed"``."""

from .detect import detect_seed, pectoral_stages
from .pectoral import PectoralStages

__all__ = ["PectoralStages", "detect_seed", "pectoral_stages"]
