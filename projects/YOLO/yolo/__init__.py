"""YOLO beside AG-RCNN: a data set as it reads it, and its boxes as COCO results."""

from .export import coco_results, export_split, write_data_yaml

__all__ = ["coco_results", "export_split", "write_data_yaml"]
