"""Measures a finished map: its landslides on the ground, as rows, and the ground that was looked at."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import rows, terrain
from tsmu_jax.inventory.ground import Ground, on_ground, together
from tsmu_jax.inventory.polygons import detections
from tsmu_jax.inventory.rows import UNDATED, Dates
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import layers
from tsmu_jax.scenes import record as records


class Found(NamedTuple):
    """A landslide of a map. Attributes: row: of `landslides`; pixels: their number."""

    ground: Ground
    row: dict[str, Any]
    pixels: int


class Measured(NamedTuple):
    """The rows and the ground of a map; plain values, so that another process can add them to an inventory.

    Attributes:
      found: the landslides, without those that are too small.
      looked: the ground that was looked at.
      outlines: shapely geometries of all landslides in degrees; complete once `found` has ended.
    """

    found: Iterable[Found]
    looked: Ground
    outlines: list[Any]


class FinishedMap:
    """A finished map of a model.

    Attributes:
      directory: where it is.
      record: what its `scene.json` holds.
      scene: digest of the digests of its images.
    """

    def __init__(self, directory: Path, model: SavedModel) -> None:
        """Reads the record. Raises UserError where the map is unfinished, damaged or another model's."""
        if not (directory / records.MANIFEST).exists():
            raise UserError(f"{directory / records.MANIFEST}: is not there; map the scene first")
        try:
            self.record, self._rasters = records.read(directory)
        except ValueError as error:
            raise records.damaged(error, directory) from error
        if records.FINISHED not in self.record:
            raise UserError(f"{directory}: its map is unfinished; the command that began it goes on with it")
        if self.record["model"] != model.digest:
            raise UserError(f"{directory}: was mapped by another model ({self.record['model']:.12}); name that one")
        self.directory, self._model = directory, model.digest
        self.scene = hashlib.sha256(json.dumps(self.record["images"], sort_keys=True).encode()).hexdigest()

    def check(self) -> None:
        """Raises UserError where a raster is not the one that was written."""
        records.check(self.directory, self._rasters)

    def measured(self, dates: Dates, elevation: terrain.ElevationModel | None, min_area_m2: float) -> Measured:
        """Measures the landslides one by one, as `found` is read. Arguments are those of `measure`."""
        outlines: list[Any] = []
        return Measured(self._found(dates, elevation, min_area_m2, outlines), self._looked(), outlines)

    def _found(
        self, dates: Dates, elevation: terrain.ElevationModel | None, min_area_m2: float, outlines: list[Any]
    ) -> Iterator[Found]:
        crs, pixel = self.record["grid"]["crs"], abs(self.record["grid"]["transform"][0])
        for detection in detections(self.directory):
            ground = on_ground(detection.geometry, crs, pixel)
            outlines.append(ground.geometry)
            if ground.area_m2 < min_area_m2 and not detection.touches_edge:  # an edge may cut off most of it
                continue
            slope = elevation.measure(detection.geometry, crs) if elevation else terrain.UNKNOWN
            row = rows.landslide_row(self.record, detection, ground, self.scene, self._model, dates, slope)
            yield Found(ground, row, detection.pixels)

    def _looked(self) -> Ground:
        """The ground that was looked at."""
        import rasterio
        from rasterio.features import shapes
        from shapely.geometry import shape

        with rasterio.open(self.directory / layers.OBSERVED) as file:
            parts = [shape(outline) for outline, value in shapes(rasterio.band(file, 1), connectivity=4) if value == 1]
        if not parts:
            raise UserError(f"{self.directory}: none of its ground was looked at; there is nothing to add")
        crs, pixel = self.record["grid"]["crs"], abs(self.record["grid"]["transform"][0])
        return together([on_ground(part, crs, pixel) for part in parts])


def measure(
    directory: Path, model: SavedModel, *, dates: Dates = UNDATED, dem: Path | None = None, min_area_m2: float = 0.0
) -> Measured:
    """Measures a finished map: most of the work of `adding.add`.

    Args:
      directory: of the map.
      model: that made it.
      dates: of the scene's images.
      dem: elevation model, for slopes.
      min_area_m2: smaller landslides are left out, unless they end at ground that was not looked at.

    Raises:
      UserError: the map is unfinished, damaged or another model's, or none of its ground was looked at.
    """
    one = FinishedMap(directory, model)
    one.check()
    with terrain.opened(dem) if dem else contextlib.nullcontext() as elevation:
        found = one.measured(dates, elevation, min_area_m2)
        return found._replace(found=list(found.found))
