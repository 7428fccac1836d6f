"""The plan of a run: the phases of its method, bound to ecoregions and decoders. It needs no data."""

import dataclasses
from collections.abc import Mapping, Sequence

from tsmu_jax.errors import UserError
from tsmu_jax.methods import METHODS, STATISTICS, Phase

# What stands for the phases that trained a saved model, in a run that updates it.
START = Phase("start", data="old_ecoregions", trains=(), statistics=())
START_DIRECTORY = f"00_{START.name}"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A phase bound to ecoregions and decoders.

    Attributes:
      ecoregions: whose training pairs it sees.
      route: ecoregion -> name of the decoder that is trained on, and answers for, its images in this stage.
      old_decoders: names of the decoders of the part "old".
      new_decoders: names of the decoders of the part "new".
      arrived: the ecoregions of the update that the stage belongs to; none in the initial phase.
      promotes: the update before this one is finished first: its decoder belongs to the part "old" from here on.
    """

    index: int
    phase: Phase
    ecoregions: tuple[str, ...]
    route: dict[str, str]
    old_decoders: tuple[str, ...]
    new_decoders: tuple[str, ...]
    arrived: tuple[str, ...] = ()
    promotes: bool = False

    @property
    def supervised(self) -> tuple[str, ...]:
        """Decoders that labels train, in the order in which batches number them."""
        return tuple(dict.fromkeys(self.route[ecoregion] for ecoregion in self.ecoregions))

    @property
    def distilled(self) -> tuple[str, ...]:
        """Decoders that are held to their stored responses."""
        return self.old_decoders if self.phase.distils else ()

    @property
    def directory(self) -> str:
        """Where the stage lies in a run directory: "02_freeze"."""
        return f"{self.index:02d}_{self.phase.name}"

    @property
    def purpose(self) -> str:
        """Names the random draws of the stage: whatever came before, the same update draws the same."""
        return f"{self.phase.name}/{'+'.join(self.arrived)}"

    @property
    def created(self) -> str | None:
        """Name of the decoder that the stage adds to the model."""
        if self.phase.creates is None:
            return None
        return (self.old_decoders if self.phase.creates == "old" else self.new_decoders)[0]


def stages(
    method: str,
    old_ecoregions: Sequence[str],
    new_ecoregions: Sequence[str],
    *,
    statistics: Mapping[str, str] | None = None,
    train_old: bool = True,
    start: Mapping[str, str] | None = None,
) -> tuple[Stage, ...]:
    """Binds a method's phases to ecoregions and decoders.

    Bifurcated methods have two decoders: one named "old" for all old ecoregions, one named "new" for all new ones. In
    sequential methods, and in updates of a saved model, each decoder is named for its ecoregions. Before an update has
    made an ecoregion's decoder, the first decoder answers for it.

    Args:
      statistics: by phase, whose BatchNorm statistics follow its images: a key of STATISTICS.
      train_old: phases that distil train the old decoders too, as the paper does.
      start: the decoder of each old ecoregion of a saved model, which takes the place of the initial phases.
    """
    plan = METHODS[method]
    update = tuple(_configured(phase, statistics or {}, train_old) for phase in plan.update)
    named = plan.sequential or start is not None
    known = tuple(old_ecoregions)
    route = start or dict.fromkeys(known, named_for(known) if named else "old")
    decoders = tuple(dict.fromkeys(route.values()))
    route = {**route, **dict.fromkeys(new_ecoregions, decoders[0])}
    initial = () if start else plan.initial
    bound = [Stage(index, phase, known, route, decoders, ()) for index, phase in enumerate(initial, start=1)]
    for arrived in [(name,) for name in new_ecoregions] if plan.sequential else [tuple(new_ecoregions)]:
        name = named_for(arrived) if named else "new"
        if name in decoders:
            raise UserError(f"ecoregion {name!r} is named like the decoder of other ecoregions; rename it")
        created: tuple[str, ...] = ()
        for position, phase in enumerate(update):
            if phase.creates == "new":
                created, route = (name,), route | dict.fromkeys(arrived, name)
            data = {"old_ecoregions": known, "new_ecoregions": arrived}.get(phase.data, (*known, *arrived))
            promotes = position == 0 and known != tuple(old_ecoregions)
            bound.append(Stage(len(bound) + 1, phase, data, route, decoders, created, arrived, promotes))
        known, decoders = (*known, *arrived), (*decoders, *created)
    return tuple(bound)


def start_stage(
    plan: Sequence[Stage], old_ecoregions: Sequence[str], new_ecoregions: Sequence[str], route: Mapping[str, str]
) -> Stage:
    """The model that an update starts from, as a stage that trains nothing.

    Args:
      plan: of the update.
      route: the decoder of each old ecoregion; the first one answers for the new ecoregions.
    """
    decoders = plan[0].old_decoders
    return Stage(0, START, tuple(old_ecoregions), {**route, **dict.fromkeys(new_ecoregions, decoders[0])}, decoders, ())


def named_for(ecoregions: Sequence[str]) -> str:
    """Name of the decoder that answers for some ecoregions."""
    return "+".join(ecoregions)


def _configured(phase: Phase, statistics: Mapping[str, str], train_old: bool) -> Phase:
    if phase.distils and not train_old:
        phase = dataclasses.replace(phase, trains=tuple(part for part in phase.trains if part != "old"))
    if phase.settings not in statistics:
        return phase
    moved = tuple(part for part in phase.trains if part in STATISTICS[statistics[phase.settings]])
    return dataclasses.replace(phase, statistics=moved)
