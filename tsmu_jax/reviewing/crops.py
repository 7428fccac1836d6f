"""Pictures of a landslide before and after the event, with its outline in their pixels."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.reviewing import pixels
from tsmu_jax.reviewing.candidates import Candidate
from tsmu_jax.reviewing.scene_files import Images
from tsmu_jax.scenes import opening
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.image import DRIVERS, SceneImage
from tsmu_jax.scenes.opening import NOTHING, Stated
from tsmu_jax.scenes.raster_file import RasterFile, is_of_gdal

QUALITY = 70  # of WebP
_AROUND = 0.6  # of the landslide's longer side: ground on each side of it
_LEAST_PX = 24  # likewise, pixels of the map
_SAMPLE_PX = 512  # the longer side of the sample whose values say how bright an image is
_DARK, _BRIGHT = 2, 98  # percentiles of it that become black and white


class Crop(NamedTuple):
    """A landslide's surroundings.

    Attributes:
      pre, post: WebP; pre is None where there is one date, or its image is not there.
      width, height: pixels of the map.
      path: the outline as SVG draws it, in pixels of the map from the upper-left corner.
      metres: of ground from left to right.
    """

    pre: bytes | None
    post: bytes
    width: int
    height: int
    path: str
    metres: float


class Scene:
    """The images of a scene on its map's grid. `with Scene(...) as scene` closes them."""

    def __init__(self, row: Mapping[str, Any], images: Images, *, bands: tuple[int, int, int] | None) -> None:
        """Opens the images. Args: row: of the table `scenes`. Raises UserError where one cannot be shown."""
        self.grid = pixels.scene_grid(row)
        stated = Stated(bands=bands) if bands else NOTHING
        with contextlib.ExitStack() as opened:
            self._post = opened.enter_context(_image(images.post, "--post", stated))
            self._pre = opened.enter_context(_image(images.pre, "--pre", stated)) if images.pre else None
            self._opened = opened.pop_all()

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray | None, np.ndarray]:
        """A part of both images, u8[h, w, 3]; None where there is none before the event."""
        pre = self._pre.read(self.grid, rows, columns).rgb if self._pre else None
        return pre, self._post.read(self.grid, rows, columns).rgb

    def crop(self, candidate: Candidate, size: int) -> Crop | None:
        """Pictures of a candidate, None where it lies off the scene. Args: size: px, their longer side at most."""
        outline = pixels.in_pixels(candidate.outline, self.grid)
        rows, columns = surroundings(outline, self.grid)
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return None
        width, height = columns.stop - columns.start, rows.stop - rows.start
        before, after = self.read(rows, columns)
        pre, post = None if before is None else _encoded(before, size), _encoded(after, size)
        path = _drawn(outline, columns.start, rows.start)
        return Crop(pre, post, width, height, path, width * self.grid.gsd_m[1])


def surroundings(outline: Any, grid: Grid) -> tuple[slice, slice]:
    """Rows and columns of a grid that a reviewer is shown around an outline in its pixels; none where it lies off."""
    west, north, east, south = np.round(outline.bounds, 3)  # degrees keep the edges of pixels less exactly
    around = max(_AROUND * max(east - west, south - north), _LEAST_PX)
    columns = slice(max(int(west - around), 0), min(int(np.ceil(east + around)), grid.width))
    return slice(max(int(north - around), 0), min(int(np.ceil(south + around)), grid.height)), columns


def _image(path: Path, flag: str, stated: Stated) -> SceneImage:
    """Opens an image to look at: black and white are percentiles of its own values, unless it holds 8 bits."""
    said = f"{flag}={path}"
    opening.check_sources(path, said)
    with contextlib.closing(RasterFile(path, DRIVERS)) as file:
        try:
            dataset = file.dataset()
            dtype = str(dataset.dtypes[0])
            numbers = stated.bands or ((1, 1, 1) if dataset.count < 3 else (1, 2, 3))
            first, second, third = (_range(dataset, number, dtype) for number in numbers)
        except Exception as error:
            if not is_of_gdal(error):
                raise
            raise UserError(f"{said}: cannot be shown ({error}); name its bands with --bands=3,2,1") from error
    ranges = (first, second, third)
    return SceneImage(path, Intensities(dtype, numbers, ranges), flag=flag, stated=stated)


def _range(dataset: Any, band: int, dtype: str) -> tuple[float, float]:
    if dtype == "uint8" or band > dataset.count:  # of which `SceneImage` complains
        return 0.0, 255.0
    scale = min(1.0, _SAMPLE_PX / max(dataset.height, dataset.width))
    shape = (max(1, int(dataset.height * scale)), max(1, int(dataset.width * scale)))
    sample = dataset.read(band, out_shape=shape, masked=True)
    values = sample.compressed().astype(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values, (_DARK, _BRIGHT))
    return float(low), float(max(high, low + 1e-6))


def _encoded(rgb: np.ndarray, size: int) -> bytes:
    picture = Image.fromarray(rgb)
    picture.thumbnail((size, size), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()


def _drawn(outline: Any, left: int, top: int) -> str:
    return "".join(_rings(outline, left, top))


def _rings(outline: Any, left: int, top: int) -> Iterator[str]:
    import shapely

    for part in shapely.get_parts(outline):
        if part.geom_type == "Polygon":
            for ring in (part.exterior, *part.interiors):
                points: Sequence[Any] = ring.coords[:-1]
                yield "M" + "L".join(f"{x - left:.1f} {y - top:.1f}" for x, y in points) + "Z"
