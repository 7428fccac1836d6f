"""A run directory: what is where, whose configuration it holds, which of its phases are finished."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import digests, locks, untrusted
from tsmu_jax.configuration import flatten
from tsmu_jax.declaration import Scope
from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints, periodic, processes, responses
from tsmu_jax.learning.state import Model
from tsmu_jax.models.tsmu import PARTS, Tree
from tsmu_jax.runs.files import PARTIAL, link, replacing, write_record
from tsmu_jax.runs.provenance import provenance
from tsmu_jax.runs.sealed import Sealed
from tsmu_jax.settings import SETTINGS, Config


class RunDirectory:
    """One run: `config.json`, `metrics.jsonl`, `results.json`, `phases/` and what else docs/runs.md names."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def claim(cls, path: Path, config: Config, *, images: str, command: str) -> "RunDirectory":
        """Creates the directory, or takes up a run of the same configuration.

        Args:
          images: fingerprint of images and start: wherever they lie, the same ones are the same configuration.

        Raises:
          UserError: it cannot be written, is no run directory, or holds a run with another configuration; names
            the keys that differ.
        """
        run = cls(path)
        try:
            run.check(config, images=images)  # a directory of something else gets no lock file
            path.mkdir(parents=True, exist_ok=True)
            run._lock()
            run.check(config, images=images)  # another process may have claimed it before the lock
            if not run.config_path.exists():
                write_record(run.config_path, provenance(config, images, command), {})
        except OSError as error:
            reason = f"cannot be written ({error.strerror}); name another directory"
            raise UserError(f"--workdir={path}: {reason}") from error
        return run

    def check(self, config: Config, *, images: str) -> None:
        """Raises UserError, as `claim` does, where a run of this configuration cannot go on; changes nothing."""
        names = [entry.name for entry in self.path.iterdir()] if self.path.exists() else []
        if self.config_path.name in names:
            untrusted.refuse_links(self.path)  # the run will be written to
            _refuse_other(self.path, self.stored(), config, images)
        elif any(name != locks.NAME and not name.endswith(PARTIAL) for name in names):
            lost = f", whose {self.config_path.name} is missing" if "phases" in names else ""
            raise UserError(f"--workdir={self.path}: holds files but no run{lost}; name a new or empty directory")

    def _lock(self) -> None:
        """Keeps other processes out, until this object or the process ends, however it does."""
        self._held = locks.lock(self.path, "--workdir")

    def stored(self) -> Mapping[str, Any]:
        """Reads `config.json`. Raises UserError where it is damaged, or another program's."""
        return _stored(self.config_path)

    @property
    def config_path(self) -> Path:
        """Resolved configuration, versions, revision and command."""
        return self.path / "config.json"

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Writes what is known of the run so far."""
        write_record(self.results_path, results, {})

    @property
    def results_path(self) -> Path:
        """Scores and costs of the finished phases."""
        return self.path / "results.json"

    @property
    def table_path(self) -> Path:
        """The closing table in Markdown. It is written last: a run that has it is complete."""
        return self.path / "results.md"

    def complete(self, table: str) -> None:
        """Writes the closing table."""
        partial = self.table_path.with_name(self.table_path.name + PARTIAL)
        partial.write_text(table)
        partial.replace(self.table_path)

    @property
    def figures(self) -> Path:
        """Pictures."""
        return self.path / "figures"

    def phase(self, name: str) -> "PhaseDirectory":
        """Args: name: of the phase's directory, "01_initial"."""
        return PhaseDirectory(self.path, name)

    def finished(self) -> list[str]:
        """Names of the directories of the finished phases, first to last."""
        return sorted(record.parent.name for record in self.path.glob("phases/*/phase.json"))

    def check_finished(self) -> None:
        """Raises UserError for the first damaged file of what is finished, which would be read again."""
        for name in self.finished():
            self.phase(name).check()
        for record in sorted(self.path.glob("selection/*/autoencoder.json")):
            self.autoencoder(record.parent.name).check()

    @property
    def selection(self) -> Path:
        """The autoencoders, and what they chose for the test images."""
        return self.path / "selection"

    def autoencoder(self, ecoregion: str) -> "AutoencoderDirectory":
        """Where the autoencoder of an ecoregion lies."""
        return AutoencoderDirectory(self.selection / ecoregion)

    def siblings(self) -> list["RunDirectory"]:
        """Other run directories beside this one, newest first."""
        beside = [path.parent for path in self.path.absolute().parent.glob("*/config.json")]
        others = [path for path in beside if path != self.path.absolute()]
        return [RunDirectory(path) for path in sorted(others, key=lambda path: -path.stat().st_mtime)]


