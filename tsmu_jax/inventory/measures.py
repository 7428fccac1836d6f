"""Areas, perimeters and places of landslides that people have drawn or whose outlines they have edited."""

import sqlite3
from typing import Any

from tsmu_jax.inventory import geopackage, schema
from tsmu_jax.inventory.ground import WGS84, on_ground, together


def measured(shape: Any) -> dict[str, float] | None:
    """The columns of `landslides` that a shape decides; None where it has no polygon.

    Args: shape: shapely geometry in degrees, longitudes first.
    """
    import shapely

    parts = [on_ground(part, WGS84, 1.0) for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    if not parts:
        return None
    whole = together(parts)
    longitude, latitude = whole.point
    place = {"Latitude": latitude, "Longitude": (longitude + 180) % 360 - 180}
    return {"area_m2": whole.area_m2, "perimeter_m": whole.perimeter_m, **place}


def complete(database: sqlite3.Connection) -> int:
    """Measures the rows whose area is empty, as the triggers leave it. Returns their number."""
    done = 0
    for row in list(geopackage.rows(database, schema.LANDSLIDES, "area_m2 IS NULL AND geometry IS NOT NULL")):
        found = measured(geopackage.decoded_valid(row[geopackage.GEOMETRY]))
        if found:
            values = ", ".join(f"{name} = :{name}" for name in found)
            database.execute(f"UPDATE landslides SET {values} WHERE OBJECTID = :row", {**found, "row": row["OBJECTID"]})
            done += 1
    return done
