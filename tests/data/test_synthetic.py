import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.source import Pair
from tsmu_jax.data.statistics import pixel_statistics
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.data.synthetic.recipes import RECIPES
from tsmu_jax.data.synthetic.render import exposure, render
from tsmu_jax.data.synthetic.slides import make_slides
from tsmu_jax.data.synthetic.terrain import make_terrain, sunlight
from tsmu_jax.errors import UserError

KEYS = sorted(ECOREGIONS)


def _all(source: SyntheticSource) -> list[Pair]:
    return [source[index] for index in range(len(source))]


def _same(first: Pair, second: Pair) -> bool:
    return all(a is not None and b is not None and (a == b).all() for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def small() -> dict[str, list[Pair]]:
    return {key: _all(SyntheticSource({key: 16}, height=64, width=64)) for key in KEYS}


def _check_table_i(key: str, pairs: list[Pair]) -> None:
    found = pixel_statistics(pairs)
    np.testing.assert_allclose(found.landslide, ECOREGIONS[key].landslide, atol=0.02)
    np.testing.assert_allclose(found.background, ECOREGIONS[key].background, atol=0.02)


@pytest.mark.parametrize("key", KEYS)
def test_table_i_in_a_small_set(key: str, small: dict[str, list[Pair]]) -> None:
    _check_table_i(key, small[key])


@pytest.mark.parametrize("key", KEYS)
def test_table_i_at_another_size_and_seed(key: str) -> None:
    _check_table_i(key, _all(SyntheticSource({key: 12}, height=96, width=128, seed=5)))


def test_shapes_and_masks(small: dict[str, list[Pair]]) -> None:
    for pre, post, mask in itertools.chain(*small.values()):
        assert pre is not None and pre.shape == post.shape == (64, 64, 3) and mask.shape == (64, 64)
        assert pre.dtype == post.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 1}
        assert 50 <= mask.sum() <= 0.2 * mask.size


@pytest.mark.parametrize("shape", [(32, 32), (40, 150), (151, 37)])
def test_any_shape(shape: tuple[int, int]) -> None:
    for pair in _all(SyntheticSource(dict.fromkeys(KEYS, 2), height=shape[0], width=shape[1])):
        assert pair.post.shape == (*shape, 3) and pair.mask.any()


def test_pairs_are_pure_functions_of_their_number() -> None:
    one = SyntheticSource({"nad": 3, "etf": 2}, height=48, width=64, seed=1)
    two = SyntheticSource({"nad": 9}, height=48, width=64, seed=1)
    assert [(info.ecoregion, info.id) for info in one.infos[:3]] == [
        ("etf", "0000"),
        ("etf", "0001"),
        ("nad", "0000"),
    ]
    assert one.infos[2:] == two.infos[:3]
    assert all(_same(one[2 + index], two[index]) for index in (2, 0, 1))


def test_seed_size_region_and_number_change_the_picture() -> None:
    base = SyntheticSource({"etf": 2, "nad": 1}, height=48, width=48)
    pairs = [*_all(base), SyntheticSource({"etf": 1}, height=48, width=48, seed=1)[0]]
    assert not any(_same(a, b) for a, b in itertools.combinations(pairs, 2))


def test_threads_see_the_same_pairs() -> None:
    source = SyntheticSource(dict.fromkeys(KEYS, 2), height=48, width=48)
    alone = _all(source)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(source.__getitem__, reversed(range(len(source)))))
    assert all(_same(a, b) for a, b in zip(alone, reversed(together), strict=True))


def _levelled(image: np.ndarray) -> np.ndarray:
    """Without the light and the colour cast of its date."""
    return image - np.median(image, axis=(0, 1))


def test_landslides_are_new(small: dict[str, list[Pair]]) -> None:
    for pairs in small.values():
        levelled = [(_levelled(pair.pre), _levelled(pair.post)) for pair in pairs if pair.pre is not None]
        changes = [np.abs(post - pre).mean(-1) for pre, post in levelled]
        inside = np.mean([change[pair.mask == 1].mean() for change, pair in zip(changes, pairs, strict=True)])
        outside = np.mean([change[pair.mask == 0].mean() for change, pair in zip(changes, pairs, strict=True)])
        assert inside > 2 * outside


