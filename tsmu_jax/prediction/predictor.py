"""Applies a saved model to pairs: chooses the decoder, the size of the input and the size of a batch."""

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax.batch import IMAGE, fill
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.contract import read_contract
from tsmu_jax.data.examples import stacked
from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.selection import choose
from tsmu_jax.learning.autoencoders import downsample, reconstruction_errors
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.halo import MEASURED, halo_of
from tsmu_jax.prediction.pairs import LoadedPair
from tsmu_jax.prediction.sizes import Size, merged, network_size
from tsmu_jax.prediction.windows import Span, spans

AUTO = "auto"
# Of each pixel and channel of the encoder's features. Measured: the compiler keeps 12 for the network of Table IX, 20
# for that of section V-C.
BYTES_PER_CHANNEL = 24
MOST_IMAGES = 32  # at once on a GPU: more gain nothing
MOST_IMAGES_CPU = 4
MOST_ENLARGED = 4.0  # pixels of the network's input to one of a file whose ground resolution is known
PART_OF_MEMORY = 0.4  # of what is free
MOST_ON_CPU = 2 * 2**30  # bytes; twice as much saves a tenth of what windows of a scene compute twice


class Choice(NamedTuple):
    """Who answers for a pair."""

    ecoregion: str | None  # None where the user named a decoder of several
    decoder: str
    margin: float | None  # of the choice, in [0, 1]; None where the user named the decoder


