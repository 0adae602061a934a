"""Anatomical landmarks of mammograms, and the graph nodes placed by them."""

from .batch import Extraction, extract, view_from_name
from .contour import breast_box, breast_mask
from .detect import METHODS, detect_landmarks, resolve_method
from .nodes import NodeLayout, breast_polygon, place_nodes
from .record import Landmarks, read_landmarks, write_landmarks

__all__ = [
    "METHODS",
    "Extraction",
    "Landmarks",
    "NodeLayout",
    "breast_box",
    "breast_mask",
    "breast_polygon",
    "detect_landmarks",
    "extract",
    "place_nodes",
    "read_landmarks",
    "resolve_method",
    "view_from_name",
    "write_landmarks",
]
