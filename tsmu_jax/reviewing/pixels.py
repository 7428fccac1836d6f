"""Outlines between the ground and LabelMe: along the edges of pixels here, through their centres there.

Whoever draws LabelMe's polygons as masks paints the pixels of the outline, too. An outline along the edges of pixels
would therefore grow by half a pixel on each side, a landslide 8 px wide by a quarter, each time that it went there and
back.
Each ring is inset by that much on the way there, holes as well, and outset on the way back.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tsmu_jax import untrusted
from tsmu_jax.data.labelme import BACKGROUND
from tsmu_jax.errors import UserError
from tsmu_jax.scenes.grid import Grid, from_plain

LANDSLIDE = "landslide"
_INSET_PX = 0.49  # with half a pixel nothing would be left of lines one pixel wide
_SPIKES = 2.0  # sharper corners are cut when outlines are outset
_DIGITS = 2

Ring = tuple[str, list[list[float]]]  # label, and points in pixels from the upper-left corner


def scene_grid(row: Mapping[str, Any]) -> Grid:
    """The grid of a scene's map. Args: row: of the table `scenes`. Raises UserError where it is of no use."""
    try:
        return from_plain({**row, "transform": untrusted.parse(row["transform"])}, path="--inventory")
    except (ValueError, TypeError) as error:  # of rasterio, too
        raise UserError(f"--inventory: scene {row['scene']:.8} has no grid ({error}); map it again") from error


def in_pixels(outline: Any, target: Grid) -> Any:
    """A shapely geometry in degrees, in the columns and rows of a grid."""
    import shapely
    from rasterio.warp import transform

    def placed(points: np.ndarray) -> np.ndarray:
        xs, ys = (np.asarray(each) for each in transform("EPSG:4326", target.crs, points[:, 0], points[:, 1]))
        a, b, c, d, e, f = (~target.transform)[:6]
        return np.stack([a * xs + b * ys + c, d * xs + e * ys + f], axis=1)

    return shapely.transform(outline, placed)


def on_map(shape: Any, target: Grid) -> Any:
    """A shapely geometry in pixels of a grid, in the coordinates of its map."""
    from shapely import affinity

    a, b, c, d, e, f = target.transform[:6]
    return affinity.affine_transform(shape, [a, b, d, e, c, f])


def rings(outline: Any) -> list[Ring]:
    """What LabelMe shows of an outline in pixels: each outer ring, and after it its holes as background."""
    import shapely

    found: list[Ring] = []
    for part in shapely.get_parts(outline):
        if part.geom_type != "Polygon":
            continue
        for number, ring in enumerate((part.exterior, *part.interiors)):
            inside = shapely.Polygon(ring).buffer(-_INSET_PX, join_style="mitre", mitre_limit=_SPIKES)
            for piece in shapely.get_parts(inside):
                if piece.geom_type == "Polygon" and not piece.is_empty:
                    points = np.round(piece.exterior.coords[:-1], _DIGITS).tolist()
                    found.append((BACKGROUND if number else LANDSLIDE, points))
    return found


def outset(shape: Any) -> Any:
    """Undoes the inset of a shape that somebody drew or changed."""
    return shape.buffer(_INSET_PX, join_style="mitre", mitre_limit=_SPIKES)
