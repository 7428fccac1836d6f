"""Picking ecoregions by name."""

from collections.abc import Iterable, Sequence

from tsmu_jax.errors import UserError
from tsmu_jax.words import guess


def chosen_ecoregions(known: Iterable[str], wanted: Sequence[str] | None, *, where: str) -> list[str]:
    """The wanted ecoregions, sorted and each once; all of `known` where None.

    Raises:
      UserError: one is not known; names the nearest known one, and all of them.
    """
    known = sorted(known)
    for name in wanted or ():
        if name not in known:
            meant = f" ({found})" if (found := guess(name, known)) else ""
            raise UserError(f"{where}: no ecoregion {name!r}{meant}; there are {', '.join(known)}")
    return known if wanted is None else sorted(set(wanted))
