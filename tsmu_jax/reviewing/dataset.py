"""Makes an ecoregion of the ground that people have reviewed: tiles with masks, as `tsmu_jax.prepare` reads them.

The tiles of a scene lie on a grid from the upper-left corner of its map, so that no tile overlaps another.
"""

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from tsmu_jax.data import draws_file, geography, rasters, splits
from tsmu_jax.data.look import LEAST_KNOWN
from tsmu_jax.data.progress import reported
from tsmu_jax.data.source import PairInfo
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import writing
from tsmu_jax.mask import BACKGROUND, LANDSLIDE, UNKNOWN
from tsmu_jax.reviewing import known_ground, pixels, tile_images
from tsmu_jax.reviewing.judged import Judgements, Said
from tsmu_jax.reviewing.known_ground import KnownGround
from tsmu_jax.reviewing.learner import Learner
from tsmu_jax.reviewing.scene_files import Images
from tsmu_jax.reviewing.tile_images import TileImages
from tsmu_jax.scenes import shapes
from tsmu_jax.scenes.grid import Grid, resampled
from tsmu_jax.words import counted

_ALIKE = 1.05  # maps whose pixels differ by less have one resolution: they hold whole pixels of one scene each

_TESTS = 5  # pairs to test on, unless prepare is told otherwise


class Asked(NamedTuple):
    """What is wanted.

    Attributes:
      ecoregion: its name.
      side: of a tile, px.
      gsd_m: metres a pixel of the tiles; 0 for that of the maps.
      bands: that are kept of the images, counted from 1; None for all.
      hard: how often a tile with a rejected landslide is drawn for one draw of the others.
      learner: the model that will learn from the tiles, whose resolution they must have if `gsd_m` is 0.
    """

    ecoregion: str
    side: int
    gsd_m: float = 0.0
    bands: tuple[int, int, int] | None = None
    hard: int = 2
    learner: Learner = Learner()


class Written(NamedTuple):
    """What came out.

    Attributes:
      landslides, rejected: judged ones with images.
      missing: judged ones without.
      small: tiles with known ground that is too little to be read.
      unknown: share of the pixels.
      damaged: tiles of which some could not be read.
      dtype, bands: of the images.
      gsd_m: metres a pixel.
      split: flags of `prepare` with which a split is possible; None where none is.
    """

    pairs: int
    landslides: int
    rejected: int
    missing: int
    small: int
    unknown: float
    damaged: int
    dtype: str
    bands: int
    gsd_m: float
    split: tuple[str, ...] | None


def write(
    judgements: Judgements,
    images: Mapping[str, Images],
    output: Path,
    asked: Asked,
    *,
    areas: Sequence[Path] = (),
) -> Written:
    """Writes `<output>/<ecoregion>/<id>_pre.tif`, `_post.tif`, `_mask.png`, `_unknown.png`: all, or nothing.

    Args:
      images: of scenes, by their digests; those that lack a date are left out.
      output: a new or empty directory.
      areas: vector files of ground that somebody has looked at wholly, beside what the inventory says.

    Raises:
      UserError: the directory holds something, nobody has judged anything that has images, scenes do not fit
        together or not to the model's resolution, or the directory cannot be written.
    """
    scenes = judgements.scenes
    whole_pairs = [scene for scene, found in images.items() if found.pre or not scenes[scene]["pre_sha256"]]
    grids = {scene: pixels.scene_grid(scenes[scene]) for scene in whole_pairs}
    homes = known_ground.homes(judgements, grids)
    said = [(one.said, home) for one, home in zip(judgements.landslides, homes, strict=True)]
    grounds = _grounds(judgements, homes, grids, areas)
    if not any(verdict is not Said.OPEN for verdict, _ in said) and not grounds:
        raise UserError("nobody has accepted, edited, drawn or rejected a landslide; review some, or state --reviewed")
    if not grounds:
        raise UserError("the images of no reviewed landslide were found; name their directory as --scenes")
    targets = {scene: _target(grids[scene], asked.gsd_m) for scene in sorted(grounds)}
    _check_metres(targets)
    if not asked.gsd_m:
        for target in targets.values():
            asked.learner.check(target.gsd_m, asked.side)
    with writing.whole_directory(output) as partial:
        dtype, bands = _only_kind([images[scene] for scene in targets], asked.bands)
        tiles = _Tiles(partial / asked.ecoregion, asked)
        for scene, target in targets.items():
            with TileImages(images[scene], bands=asked.bands) as own:
                tiles.add(scene, own, target, grounds[scene])
        tiles.finish()
    verdicts = [verdict for verdict, home in said if home in grounds]
    return Written(
        pairs=len(tiles.infos),
        landslides=verdicts.count(Said.LANDSLIDE),
        rejected=verdicts.count(Said.NONE),
        missing=sum(home is None and verdict is not Said.OPEN for verdict, home in said),
        small=tiles.small,
        unknown=tiles.unknown / (len(tiles.infos) * asked.side**2),
        damaged=tiles.damaged,
        dtype=dtype,
        bands=bands,
        gsd_m=max(max(grid.gsd_m) for grid in targets.values()),
        split=_split(tiles.infos),
    )


