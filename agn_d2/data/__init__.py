"""Data sets whose images know their patient, laterality, view and landmarks."""
