"""Draws a georeferenced scene of a synthetic ecoregion: two dates and the truth, at an invented place."""

import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.progress import reported
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.data.synthetic.recipes import RECIPES
from tsmu_jax.data.synthetic.render import exposure, render
from tsmu_jax.data.synthetic.source import VERSION
from tsmu_jax.errors import UserError

PATCH = 96  # px; lengths in a synthetic pair are shares of its side, so one large pair would show few, huge landslides
SMALLEST, LARGEST = 64, 10_000  # px; the arrays of the largest scene take 0.7 GB, and it covers 100 km
GSD_M = 10.0
CRS = "EPSG:32631"
WEST, NORTH = 500_000.0, 200_000.0  # in the Gulf of Guinea: nobody takes the scene for a real place
PLACES = 30  # one south of the other, each as large as the largest scene: all of them are open sea
NAMES = ("before.tif", "after.tif", "truth.tif")


class Example(NamedTuple):
    """A drawn scene.

    Attributes:
      pre, post: u8[side, side, 3].
      mask: u8[side, side], 1 landslide, 0 none.
      pre_date, post_date: invented, too.
    """

    pre: np.ndarray
    post: np.ndarray
    mask: np.ndarray
    pre_date: datetime.date
    post_date: datetime.date


def draw(ecoregion: str, *, side: int, seed: int, output: Path, place: int = 0) -> Example:
    """Draws a scene and writes `NAMES` into a new directory.

    Args: place: where the scene lies; scenes of different places have no ground in common.

    Raises:
      UserError: there is no such ecoregion; the side, the seed or the place is out of range; the directory holds
        something, or cannot be written.
    """
    if ecoregion not in RECIPES:
        raise UserError(f"--ecoregion={ecoregion}: not a synthetic one; choose from {', '.join(sorted(RECIPES))}")
    if not SMALLEST <= side <= LARGEST:
        raise UserError(f"--side={side}: must be {SMALLEST} to {LARGEST} px")
    if seed < 0:
        raise UserError(f"--seed={seed}: must be 0 or more")
    if not 0 <= place < PLACES:
        raise UserError(f"--place={place}: must be 0 to {PLACES - 1}")
    _make(output)
    scene = _drawn(ecoregion, side, seed)
    for name, values in zip(NAMES, (scene.pre, scene.post, scene.mask[..., None]), strict=True):
        _write(output / name, values, NORTH - place * LARGEST * GSD_M)
    return scene


def described(scene: Example, output: Path) -> str:
    """What was drawn, and the flags of the next command."""
    side, share = len(scene.mask), scene.mask.mean()
    before, after, truth = (output / name for name in NAMES)
    return "\n".join(
        (
            f"scene: {side} x {side} px of {GSD_M:g} m, "
            f"{share:.1%} of it landslide; ground, place and dates are invented",
            f"before: {before}, {scene.pre_date}",
            f"after: {after}, {scene.post_date}",
            f"truth: {truth}, 1 landslide, 0 none",
            f"map it with --pre={before} --post={after} --pre_date={scene.pre_date} --post_date={scene.post_date}",
        )
    )


def _make(output: Path) -> None:
    """Makes the directory, unless an empty one is there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        held = sorted(path.name for path in output.iterdir())
    except OSError as error:
        raise UserError(f"--output={output}: cannot be written ({error.strerror}); name another") from error
    if held:
        raise UserError(f"--output={output}: holds {held[0]}; name a new directory")


def _drawn(ecoregion: str, side: int, seed: int) -> Example:
    """Patches of the same two dates side by side, each with terrain and landslides of its own."""
    info = SyntheticSource({ecoregion: 1}, height=PATCH, width=PATCH, seed=seed).infos[0]
    dates = [datetime.date.fromisoformat(str(date)) for date in (info.pre_date, info.post_date)]
    light = exposure(dates[0].month, 0.5), exposure(dates[1].month, 0.5)
    pre, post = np.zeros((2, side, side, 3), np.uint8)
    mask = np.zeros((side, side), np.uint8)
    starts = range(0, side, PATCH)
    for row in reported(starts, total=len(starts), what="rows of patches"):
        for column in range(0, side, PATCH):
            rng = np.random.default_rng([VERSION, int.from_bytes(ecoregion.encode()), seed, row, column])
            patch = render(rng, ECOREGIONS[ecoregion], RECIPES[ecoregion], (PATCH, PATCH), light)
            height, width = (min(PATCH, side - start) for start in (row, column))
            for whole, part in zip((pre, post, mask), patch, strict=True):
                whole[row : row + height, column : column + width] = np.asarray(part)[:height, :width]
    return Example(pre, post, mask, *dates)


def _write(path: Path, values: np.ndarray, north: float) -> None:
    """Writes u8[h, w, bands] as a GeoTIFF in tiles. Args: north: of its upper edge, m."""
    import rasterio

    height, width, bands = values.shape
    place = {"crs": CRS, "transform": rasterio.Affine(GSD_M, 0, WEST, 0, -GSD_M, north)}
    options = {"tiled": True, "compress": "deflate"} | ({"photometric": "rgb"} if bands == 3 else {})
    shape = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place, **options) as file:
        file.write(np.moveaxis(values, -1, 0))
