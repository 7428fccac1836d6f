"""Picking ecoregions by name."""

import difflib
from collections.abc import Iterable, Sequence

from tsmu_jax.errors import UserError


def chosen_ecoregions(known: Iterable[str], wanted: Sequence[str] | None, *, where: str) -> list[str]:
    """The wanted ecoregions, sorted and each once; all of `known` where None.

    Raises:
      UserError: one is not known; names the nearest known one, and all of them.
    """
    known = sorted(known)
    for name in wanted or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f" (did you mean {near[0]!r}?)" if near else ""
            raise UserError(f"{where}: no ecoregion {name!r}{guess}; there are {', '.join(known)}")
    return known if wanted is None else sorted(set(wanted))
