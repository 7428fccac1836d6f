"""Which ground of a scene people have looked at, and what they have found there: the masks of `dataset`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.mask import BACKGROUND, LANDSLIDE, UNKNOWN
from tsmu_jax.reviewing import crops, pixels
from tsmu_jax.reviewing.judged import Judgements, Said
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.shapes import Shapes


class KnownGround(NamedTuple):
    """Polygons in the coordinates of a scene's map.

    Attributes:
      landslides, rejected: outlines that somebody has judged on this scene's images.
      open: outlines that nobody has judged there.
      seen: ground that somebody has looked at.
      observed: ground that a model has looked at; elsewhere clouds may lie.
    """

    landslides: Shapes
    rejected: Shapes
    open: Shapes
    seen: Shapes
    observed: Shapes

    def meets(self, grid: Grid, rows: slice, columns: slice) -> bool:
        """Whether somebody has looked at a part of a grid."""
        return self.seen.meet(grid, rows, columns)

    def mask(self, grid: Grid, rows: slice, columns: slice) -> np.ndarray:
        """u8[h, w] of the values in mask.py: what counts for a pixel is the ground at its centre.

        Whoever says that there is a landslide counts most; then what is open; then who has looked and said nothing.
        """

        def burnt(shapes: Shapes) -> np.ndarray:
            return shapes.burnt(grid, rows, columns)

        mask = np.where(burnt(self.seen) & burnt(self.observed), np.uint8(BACKGROUND), np.uint8(UNKNOWN))
        mask[burnt(self.open)] = UNKNOWN
        mask[burnt(self.landslides)] = LANDSLIDE
        return mask


def homes(judgements: Judgements, grids: Mapping[str, Grid]) -> list[str | None]:
    """Of each landslide the scene on whose images it was judged: the first one with images that it lies on.

    Args: grids: of the scenes whose images are there.
    """
    return [
        next((scene for scene in one.scenes if scene in grids and _shown(one.outline, grids[scene])), None)
        for one in judgements.landslides
    ]


def of_scene(
    judgements: Judgements, homes: Sequence[str | None], scene: str, grid: Grid, whole: Sequence[Any]
) -> KnownGround:
    """The known ground of a scene.

    Somebody has looked at the surroundings of each landslide that was judged on this scene's images, as large as the
    page shows them. A landslide that was judged on another scene's images is open here: these may be of other dates.

    Args:
      homes: as `homes` returns them.
      grid: of the scene's map.
      whole: polygons of ground that was looked at wholly, in the map's coordinates.
    """
    said: dict[Said, list[Any]] = {each: [] for each in Said}
    seen = list(whole)
    for one, home in zip(judgements.landslides, homes, strict=True):
        is_own = home == scene
        if one.said is Said.NONE and not is_own:
            continue
        if not _shown(one.outline, grid):
            continue
        said[one.said if is_own else Said.OPEN].append(_on_map(one.outline, grid))
        if is_own and one.said is not Said.OPEN:
            seen += [grid.outline(*part) for part in _shown(one.shown, grid)]
    observed = [_on_map(one, grid) for one in judgements.observed.get(scene, ())]
    shapes = (said[Said.LANDSLIDE], said[Said.NONE], said[Said.OPEN], seen, observed)
    return KnownGround(*map(Shapes, shapes))


def reviewed(judgements: Judgements, scene: str, grid: Grid) -> list[Any]:
    """Ground of a scene that the inventory calls reviewed wholly, in the coordinates of its map."""
    every = [*judgements.reviewed.get(scene, ()), *judgements.reviewed.get("", ())]
    return [_on_map(one, grid) for one in every if _shown(one, grid)]


def _on_map(outline: Any, grid: Grid) -> Any:
    return pixels.on_map(pixels.in_pixels(outline, grid), grid)


def _shown(outline: Any, grid: Grid) -> list[tuple[slice, slice]]:
    """Rows and columns that a reviewer of an outline is shown; none where it lies off the grid."""
    there = pixels.in_pixels(outline, grid)
    if not np.isfinite(there.bounds).all():  # beyond what the map's coordinates can say
        return []
    rows, columns = crops.surroundings(there, grid)
    return [(rows, columns)] if rows.start < rows.stop and columns.start < columns.stop else []
