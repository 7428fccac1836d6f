"""What the tests of scenes are made of."""

from tests.scenes.conftest import write_raster

__all__ = ["write_raster"]
