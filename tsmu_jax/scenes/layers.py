"""The rasters that mapping leaves: cloud-optimized GeoTIFF files with coordinates, overviews and tags.

probability.tif   calibrated probability of landslide: 0 to 250 for 0 to 1 (its scale is stored), 255 without data
mask.tif          0 background, 1 landslide, 255 without data
observed.tif      1 where all images have data and the ground is wanted, 0 elsewhere
uncertainty.tif   if asked for: spread of the probability over turned images, 0 to 250 for 0 to 0.5, 255 without data
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax.data.progress import reported
from tsmu_jax.evaluation.evaluate import THRESHOLD
from tsmu_jax.prediction.output import FULL, NOT_OBSERVED
from tsmu_jax.scenes import turning
from tsmu_jax.scenes.grid import Grid

PROBABILITY, MASK, OBSERVED = "probability.tif", "mask.tif", "observed.tif"
UNCERTAINTY = "uncertainty.tif"
NAMES = (PROBABILITY, MASK, OBSERVED)  # of every map
UNCERTAINTY_SCALE = turning.MOST / FULL  # of its levels
UNLESS_TURNED = "{} unless turned"  # the halo of spreads: turned, the network may see further than windows overlap
_BANDS = {
    PROBABILITY: (1 / FULL, "probability of landslide"),
    UNCERTAINTY: (UNCERTAINTY_SCALE, "standard deviation of the probability of landslide"),
}
_BLOCK = 512  # side of the files' tiles


def stored(probability: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """u8 as probability.tif holds it. Args: probability: f[h, w] in [0, 1]; observed: bool[h, w].

    Of spreads divided by their maximum: as uncertainty.tif holds them.
    """
    return np.where(observed, np.round(FULL * probability), NOT_OBSERVED).astype(np.uint8)


def mask(levels: np.ndarray) -> np.ndarray:
    """u8 as mask.tif holds it, of u8 as in probability.tif."""
    return np.where(levels == NOT_OBSERVED, NOT_OBSERVED, levels > FULL * THRESHOLD).astype(np.uint8)


def observed(levels: np.ndarray) -> np.ndarray:
    """u8 as observed.tif holds it, of u8 as in probability.tif."""
    return (levels != NOT_OBSERVED).astype(np.uint8)


def names(*, uncertainty: bool) -> tuple[str, ...]:
    """The files of a map."""
    return (*NAMES, UNCERTAINTY) if uncertainty else NAMES


def write(
    directory: Path,
    grid: Grid,
    rows: Callable[[int, int], np.ndarray],
    tags: Mapping[str, str],
    *,
    spread: Callable[[int, int], np.ndarray] | None = None,
) -> None:
    """Writes the files of a map, each whole or not at all, by a few rows at a time.

    Args:
      rows: start, stop -> u8[stop - start, w] as in probability.tif; columns beyond the grid's are left out.
      spread: likewise, as in uncertainty.tif; None to write no such file.
      tags: of each file.
    """

    def same(levels: np.ndarray) -> np.ndarray:
        return levels

    if spread:
        said = {**tags, "TSMU_HALO": UNLESS_TURNED.format(tags["TSMU_HALO"])}
        _write(directory / UNCERTAINTY, grid, _converted(spread, same, grid.width), NOT_OBSERVED, "average", said)
    made: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int | None, str]] = {
        PROBABILITY: (same, NOT_OBSERVED, "average"),
        MASK: (mask, NOT_OBSERVED, "mode"),
        OBSERVED: (observed, None, "nearest"),
    }
    for name, (of, nodata, overview) in reported(made.items(), total=len(made), what="writing the map's files"):
        _write(directory / name, grid, _converted(rows, of, grid.width), nodata, overview, tags)


def _converted(
    rows: Callable[[int, int], np.ndarray], of: Callable[[np.ndarray], np.ndarray], width: int
) -> Callable[[int, int], np.ndarray]:
    return lambda start, stop: of(rows(start, stop)[:, :width])


def _write(
    path: Path,
    grid: Grid,
    rows: Callable[[int, int], np.ndarray],
    nodata: int | None,
    overview: str,
    tags: Mapping[str, str],
) -> None:
    import rasterio
    from rasterio.shutil import copy
    from rasterio.windows import Window

    shape: dict[str, Any] = {"height": grid.height, "width": grid.width, "count": 1, "dtype": "uint8"}
    place = {"crs": grid.crs, "transform": grid.transform, "nodata": nodata}
    tiles = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "compress": "deflate", "bigtiff": "if_safer"}
    plain, whole = path.with_name(f".{path.stem}.plain.tif"), path.with_name(f".{path.stem}.partial.tif")
    with rasterio.open(plain, "w", driver="GTiff", **shape, **place, **tiles) as file:
        for start in range(0, grid.height, _BLOCK):
            stop = min(start + _BLOCK, grid.height)
            file.write(rows(start, stop), 1, window=Window(0, start, grid.width, stop - start))
        file.update_tags(**tags)
        if path.name in _BANDS:
            scale, description = _BANDS[path.name]
            file.scales = (scale,)
            file.set_band_description(1, description)
    options = {"compress": "deflate", "blocksize": _BLOCK, "overview_resampling": overview, "bigtiff": "if_safer"}
    copy(plain, whole, driver="COG", **options)  # this driver writes no windows
    plain.unlink()
    whole.replace(path)
