"""How a setting of a run is declared: its default, its meaning, what it may be, and what it has an influence on."""

import dataclasses
import enum
import math
from collections.abc import Mapping
from typing import Any, get_args

from tsmu_jax.methods import Phase


class Scope(enum.Enum):
    """The things that a setting may have an influence on."""

    PHASES = "every phase"
    OWN_PHASE = "the phases of its name"
    DISTILLING = "phases that distil"
    UPDATES = "phases after the initial training"
    SAMPLING = "phases that see a sample of old pairs"
    AUTOENCODERS = "the autoencoders"
    IMAGES = "which images there are"  # their fingerprint stands for it
    START = "the model that an update starts from"  # its digest stands for it
    PLAN = "which phases there are"
    REVIEW = "which images are sent to review"
    VERDICT = "whether an update is accepted"
    NOTHING = "no number, but for rounding"


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; an excluded bound is no permitted value itself."""

    low: float = -math.inf
    high: float = math.inf
    low_excluded: bool = False
    high_excluded: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number lies in the range."""
        above = value > self.low if self.low_excluded else value >= self.low
        return above and (value < self.high if self.high_excluded else value <= self.high)

    def __str__(self) -> str:
        low = f"{'greater than' if self.low_excluded else 'at least'} {self.low}"
        if self.high == math.inf:
            return low
        return f"{low} and {'less than' if self.high_excluded else 'at most'} {self.high}"


Permitted = Range | tuple[Any, ...] | None


@dataclasses.dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    Attributes:
      key: its name in the configuration, "data.size".
      default: the value without a variant; its type is the setting's type.
      meaning: one phrase for people.
      scope: what it has an influence on.
      permitted: a range of numbers, the known values, or None for free text.
    """

    key: str
    default: Any
    meaning: str
    scope: Scope
    permitted: Permitted

    def concerns(self, phase: Phase) -> bool:
        """Whether the setting can make a difference to a phase. Images speak for themselves, by their fingerprint."""
        match self.scope:
            case Scope.PHASES:
                return True
            case Scope.OWN_PHASE:
                return self.key.endswith(f".{phase.settings}")
            case Scope.DISTILLING:
                return phase.distils
            case Scope.UPDATES:
                return phase.data != "old_ecoregions"
            case Scope.SAMPLING:
                return phase.data == "new_and_sample"
        return False


def setting(default: Any, meaning: str, permitted: Permitted = None, scope: Scope | None = None) -> Any:
    """Declares a setting as the field of a section, a frozen dataclass.

    Args:
      permitted: by default the values of the field's type, where that is a Literal or bool.
      scope: by default the section's, see `declared`.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "permitted": permitted, "scope": scope})


def declared(section: Any, scopes: Mapping[str, Scope], name: str = "") -> dict[str, Setting]:
    """All settings of a section and of those in it, by key.

    Args:
      section: a dataclass instance that holds the defaults.
      scopes: {section: scope of its settings, where they declare no other one}; otherwise they concern every phase.
      name: of the section, "data".
    """
    found: dict[str, Setting] = {}
    for field in dataclasses.fields(section):
        key = f"{name}.{field.name}" if name else field.name
        if dataclasses.is_dataclass(field.default):
            found |= declared(field.default, scopes, key)
            continue
        permitted = field.metadata["permitted"] or get_args(field.type) or None
        if isinstance(field.default, bool):
            permitted = (False, True)
        scope = field.metadata["scope"] or scopes.get(name, Scope.PHASES)
        found[key] = Setting(key, field.default, field.metadata["meaning"], scope, permitted)
    return found
