"""Line styles that differ without color, for all plots of curves."""

# Line style and marker tell the curves apart without color; the colors differ in lightness too.
STYLES = (
    ("#000000", "-", "o"),
    ("#b2182b", "--", "s"),
    ("#0072b2", "-.", "^"),
    ("#8c8c8c", (0, (5, 1, 1, 1, 1, 1)), "D"),
    ("#e69f00", (0, (1, 1)), "v"),
    ("#56b4e9", (0, (8, 2)), "P"),
)
