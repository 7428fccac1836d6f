"""The frequency-area distribution of landslides (Malamud, Turcotte, Guzzetti and Reichenbach 2004)."""

import dataclasses

import numpy as np

BINS_A_DECADE = 5
FEWEST = 50  # landslides from which on a rollover is told


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Probability density p(A) = dN / (N dA), by bins of equal width in log10(A); bins without landslides are left out.

    Attributes:
      number: of landslides.
      low_m2, high_m2: f64[bins], edges.
      count: i64[bins].
      density: f64[bins], per square metre.
    """

    number: int
    low_m2: np.ndarray
    high_m2: np.ndarray
    count: np.ndarray
    density: np.ndarray

    @property
    def centre_m2(self) -> np.ndarray:
        """Geometric centres of the bins."""
        return np.sqrt(self.low_m2 * self.high_m2)

    @property
    def rollover(self) -> int | None:
        """The bin of the greatest density, from which on it falls to both sides.

        None with too few landslides, and where the first bin is the one: then the rollover is not seen.
        """
        if self.number < FEWEST:
            return None
        return int(self.density.argmax()) or None


def distribution(area_m2: np.ndarray) -> Distribution:
    """Args: area_m2: f64[n], of which those above 0 count."""
    areas = area_m2[area_m2 > 0]
    if not len(areas):
        return Distribution(0, np.zeros(0), np.zeros(0), np.zeros(0, int), np.zeros(0))
    bins = np.floor(np.log10(areas) * BINS_A_DECADE).astype(int)
    number, count = np.unique(bins, return_counts=True)
    low, high = 10.0 ** (number / BINS_A_DECADE), 10.0 ** ((number + 1) / BINS_A_DECADE)
    return Distribution(len(areas), low, high, count, count / (len(areas) * (high - low)))
