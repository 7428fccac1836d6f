"""Scenes cut into tiles of equal size."""

import math
from typing import NamedTuple

from tsmu_jax.data.source import Footprint


class Window(NamedTuple):
    """A part of a scene, in pixels from its upper-left corner."""

    row: int  # which tile, counted from the top
    col: int
    y: int
    x: int
    height: int
    width: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Cuts the window out of an array [h, w, ...]."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """(x, y) of the four corners, in turn, in pixels of the scene."""
        right, bottom = self.x + self.width, self.y + self.height
        return (self.x, self.y), (right, self.y), (right, bottom), (self.x, bottom)


def windows(height: int, width: int, tile: int | None) -> list[Window]:
    """Covers a scene with tile x tile windows, row by row.

    The last row and column are shifted inwards, overlapping their neighbours, so that no pixel is lost and
    every tile has the same size. A side shorter than the tile is kept whole. Without a tile size the scene
    is one window.
    """
    tops, rows = _starts(height, tile)
    lefts, cols = _starts(width, tile)
    return [Window(row, col, top, left, rows, cols) for row, top in enumerate(tops) for col, left in enumerate(lefts)]


def window_footprint(scene: Footprint, window: Window, height: int, width: int) -> Footprint:
    """The footprint of a window in a north-up scene of `height` x `width` pixels."""
    lon_per_px = (scene.lon_max - scene.lon_min) / width
    lat_per_px = (scene.lat_max - scene.lat_min) / height
    return Footprint(
        lon_min=scene.lon_min + window.x * lon_per_px,
        lat_min=scene.lat_max - (window.y + window.height) * lat_per_px,
        lon_max=scene.lon_min + (window.x + window.width) * lon_per_px,
        lat_max=scene.lat_max - window.y * lat_per_px,
    )


def _starts(side: int, tile: int | None) -> tuple[list[int], int]:
    if tile is None or side <= tile:
        return [0], side
    count = math.ceil(side / tile)
    return [min(index * tile, side - tile) for index in range(count)], tile
