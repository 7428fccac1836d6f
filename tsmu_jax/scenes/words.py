"""What the command says of a scene before and after it is mapped."""

import math
from pathlib import Path

from tsmu_jax.inventory.adding import SMALL_PX, Added
from tsmu_jax.prediction.halo import Halo
from tsmu_jax.prediction.predictor import Choice
from tsmu_jax.scenes.directory import MapDirectory
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.mapping import Plan
from tsmu_jax.scenes.pair import LEAST_OVERLAP, MOST_SHIFT_PX, Fit, ScenePair
from tsmu_jax.scenes.regions import Regions
from tsmu_jax.words import counted, printable

CLEAR = 0.95  # of the ground: a smaller share of the ecoregion whose decoder answers is warned of


def announced(
    scene: ScenePair,
    grid: Grid,
    planned: Plan,
    halo: Halo,
    choice: Choice,
    fit: Fit | None,
    found: Regions | None,
    *,
    unsure: bool,
) -> str:
    """The scene, its windows, the decoder and how the dates fit.

    Args:
      grid: that of the map.
      found: what a layer of ecoregions says of the scene.
      unsure: whether the choice of the decoder is too close to call.
    """
    look = ": a person should look at it" if unsure else ""
    within = ", those that --aoi touches" if scene.area.is_bounded else ""
    lines = [
        f"scene: {_extent(scene.grid)}; mapped at {_extent(grid)}",
        f"windows: {len(planned.windows)} of {planned.shape[1]} x {planned.shape[0]} px, "
        f"{planned.pixels / (grid.height * grid.width):.2f} times the scene's area{within}",
        f"halo: {halo}",
        f"decoder: {choice.decoder}" + ("" if choice.margin is None else f", margin {choice.margin:.2f}{look}"),
    ]
    if found:
        shares = ", ".join(f"{printable(name):.100} {100 * share:.1f} %" for name, share in found.shares.items())
        lines.append(f"ecoregions of the ground: {shares}")
        if found.shares[found.ecoregion] < CLEAR:
            lines.append(f"warning: this ground is not all of {found.ecoregion}, whose decoder answers for all of it")
    if fit:
        moved = math.hypot(*fit.shift_m) if fit.shift_m else None
        said = "cannot be told" if moved is None else f"{moved:.2g} m"
        lines.append(f"dates: overlap {100 * fit.overlap:.1f} %, shift {said}")
        if fit.overlap < LEAST_OVERLAP:
            lines.append(f"warning: --pre covers {100 * fit.overlap:.1f} % of the ground; the rest is not mapped")
        if moved is not None and moved > MOST_SHIFT_PX * max(grid.gsd_m):
            lines.append("warning: the dates do not lie on each other; register one to the other first")
    return "\n".join(lines)


def closing(directory: MapDirectory, grid: Grid, seconds: float) -> str:
    """How much was mapped, what was found, and where it is."""
    record = directory.record
    without = {"has no data": True, "is masked": record["mask"], "lies outside of --aoi": record["aoi"]}
    *others, last = (reason for reason, given in without.items() if given)
    reasons = f"{', '.join(others)} or {last}" if others else last
    km2 = grid.height * grid.width * grid.gsd_m[0] * grid.gsd_m[1] * record["observed_share"] / 1e6
    lines = [
        f"mapped {km2:.3g} km2 in {seconds:.0f} s, {100 * record['landslide_share']:.2f} % of it landslide; "
        f"{100 * (1 - record['observed_share']):.1f} % of the scene {reasons}"
    ]
    if damaged := record["damaged_windows"]:
        lines.append(f"{counted(damaged, 'window')} could not be read in full; that ground counts as without data")
    return "\n".join([*lines, "map: " + ", ".join(str(directory.path / name) for name in directory.names)])


def added(inventory: Path, one: Added) -> str:
    """What became of a map's landslides in an inventory."""
    changes = f", measured {counted(one.measured, 'edited outline')}" if one.measured else ""
    changes += f", filled in slopes or uncertainty of {counted(one.filled, 'known landslide')}" if one.filled else ""
    changes += ", filled in dates, sensors or resolutions of the scene" if one.scene else ""
    changes += f", narrowed the dates of {counted(one.dated, 'known landslide')}" if one.dated else ""
    if one.same:
        changes = changes.removeprefix(", ") or "nothing is changed"
        least = "" if one.least_m2 is None else f", with landslides from {one.least_m2:g} m2 on"
        return f"inventory: {inventory} has this very map already{least}; {changes}"
    more = f", {one.known} known ones found again" if one.known else ""
    more += f", {one.superseded} of older models superseded" if one.superseded else ""
    more += f", {counted(one.unseen, 'accepted one')} of which it shows less than half" if one.unseen else ""
    more += f", {one.without_terrain} without heights in --dem" if one.without_terrain else ""
    line = f"inventory: {counted(one.new, 'new landslide')}{more}{changes}: {inventory}"
    if not one.small:
        return line
    return f"{line}\n{one.small} of them under {SMALL_PX} pixels; a new inventory keeps such out with --min_area_m2"


def _extent(grid: Grid) -> str:
    return f"{grid.width} x {grid.height} px of {grid.gsd_m[1]:.3g} x {grid.gsd_m[0]:.3g} m"
