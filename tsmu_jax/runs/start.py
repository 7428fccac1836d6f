"""The saved model that an update starts from, in place of the initial training."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.evaluate import TestSet
from tsmu_jax.learning.state import Model, promote
from tsmu_jax.methods import METHODS
from tsmu_jax.models import saved
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.settings import Config

# What the network's structure fixes: the saved model's values count, whatever the configuration says.
STRUCTURE = ("variant", "width", "depth")


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """A saved model as the beginning of a run. What it knows is old; its decoders are all old ones."""

    saved: SavedModel

    @property
    def ecoregions(self) -> tuple[str, ...]:
        """Those that the model knows, in the order of their arrival."""
        return self.saved.ecoregions

    @property
    def key(self) -> str:
        """The key of the last phase that trained the model, which the keys of the update's phases go on from."""
        return str(self.saved.description["key"])

    @property
    def model(self) -> Model:
        """Parameters and statistics; every decoder belongs to the part "old"."""
        return promote(Model(dict(self.saved.params), dict(self.saved.batch_stats)))

    @property
    def exam(self) -> dict[str, TestSet]:
        """The test set of each ecoregion; none where the model was saved without an exam.

        Earlier releases kept pairs without known ground, which have no score.
        """
        kept = {name: self.saved.exam(name) for name in self.ecoregions}
        known = self.saved.description["ecoregions"]
        sets = {name: TestSet(*pairs, tuple(known[name]["tests"])).scored() for name, pairs in kept.items() if pairs}
        return {name: test for name, test in sets.items() if test.ids}

    def configured(self, config: Config) -> Config:
        """The configuration with what the model decides: the network's structure, its input, the autoencoders' form.

        Raises:
          UserError: `old` is set, or the method needs images of old ecoregions.
        """
        if config.old:
            raise UserError(f"--config.old={config.old}: the saved model says which ecoregions are old; leave it out")
        _check_method(config.method, self.ecoregions, len(self.saved.decoders))
        description = self.saved.description
        network = {field: description["network"][field] for field in STRUCTURE}
        form = description.get("autoencoders")
        if form and not config.selection.epochs:
            raise UserError(
                "--config.selection.epochs=0: the model chooses decoders by autoencoders, so the new ecoregion needs "
                "one; leave the flag out"
            )
        selection = dataclasses.replace(config.selection, **form) if form else config.selection
        return dataclasses.replace(
            config,
            model=dataclasses.replace(config.model, **network),
            data=dataclasses.replace(config.data, size=self.saved.side, channels=description["network"]["channels"]),
            selection=selection if form else dataclasses.replace(selection, epochs=0),
        )

    def arrivals(self, wanted: tuple[str, ...], outlines: Mapping[str, str], *, where: str) -> tuple[str, ...]:
        """The ecoregions that arrive with the update.

        Args:
          wanted: `config.new`; empty for all that the model does not know.
          outlines: what is known of each ecoregion's files without reading them.
          where: the place of the images, for messages.

        Raises:
          UserError: nothing new is there, or an ecoregion that the model knows has other images.
        """
        known = self.saved.description["ecoregions"]
        for name in [name for name in wanted if name in known]:
            raise UserError(f"--config.new: the model knows {name!r} already; {_ways_out(name)}")
        if wanted:
            return wanted
        for name, outline in outlines.items():
            if name in known and known[name]["outline"] != outline:
                raise UserError(f"{where}: {name!r} has other images than those the model knows; {_ways_out(name)}")
        arriving = tuple(name for name in outlines if name not in known)
        if not arriving:
            raise UserError(
                f"{where}: no ecoregion that the model does not know; it knows {', '.join(self.ecoregions)}"
            )
        return arriving


def open_model(path: str) -> Start:
    """Opens the saved model that `config.start` names.

    Raises:
      UserError: as `saved.load_model`.
    """
    try:
        return Start(saved.load_model(Path(path)))
    except UserError as error:
        raise UserError(f"--config.start: {error}") from error


def _ways_out(name: str) -> str:
    return (
        f"give pairs that are to have a decoder of their own another name than {name!r}, or train anew with all pairs; "
        "to leave them out, name the new ecoregions: --config.new=NAME"
    )


def _check_method(method: str, known: tuple[str, ...], decoders: int) -> None:
    phases = METHODS[method].update
    usable = [name for name, other in METHODS.items() if _needs_new_images_alone(other.update)]
    if not _needs_new_images_alone(phases):
        reason = f"needs images of {', '.join(known)}" if phases else "has no update"
        raise UserError(f"--config.method={method}: {reason}; with --config.start use {', '.join(usable)}")
    if decoders > 1 and not any(phase.creates for phase in phases):
        raise UserError(
            f"--config.method={method}: trains a model's only decoder, and this model has {decoders}; use a method "
            "that adds one, such as tsmu"
        )


def _needs_new_images_alone(phases: tuple[Any, ...]) -> bool:
    return bool(phases) and all(phase.data == "new_ecoregions" for phase in phases)
