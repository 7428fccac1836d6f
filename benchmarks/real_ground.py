r"""Gives real images invented coordinates, and compares maps with the truth.

    python -m benchmarks.real_ground --tiles=../shared/data/landslides/jinsha_uav --area=area_A --output=runs/real/a
    python -m benchmarks.real_ground --pair=../shared/data/change/paris --gsd=10 --output=runs/real/paris
    python -m benchmarks.real_ground --truth=runs/real/a/truth.tif --maps=runs/real/a_first,runs/real/a_second

Tiles are named <area>_<row>_<column>_post.png, beside a _mask.png each, with the row and column of their upper left
pixel. The first form writes after.tif, and truth.tif (1 landslide, 0 none, 2 no tile). Their pixels are of --gsd
metres; the grid lies in the open sea, since nobody knows where the ground is. The second form writes before.tif and
after.tif of a folder with one pair of images; --moved=3,-2 moves the first one by 3 px down and 2 px to the left. The
third form prints the IoU of each map, and the interval of the difference to the first one over squares of --block px.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from tsmu_jax.data.folder import FolderSource
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.intervals import Sample, paired_interval
from tsmu_jax.evaluation.metrics import count, scores
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.scenes.example import CRS, NORTH, WEST

TILE = re.compile(r"(?P<area>.+)_(?P<row>\d+)_(?P<column>\d+)")


def main(argv: Sequence[str] | None = None) -> int:
    """Joins tiles, or compares maps. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=Path, help="a folder of images")
    parser.add_argument("--area", help="the tiles whose names begin so")
    parser.add_argument("--pair", type=Path, help="a folder of one pair of images")
    parser.add_argument("--moved", default="0,0", help="px that the pair's first image is moved down and to the right")
    parser.add_argument("--gsd", type=float, default=1.0, help="metres of ground of a pixel")
    parser.add_argument("--output", type=Path, help="a new directory")
    parser.add_argument("--truth", type=Path, help="a truth.tif")
    parser.add_argument("--maps", help="directories that tsmu_jax.predict wrote")
    parser.add_argument("--block", type=int, default=128, help="px that a square of the interval is wide")
    asked = parser.parse_args(argv)
    try:
        if asked.truth:
            print(compared(asked.truth, [Path(name) for name in asked.maps.split(",")], asked.block))
        elif asked.pair:
            print(_placed(asked.pair, _pixels(asked.moved), asked.gsd, asked.output))
        else:
            print(_joined(asked.tiles, asked.area, asked.gsd, asked.output))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _joined(tiles: Path, area: str, gsd: float, output: Path) -> str:
    """Writes the scene and its truth. Returns what it is."""
    after, truth = join(tiles, area)
    output.mkdir(parents=True)
    _write(output / "after.tif", after, gsd, observed=truth != UNKNOWN)
    _write(output / "truth.tif", truth[..., None], gsd)
    share = truth[truth != UNKNOWN].mean()
    return f"{area}: {truth.shape[1]} x {truth.shape[0]} px of {gsd:g} m, {share:.1%} of the known ground is landslide"


def _pixels(moved: str) -> tuple[int, int]:
    """The two numbers of --moved. Raises UserError where it is something else."""
    try:
        down, right = map(int, moved.split(","))
    except ValueError:
        raise UserError(f"--moved={moved}: two whole numbers with a comma between them, as 3,-2") from None
    return down, right


def _placed(folder: Path, moved: tuple[int, int], gsd: float, output: Path) -> str:
    """Writes a pair as two rasters. Returns what it is."""
    source = FolderSource(folder.parent, ecoregions=[folder.name], require_pre=True)
    if len(source.infos) != 1:
        raise UserError(f"--pair={folder}: holds {len(source.infos)} pairs; name a folder with one")
    pair = source[0]
    assert pair.pre is not None  # as required
    output.mkdir(parents=True)
    _write(output / "before.tif", pair.pre, gsd, moved=moved)
    _write(output / "after.tif", pair.post, gsd)
    height, width, _ = pair.post.shape
    return f"{folder.name}: {width} x {height} px of {gsd:g} m at two dates"


