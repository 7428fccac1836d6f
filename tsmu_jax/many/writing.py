"""The one writer of an inventory: adds the maps of a list in its order, whatever order they end in."""

import collections
import concurrent.futures
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import adding
from tsmu_jax.inventory.measuring import Measured
from tsmu_jax.many.listing import Listed
from tsmu_jax.many.output import Output, Row
from tsmu_jax.many.words import KINDS
from tsmu_jax.many.work import Task
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.runs.progress import PhaseProgress


@dataclasses.dataclass
class Scene:
    """A scene of the list, and how it stands.

    Attributes:
      request: digest of what its map depends on.
      row: of the table; None while it is not known.
      measured: what a worker has measured for the inventory, until that is written.
    """

    listed: Listed
    task: Task
    request: str
    row: Row | None = None
    measured: Measured | None = None


class Writer:
    """Adds each map as soon as all before it in the list have ended, beside the mapping.

    Use it as a context manager: an exception leaves the rest to the next run.

    Attributes:
      added: numbers of landslides by the status of their scene and "new", "known" or "superseded"; see `Added`.
    """

    def __init__(self, scenes: Sequence[Scene], output: Output, model: SavedModel, inventory: Path | None) -> None:
        """Writes nothing. Args: scenes: of the list, in its order; inventory: None where there is none to write."""
        self._scenes, self._output, self._model = scenes, output, model
        self._inventory = inventory
        self._next, self._refused = 0, ""
        self.added: collections.Counter[tuple[str, str]] = collections.Counter()
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._waiting: collections.deque[tuple[Row, concurrent.futures.Future[str]]] = collections.deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def advance(self) -> None:
        """Hands over what can be added now."""
        while self._next < len(self._scenes) and (row := self._scenes[self._next].row):
            if self._inventory and row.is_finished:
                self._waiting.append((row, self._thread.submit(self._add, self._inventory, self._scenes[self._next])))
            self._next += 1
        while self._waiting and self._waiting[0][1].done():
            self._end()

    def finish(self) -> None:
        """Waits for all, and says how far it is. Raises UserError where the inventory cannot be written."""
        self.advance()
        if total := len(self._waiting):
            with PhaseProgress("inventory", total) as progress:
                while self._waiting:
                    self._end()
                    progress.update(total - len(self._waiting))
        if self._refused:
            raise UserError(f"{self._refused}; the maps are there")

    def _end(self) -> None:
        row, future = self._waiting.popleft()
        if error := future.result():
            self._output.add(dataclasses.replace(row, error=f"not in the inventory: {error}"))

    def _add(self, inventory: Path, scene: Scene) -> str:
        """Adds a map, unless an earlier one was refused. Returns why this one cannot be added; "" otherwise."""
        measured, scene.measured = scene.measured, None
        entry = {**(scene.task.entry or {}), "sensors": scene.listed.sensors, "measured": measured}
        for last in (False, True):
            if self._refused:
                return ""
            try:
                done = adding.add(inventory, scene.task.target, self._model, **entry)
                status = scene.row.status if scene.row else ""
                self.added.update({(status, kind): getattr(done, kind) for kind in KINDS})
                return ""
            except UserError as error:
                if last:
                    return str(error)
            try:
                adding.check(inventory)
            except UserError as error:  # no fault of the scene's; others are mapped all the same
                self._refused = str(error)
                print(f"warning: {error}; mapping goes on", file=sys.stderr, flush=True)
        return ""
