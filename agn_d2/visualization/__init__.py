"""Figures, drawings and pages."""
