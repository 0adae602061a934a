"""What the model is given and what it says: views, batches, results of views."""

from .results import ViewInside, ViewResult
from .views import (
    ROLES,
    USE_OURS,
    MultiViewBatch,
    View,
    check_inputs,
    distinct_views,
    pad_nodes,
)

__all__ = [
    "ROLES",
    "USE_OURS",
    "MultiViewBatch",
    "View",
    "ViewInside",
    "ViewResult",
    "check_inputs",
    "distinct_views",
    "pad_nodes",
]
