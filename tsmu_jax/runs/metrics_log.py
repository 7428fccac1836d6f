"""`metrics.jsonl`, one JSON object a line, and the same scalars as TensorBoard events."""

import hashlib
import json
import math
import numbers
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.runs.events import Events

FILE = "metrics.jsonl"
EVENTS = "tensorboard"
_FIELDS = ("phase", "step", "epoch")

Line = dict[str, Any]  # parsed


class MetricsLog:
    """Appends to a run's metrics; one process of a run holds it open.

    A line reaches the file as soon as it is written, so a killed process loses at most the last one: what it
    left unfinished is removed here.

    Args:
      workdir: of the run; created if need be.
      finished: phases whose lines stay when an earlier one is trained anew.
    """

    def __init__(self, workdir: Path, *, finished: Collection[str] = ()) -> None:
        self._finished = frozenset(finished)
        workdir.mkdir(parents=True, exist_ok=True)
        self._path = workdir / FILE
        self._directory = workdir / EVENTS
        self._events: Events | None = None
        self._kept: tuple[str, int] | None = None  # where `truncate` cut
        self._written: set[tuple[str, ...]] = set()  # the keys of the lines written at exactly that step
        _mend(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def write(
        self, phase: str, step: int, scalars: Mapping[str, Any], *, global_step: int, epoch: int | None = None
    ) -> None:
        """Writes one line.

        Args:
          phase: its name, unlike those of the run's other phases.
          step: steps done in this phase.
          scalars: Python, NumPy or JAX numbers; what is not finite becomes null.
          global_step: steps done in the run, for TensorBoard.
          epoch: left away where None.
        """
        values = {name: _number(value) for name, value in scalars.items()}
        clash = sorted(set(values) & set(_FIELDS))
        if clash:
            raise ValueError(f"scalars must not be called {', '.join(clash)}")
        if (phase, step) == self._kept and tuple(sorted(values)) in self._written:
            return  # an earlier process wrote it after the checkpoint from which this one goes on
        line: Line = {"phase": phase, "step": int(step)}
        if epoch is not None:
            line["epoch"] = int(epoch)
        line |= {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n")
        self._file.flush()
        if self._events is None:  # events that an earlier process wrote from here on are void
            self._events = Events(self._directory, purge_step=global_step + ((phase, step) == self._kept))
        self._events.write(values, global_step)  # a resumed run does not write again what precedes its checkpoint

    def digest(self, phase: str) -> str:
        """Digest of a phase's lines so far."""
        return digest(read(self._path.parent), phase)

    def truncate(self, phase: str, after_step: int) -> None:
        """Goes back to a checkpoint: drops the lines of `phase` after `after_step`, and of later phases under way.

        The lines of a resumed run then equal those of an uninterrupted one, but for times. A line at exactly
        `after_step` is kept, and not written a second time. The file is replaced in one move. Where nothing of
        `phase` has been written yet, nothing is dropped.
        """
        lines = read(self._path.parent)
        order = list(dict.fromkeys(line["phase"] for line in lines))
        earlier = (set(order[: order.index(phase)] if phase in order else order) | self._finished) - {phase}
        kept = [
            line
            for line in lines
            if line["phase"] in earlier or (line["phase"] == phase and line["step"] <= after_step)
        ]
        self._file.close()
        temporary = self._path.with_name(FILE + ".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in kept)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")
        self._kept = (phase, after_step)
        at_cut = [line for line in kept if (line["phase"], line["step"]) == self._kept]
        self._written = {tuple(sorted(set(line) - set(_FIELDS))) for line in at_cut}
        self._close_events()

    def close(self) -> None:
        """Flushes and closes both files; closing twice is fine."""
        self._file.close()
        self._close_events()

    def _close_events(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def digest(lines: Iterable[Mapping[str, Any]], phase: str) -> str:
    """Digest of the values in a phase's lines; what is null is left away, as a run does that copies the lines."""
    own = [{key: value for key, value in line.items() if value is not None} for line in lines if line["phase"] == phase]
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def differ(lines: Iterable[Mapping[str, Any]], phase: str, record: Mapping[str, Any]) -> bool:
    """Whether the lines of a finished phase are others than those it wrote. Args: record: what its phase.json holds."""
    return record.get("log") not in (None, digest(lines, phase))


def read(workdir: Path) -> list[Line]:
    """The lines of a run, parsed, in order, without a half-written last one; none where there is no file.

    Raises:
      UserError: another line holds no metrics.
    """
    path = workdir / FILE
    if not path.exists():
        return []
    encoded = path.read_bytes().split(b"\n")
    lines = []
    for index, each in enumerate(encoded):
        line = _parsed(each)
        if line is not None:
            lines.append(line)
        elif each.strip() and index < len(encoded) - 1:
            raise UserError(f"{path}: line {index + 1} holds no metrics; remove the line or the file")
    return lines


def _parsed(encoded: bytes) -> Line | None:
    try:
        line = untrusted.parse(encoded)
    except ValueError:
        return None
    return line if isinstance(line, dict) and {"phase", "step"} <= set(line) else None


def _mend(path: Path) -> None:
    """Ends the last line, or cuts it off where a killed process left half of it."""
    if not path.exists():
        return
    content = path.read_bytes()
    head, newline, tail = content.rpartition(b"\n")
    if not tail:
        return
    if _parsed(tail) is not None:
        with path.open("ab") as file:
            file.write(b"\n")
    else:
        os.truncate(path, len(head) + len(newline))


def _number(value: Any) -> int | float:
    """A plain number from a Python, NumPy or JAX scalar."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, numbers.Integral) else float(value)
