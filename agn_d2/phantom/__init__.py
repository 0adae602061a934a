"""A multi-view mammogram phantom: 3-D breasts, seen in CC and MLO, with the whole truth."""

from .case import generate_case
from .dataset import make_phantom
from .params import CBIS_DDSM_VIEW_SHARES, DEMO_PARAMS, PhantomParams
from .truth import PhantomCase, PhantomObject, PhantomView

__all__ = [
    "CBIS_DDSM_VIEW_SHARES",
    "DEMO_PARAMS",
    "PhantomCase",
    "PhantomObject",
    "PhantomParams",
    "PhantomView",
    "generate_case",
    "make_phantom",
]