class Predictor:
    """A saved model with the decoder that the user wants, or the choice of one for every pair."""

    def __init__(
        self, model: SavedModel, *, decoder: str = AUTO, memory_gib: float = 0.0, halo: str = MEASURED
    ) -> None:
        """Checks that the model can do what is asked.

        Args:
          model: opened.
          decoder: "auto" to choose for every pair, or the name of an ecoregion or of a decoder.
          memory_gib: that activations may take on each device; 0 for a part of what is free.
          halo: what windows are cropped by, "measured" (where the model has it) or "exact".

        Raises:
          UserError: no such decoder, nothing to choose by, or the model's halo is larger than its reach.
        """
        self.model = model
        self.halo = halo_of(model, halo)
        several = decoder == AUTO and len(model.ecoregions) > 1
        self._autoencoders = jax.device_put(model.autoencoders()) if several else {}  # once for all pairs
        self._named = None if self._autoencoders else self._resolved(decoder)
        self._bytes = int(memory_gib * 2**30) or _free_bytes()
        self._contracts = {
            name: read_contract(known["contract"]) for name, known in model.description["ecoregions"].items()
        }
        self.intensities = self._agreed_intensities()

    @property
    def _square(self) -> Size:
        return Size(self.model.side, self.model.side)

    @property
    def images_at_once(self) -> int:
        """The number of images in a batch over all devices, each resized to the network's side."""
        most = MOST_IMAGES_CPU if jax.default_backend() == "cpu" else MOST_IMAGES
        fit = self._bytes // (self._bytes_per_pixel * self.model.side**2)
        return len(jax.local_devices()) * min(max(fit, 1), most)

    def prepared(self, pair: LoadedPair) -> np.ndarray | None:
        """A pair as training images are seen, u8[side, side, channels]; None where nothing looks at it like that.

        Threads may call it: it takes a large part of the work outside of the network.
        """
        needed = self._named is None or self.size(pair, self._named) == self._square
        return self._input(pair, self._square) if needed else None

    def choices(self, squares: Sequence[np.ndarray | None]) -> list[Choice]:
        """Who answers for each pair: the user's decoder, or that of the autoencoder with the smallest error.

        Args:
          squares: at most `images_at_once` pairs, as `prepared` returns them.
        """
        if self._named:
            return [self._named] * len(squares)
        return self.chosen(self.errors([square for square in squares if square is not None]))

    def errors(self, squares: Sequence[np.ndarray]) -> np.ndarray:
        """Errors of reconstruction f[n, k] of squares, one column for the autoencoder of each of `candidates`.

        Args: squares: at most `images_at_once`, as `prepared` returns them.
        """
        side = int(self.model.description["autoencoders"]["side"])
        small = np.asarray(downsample(_to_unit(jax.device_put(self._filled(squares))), side=side))
        errors = [reconstruction_errors(params, small) for params in self._autoencoders.values()]
        return np.stack(errors, axis=1)[: len(squares)]

    def chosen(self, errors: np.ndarray) -> list[Choice]:
        """Those with the smallest error. Args: errors: f[n, k], as `errors` returns them."""
        best, margins = choose(errors)
        names = [self.candidates[column] for column in best]
        return [
            Choice(name, self.model.route[name], float(margin)) for name, margin in zip(names, margins, strict=True)
        ]

    @property
    def candidates(self) -> tuple[str, ...]:
        """The ecoregions among which the decoder is chosen; none where the user named one."""
        return tuple(self._autoencoders)

    @property
    def named(self) -> Choice | None:
        """The decoder that the user wants, or the only one; None where it is chosen."""
        return self._named

    def resolution_m(self, choice: Choice) -> tuple[float, float] | None:
        """Metres of ground that a pixel of the network's input covered in training, down and across, if known."""
        trained = merged([self._contracts[name].gsd_m for name in self._answered(choice)])
        return (trained["height"][1], trained["width"][1]) if trained else None

    @property
    def window_side(self) -> int:
        """The largest side of a square window that memory allows, in pixels: a multiple of the stride.

        It is at least so large that a third of it is kept.
        """
        stride = self.model.network.stride
        side = int((self._bytes / self._bytes_per_pixel) ** 0.5) // stride * stride
        least = self.halo.seen.smallest_window * 3 // 2
        return max(side, -(-least // stride) * stride + stride)

    def size(self, pair: LoadedPair, choice: Choice) -> Size:
        """The size at which the chosen decoder sees a pair. Raises BadFile where the pair is far too coarse."""
        names = self._answered(choice)
        trained = merged([self._contracts[name].ground_m for name in names]) if pair.gsd_m else None
        height, width = (float(side) for side in pair.post.shape[:2])
        if trained and pair.gsd_m:  # metres of ground, where both know them; else pixels of the file
            of_network = trained["height"][1] / self.model.side
            if pair.gsd_m[0] > MOST_ENLARGED * of_network:
                reason = f"a pixel covers {pair.gsd_m[0]:.3g} m, and one of the network's input {of_network:.3g} m"
                raise BadFile(pair.name, f"{reason}, too coarse to be enlarged; use an image of finer resolution")
            height, width = height * pair.gsd_m[0], width * pair.gsd_m[1]
        else:
            trained = merged([self._contracts[name].pixels for name in names])
        return network_size(height, width, side=self.model.side, stride=self.model.network.stride, trained=trained)

    def begin(self, squares: Sequence[np.ndarray], decoder: str) -> jax.Array:
        """Begins to answer at most `images_at_once` squares, as `prepared` returns them, and does not wait.

        Returns:
          Calibrated probabilities f32[n, side, side] on the devices, n at least the number of squares.
        """
        return self.model.begin(self._filled(squares), decoder)

    def _filled(self, squares: Sequence[np.ndarray]) -> np.ndarray:
        """u8[images_at_once, side, side, c]: one compiled program, whatever their number."""
        return fill({IMAGE: np.stack(squares)}, self.images_at_once)[IMAGE]

    def answer_by_windows(self, pair: LoadedPair, size: Size, decoder: str) -> np.ndarray:
        """Calibrated probabilities f32[h, w] of a pair at any size: those of one pass, as far as the halo is exact."""
        image, result = self._input(pair, size), np.empty(size, np.float32)
        windows, devices = list(self._windows(size)), len(jax.local_devices())
        for batch in (windows[first : first + devices] for first in range(0, len(windows), devices)):
            parts = np.stack([image[y.start : y.stop, x.start : x.stop] for y, x in batch])
            for (y, x), answer in zip(batch, self.model.predict(parts, decoder), strict=True):
                kept = (slice(one.keep_start - one.start, one.keep_stop - one.start) for one in (y, x))
                result[y.keep_start : y.keep_stop, x.keep_start : x.keep_stop] = answer[tuple(kept)]
        return result

    def _windows(self, size: Size) -> Iterator[tuple[Span, Span]]:
        """All of one shape, as large as memory allows: the larger, the less is computed twice."""
        if size.height * size.width * self._bytes_per_pixel <= self._bytes:
            return iter([(Span(0, size.height, 0, size.height), Span(0, size.width, 0, size.width))])
        stride, seen = self.model.network.stride, self.halo.seen
        rows, columns = (spans(length, self.window_side, seen, stride) for length in size)
        return itertools.product(rows, columns)

    def bytes_for(self, pixels: int) -> int:
        """Memory that the activations of so many pixels of the network's input take."""
        return pixels * self._bytes_per_pixel

    @property
    def _bytes_per_pixel(self) -> int:
        return BYTES_PER_CHANNEL * int(self.model.network.encoder.feature_channels)

    def _answered(self, choice: Choice) -> Sequence[str]:
        """The ecoregions that an image may be of, by the choice of a decoder."""
        return (
            [choice.ecoregion] if choice.ecoregion else self.model.description["decoders"][choice.decoder]["ecoregions"]
        )

    def _agreed_intensities(self) -> Intensities:
        """How stored values become intensities. Raises UserError where ecoregions that may answer differ in it."""
        names = self._answered(self._named) if self._named else self.model.ecoregions
        first = self._contracts[names[0]].intensities
        for name in names:
            other = self._contracts[name].intensities
            if other != first:
                raise UserError(
                    f"{self.model.path}: stored values mean one thing in {names[0]} ({_words(first)}) and another in "
                    f"{name} ({_words(other)}), so nobody can choose by them; name the ecoregion: --decoder={name}"
                )
        return first

    def _input(self, pair: LoadedPair, size: Size) -> np.ndarray:
        return stacked(pair.pre, pair.post, size=size, channels=self.model.network.channels)

    def _resolved(self, decoder: str) -> Choice:
        """The decoder that answers for all pairs. Raises UserError where there is none of that name, or no choice."""
        model = self.model
        if decoder == AUTO and len(model.decoders) == 1:
            only = model.ecoregions[0] if len(model.ecoregions) == 1 else None
            return Choice(only, model.decoders[0], None)
        if decoder == AUTO:
            raise UserError(
                f"{model.path}: holds no autoencoders, which choose decoders; name one of {', '.join(model.decoders)}: "
                f"--decoder={model.decoders[-1]}"
            )
        if decoder in model.route:
            return Choice(decoder, model.route[decoder], None)
        if decoder in model.decoders:
            return Choice(None, decoder, None)
        known = ", ".join(dict.fromkeys((AUTO, *model.ecoregions, *model.decoders)))
        raise UserError(f"--decoder={decoder}: the model has no such ecoregion or decoder; known: {known}")


def _words(intensities: Intensities) -> str:
    ranges = ", ".join(f"{low:g} to {high:g}" for low, high in dict.fromkeys(intensities.ranges))
    return f"{intensities.dtype}, bands {', '.join(map(str, intensities.bands))}, {ranges}"


@jax.jit
def _to_unit(images: jax.Array) -> jax.Array:
    """u8 to float32 in [0, 1], as the host divides; XLA would multiply by the rounded reciprocal of 255."""
    return jnp.asarray(np.arange(256, dtype=np.float32) / 255)[images]


def _free_bytes() -> int:
    """Of each device, in bytes: what activations may take."""
    device = jax.local_devices()[0]
    limits = device.memory_stats()
    if limits and "bytes_limit" in limits:
        return int(PART_OF_MEMORY * (limits["bytes_limit"] - limits.get("bytes_in_use", 0)))
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min(PART_OF_MEMORY * free, MOST_ON_CPU) / len(jax.local_devices()))
