"""What TSMU is for, on synthetic ecoregions: an update that keeps the old ones and gains on the new one.

The thresholds stand on runs of SEEDS seeds; each one's mean and standard deviation stand beside it.
"""
