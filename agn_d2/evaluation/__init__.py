"""Evaluation: FROC as pure functions, the reading of COCO files, and the Detectron2 evaluator."""

from agn_d2.evaluation.froc_evaluator import FROCEvaluator

__all__ = ["FROCEvaluator"]
