"""The model that will learn from reviewed ground: the size of its input, and how it reads stored values."""

from typing import NamedTuple

from tsmu_jax.data.contract import PLAIN, read_contract
from tsmu_jax.data.source import Intensities
from tsmu_jax.data.stated import CHANNELS
from tsmu_jax.errors import UserError

_SIDE = 512  # of the paper's network


class Learner(NamedTuple):
    """A model.

    Attributes:
      side: of the squares that it is trained on, px.
      intensities: how stored values become intensities, in each way in which an ecoregion has it.
    """

    side: int = _SIDE
    intensities: tuple[Intensities, ...] = ()

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
    contracts = [read_contract(one["contract"]).intensities for one in found.description["ecoregions"].values()]
    return Learner(found.side, tuple(dict.fromkeys(contracts)))
