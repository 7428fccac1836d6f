import math

import numpy as np
import pytest

from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.source import Pair
from tsmu_jax.data.statistics import histogram_statistics, pixel_statistics


def _pair(seed: int, shape: tuple[int, int], share: float) -> Pair:
    rng = np.random.default_rng(seed)
    post = np.clip(rng.normal(120, 60, (*shape, 3)), 0, 255).astype(np.uint8)
    return Pair(None, post, (rng.random(shape) < share).astype(np.uint8))


def test_agrees_with_numpy_on_the_raw_pixels() -> None:
    pairs = [_pair(0, (31, 17), 0.2), _pair(1, (8, 40), 0.0), _pair(2, (25, 25), 0.5)]
    found = pixel_statistics(iter(pairs))
    for value, inside in ((found.landslide, 1), (found.background, 0)):
        pixels = np.concatenate([pair.post[pair.mask == inside].ravel() for pair in pairs]) / 255
        np.testing.assert_allclose(value, (pixels.mean(), pixels.std(), np.median(pixels)), rtol=1e-12)
    masks = np.concatenate([pair.mask.ravel() for pair in pairs])
    assert found.positive_fraction == pytest.approx(masks.mean())
    assert (found.pairs, found.empty_masks) == (3, 1)


def test_histograms_count_every_value_once() -> None:
    pair = _pair(3, (20, 30), 0.3)
    found = pixel_statistics([pair])
    expected = np.histogram(pair.post[pair.mask == 1], np.arange(257))[0]
    np.testing.assert_array_equal(found.landslide_counts, expected)
    assert found.landslide_counts.sum() + found.background_counts.sum() == pair.post.size


@pytest.mark.parametrize("values", [[7], [7, 10], [0, 255], [1, 1, 2, 9], [1, 5, 9], [3, 3, 200, 200]])
def test_median_of_even_and_odd_counts(values: list[int]) -> None:
    statistics = histogram_statistics(np.bincount(values, minlength=256))
    assert statistics.median == pytest.approx(np.median(values) / 255)


def test_no_pixels_give_nan() -> None:
    nothing = pixel_statistics([])
    assert nothing.pairs == 0 and math.isnan(nothing.positive_fraction)
    empty = pixel_statistics([_pair(0, (9, 9), 0.0)])
    assert all(math.isnan(value) for value in empty.landslide)
    assert empty.positive_fraction == 0 and not any(math.isnan(value) for value in empty.background)


def test_defaults_are_the_papers() -> None:
    assert {key: (region.level1, region.pairs) for key, region in ECOREGIONS.items()} == {
        "etf": (8, 27),
        "mwcf": (7, 30),
        "nad": (10, 39),
        "nwfm": (6, 400),
    }
    assert all(key == region.key for key, region in ECOREGIONS.items())
    assert sum(region.pairs for region in ECOREGIONS.values()) == 496
