"""Deals an inventory's landslides out to tiles of their scenes, each to one, and says which others a tile shows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.reviewing import pixels
from tsmu_jax.reviewing.candidates import Candidate
from tsmu_jax.scenes.grid import Grid

_AROUND_PX = 16
_LEAST_PX2 = 1e-3  # of an outline in a tile: degrees keep the edges of pixels less exactly


class Neighbour(NamedTuple):
    """A landslide that reaches into a tile. Attributes: home: name of the tile to which it belongs."""

    candidate: Candidate
    home: str


class Tile(NamedTuple):
    """A part of a scene.

    Attributes:
      name: of its files.
      scene: its digest.
      rows, columns: of the scene's map.
      members: landslides that belong to it; it shows them wholly.
      neighbours: others that reach into it.
    """

    name: str
    scene: str
    rows: slice
    columns: slice
    members: tuple[Candidate, ...]
    neighbours: tuple[Neighbour, ...] = ()


def plan(candidates: Sequence[Candidate], grids: Mapping[str, Grid], side: int) -> list[Tile]:
    """The tiles of the scenes, in the order of the scenes, and row by row.

    A landslide belongs to the first scene with images that it lies on, and there to the tile in which its middle lies.
    The tile grows to show all of it.

    Args:
      grids: of the scenes whose images are there, by their digests.
      side: px of the map, of a tile that does not grow.
    """
    outlines = {digest: _outlines(candidates, grid) for digest, grid in grids.items()}
    cells: dict[str, dict[tuple[int, int], list[int]]] = {digest: {} for digest in grids}
    for number, one in enumerate(candidates):
        home = next((scene for scene in one.scenes if scene in grids and outlines[scene][number] is not None), None)
        if home is not None:
            west, north, east, south = outlines[home][number].bounds
            cell = int((north + south) / 2) // side, int((west + east) / 2) // side
            cells[home].setdefault(cell, []).append(number)
    tiles: list[Tile] = []
    homes: dict[int, str] = {}
    for digest, grid in grids.items():
        for cell, members in sorted(cells[digest].items()):
            name = f"{digest[:8]}_{cell[0]:03d}_{cell[1]:03d}"
            rows, columns = _window([outlines[digest][number].bounds for number in members], cell, side, grid)
            tiles.append(Tile(name, digest, rows, columns, tuple(candidates[number] for number in members)))
            homes |= dict.fromkeys(members, name)
    return [
        tile._replace(neighbours=neighbours)
        for digest in grids
        for tile, neighbours in _neighbours(
            [tile for tile in tiles if tile.scene == digest], outlines[digest], candidates, homes
        )
    ]


def _outlines(candidates: Sequence[Candidate], grid: Grid) -> list[Any]:
    """Outlines in pixels of a grid; None where one lies off it."""
    import shapely

    degrees = np.empty(len(candidates), object)
    degrees[:] = [one.outline for one in candidates]
    placed = pixels.in_pixels(degrees, grid)
    west, north, east, south = shapely.bounds(placed).T  # infinite beyond what the map's coordinates can say
    is_on = (east > 0) & (south > 0) & (west < grid.width) & (north < grid.height)
    is_on &= np.isfinite(west + north + east + south)
    return [outline if on else None for outline, on in zip(placed, is_on, strict=True)]


def _window(bounds: Sequence[Any], cell: tuple[int, int], side: int, grid: Grid) -> tuple[slice, slice]:
    """Rows and columns of a tile. Args: bounds: of the landslides that belong to it."""
    top = max(min(cell[0] * side, *(int(each[1]) - _AROUND_PX for each in bounds)), 0)
    left = max(min(cell[1] * side, *(int(each[0]) - _AROUND_PX for each in bounds)), 0)
    bottom = min(max((cell[0] + 1) * side, *(int(each[3]) + _AROUND_PX for each in bounds)), grid.height)
    right = min(max((cell[1] + 1) * side, *(int(each[2]) + _AROUND_PX for each in bounds)), grid.width)
    return slice(top, bottom), slice(left, right)


def _neighbours(
    tiles: Sequence[Tile], outlines: Sequence[Any], candidates: Sequence[Candidate], homes: Mapping[int, str]
) -> list[tuple[Tile, tuple[Neighbour, ...]]]:
    """What reaches into each of a scene's tiles from others, in the order of the candidates."""
    import shapely

    known = [number for number in homes if outlines[number] is not None]
    tree = shapely.STRtree([outlines[number] for number in known])
    found = []
    for tile in tiles:
        box = shapely.box(tile.columns.start, tile.rows.start, tile.columns.stop, tile.rows.stop)
        near = sorted(known[at] for at in tree.query(box, predicate="intersects"))
        others = [number for number in near if homes[number] != tile.name]
        inside = [number for number in others if outlines[number].intersection(box).area > _LEAST_PX2]
        found.append((tile, tuple(Neighbour(candidates[number], homes[number]) for number in inside)))
    return found