class _Tiles:
    """The tiles as they are written.

    Attributes:
      infos: of the pairs.
      unknown: pixels.
      small, damaged: see `Written`.
    """

    def __init__(self, folder: Path, asked: Asked) -> None:
        folder.mkdir()
        self._folder, self._asked = folder, asked
        self._draws: dict[str, int] = {}
        self.infos: list[PairInfo] = []
        self.unknown = self.small = self.damaged = 0

    def add(self, scene: str, images: TileImages, grid: Grid, known: KnownGround) -> None:
        """Writes the tiles of a scene of which enough is known."""
        side = self._asked.side
        corners = list(itertools.product(range(0, grid.height, side), range(0, grid.width, side)))
        for top, left in reported(corners, total=len(corners), what="tiles"):
            rows, columns = slice(top, min(top + side, grid.height)), slice(left, min(left + side, grid.width))
            if known.meets(grid, rows, columns):
                name = f"{scene[:8]}_{top // side:04d}_{left // side:04d}"
                self._add(name, images, grid, known, (rows, columns))

    def _add(self, name: str, images: TileImages, grid: Grid, known: KnownGround, part: tuple[slice, slice]) -> None:
        side, (rows, columns) = self._asked.side, part
        inside = known.mask(grid, rows, columns)
        if (inside == UNKNOWN).all():
            return
        tile = images.read(grid, rows.start, columns.start, side)
        mask = np.full((side, side), UNKNOWN, np.uint8)
        mask[: inside.shape[0], : inside.shape[1]] = inside
        mask[~tile.observed] = UNKNOWN
        if (mask != UNKNOWN).mean() < LEAST_KNOWN:
            self.small += 1
            return
        for date, values in tile.dates.items():
            tile_images.write(self._folder / f"{name}_{date}.tif", values, grid, rows.start, columns.start)
        _save(self._folder / f"{name}_mask.png", mask == LANDSLIDE)
        if (mask == UNKNOWN).any():
            _save(self._folder / f"{name}_unknown.png", mask == UNKNOWN)
        rejected = known.rejected.burnt(grid, rows, columns)
        if (rejected & (mask[: inside.shape[0], : inside.shape[1]] == BACKGROUND)).any():
            self._draws[name] = self._asked.hard
        self.unknown += int((mask == UNKNOWN).sum())
        self.damaged += tile.damaged
        square = [(columns.start + x, rows.start + y) for x, y in ((0, 0), (side, 0), (side, side), (0, side))]
        _, corners = rasters.located(grid.crs, grid.transform, grid.height, grid.width, square)
        self.infos.append(PairInfo(name, self._asked.ecoregion, name, geography.box(tuple(corners))))

    def finish(self) -> None:
        """Says which tiles are drawn more often. Raises UserError where there is no tile."""
        if not self.infos:
            reason = f"less than {LEAST_KNOWN:.0%} of each tile of {self._asked.side} px is known ground"
            raise UserError(f"{reason}; use a smaller --tile, or review more around the landslides: --reviewed")
        if self._draws and self._asked.hard > 1:
            draws_file.write(self._folder, self._draws)


