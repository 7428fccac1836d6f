"""Damages each file of a run, a prepared data set, a saved model, a map and predictions in turn, and reads them.

    python -m tests.stress.damage

Each file is cut in half, has one byte changed, and is removed. Whoever reads it must name it in one line, or must come
to the same result as before: because it does not need the file, or has made it anew. The exit code is 1 where a reader
comes to another result or raises anything but UserError.
"""

import argparse
import collections
import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.stress.outputs import outputs
from tsmu_jax.errors import UserError


def cut(path: Path) -> None:
    """Cuts a file in half, as a full disk does."""
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file, as a disk does that grows old."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


DAMAGES: Mapping[str, Callable[[Path], None]] = {"cut": cut, "flip": flip, "remove": Path.unlink}


class Subject(NamedTuple):
    """A directory, and those who read it.

    Attributes:
      readers: {name: directory -> what was read, JSON or bytes}; one that may write comes last.
      unread: names of files and directories that nobody reads again.
    """

    name: str
    directory: Path
    readers: Mapping[str, Callable[[Path], Any]]
    unread: frozenset[str] = frozenset()


class Case(NamedTuple):
    """A damaged file of a subject."""

    subject: Subject
    file: str
    damage: str


def cases(subjects: Sequence[Subject]) -> Iterator[Case]:
    """All damages of all files."""
    for subject in subjects:
        for path in sorted(path for path in subject.directory.rglob("*") if path.is_file() and not path.is_symlink()):
            file = path.relative_to(subject.directory)
            if path.stat().st_size and not subject.unread & set(file.parts):
                yield from (Case(subject, str(file), damage) for damage in DAMAGES)


class Readings:
    """Reads copies of subjects, and knows what whole ones give."""

    def __init__(self, scratch: Path):
        self._copy = scratch / "copy"  # every copy has the same path, which results may name
        self._whole: dict[tuple[str, str], str] = {}

    def judge(self, case: Case) -> dict[str, str]:
        """What each reader does: "the same" or "named", or what is wrong."""
        for name, reader in case.subject.readers.items():
            if (case.subject.name, name) not in self._whole:
                self._renew(case.subject)
                self._whole[case.subject.name, name] = _digest(reader(self._copy))
        self._renew(case.subject)
        DAMAGES[case.damage](self._copy / case.file)
        return {name: self._read(case, name, reader) for name, reader in case.subject.readers.items()}

    def _read(self, case: Case, name: str, reader: Callable[[Path], Any]) -> str:
        below = [self._copy / part for part in (Path(case.file), *Path(case.file).parents) if part.name]
        names = {Path(case.file).name, *map(str, below)}  # the file, or a directory that holds it
        try:
            found = reader(self._copy)
        except UserError as error:
            named = any(name in str(error) for name in names) and "\n" not in str(error)
            return "named" if named else f"not named: {error}"
        except Exception as error:
            return "".join(traceback.format_exception(error, limit=-4))
        if _digest(found) == self._whole[case.subject.name, name]:
            return "the same"
        warned = not isinstance(found, bytes) and str(self._copy / case.file) in json.dumps(found, default=str)
        return "named" if warned else "another result"

    def _renew(self, subject: Subject) -> None:
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(subject.directory, self._copy)