class PhaseDirectory(Sealed):
    """One phase of a run: its checkpoint, its record, and while it trains its periodic checkpoints."""

    name, trains = "phase.json", "the phase"
    parts = ("checkpoint", responses.ARRAY, responses.INDEX)
    required = ("key", "steps", "tests", "result")

    def __init__(self, run: Path, name: str):
        super().__init__(run / "phases" / name)
        self.predictions = run / "predictions" / name
        self.profile = run / "profile" / name

    @property
    def checkpoint(self) -> Path:
        """The model at the end of the phase."""
        return self.path / "checkpoint"

    @property
    def periodic(self) -> Path:
        """The checkpoint of a phase under way."""
        return self.path / "unfinished"

    @property
    def state(self) -> Path:
        """The periodic checkpoint at the end, where the record says that it is kept."""
        return self.path / "state"

    def damaged_predictions(self) -> str | None:
        """Names a damaged mask, and what is wrong with it; None where there is none, or all were cleaned up."""
        known = (self.record() or {}).get("predictions")
        if known is None or not self.predictions.exists():
            return None
        try:
            return digests.damage(self.predictions, digests.listed(known))
        except ValueError as error:
            return f"{self.path / self.name}: {error}"

    def finish(self, model: Model, record: Mapping[str, Any]) -> None:
        """Saves the phase. The record comes last: it says that all else is there.

        Args:
          record: with the key "continued" the last periodic checkpoint is kept.
        """
        checkpoints.save(self.checkpoint, {"params": model.params, "batch_stats": model.batch_stats})
        self.seal(record)
        self.tidy()

    def tidy(self) -> None:
        """Removes the periodic checkpoint of a finished phase, or keeps it for a run with more epochs."""
        if not processes.first():
            return
        if (self.record() or {}).get("continued") and self.periodic.exists():
            self.periodic.replace(self.state)
        shutil.rmtree(self.periodic, ignore_errors=True)

    def state_of(self, continued: str) -> int:
        """The steps after which a state is kept for phases with this key; 0 where none is, or it is damaged."""
        try:
            if self.state.exists() and (self.record() or {}).get("continued") == continued:
                return (periodic.interrupted_at(self.state) or (0, ""))[0]
        except UserError:
            pass
        return 0

    def go_on_from(self, other: "PhaseDirectory", key: str) -> None:
        """Begins this phase with the state at the end of one that is the same, but has fewer epochs."""
        with replacing(self.periodic) as partial:
            shutil.copytree(other.state, partial, copy_function=link)
            periodic.rename(partial, key)

    def model(self) -> Model:
        """Reads the finished phase's parameters and statistics. Raises UserError where they are damaged."""
        tree = self.load()
        # Empty subtrees do not survive every version of the checkpoint format.
        params, stats = ({part: tree[kind].get(part) or {} for part in PARTS} for kind in ("params", "batch_stats"))
        return Model(params, stats)

    def copy_from(self, other: "PhaseDirectory") -> None:
        """Takes over a finished phase of another run; an interrupted copy leaves nothing that reads as finished.

        The record names the run that has trained it.
        """

        def states(folder: str, names: list[str]) -> list[str]:
            return [name for name in names if Path(folder, name) in (other.periodic, other.state)]

        record = {key: value for key, value in (other.record() or {}).items() if key != "continued"}
        untrusted.refuse_links(other.predictions)
        for source, target in ((other.predictions, self.predictions), (other.path, self.path)):
            with replacing(target) as partial:
                shutil.copytree(source, partial, ignore=states, copy_function=link)
                if target == self.path:
                    files = digests.read(other.path / self.name)[1]
                    write_record(partial / self.name, {"trained_in": other.path.parents[1].name, **record}, files)


class AutoencoderDirectory(Sealed):
    """The autoencoder of one ecoregion: its parameters and its record."""

    name, required, trains = "autoencoder.json", ("key", "result"), "the autoencoder"

    def finish(self, params: Tree, record: Mapping[str, Any]) -> None:
        """Saves the autoencoder. The record comes last: it says that the parameters are there."""
        (self.path / self.name).unlink(missing_ok=True)
        checkpoints.save(self.path / "checkpoint", params)
        self.seal(record)

    def params(self) -> Tree:
        """Reads the parameters, NumPy arrays. Raises UserError where they are damaged."""
        return self.load()


def _stored(path: Path) -> Mapping[str, Any]:
    """Reads a run's `config.json`; another program's file of that name is refused."""
    stored = digests.read_or_refuse(path, remedy="name a new or empty --workdir")
    if isinstance(stored.get("config"), Mapping) and {"created", "versions", "git_revision"} <= stored.keys():
        return stored
    raise UserError(f"{path}: holds no configuration of a run; name a new or empty --workdir")


def _refuse_other(path: Path, stored: Mapping[str, Any], config: Config, images: str) -> None:
    before, now = flatten(stored["config"]), flatten(dataclasses.asdict(config))
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    scopes = {key: SETTINGS[key].scope if key in SETTINGS else Scope.PHASES for key in differing}
    same_images = stored.get("images") == images
    without_effect = {Scope.NOTHING, Scope.VERDICT} | ({Scope.IMAGES, Scope.START} if same_images else set())
    refused = [key for key in differing if scopes[key] not in without_effect]
    if refused:
        changes = ", ".join(f"{key} (was {before.get(key)!r}, is {now.get(key)!r})" for key in refused)
        beside = "name another one; beside this one it takes over what is the same"
        raise UserError(f"--workdir={path}: holds a run with another configuration: {changes}; {beside}")
    if not same_images:
        raise UserError(
            f"--workdir={path}: holds a run on other images, or an update of another model; name another one"
        )
