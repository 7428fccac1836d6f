"""The points of a sweep: overrides of a base configuration, checked before any of them runs."""

import dataclasses
import difflib
import hashlib
import re
import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from tsmu_jax import untrusted
from tsmu_jax.configuration import flatten, short
from tsmu_jax.data.source import PairSource, fingerprint
from tsmu_jax.errors import UserError
from tsmu_jax.runs.directory import RunDirectory
from tsmu_jax.runs.experiment import prepare

Overrides = Mapping[str, Any]

SWEEP = "sweep.json"  # in a sweep's directory: what its points are, and how each one stands
KNOBS = "sweep"  # the part of a sweep's configuration that its points do not see
_LONGEST = 180  # characters of a directory's name, of the 255 that file systems grant


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase of a point: equal keys are the same training."""

    name: str  # "02_freeze"
    key: str
    steps: int


@dataclasses.dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    name: str  # of its run directory
    overrides: dict[str, Any]
    config: dict[str, Any]
    phases: tuple[Phase, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its phases, first to last."""
        return tuple(phase.key for phase in self.phases)

    def trained(self, directory: Path) -> set[str]:
        """The keys of its phases that are finished in its run directory."""
        run = RunDirectory(directory / self.name)
        return {phase.key for phase in self.phases if run.phase(phase.name).key() == phase.key}

    def finished(self, directory: Path) -> bool:
        """Whether its run is complete."""
        run = RunDirectory(directory / self.name)
        return run.table_path.exists() and all(run.phase(phase.name).key() == phase.key for phase in self.phases)


def read(file: str, config: config_dict.ConfigDict) -> list[dict[str, Any]]:
    """Calls a sweep file's `points(config)`, which yields the overrides of each point.

    Raises:
      UserError: there is no such function, or it fails, or it yields no dictionaries.
    """
    points: Callable[[config_dict.ConfigDict], Iterable[Overrides]] | None = runpy.run_path(file).get("points")
    if points is None:
        raise UserError(f"--config={file}: no function points(config), so it is no sweep; see configs/sweeps/paper.py")
    try:
        yielded = list(points(config))
    except UserError:
        raise
    except Exception as error:  # whatever a sweep's own code raises
        raise UserError(f"--config={file}: points(config) failed: {type(error).__name__}: {error}") from error
    wrong = [point for point in yielded if not isinstance(point, Mapping)]
    if wrong or not yielded:
        found = repr(wrong[0]) if wrong else "nothing"
        raise UserError(f"--config={file}: points(config) yielded {found}; it must yield dictionaries of overrides")
    return [dict(point) for point in yielded]


def check(base: Mapping[str, Any], overrides: Iterable[Overrides], directory: Path) -> list[Point]:
    """Turns overrides into points, each of them checked as if it were to run now.

    Args:
      base: the configuration that they override; its part "sweep" is left out.
      directory: of the sweep; holds the points' run directories.

    Raises:
      UserError: names the point and what is wrong with it: an unknown key, a wrong value, too few pairs, a directory
        with another run.
    """
    if (directory / "config.json").exists():
        raise UserError(f"--workdir={directory}: holds a single run; name another directory for the sweep")
    if directory.is_dir() and not _is_sweep(directory):
        strange = [each.name for each in sorted(directory.iterdir()) if each.is_file() and each.name[0] != "."]
        if strange:
            raise UserError(f"--workdir={directory}: holds {strange[0]}, which no sweep wrote; name a new directory")
    base = {key: value for key, value in base.items() if key != KNOBS}
    opened: dict[str, PairSource] = {}
    points: dict[str, Point] = {}
    for number, chosen in enumerate(overrides, start=1):
        name = directory_name(chosen)
        if name in points:
            raise UserError(f"points {list(points).index(name) + 1} and {number} of the sweep are the same: {name}")
        try:
            points[name] = _point(name, base, chosen, directory, opened)
        except UserError as error:
            raise UserError(f"point {number} ({name}): {error}") from error
    return list(points.values())


def _is_sweep(directory: Path) -> bool:
    """Whether a sweep wrote there before."""
    try:
        return "points" in untrusted.read(directory / SWEEP)
    except (OSError, ValueError, TypeError):
        return False


def _point(
    name: str, base: Mapping[str, Any], overrides: Overrides, directory: Path, opened: dict[str, PairSource]
) -> Point:
    config = overridden(base, overrides)
    experiment = prepare(config, opened=opened)
    RunDirectory(directory / name).check(experiment.config, images=fingerprint(experiment.data.source))
    phases = tuple(
        Phase(
            stage.directory,
            experiment.stage_key(stage),
            experiment.epochs(stage) * experiment.data.draws(stage).steps_per_epoch,
        )
        for stage in experiment.stages
    )
    return Point(name, dict(overrides), config, phases)


def overridden(base: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """A copy of a nested configuration with other values: {"rates.freeze": 1e-4}.

    Raises:
      UserError: names an unknown key and the nearest known one, or a value of another type.
    """
    flat = flatten(base)
    for key, value in overrides.items():
        if key not in flat:
            near = difflib.get_close_matches(key, flat, n=1)
            remedy = f"did you mean {near[0]}?" if near else "configs/tsmu.py lists the known ones"
            raise UserError(f"unknown configuration key {key!r}; {remedy}")
        flat[key] = _typed(key, value, flat[key])
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, leaf = key.split(".")
        node = nested
        for section in sections:
            node = node.setdefault(section, {})
        node[leaf] = value
    return nested


def _typed(key: str, value: Any, default: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value  # a random draw of NumPy's
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        wanted, found = type(default).__name__, type(value).__name__
        raise UserError(f"{key}={value!r}: must be of type {wanted}, is {found}")
    return value


def directory_name(overrides: Overrides) -> str:
    """Names a point by its overrides: {"method": "tsmu", "data.size": 64} becomes "method=tsmu,size=64".

    No other point of the sweep influences the name, so a sweep that grows keeps its finished points.
    """
    named = short(overrides)
    parts = [f"{named[key]}={_readable(value)}" for key, value in overrides.items()]
    name = ",".join(parts) or "base"
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _readable(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return re.sub(r"[^\w.+-]+", "-", text.replace(",", "+"))
