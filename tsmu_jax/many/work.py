"""The work of a worker: the map of one scene of a list, as `predict --pre --post` makes it."""

import contextlib
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax import __version__, locks, machine
from tsmu_jax.compilation import keep_compiled
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import measuring, polygons
from tsmu_jax.inventory.measuring import Measured
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import run

MOST_SENT = 10_000  # landslides, about a kilobyte each: a map with more is measured by the writer
PATIENCE_SECONDS = 600.0  # for another worker that maps the very scene
_LOOK_SECONDS = 1.0


class Task(NamedTuple):
    """A scene to map; plain values.

    Attributes:
      target: its directory.
      options: arguments of `map_scene`.
      entry: arguments of `measuring.measure`, where the map is for an inventory.
    """

    pre: Path | None
    post: Path
    target: Path
    options: Mapping[str, Any]
    entry: Mapping[str, Any] | None = None


class Done(NamedTuple):
    """What came out.

    Attributes:
      seconds: that the scene took.
      landslides: of the map.
      whole: whether all of the images could be read.
      measured: what the inventory needs; None where whoever writes it measures the map.
    """

    seconds: float
    landslides: int
    whole: bool
    measured: Measured | None = None


def opened(path: Path, digest: str, version: str) -> SavedModel:
    """Opens a worker's model, on this process's devices.

    Args: digest, version: of the model and of the program that hands out the scenes.

    Raises:
      UserError: another model lies there, or this is another release.
    """
    if version != __version__:
        raise UserError(f"a worker runs tsmu_jax {__version__}, and this is {version}; install the same everywhere")
    keep_compiled()
    machine.find_devices()
    model = run.open_named(path)
    if model.digest != digest:
        raise UserError(f"--model={path}: a worker finds another model there; name a directory that all see")
    return model


def map_one(model: SavedModel, task: Task, *, patience_s: float = PATIENCE_SECONDS) -> Done:
    """Maps a scene, or goes on with an interrupted map of it.

    A scene may be handed out twice, when a worker seems to be lost. So a directory that another process fills is
    waited for: then the map is there.

    Raises:
      UserError: one line that says why there is no map.
    """
    started = time.monotonic()
    while True:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                whole = run.map_scene(model, task.pre, task.post, task.target, **task.options)
            landslides = polygons.count(task.target)
            found = _measured(model, task) if landslides <= MOST_SENT else None
            return Done(time.monotonic() - started, landslides, whole, found)
        except locks.Held:
            if time.monotonic() - started > patience_s:
                raise
            time.sleep(_LOOK_SECONDS)
        except UserError:
            raise
        except Exception as error:  # whatever is wrong with one scene, others go on
            said = machine.explained(error, place=str(task.target), memory_gib=task.options.get("memory_gib", 0.0))
            raise UserError(said or f"{task.post}: {type(error).__name__}: {str(error):.300}") from error


def _measured(model: SavedModel, task: Task) -> Measured | None:
    if task.entry is None:
        return None
    try:
        return measuring.measure(task.target, model, **task.entry)
    except UserError:  # the writer says it
        return None