def join(tiles: Path, area: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns u8[h, w, 3], and u8[h, w] of 1 landslide, 0 none, UNKNOWN. Raises UserError where there are no tiles."""
    source = FolderSource(tiles.parent, ecoregions=[tiles.name], require_pre=False)
    names = [TILE.fullmatch(Path(info.id).name) for info in source.infos]
    own = {
        at: (int(name["row"]), int(name["column"])) for at, name in enumerate(names) if name and name["area"] == area
    }
    if not own:
        raise UserError(f"--tiles={tiles}: holds no {area}_<row>_<column>_post.png")
    side = len(source[next(iter(own))].post)
    top, left = (min(each) for each in zip(*own.values(), strict=True))
    bottom, right = (max(each) + side for each in zip(*own.values(), strict=True))
    after = np.zeros((bottom - top, right - left, 3), np.uint8)
    truth = np.full(after.shape[:2], UNKNOWN, np.uint8)
    for at, (row, column) in own.items():
        window = slice(row - top, row - top + side), slice(column - left, column - left + side)
        after[window], truth[window] = source[at].post, source[at].mask
    return after, truth


def compared(truth: Path, maps: Sequence[Path], block: int) -> str:
    """A line for each map: its IoU over all known ground, and over squares the difference to the first map's."""
    masks = {path: _read(path / "mask.tif") for path in maps}
    known = _read(truth, like=maps[0] / "mask.tif")
    squares = [
        (slice(row, row + block), slice(column, column + block))
        for row in range(0, known.shape[0], block)
        for column in range(0, known.shape[1], block)
        if np.any(known[row : row + block, column : column + block] != UNKNOWN)
    ]
    lines, first = [], None
    for path, mask in masks.items():
        own = {Sample(0, truth.name, str(at)): _iou(mask[square], known[square]) for at, square in enumerate(squares)}
        line = f"{path}: IoU {_iou(mask, known):.3f}, mean of {len(squares)} squares {np.mean(list(own.values())):.3f}"
        if first is not None and (found := paired_interval(own, first, np.random.default_rng(0))):
            line += f", {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}] to the first"
        first = first or own
        lines.append(line)
    return "\n".join(lines)


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(scores(count(mask[None] == 1, truth[None])).iou[0])


def _read(path: Path, like: Path | None = None) -> np.ndarray:
    """u8[h, w]. Args: like: a raster whose grid it is brought to."""
    with rasterio.open(path, driver="GTiff") as file:
        if like is None:
            return np.asarray(file.read(1))
        with rasterio.open(like, driver="GTiff") as other:
            grid = {"crs": other.crs, "transform": other.transform, "height": other.height, "width": other.width}
        with WarpedVRT(file, **grid, resampling=Resampling.nearest, src_nodata=UNKNOWN, nodata=UNKNOWN) as warped:
            return np.asarray(warped.read(1))


def _write(
    path: Path,
    values: np.ndarray,
    gsd: float,
    observed: np.ndarray | None = None,
    moved: tuple[int, int] = (0, 0),
) -> None:
    """Writes an image u8[h, w, bands] with pixels of `gsd` metres. Args: moved: px down and to the right."""
    height, width, bands = values.shape
    down, right = moved
    shape = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    place = {"crs": CRS, "transform": rasterio.Affine(gsd, 0, WEST + right * gsd, 0, -gsd, NORTH - down * gsd)}
    options = {"tiled": True, "compress": "deflate"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", **shape, **place, **options) as file,
    ):
        file.write(np.moveaxis(values, -1, 0))
        if observed is not None:
            file.write_mask(observed)


if __name__ == "__main__":
    sys.exit(main())
