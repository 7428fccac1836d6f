"""The plan of a run: the phases of its method, bound to ecoregions and decoders. It needs no data."""

import dataclasses
from collections.abc import Mapping, Sequence

from tsmu_jax.methods import METHODS, STATISTICS, Phase


@dataclasses.dataclass(frozen=True)
class Stage:
    """A phase bound to ecoregions and decoders.

    Attributes:
      ecoregions: whose training pairs it sees.
      route: ecoregion -> name of the decoder that is trained on, and answers for, its images in this stage.
      old: names of the decoders of the part "old".
      new: names of the decoders of the part "new".
      arrived: the ecoregions of the update that the stage belongs to; none in the initial phase.
      promotes: the update before this one is finished first: its new decoder is an old one from here on.
    """

    index: int
    phase: Phase
    ecoregions: tuple[str, ...]
    route: dict[str, str]
    old: tuple[str, ...]
    new: tuple[str, ...]
    arrived: tuple[str, ...] = ()
    promotes: bool = False

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
    def purpose(self) -> str:
        """What random draws of the stage are named for: whatever came before, the same update draws the same."""
        return f"{self.phase.name}/{'+'.join(self.arrived)}"

    @property
    def created(self) -> str | None:
        """Name of the decoder that the stage adds to the model."""
        if self.phase.creates is None:
            return None
        return (self.old if self.phase.creates == "old" else self.new)[0]


def stages(
    method: str,
    old: Sequence[str],
    new: Sequence[str],
    *,
    statistics: Mapping[str, str] | None = None,
    train_old: bool = True,
) -> tuple[Stage, ...]:
    """Binds a method's phases to ecoregions and decoders.

    Bifurcated methods have one decoder for all old ecoregions ("old") and one for all new ones ("new"); in sequential
    ones each decoder bears its ecoregion's name. Before an update has made an ecoregion's decoder, the first one
    answers for it.

    Args:
      statistics: by phase, whose BatchNorm statistics follow its images: a key of STATISTICS.
      train_old: phases that distil train the old decoders too, as the paper does.
    """
    plan = METHODS[method]
    update = tuple(_configured(phase, statistics or {}, train_old) for phase in plan.update)
    first = old[0] if plan.sequential and len(old) == 1 else "old"
    known, route = tuple(old), dict.fromkeys((*old, *new), first)
    decoders: tuple[str, ...] = (first,)
    bound = [Stage(index, phase, known, route, decoders, ()) for index, phase in enumerate(plan.initial, start=1)]
    for arrived in [(name,) for name in new] if plan.sequential else [tuple(new)]:
        name = arrived[0] if plan.sequential else "new"
        created: tuple[str, ...] = ()
        for position, phase in enumerate(update):
            if phase.creates == "new":
                created, route = (name,), route | dict.fromkeys(arrived, name)
            data = {"old": known, "new": arrived}.get(phase.data, (*known, *arrived))
            promotes = position == 0 and known != tuple(old)
            bound.append(Stage(len(bound) + 1, phase, data, route, decoders, created, arrived, promotes))
        known, decoders = (*known, *arrived), (*decoders, *created)
    return tuple(bound)


def _configured(phase: Phase, statistics: Mapping[str, str], train_old: bool) -> Phase:
    if phase.distils and not train_old:
        phase = dataclasses.replace(phase, trains=tuple(part for part in phase.trains if part != "old"))
    if phase.settings not in statistics:
        return phase
    moved = tuple(part for part in phase.trains if part in STATISTICS[statistics[phase.settings]])
    return dataclasses.replace(phase, statistics=moved)
