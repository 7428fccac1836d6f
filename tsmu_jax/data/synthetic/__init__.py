"""Synthetic ecoregions: a seeded program that draws image pairs with landslides."""

from tsmu_jax.data.synthetic.source import SyntheticSource

__all__ = ["SyntheticSource"]
