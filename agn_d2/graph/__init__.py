"""Pure functions on the graph of pseudo-landmarks."""
