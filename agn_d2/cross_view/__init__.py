"""Object-level cross-view reasoning beside AGN: candidates of one view against the other views'."""

from .relation import CandidateBatch, CandidateRelation

__all__ = ["CandidateBatch", "CandidateRelation"]
