"""An invented reviewer of an invented scene: works in LabelMe's tiles, and knows the truth.

Examples need somebody who reviews. A person looks and draws; this reviewer compares the tiles' polygons with the truth
that `tsmu_jax.example` wrote, and leaves the files as LabelMe would.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax import untrusted
from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.reviewing import pixels
from tsmu_jax.reviewing.labelme_export import MANIFEST, REVIEWED, context_name, shape_of

KEPT_IOU = 0.5  # an outline that agrees this well with the truth is left as it is
REJECTED_SHARE = 0.5  # an outline with less landslide than this is rejected
SMALLEST_PX = 4  # landslides smaller than this are overlooked

Window = tuple[slice, slice]  # rows and columns of the map


class Reviewed(NamedTuple):
    """What the reviewer did, in landslides."""

    tiles: int
    kept: int
    reshaped: int
    removed: int
    drawn: int


def review(tiles: Path, truth: Path) -> Reviewed:
    """Sets the flag of every tile, and keeps, reshapes, removes and draws polygons as the truth says.

    Args:
      tiles: a directory that `tsmu_jax.review export` wrote.
      truth: a raster on the grid of the map, 1 landslide, 0 none.

    Raises:
      UserError: one of them is not there, or the truth is not on the grid of the map.
    """
    manifest = untrusted.read_or_refuse(tiles / MANIFEST, "name a directory that tsmu_jax.review export wrote")
    held = manifest["tiles"]
    files = {name: untrusted.parse((tiles / f"{name}_post.json").read_bytes()) for name in held}
    windows = {
        name: (
            slice(tile["top"], tile["top"] + files[name]["imageHeight"]),
            slice(tile["left"], tile["left"] + files[name]["imageWidth"]),
        )
        for name, tile in held.items()
    }
    work = _Reviewer(_raster(truth))
    height, width = work.left.shape
    for rows, columns in manifest["scenes"].values():
        if (rows, columns) != (height, width):
            sizes = f"is of {width} x {height} px, the map of {columns} x {rows}"
            raise UserError(f"--truth={truth}: {sizes}; map the scene with the pixels that the truth has")
    for name, tile in reported(held.items(), total=len(held), what="tiles"):
        names = {context_name(landslide, one["tile"]) for landslide, one in tile.get("context", {}).items()}
        context = [shape for shape in files[name]["shapes"] if shape["description"] in names]
        files[name]["shapes"] = context + work.corrected(tile, windows[name])
    for name, window in windows.items():  # what nobody outlined shows once all tiles have been corrected
        files[name]["shapes"] += work.missed(window)
        files[name]["flags"][REVIEWED] = True
        (tiles / f"{name}_post.json").write_text(json.dumps(files[name], indent=2))
    return Reviewed(len(held), **work.counts)


class _Reviewer:
    """Compares outlines with the truth, in windows of it. Attribute: left: bool[h, w], landslide without an outline."""

    def __init__(self, truth: np.ndarray) -> None:
        from scipy import ndimage

        self.left = truth.copy()
        self.counts = dict.fromkeys(("kept", "reshaped", "removed", "drawn"), 0)
        self._slides, number = ndimage.label(truth)  # the number of the landslide that a pixel belongs to, 0 for none
        self._none = np.zeros(number + 1, bool)

    def corrected(self, tile: Mapping[str, Any], window: Window) -> list[dict[str, Any]]:
        """The shapes of a tile's landslides, without those that are none."""
        slides, left = self._slides[window], self.left[window]
        shapes = []
        for number, (landslide, one) in enumerate(tile["landslides"].items(), 1):
            outlined = _painted(one["rings"], slides.shape)
            met = self._none.copy()
            met[slides[outlined]] = True
            met[0] = False
            own = met[slides] & left
            hit = np.count_nonzero(own & outlined)
            if hit == 0 or hit < REJECTED_SHARE * np.count_nonzero(outlined):
                self.counts["removed"] += 1
                continue
            is_good = hit >= KEPT_IOU * np.count_nonzero(own | outlined)
            self.counts["kept" if is_good else "reshaped"] += 1
            left &= ~own
            rings = one["rings"] if is_good else _outlines(own)
            shapes += [shape_of(label, points, number, landslide) for label, points in rings]
        return shapes

    def missed(self, window: Window) -> list[dict[str, Any]]:
        """The shapes of the landslides of a tile that nobody has outlined."""
        from scipy import ndimage

        left = self.left[window]
        pieces, number = ndimage.label(left)
        left[:] = False
        shapes: list[dict[str, Any]] = []
        sizes = np.bincount(pieces.ravel(), minlength=number + 1)
        for piece in range(1, number + 1):
            if sizes[piece] >= SMALLEST_PX:
                self.counts["drawn"] += 1
                shapes += [shape_of(label, points, None, "") for label, points in _outlines(pieces == piece)]
        return shapes


def _raster(path: Path) -> np.ndarray:
    """bool[h, w]: where a truth says landslide."""
    import rasterio

    try:
        with rasterio.open(path, driver="GTiff") as file:
            return file.read(1) == 1
    except (OSError, rasterio.RasterioIOError) as error:
        raise UserError(f"--truth={path}: cannot be read; name the truth.tif that tsmu_jax.example wrote") from error


def _painted(rings: list[pixels.Ring], shape: tuple[int, ...]) -> np.ndarray:
    """bool[h, w]: the pixels of a tile whose centres lie in an outline."""
    import shapely
    from rasterio.features import rasterize

    outline = shapely.Polygon()
    for label, points in rings:
        drawn = pixels.outset(shapely.Polygon(points))
        outline = outline.union(drawn) if label == pixels.LANDSLIDE else outline.difference(drawn)
    return rasterize([outline], out_shape=shape, dtype="uint8") == 1


def _outlines(landslide: np.ndarray) -> list[pixels.Ring]:
    """LabelMe's rings of the pixels of a landslide."""
    import shapely
    from rasterio.features import shapes

    found = shapes(landslide.astype("uint8"), mask=landslide, connectivity=4)
    return [ring for each, _ in found for ring in pixels.rings(shapely.geometry.shape(each))]
