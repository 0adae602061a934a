"""Helpers that know nothing of mammograms, graphs or detectors."""
