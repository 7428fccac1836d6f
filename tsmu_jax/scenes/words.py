"""What the command says of a scene before and after it is mapped."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax.inventory.adding import Added
from tsmu_jax.prediction.predictor import Choice
from tsmu_jax.scenes import layers
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.mapping import Plan
from tsmu_jax.scenes.pair import Fit
from tsmu_jax.words import counted

OVERLAP = 0.9  # less of it is warned of
SHIFTED_PX = 2.0  # of the network's input: dates that lie further apart are warned of


def announced(native: Grid, grid: Grid, planned: Plan, choice: Choice, fit: Fit | None, *, unsure: bool) -> str:
    """The scene, its windows, the decoder and how the dates fit.

    Args:
      native: the post-event image's grid.
      grid: that of the map.
      unsure: whether the choice of the decoder is too close to call.
    """
    look = ": a person should look at it" if unsure else ""
    lines = [
        f"scene: {_extent(native)}; mapped at {_extent(grid)}",
        f"windows: {len(planned.windows)} of up to {planned.side} px, "
        f"{planned.pixels / (grid.height * grid.width):.2f} times the scene's area",
        f"decoder: {choice.decoder}" + ("" if choice.margin is None else f", margin {choice.margin:.2f}{look}"),
    ]
    if fit:
        moved = math.hypot(*fit.shift_m) if fit.shift_m else None
        said = "cannot be told" if moved is None else f"{moved:.2g} m"
        lines.append(f"dates: overlap {100 * fit.overlap:.1f} %, shift {said}")
        if fit.overlap < OVERLAP:
            lines.append(f"warning: --pre covers {100 * fit.overlap:.1f} % of the ground; the rest is not mapped")
        if moved is not None and moved > SHIFTED_PX * max(grid.gsd_m):
            lines.append("warning: the dates do not lie on each other; register one to the other first")
    return "\n".join(lines)


def closing(target: Path, record: Mapping[str, Any], grid: Grid, seconds: float) -> str:
    """How much was mapped, what was found, and where it is."""
    km2 = grid.height * grid.width * grid.gsd_m[0] * grid.gsd_m[1] * record["observed_share"] / 1e6
    lines = [
        f"mapped {km2:.3g} km2 in {seconds:.0f} s, {100 * record['landslide_share']:.2f} % of it landslide; "
        f"{100 * (1 - record['observed_share']):.1f} % of the scene has no data"
    ]
    if damaged := record["damaged_windows"]:
        lines.append(f"{counted(damaged, 'window')} could not be read in full; that ground counts as without data")
    return "\n".join([*lines, "map: " + ", ".join(str(target / name) for name in layers.NAMES)])


def added(inventory: Path, one: Added) -> str:
    """What became of a map's landslides in an inventory."""
    if one.same:
        return f"inventory: {inventory} has this very map already; nothing is changed"
    more = f", {one.known} known ones found again" if one.known else ""
    more += f", {one.superseded} of older models superseded" if one.superseded else ""
    return f"inventory: {counted(one.new, 'new landslide')}{more}: {inventory}"


def _extent(grid: Grid) -> str:
    return f"{grid.width} x {grid.height} px of {grid.gsd_m[1]:.3g} x {grid.gsd_m[0]:.3g} m"
