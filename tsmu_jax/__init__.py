"""Task-Specific Model Updates for landslide mapping: one shared encoder, one decoder per ecoregion."""

__version__ = "0.1.0"