def _grounds(
    judgements: Judgements,
    homes: Sequence[str | None],
    grids: Mapping[str, Grid],
    areas: Sequence[Path],
) -> dict[str, KnownGround]:
    """Of each scene on which somebody has looked at anything, the known ground."""
    judged = {
        home for one, home in zip(judgements.landslides, homes, strict=True) if home and one.said is not Said.OPEN
    }
    seen = {scene: known_ground.reviewed(judgements, scene, grid) for scene, grid in grids.items()}
    for area in areas:
        found = {scene: shapes.read(area, grid, flag="--reviewed").polygons for scene, grid in grids.items()}
        if not any(len(polygons) for polygons in found.values()):
            raise UserError(f"--reviewed={area}: covers none of the scenes whose images are there; name the right file")
        for scene, polygons in found.items():
            seen[scene] += list(polygons)
    return {
        scene: known_ground.of_scene(judgements, homes, scene, grid, seen[scene])
        for scene, grid in grids.items()
        if scene in judged or seen[scene]
    }


def _target(grid: Grid, gsd_m: float) -> Grid:
    return resampled(grid, (gsd_m, gsd_m), path="--inventory") if gsd_m else grid


def _check_metres(targets: Mapping[str, Grid]) -> None:
    """Raises UserError where scenes were mapped at several resolutions: one decoder learns at one."""
    found = sorted(max(grid.gsd_m) for grid in targets.values())
    if found[-1] > _ALIKE * found[0]:
        held = f"scenes were mapped at {found[0]:.3g} to {found[-1]:.3g} m a pixel, and a decoder learns at one"
        raise UserError(f"{held} resolution; state it: --gsd={found[0]:.3g}")


def _only_kind(scenes: Sequence[Images], bands: tuple[int, int, int] | None) -> tuple[str, int]:
    """Type and number of the bands of all scenes. Raises UserError where they differ."""
    kinds: dict[tuple[str, int], str] = {}
    for scene in scenes:
        with TileImages(scene, bands=bands) as own:
            kinds.setdefault((own.dtype, own.bands), str(scene.post))
    if len(kinds) > 1:
        held = ", ".join(
            f"{path} holds {counted(number, 'band')} of {dtype}" for (dtype, number), path in kinds.items()
        )
        raise UserError(f"{held}; name three bands (--bands=3,2,1), or make an ecoregion of each with --post")
    return next(iter(kinds))


def _save(path: Path, where: np.ndarray) -> None:
    Image.fromarray(where.astype(np.uint8) * 255).save(path, optimize=False)


def _split(infos: Sequence[PairInfo]) -> tuple[str, ...] | None:
    """The flags of `prepare` with which the pairs can be split, a quarter of few pairs to test on.

    Tiles that touch are neighbours, which a blocked split leaves together. Where too few blocks remain, single tiles
    are dealt out: none overlaps another one of its scene.
    """
    ordered = sorted(infos, key=lambda info: info.id)
    tests = min(_TESTS, max(1, len(infos) // 4))
    kinds: tuple[Literal["auto", "paper"], ...] = ("auto", "paper")
    for kind in kinds:
        with contextlib.suppress(UserError):
            splits.split(ordered, ecoregions=[ordered[0].ecoregion], kind=kind, test_pairs=tests, seed=0)
            stated = {f"--split={kind}": kind != "auto", f"--test_pairs={tests}": tests != _TESTS}
            return tuple(flag for flag, needed in stated.items() if needed)
    return None
