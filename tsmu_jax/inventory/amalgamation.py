"""Tells polygons that look like several landslides in one from their outline.

Neighbours that are mapped as one polygon spoil the frequency-area distribution and volumes: Marc and Hovius, Natural
Hazards and Earth System Sciences 15 (2015), doi:10.5194/nhess-15-723-2015. The two signs looked for here are our own:

- **A neck.** Eroded by a part of the radius of its largest inscribed circle, the polygon falls into bodies that each
  hold a good part of its area.
- **Arms.** Without a disk around its largest inscribed circle, three or more long parts are left: a fork, or several
  tracks that meet.

An outline cannot tell landslides that have grown together side by side along their length into a convex shape, nor a
single debris flow with tributaries from several that share a channel: a person decides. Holes are ignored, and so are
polygons that are too narrow for their pixels to show a shape.
"""

from collections.abc import Mapping
from typing import Any

LEAST_RADIUS_PX = 2.5  # of the largest inscribed circle: below, necks are but the stairs of pixels
NECK = 0.5  # of that radius is eroded: a neck is half as wide as the widest body, or narrower
BODY_SHARE = 0.15  # of the polygon's area that a body holds at least
DISK = 1.5  # radii of the inscribed circle: the disk that is taken out
ARM_SHARE = 0.08  # of the polygon's area that an arm holds at least
ARM_RADII = 1.5  # that an arm is long at least
ARMS = 3


def is_amalgamated(polygon: Any, grid: Mapping[str, Any]) -> bool:
    """Whether a polygon looks like several landslides in one.

    Args:
      polygon: shapely Polygon in a map's coordinates, along the edges of pixels.
      grid: of the map, as `scene.json` holds it.
    """
    import shapely
    from shapely import affinity

    pixel_down_m, pixel_across_m = grid["gsd_m"]
    across, down = abs(grid["transform"][0]), abs(grid["transform"][4])
    whole = affinity.scale(shapely.Polygon(polygon.exterior), pixel_across_m / across, pixel_down_m / down)
    pixel_m = max(grid["gsd_m"])
    smooth = whole.simplify(max(0.75 * pixel_m, 0.005 * whole.area**0.5))  # stairs of pixels become slopes
    if not smooth.is_valid or smooth.area < 0.7 * whole.area:
        smooth = whole
    circle = shapely.maximum_inscribed_circle(smooth, tolerance=max(0.05 * pixel_m, 0.01 * smooth.area**0.5))
    if circle.length < LEAST_RADIUS_PX * pixel_m:
        return False
    return _bodies(smooth, circle.length) > 1 or _arms(smooth, circle) >= ARMS


def _bodies(polygon: Any, radius: float) -> int:
    """Number of large parts into which a polygon falls at its necks."""
    import shapely

    eroded = shapely.get_parts(polygon.buffer(-NECK * radius))
    grown = [part.buffer(NECK * radius).area for part in eroded]
    return sum(area >= BODY_SHARE * polygon.area for area in grown)


def _arms(polygon: Any, circle: Any) -> int:
    """Number of long parts that leave the widest place of a polygon."""
    import shapely

    centre, radius = shapely.Point(circle.coords[0]), circle.length
    parts = shapely.get_parts(polygon.difference(centre.buffer(DISK * radius)))
    return sum(
        part.area >= ARM_SHARE * polygon.area
        and shapely.hausdorff_distance(part, centre) - DISK * radius >= ARM_RADII * radius
        for part in parts
    )