def _digest(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.sha256(data).hexdigest()


def subjects(root: Path) -> list[Subject]:
    """A tiny run, its saved model, a small prepared data set, and a map and predictions, made in `root`."""
    from tests.stress.scene import prepared_dataset, tiny_run

    run, prepared = tiny_run(root), prepared_dataset(root)
    # The report reads all; what is only looked at, or only written, is nobody's input.
    unread = frozenset({"tensorboard", ".lock", "results.md", "contact_sheet.png"})
    readers = {"report": _report, "load_phase": _phases, "the same command": lambda path: _again(root, path)}
    return [
        Subject("prepared data set", prepared, {"open": _pairs}),
        Subject("saved model", run / "model", {"load_model": _model}),
        Subject("run", run, readers, unread | {"model"}),
        *(Subject(name, path, reading, unread) for name, path, reading in outputs(root)),
    ]


def _pairs(directory: Path) -> Any:
    from tsmu_jax.data.open import open_source

    source = open_source(directory, require_pre=True)
    found = []
    for index, info in enumerate(source.infos):
        pair = source[index]
        arrays = tuple(pair)
        found.append([str(info), *(None if array is None else array.tobytes().hex() for array in arrays)])
    return [found, dict(source.fingerprints), [str(each) for each in source.skipped]]


def _model(directory: Path) -> Any:
    import tsmu_jax

    model = tsmu_jax.load_model(directory)
    images = np.random.default_rng(0).integers(0, 256, (2, model.side, model.side, model.network.channels), np.uint8)
    answers = {name: model.predict(images, decoder=name).tobytes().hex() for name in model.decoders}
    exams = {name: model.exam(name) for name in model.ecoregions}
    held = {name: None if exam is None else [each.tobytes().hex() for each in exam] for name, exam in exams.items()}
    return [answers, held, _plain(model.autoencoders()), model.description]


def _plain(tree: Any) -> Any:
    return {key: _plain(each) for key, each in tree.items()} if isinstance(tree, Mapping) else tree.tobytes().hex()


def _report(directory: Path) -> Any:
    from tsmu_jax.reporting import documents
    from tsmu_jax.reporting.comparison import compare
    from tsmu_jax.reporting.page.document import page
    from tsmu_jax.reporting.reading import find_runs

    found = find_runs([directory])
    comparison = compare(found.runs, {})
    tables = documents.all_tables(comparison)
    written = documents.documents(tables, found.left_out, found.runs[0].verdict)
    return [written, page(comparison, tables, found.left_out)]


def _phases(directory: Path) -> Any:
    import tsmu_jax

    loaded = [tsmu_jax.load_phase(directory, name) for name in ("initial", "freeze", "joint_fine_tuning")]
    return [_plain({"params": each.params, "batch_stats": each.batch_stats}) for each in loaded]


def _again(root: Path, directory: Path) -> Any:
    from tests.stress.killed import outcome_of
    from tests.stress.scene import tiny
    from tsmu_jax.runs.train import train

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        train(tiny(root / "images"), directory)
    warnings = [line for line in said.getvalue().splitlines() if line.startswith(str(directory))]
    for state in directory.glob(
        "phases/*/state"
    ):  # of the last phase, for a run with more epochs: nobody else reads it
        shutil.rmtree(state)
    return [warnings, outcome_of(directory)]


def damage(every: Sequence[Case], scratch: Path, *, say: Callable[[str], None] = print) -> list[str]:
    """Judges cases. Returns what is wrong, a line or a traceback each."""
    readings, wrong, counts = Readings(scratch), [], collections.Counter[tuple[str, str]]()
    started = time.monotonic()
    for number, case in enumerate(every, start=1):
        for reader, verdict in readings.judge(case).items():
            known = verdict in ("the same", "named")
            counts[case.subject.name, verdict if known else "WRONG"] += 1
            if not known:
                wrong.append(f"{case.subject.name}, {case.file}, {case.damage}; {reader}: {verdict}")
                say(wrong[-1])
        if number % 20 == 0:
            left = (time.monotonic() - started) / number * (len(every) - number)
            say(f"{number}/{len(every)} damages; {left / 60:.0f} min left")
    for (subject, verdict), count in sorted(counts.items()):
        say(f"{count:5d}  {subject}: {verdict}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="subjects and files whose path contains this")
    options = parser.parse_args()
    os.environ |= {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg"}
    with tempfile.TemporaryDirectory(prefix="tsmu-damage-") as directory:
        root = Path(directory)
        every = [case for case in cases(subjects(root)) if options.only in f"{case.subject.name}/{case.file}"]
        return 1 if damage(every, root) else 0


if __name__ == "__main__":
    sys.exit(main())
