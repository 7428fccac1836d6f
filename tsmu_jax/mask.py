"""The values of a mask, u8[h, w]. Whoever reads one compares with these names."""

BACKGROUND = 0
LANDSLIDE = 1
UNKNOWN = 2  # nobody can say or has said: no weight in losses, scores and statistics
