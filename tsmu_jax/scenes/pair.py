"""The images of a scene together: what the network sees of them, and how well they fit each other."""

import dataclasses
from typing import NamedTuple

import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.scenes.area import EVERYWHERE, Area
from tsmu_jax.scenes.grid import Grid, resampled
from tsmu_jax.scenes.image import SceneImage

LEAST_OVERLAP = 0.9  # of the ground: where the dates have less in common, mapping warns
MOST_SHIFT_PX = 2.0  # of the network's input: where the dates lie further apart, mapping warns
_COARSE_PX = 1024  # the longer side of the grid on which the dates are compared
_CLEAR = 2.0  # a peak of the correlation so many times as high as all others says where the images meet


class Ground(NamedTuple):
    """A part of a scene on a grid.

    Attributes:
      image: u8[h, w, c], the network's channels; 0 where an image has no data.
      observed: bool[h, w], where all images have data and the ground is wanted.
      damaged: whether some of a file could not be read.
    """

    image: np.ndarray
    observed: np.ndarray
    damaged: bool


class Fit(NamedTuple):
    """How the pre-event image fits the post-event one.

    Attributes:
      overlap: of the ground with data after the event, the share with data before; in [0, 1].
      shift_m: by how much the later image lies further down and further right, metres; None where it cannot be told.
    """

    overlap: float
    shift_m: tuple[float, float] | None


@dataclasses.dataclass(frozen=True)
class ScenePair:
    """A pre-event and a post-event image of the same ground, or the latter alone.

    Attributes:
      area: the ground that is wanted. Pixels elsewhere count as not observed; the network sees them all the same.
    """

    pre: SceneImage | None
    post: SceneImage
    area: Area = EVERYWHERE

    @property
    def grid(self) -> Grid:
        """The post-event image's own."""
        return self.post.grid

    @property
    def images(self) -> dict[str, SceneImage]:
        """By "pre" and "post", or the latter alone."""
        return {name: image for name, image in (("pre", self.pre), ("post", self.post)) if image}

    def read(self, grid: Grid, rows: slice, columns: slice) -> Ground:
        """Reads what the network sees of a part of a grid."""
        parts = [image.read(grid, rows, columns) for image in self.images.values()]
        wanted, damaged = self.area.wanted(grid, rows, columns)
        observed = np.logical_and.reduce([wanted, *(part.observed for part in parts)])
        image = np.concatenate([part.rgb for part in parts], axis=-1)
        return Ground(image, observed, damaged or any(part.damaged for part in parts))

    def fit(self) -> Fit | None:
        """Compares the dates on a coarse grid; None where there is one date.

        Raises:
          UserError: nothing of an image can be read.
        """
        if self.pre is None:
            return None
        coarsest = max(1.0, max(self.grid.height, self.grid.width) / _COARSE_PX)
        down, across = self.grid.gsd_m
        coarse = resampled(self.grid, (down * coarsest, across * coarsest), path=str(self.post.path))
        whole = slice(0, coarse.height), slice(0, coarse.width)
        before, after = self.pre.read(coarse, *whole), self.post.read(coarse, *whole)
        for flag, image, part in (("--pre", self.pre, before), ("--post", self.post, after)):
            if part.damaged and not part.observed.any():
                raise UserError(
                    f"{flag}={image.path}: none of its pixels can be read; the file is damaged, get it anew"
                )
        both = before.observed & after.observed
        overlap = float(both.sum() / max(after.observed.sum(), 1))
        moved = shift(before.rgb.mean(-1), after.rgb.mean(-1), both)
        return Fit(overlap, moved and (moved[0] * coarse.gsd_m[0], moved[1] * coarse.gsd_m[1]))


def shift(before: np.ndarray, after: np.ndarray, both: np.ndarray) -> tuple[float, float] | None:
    """By how many pixels the second picture lies further down and right, by phase correlation.

    Args:
      before, after: f[h, w].
      both: bool[h, w], where both have data.

    Returns:
      Down and right, to a fraction of a pixel; None where no peak of the correlation stands out.
    """
    if min(both.shape) < 16 or both.mean() < 0.1:
        return None
    taper = np.hanning(both.shape[0])[:, None] * np.hanning(both.shape[1])[None] * both
    spectra = [np.fft.rfft2((each - each[both].mean()) * taper) for each in (before, after)]
    product = spectra[1] * np.conj(spectra[0])
    surface = np.fft.irfft2(product / np.maximum(np.abs(product), 1e-12), both.shape)
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    around = np.ix_(
        *((np.arange(at - 2, at + 3) % size) for at, size in zip((row, column), surface.shape, strict=True))
    )
    rest = surface.copy()
    rest[around] = 0
    if not surface[row, column] > _CLEAR * max(float(rest.max()), 0.0):
        return None
    return _refined(surface[:, column], int(row)), _refined(surface[row], int(column))


def _refined(line: np.ndarray, peak: int) -> float:
    """The place of a peak of a cyclic line, by a parabola through it and its neighbours."""
    before, at, after = (float(line[(peak + offset) % len(line)]) for offset in (-1, 0, 1))
    curvature = before - 2 * at + after
    place = peak + (0.5 * (before - after) / curvature if curvature < 0 else 0.0)
    return place - len(line) if place > len(line) / 2 else place
