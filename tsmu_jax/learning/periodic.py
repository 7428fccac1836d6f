"""The checkpoint of a phase under way: the state of its training, and the record of how far it is and whose it is."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import digests
from tsmu_jax.learning import checkpoints, processes

RECORD = "latest.json"
_NAME = re.compile(r"step_[0-9]{1,18}(_not_validated)?")
_NUMBER = (int, float)
_KINDS: dict[str, Any] = {
    "checkpoint": str,
    "step": int,
    "kept": bool,
    "identity": str,
    "sums": dict,
    "seconds": _NUMBER,
    "saturation": dict,
    "ended": bool,
}
PROGRESS = tuple(_KINDS)


def save(directory: Path, name: str, tree: Any, progress: Mapping[str, Any]) -> None:
    """Writes a state; the previous one stays until this one is complete. All processes must call it.

    Args:
      name: of the state, another one than the previous one's.
      progress: all of PROGRESS but the checkpoint's name.
    """
    checkpoints.save(directory / name, tree)
    if not processes.first():
        return
    _write(directory, {"checkpoint": name, **progress}, digests.taken(directory, name))
    for earlier in directory.glob("step_*"):
        if earlier.name != name:
            shutil.rmtree(earlier)


def latest(directory: Path) -> dict[str, Any] | None:
    """Reads the record; None if there is none. Raises UserError where it or the state is damaged."""
    found = _read(directory)
    return None if found is None else found[0]


def interrupted_at(directory: Path) -> tuple[int, str] | None:
    """The step and the identity of a phase's periodic checkpoint, if this process sees one.

    Raises:
      UserError: it is damaged.
    """
    progress = latest(directory)
    return None if progress is None else (int(progress["step"]), progress["identity"])


def rename(directory: Path, identity: str) -> None:
    """Makes the checkpoint that of another phase, which begins as this one does. Raises UserError as `latest` does."""
    found = _read(directory)
    assert found is not None
    _write(directory, found[0] | {"identity": identity}, found[1])


def _write(directory: Path, record: Mapping[str, Any], files: digests.Files) -> None:
    partial = (directory / RECORD).with_suffix(".partial")
    partial.write_text(json.dumps(digests.sealed(record, files)))
    partial.replace(directory / RECORD)


def _read(directory: Path) -> tuple[dict[str, Any], digests.Files] | None:
    if not (directory / RECORD).exists():
        return None
    try:
        progress, files = digests.read(directory / RECORD, required=PROGRESS)
        if wrong := _nonsense(progress):
            raise ValueError(f"{directory / RECORD}: {wrong}")
        if wrong := digests.damage(directory, files):
            raise ValueError(wrong)
    except ValueError as error:
        raise digests.damaged(error, directory, anew="trains the phase") from error
    return progress, files


def _nonsense(progress: Mapping[str, Any]) -> str | None:
    """Says what of a record is none of what `save` writes; None where all is."""
    if wrong := [name for name, kind in _KINDS.items() if not isinstance(progress[name], kind)]:
        return f"{wrong[0]} is {progress[wrong[0]]!r:.100}"
    if not _NAME.fullmatch(progress["checkpoint"]):  # a path could lead elsewhere
        return "names no checkpoint"
    numbers = [*progress["sums"].values(), progress["saturation"].get("chosen_epoch")]
    best = progress["saturation"].get("best")
    if not all(isinstance(number, _NUMBER) for number in [*numbers, 0 if best is None else best]):
        return "holds scores that are no numbers"
    return None
