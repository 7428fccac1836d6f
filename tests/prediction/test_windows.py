"""Windows with a halo answer as one pass does."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsmu_jax.models.tsmu import Network, forward, init_decoder, init_encoder, make_network
from tsmu_jax.prediction.windows import Reach, best_shape, fitted, reach, spans


@pytest.mark.parametrize("length", [8, 64, 72, 96, 200, 800])
def test_spans_cover_a_side_once_and_see_all_around_what_they_keep(length: int) -> None:
    seen, window, stride = Reach(21, 18), 64, 8
    found = spans(length, window, seen, stride)
    assert [span.keep_start for span in found] == [0, *(span.keep_stop for span in found[:-1])]
    assert found[-1].keep_stop == length
    for span in found:
        assert span.start % stride == 0 and span.stop - span.start == min(window, length)
        assert span.start == 0 or span.keep_start - span.start >= seen.before
        assert span.stop == length or span.stop - span.keep_stop >= seen.after
        assert span.keep_stop > span.keep_start


def work(height: int, width: int, window: tuple[int, int], seen: Reach, stride: int) -> int:
    """Pixels that are computed."""
    rows, columns = (spans(length, side, seen, stride) for length, side in zip((height, width), window, strict=True))
    return sum((y.stop - y.start) * (x.stop - x.start) for y in rows for x in columns)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize("length", [64, 72, 96, 200, 800])
def test_windows_are_no_longer_than_their_number_asks_for(length: int, number: int) -> None:
    seen, stride = Reach(21, 18), 8
    short = fitted(length, number, seen, stride)
    assert short % stride == 0 and len(spans(length, short, seen, stride)) <= number
    if short > 48:
        assert len(spans(length, short - stride, seen, stride)) > number


@pytest.mark.parametrize("side", [48, 72, 128])
@pytest.mark.parametrize(("height", "width"), [(40, 40), (200, 200), (200, 328), (328, 200), (16, 800), (800, 800)])
def test_no_windows_of_the_squares_memory_are_less_work(height: int, width: int, side: int) -> None:
    seen, stride = Reach(21, 18), 8
    found = best_shape(height, width, side, seen, stride)
    sides = [[length, *range(48, length, stride)] for length in (height, width)]
    possible = [window for window in itertools.product(*sides) if window[0] * window[1] <= side**2]
    assert found in possible
    assert work(height, width, found, seen, stride) == min(work(height, width, one, seen, stride) for one in possible)


def test_the_memory_of_windows_is_flat_over_scenes() -> None:
    """Of the scenes that benchmarks/README.md compares: memory grows with the area of a window."""
    seen, stride, side = Reach(80, 61), 16, 576
    areas = [np.prod(best_shape(length, length, side, seen, stride)) for length in (2000, 3008, 4000, 6000, 20000)]
    assert max(areas) <= side**2 and max(areas) / min(areas) <= 1.1


def test_windows_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="windows of 40 px; this network needs 48 or more"):
        spans(100 * 8, 40, Reach(21, 18), 8)
    with pytest.raises(ValueError, match="windows of 40 px; this network needs 48 or more"):
        best_shape(800, 800, 40, Reach(21, 18), 8)


@pytest.mark.parametrize("variant", ["table_ix", "text"])
def test_the_reach_is_as_far_as_an_output_sees_and_no_farther(variant: str) -> None:
    network, seen = make_network(variant, channels=3, depth=2), reach(variant, 2)
    random = np.random.default_rng(0)
    image = random.random((16, 128, 3), np.float32)
    columns = [64 + offset for offset in range(network.stride)]
    images = [image]
    for column in columns:
        far, near = random.random(image.shape, np.float32), image.copy()
        inside = slice(column - seen.before, column + seen.after + 1)
        far[:, inside] = image[:, inside]
        near[:, column - seen.before] = 100  # larger than its neighbours, for pooling
        images += [far, near]
    answers = random_answers(network, np.stack(images))
    differences = [
        abs(other - answers[0]).max(0)[column] for column, other in zip(np.repeat(columns, 2), answers[1:], strict=True)
    ]
    assert max(differences[::2]) < 1e-6
    assert max(differences[1::2]) > 1e-6


def random_answers(network: Network, images: np.ndarray) -> np.ndarray:
    encoder, decoder = (init(network, jax.random.key(1)) for init in (init_encoder, init_decoder))
    params, stats = (
        {"shared": one, "old": {"only": other}, "new": {}} for one, other in zip(encoder, decoder, strict=True)
    )

    @jax.jit
    def answer(images: jax.Array) -> jax.Array:
        return forward(network, params, stats, images, {"only": jnp.ones(len(images))})[0]["only"]

    return np.asarray(answer(images))
