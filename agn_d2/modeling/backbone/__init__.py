"""Backbones that read several views."""

from .agn_fpn import AGNFPN, AGNResNetFPN, AGNTimmFPN
from .timm_bottom_up import TimmBottomUp

__all__ = ["AGNFPN", "AGNResNetFPN", "AGNTimmFPN", "TimmBottomUp"]
