"""Evaluation: FROC as pure functions, the reading of COCO files, and the Detectron2 evaluator."""

from .froc_evaluator import FROCEvaluator

__all__ = ["FROCEvaluator"]