@pytest.mark.parametrize("key", KEYS)
def test_look_alikes_change_the_picture_but_never_the_mask(key: str) -> None:
    def draw(layers: int | None) -> Pair:
        recipe = dataclasses.replace(RECIPES[key], layers=RECIPES[key].layers[:layers])
        dates = (exposure(6, 0.5), exposure(1, 0.5))
        return render(np.random.default_rng(3), ECOREGIONS[key], recipe, (64, 64), dates)

    bare, full = draw(1), draw(None)
    np.testing.assert_array_equal(bare.mask, full.mask)
    assert not np.array_equal(bare.post, full.post)


@pytest.mark.parametrize("key", KEYS)
def test_landslides_run_downhill(key: str) -> None:
    drops = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        terrain = make_terrain(rng, (64, 64), RECIPES[key].relief, RECIPES[key].dissection)
        slides = make_slides(rng, terrain, RECIPES[key].slides)
        scarp = terrain.height[(slides.mask == 1) & (slides.along < 0.2)]
        toe = terrain.height[(slides.mask == 1) & (slides.along > 0.7)]
        drops.append(scarp.mean() - toe.mean())
    assert np.mean(np.array(drops) > 0) >= 0.9


def test_sun_lights_the_slopes_that_face_it() -> None:
    west_down = np.tile(np.arange(8, dtype=np.float32), (8, 1)) / 8  # rises to the east, so it faces west
    assert sunlight(west_down, 270, 45).mean() > 1 > sunlight(west_down, 90, 45).mean()
    np.testing.assert_allclose(sunlight(np.zeros((8, 8), np.float32), 135, 50), 1, rtol=1e-6)


def test_ecoregions_look_different(small: dict[str, list[Pair]]) -> None:
    def looks(pairs: list[Pair]) -> np.ndarray:
        """Mean colours of background and landslides."""
        background = np.mean([pair.post[pair.mask == 0].mean(0) for pair in pairs], 0)
        landslide = np.mean([pair.post[pair.mask == 1].mean(0) for pair in pairs], 0)
        return np.concatenate([background, landslide]) / 255

    described = {key: looks(pairs) for key, pairs in small.items()}
    for first, second in itertools.combinations(KEYS, 2):
        assert np.linalg.norm(described[first] - described[second]) > 0.1, (first, second)


def test_fingerprint_and_infos() -> None:
    def make(pairs: dict[str, int], height: int = 32, seed: int = 0) -> SyntheticSource:
        return SyntheticSource(pairs, height=height, width=32, seed=seed)

    source = make({"mwcf": 2, "etf": 1})
    assert source.fingerprints == make({"etf": 1, "mwcf": 2}).fingerprints
    assert source.fingerprints["mwcf"] == make({"mwcf": 2}).fingerprints["mwcf"]  # whatever lies beside it
    others = [make({"mwcf": 3}), make({"mwcf": 2}, height=33), make({"mwcf": 2}, seed=1), make({"etf": 2})]
    assert source.fingerprints["mwcf"] not in {value for other in others for value in other.fingerprints.values()}
    assert source.skipped == () and len(source) == len(source.infos) == 3
    for info in source.infos:
        assert info.scene == f"{info.ecoregion}/{info.id}" and info.footprint is None
        assert info.pre_date is not None and info.post_date is not None
        assert len(info.pre_date) == len(info.post_date) == 8 and info.pre_date < info.post_date


@pytest.mark.parametrize(
    ("pairs", "height", "seed", "message"),
    [
        ({"mars": 1}, 64, 0, "'mars'; choose from etf, mwcf, nad, nwfm"),
        ({"etf": -1}, 64, 0, "-1 pairs of etf"),
        ({"etf": 1}, 16, 0, "16 x 64"),
        ({"etf": 1}, 64, -1, "seed -1"),
    ],
)
def test_errors_name_the_remedy(pairs: dict[str, int], height: int, seed: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        SyntheticSource(pairs, height=height, width=64, seed=seed)
