"""The model that will learn from reviewed ground: size and resolution of its input, and how it reads stored values."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tsmu_jax.data.contract import PLAIN, read_contract
from tsmu_jax.data.source import Intensities
from tsmu_jax.data.stated import CHANNELS
from tsmu_jax.errors import UserError
from tsmu_jax.prediction.sizes import MOST_SCALE

_SIDE = 512  # of the paper's network


class Learner(NamedTuple):
    """A model.

    Attributes:
      side: of the squares that it is trained on, px.
      intensities: how stored values become intensities, in each way in which an ecoregion has it.
      gsd_m: metres of ground that a pixel of its input covered down and across, by the ecoregions that know it.
    """

    side: int = _SIDE
    intensities: tuple[Intensities, ...] = ()
    gsd_m: Mapping[str, tuple[float, float]] = MappingProxyType({})

    def check(self, gsd_m: tuple[float, float], tile: int) -> None:
        """Refuses tiles on which ground would look much larger or smaller than on all that the model has seen.

        Args:
          gsd_m: metres a pixel of a tile, down and across.
          tile: its side, px.

        Raises:
          UserError: a pixel of the network's input would cover more than 1.5 times as much ground, or less, than in
            any ecoregion.
        """
        shown = [metres * tile / self.side for metres in gsd_m]  # by a pixel of the input, which a tile is resized to
        ratios = {
            name: max(max(here / there, there / here) for here, there in zip(shown, known, strict=True))
            for name, known in self.gsd_m.items()
        }
        if not ratios or min(ratios.values()) <= MOST_SCALE:
            return
        name = min(ratios, key=lambda one: ratios[one])
        held, learnt = max(shown), max(self.gsd_m[name])
        said = f"a pixel of the network's input would cover {held:.3g} m"
        alike, own = learnt * self.side / tile, max(gsd_m)
        remedy = f"make tiles of its resolution with --gsd={alike:.3g}, or insist on this one with --gsd={own:.3g}"
        raise UserError(f"--model: {said}, and covered {learnt:.3g} m where the model learnt ({name}); {remedy}")

    def stated(self, dtype: str, bands: int) -> list[str]:
        """The flags of `prepare` by which tiles are read as the model reads scenes.

        Args: dtype, bands: of the tiles.
        """
        alike = [one for one in self.intensities if one.dtype == dtype]
        known = alike[0] if len(alike) == 1 else None
        wanted = []
        if bands > CHANNELS:
            wanted.append(f"--bands={','.join(map(str, known.bands))}" if known else "--bands=R,G,B")
        if known and known.ranges != PLAIN.ranges:
            wanted.append(f"--range={','.join(f'{low:g}:{high:g}' for low, high in known.ranges)}")
        elif dtype != PLAIN.dtype and not known:
            wanted.append("--range=LOW:HIGH")
        return wanted


def read(model: str | None, ecoregion: str) -> Learner:
    """Reads a model. Args: ecoregion: that it shall learn.

    Raises:
      UserError: it cannot be read, or knows the ecoregion already.
    """
    if not model:
        return Learner()
    from tsmu_jax.models.saved import load_model  # JAX

    try:
        found = load_model(model)
    except UserError as error:
        raise UserError(f"--model: {error}") from error
    if ecoregion in found.ecoregions:
        raise UserError(f"--ecoregion={ecoregion}: the model knows one of this name; name another")
    contracts = {name: read_contract(one["contract"]) for name, one in found.description["ecoregions"].items()}
    known = {name: one.gsd_m for name, one in contracts.items() if one.gsd_m}
    return Learner(
        found.side,
        tuple(dict.fromkeys(one.intensities for one in contracts.values())),
        {name: (gsd_m["height"][1], gsd_m["width"][1]) for name, gsd_m in known.items()},
    )
