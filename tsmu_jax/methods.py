"""The ways of updating a model with a new ecoregion, each a tuple of phases: data, no code.

Those of the paper (section V-D, Fig. 7), a control, and a successor of TSMU.
"""

import dataclasses
from typing import Literal

Part = Literal["shared", "old", "new"]


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase of training: which images it sees and what they change.

    Attributes:
      name: in results, in the phase's directory and in the configuration.
      data: ecoregions whose training pairs it sees: those that the model already knows ("old_ecoregions"), those that
        have just arrived ("new_ecoregions"), "all", or the new ones and an equally large random sample of pairs of
        the old ones ("new_and_sample").
      trains: the parts whose parameters move; all others keep every bit.
      statistics: the parts that run in training mode: BatchNorm normalises by the batch and moves its statistics,
        dropout is on. The others run in inference mode, whether their parameters move or not. Where the configuration
        has an entry `statistics.<settings>`, that entry decides.
      creates: the part that receives a new decoder before the phase starts.
      starts_from: where that decoder's weights and statistics come from: "random" draws, or the first "old" decoder.
      distils: adds the knowledge-distillation loss towards the old decoders' stored responses (equation 11).
      like: name of another phase, whose epochs, rate and statistics it takes; "": it has its own.
    """

    name: str
    data: Literal["old_ecoregions", "new_ecoregions", "all", "new_and_sample"]
    trains: tuple[Part, ...]
    statistics: tuple[Part, ...]
    creates: Literal["old", "new"] | None = None
    starts_from: Literal["random", "old"] = "random"
    distils: bool = False
    like: str = ""

    @property
    def settings(self) -> str:
        """Its entry in `config.epochs`, `config.rates` and `config.statistics`."""
        return self.like or self.name


@dataclasses.dataclass(frozen=True)
class Method:
    """The phases for the first ecoregions, then those of an update with new ones.

    Attributes:
      sequential: the new ecoregions arrive one after the other, each with an update and a decoder of its own; else
        they arrive together and share one (section V-D2).
    """

    initial: tuple[Phase, ...]
    update: tuple[Phase, ...] = ()
    sequential: bool = False


INITIAL = Phase("initial", data="old_ecoregions", trains=("shared", "old"), statistics=("shared", "old"), creates="old")
FREEZE = Phase("freeze", data="new_ecoregions", trains=("new",), statistics=("new",), creates="new")
JOINT_FINE_TUNING = Phase(
    "joint_fine_tuning",
    data="new_ecoregions",
    trains=("shared", "old", "new"),
    statistics=(),
    distils=True,
)
# The control for joint fine-tuning: the new decoder alone trains on, as long and as fast.
FREEZE_LONGER = Phase("freeze_longer", data="new_ecoregions", trains=("new",), statistics=(), like="joint_fine_tuning")

RETRAIN = Phase("retrain", data="new_ecoregions", trains=("shared", "old"), statistics=("shared", "old"))
FINE_TUNE = Phase(
    "fine_tune", data="new_ecoregions", trains=("shared", "new"), statistics=("shared", "new"), creates="new"
)
JOINT = Phase(
    "joint",
    data="new_and_sample",
    trains=("shared", "old", "new"),
    statistics=("shared", "old", "new"),
)
RETRAIN_ALL = Phase("retrain_all", data="all", trains=("shared", "old"), statistics=("shared", "old"))

# What `config.statistics` may say: the parts that run in training mode, of those that a phase trains.
STATISTICS: dict[str, tuple[Part, ...]] = {"frozen": (), "new": ("new",), "all": ("shared", "old", "new")}

PAPER_METHODS: dict[str, Method] = {
    "leave_one_out": Method((INITIAL,)),
    "retraining": Method((INITIAL,), update=(RETRAIN,)),
    "fine_tuning": Method((INITIAL,), update=(FINE_TUNE,)),
    "feature_extraction": Method((INITIAL,), update=(FREEZE,)),
    "joint_training": Method((INITIAL,), update=(FREEZE, JOINT)),
    "all_data": Method((INITIAL,), update=(RETRAIN_ALL,)),
    "tsmu": Method((INITIAL,), update=(FREEZE, JOINT_FINE_TUNING)),
    "sequential_tsmu": Method((INITIAL,), update=(FREEZE, JOINT_FINE_TUNING), sequential=True),
}

# Beyond the paper: TSMU whose new decoder starts as a copy of the old one. TSMU itself is its ablation.
FREEZE_A_COPY = dataclasses.replace(FREEZE, starts_from="old")
PLUS = {"tsmu_plus": Method((INITIAL,), update=(FREEZE_A_COPY, JOINT_FINE_TUNING))}

# Feature extraction with as many epochs as TSMU: what TSMU gains over this control is not due to longer training.
CONTROL = {"feature_extraction_longer": Method((INITIAL,), update=(FREEZE, FREEZE_LONGER))}

METHODS: dict[str, Method] = PAPER_METHODS | CONTROL | PLUS
