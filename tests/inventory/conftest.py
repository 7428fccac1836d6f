"""Shares the fixture that writes rasters with the tests of scenes."""

from tests.scenes.conftest import write_raster

__all__ = ["write_raster"]
