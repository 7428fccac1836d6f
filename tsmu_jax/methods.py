"""The ways of updating a model with a new ecoregion (section V-D, Fig. 7), each a tuple of phases: data, no code."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

Part = Literal["shared", "old", "new"]


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase of training: which images it sees and what they change.

    Attributes:
      name: in results, in the phase's directory and in `config.epochs`.
      data: ecoregions whose training pairs it sees: those the model already knows ("old"), those that have just
        arrived ("new"), or "all".
      trains: the parts whose parameters move; all others keep every bit.
      statistics: the parts that run in training mode: BatchNorm normalises by the batch and moves its statistics,
        dropout is on. The others run in inference mode, whether their parameters move or not.
      creates: the part that receives a new, randomly initialised decoder before the phase starts.
      distils: adds the knowledge-distillation loss towards the old decoders' stored responses (equation 11).
      rate: which learning rate it starts from.
    """

    name: str
    data: Literal["old", "new", "all"]
    trains: tuple[Part, ...]
    statistics: tuple[Part, ...]
    creates: Literal["old", "new"] | None = None
    distils: bool = False
    rate: Literal["initial", "small"] = "initial"


@dataclasses.dataclass(frozen=True)
class Method:
    """The phases for the first ecoregions, then those of an update with new ones."""

    initial: tuple[Phase, ...]
    update: tuple[Phase, ...] = ()


INITIAL = Phase("initial", data="old", trains=("shared", "old"), statistics=("shared", "old"), creates="old")
FREEZE = Phase("freeze", data="new", trains=("new",), statistics=("new",), creates="new")
JOINT_FINE_TUNING = Phase(
    "joint_fine_tuning",
    data="new",
    trains=("shared", "old", "new"),
    statistics=(),  # moved on new images alone, they spoil the old decoders at once
    distils=True,
    rate="small",
)

METHODS: dict[str, Method] = {
    "leave_one_out": Method(initial=(INITIAL,)),
    "feature_extraction": Method(initial=(INITIAL,), update=(FREEZE,)),
    "tsmu": Method(initial=(INITIAL,), update=(FREEZE, JOINT_FINE_TUNING)),
}


@dataclasses.dataclass(frozen=True)
class Stage:
    """A phase bound to ecoregions and decoders: what one step through a method really does.

    Attributes:
      ecoregions: whose training pairs it sees.
      route: ecoregion -> name of the decoder that is trained on, and answers for, its images in this stage.
      old: names of the decoders of the part "old".
      new: names of the decoders of the part "new".
    """

    index: int
    phase: Phase
    ecoregions: tuple[str, ...]
    route: dict[str, str]
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def supervised(self) -> tuple[str, ...]:
        """Decoders that labels train, in the order in which batches number them."""
        return tuple(dict.fromkeys(self.route[ecoregion] for ecoregion in self.ecoregions))

    @property
    def distilled(self) -> tuple[str, ...]:
        """Decoders that are held to their stored responses."""
        return self.old if self.phase.distils else ()

    @property
    def directory(self) -> str:
        """Where the stage lies in a run directory: "02_freeze"."""
        return f"{self.index:02d}_{self.phase.name}"

    @property
    def created(self) -> str | None:
        """Name of the decoder that the stage adds to the model."""
        if self.phase.creates is None:
            return None
        return (self.old if self.phase.creates == "old" else self.new)[0]


def stages(
    method: str, old: Sequence[str], new: Sequence[str], *, move_statistics: bool = False, train_old: bool = True
) -> tuple[Stage, ...]:
    """Binds a method's phases to ecoregions: one decoder for all old ones ("old"), one for all new ones ("new").

    Before an update has made the new decoder, the old one answers for the new ecoregions too.

    Args:
      move_statistics: phases that distil move the BatchNorm statistics of what they train.
      train_old: phases that distil train the old decoders too, as the paper does.
    """
    plan = METHODS[method]
    data = {"old": tuple(old), "new": tuple(new), "all": (*old, *new)}
    bound: list[Stage] = []
    new_decoders: tuple[str, ...] = ()
    for index, phase in enumerate((*plan.initial, *plan.update), start=1):
        if phase.distils:
            trains = tuple(part for part in phase.trains if train_old or part != "old")
            phase = dataclasses.replace(phase, trains=trains)
            if move_statistics:
                phase = dataclasses.replace(phase, statistics=trains)
        if phase.creates == "new":
            new_decoders = ("new",)
        route = dict.fromkeys(old, "old") | dict.fromkeys(new, "new" if new_decoders else "old")
        bound.append(Stage(index, phase, data[phase.data], route, ("old",), new_decoders))
    return tuple(bound)
