"""Areas, perimeters and places of landslides that people have drawn or whose outlines they have edited."""

import sqlite3

from tsmu_jax.inventory import geopackage, schema
from tsmu_jax.inventory.ground import WGS84, on_ground


def complete(database: sqlite3.Connection) -> int:
    """Measures the rows whose area is empty, as the triggers leave it. Returns their number."""
    import shapely

    measured = 0
    for row in list(geopackage.rows(database, schema.LANDSLIDES, "area_m2 IS NULL AND geometry IS NOT NULL")):
        shape = geopackage.decoded_valid(row[geopackage.GEOMETRY])
        grounds = [on_ground(part, WGS84, 1.0) for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
        if not grounds:
            continue
        largest = max(grounds, key=lambda one: one.area_m2)
        area_m2, perimeter_m = sum(one.area_m2 for one in grounds), sum(one.perimeter_m for one in grounds)
        longitude, latitude = largest.point
        database.execute(
            "UPDATE landslides SET area_m2 = ?, perimeter_m = ?, Latitude = ?, Longitude = ? WHERE uuid = ?",
            (area_m2, perimeter_m, latitude, (longitude + 180) % 360 - 180, row["uuid"]),
        )
        measured += 1
    return measured
