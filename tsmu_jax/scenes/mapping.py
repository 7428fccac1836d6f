"""Maps a scene by windows: reads ahead, answers on the devices, crops by the halo, writes behind."""

import collections
import concurrent.futures
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from tsmu_jax.data.progress import reported
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.predictor import Predictor
from tsmu_jax.prediction.windows import Span, best_shape, spans
from tsmu_jax.scenes import layers, turning
from tsmu_jax.scenes.area import EVERYWHERE, Area
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.pair import Ground, ScenePair
from tsmu_jax.scenes.staging import Staging

_THREADS = min(8, (os.cpu_count() or 1) + 1)


class Window(NamedTuple):
    """A part of a scene that goes through the network at once, and the part of it that is kept.

    Attributes:
      number: in the plan of the whole scene.
    """

    number: int
    rows: Span
    columns: Span


@dataclasses.dataclass(frozen=True)
class Plan:
    """The windows of a scene, all of one shape.

    Attributes:
      height, width: of the scene, filled up below and on the right to where its last windows end.
      shape: height and width of a window.
      windows: in rows, from the top; those that the area of interest touches.
    """

    height: int
    width: int
    shape: tuple[int, int]
    windows: tuple[Window, ...]

    @property
    def pixels(self) -> int:
        """That go through the network."""
        return sum((one.rows.stop - one.rows.start) * (one.columns.stop - one.columns.start) for one in self.windows)


def plan(
    predictor: Predictor, grid: Grid, side: int, area: Area = EVERYWHERE, shape: tuple[int, int] | None = None
) -> Plan:
    """Covers the wanted ground of a grid with windows that answer as one pass would, as far as the halo is exact.

    The network is equivariant to shifts by its stride alone, so windows begin at multiples of the stride counted from
    the origin of the coordinates, not from the scene's corner: scenes that overlap, and whose pixels coincide, get the
    same answers where both see the same ground. The first windows may begin outside of the grid.

    Args:
      side: of the largest square window, a multiple of the network's stride that leaves more than the halo.
      area: windows of which nothing would be kept in this area are left out.
      shape: height and width of the windows, where they are known; by default those of the least work.
    """
    seen, stride = predictor.halo.seen, predictor.model.network.stride
    phases, sides = grid.phase(stride), (grid.height, grid.width)
    filled = [-(-(at + length) // stride) * stride for at, length in zip(phases, sides, strict=True)]
    shape = shape or best_shape(filled[0], filled[1], side, seen, stride)
    whole = [spans(length, window, seen, stride) for length, window in zip(filled, shape, strict=True)]
    both = [[_moved(span, at) for span in part] for part, at in zip(whole, phases, strict=True)]
    height, width = (length - at for length, at in zip(filled, phases, strict=True))
    windows = [Window(number, *one) for number, one in enumerate(itertools.product(*both))]
    return Plan(height, width, shape, tuple(one for one in windows if area.meets(grid, *_kept(one, grid))))


def _moved(span: Span, phase: int) -> Span:
    """A span counted from the grid's first pixel, which lies so far behind the first multiple of the stride."""
    return Span(span.start - phase, span.stop - phase, max(span.keep_start - phase, 0), span.keep_stop - phase)


def _kept(window: Window, grid: Grid) -> list[slice]:
    """Rows and columns of a grid that a window answers for."""
    lengths = zip(window[1:], (grid.height, grid.width), strict=True)
    return [slice(one.keep_start, min(one.keep_stop, length)) for one, length in lengths]


def map_windows(
    model: SavedModel, decoder: str, scene: ScenePair, grid: Grid, planned: Plan, staging: Staging, versions: int = 0
) -> None:
    """Maps the windows that are not staged yet. Ground that cannot be read counts as not observed.

    Args: versions: of each window, whose spread is staged as a second plane; 0 for none.
    """
    waiting = [window for window in planned.windows if window.number not in staging.done]
    devices = len(jax.local_devices())
    begun: collections.deque[tuple[list[tuple[Window, Ground]], np.ndarray, jax.Array | None]] = collections.deque()

    def finish(most: int) -> None:
        """Keeps the oldest answers, until at most so many batches are under way."""
        while len(begun) > most:
            asked, images, answers = begun.popleft()
            if answers is None:
                planes = np.zeros((1 + bool(versions), *images.shape[:3]), np.float32)
            else:
                planes = np.asarray(answers)[None, : len(asked)]
                if versions:
                    spread = turning.spread(model, images, decoder, planes[0], versions)
                    planes = np.concatenate([planes, spread[None]])
            for at, (window, ground) in enumerate(asked):
                _keep(window, ground, planes[:, at], staging)

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as readers:
        read = _read_ahead(readers, scene, grid, waiting, 2 * devices)
        for batch in _batches(reported(read, total=len(waiting), what="windows"), devices):
            for observed, part in itertools.groupby(batch, key=_is_observed):
                asked = list(part)
                images = np.stack([ground.image for _, ground in asked])
                begun.append((asked, images, model.begin(images, decoder) if observed else None))
            finish(most=1)
        finish(most=0)


def _is_observed(asked: tuple[Window, Ground]) -> bool:
    """Whether anything of a window is kept."""
    window, ground = asked
    return bool(ground.observed[_within(window)].any())


def _within(window: Window) -> tuple[slice, slice]:
    """Rows and columns of a window that are kept, counted from its first pixel."""
    rows, columns = (slice(one.keep_start - one.start, one.keep_stop - one.start) for one in window[1:])
    return rows, columns


def _keep(window: Window, ground: Ground, planes: np.ndarray, staging: Staging) -> None:
    """Stages what is kept of a window. Args: planes: f32[n, h, w], the probability and, if asked for, its spread."""
    observed = ground.observed[_within(window)]
    scales = (1.0, turning.MOST)
    levels = [
        layers.stored(plane[_within(window)] / most, observed) for plane, most in zip(planes, scales, strict=False)
    ]
    place = window.rows.keep_start, window.columns.keep_start
    staging.write(window.number, *place, np.stack(levels), damaged=ground.damaged)


def _read_ahead(
    readers: concurrent.futures.Executor, scene: ScenePair, grid: Grid, windows: Sequence[Window], number: int
) -> Iterator[tuple[Window, Ground]]:
    pending: collections.deque[tuple[Window, concurrent.futures.Future[Ground]]] = collections.deque()
    for window in windows:
        pending.append((window, readers.submit(_ground, scene, grid, window)))
        if len(pending) > number:
            first, future = pending.popleft()
            yield first, future.result()
    for first, future in pending:
        yield first, future.result()


def _ground(scene: ScenePair, grid: Grid, window: Window) -> Ground:
    """Reads a window; beyond the grid there is no ground."""
    lengths = zip(window[1:], (grid.height, grid.width), strict=True)
    inside = [slice(max(one.start, 0), min(one.stop, length)) for one, length in lengths]
    ground = scene.read(grid, *inside)
    missing = [(part.start - one.start, one.stop - part.stop) for part, one in zip(inside, window[1:], strict=True)]
    if not np.any(missing):
        return ground
    return Ground(np.pad(ground.image, (*missing, (0, 0))), np.pad(ground.observed, missing), ground.damaged)


def _batches(items: Iterator[tuple[Window, Ground]], number: int) -> Iterator[list[tuple[Window, Ground]]]:
    while batch := list(itertools.islice(items, number)):
        yield batch
