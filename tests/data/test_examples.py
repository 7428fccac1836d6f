"""Pairs as the network sees them: resizing, channels, the cache, validation copies."""

import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import pytest

from tsmu_jax.data.examples import Example, Examples, to_example, validation_examples
from tsmu_jax.data.source import Pair, PairInfo, Skipped
from tsmu_jax.errors import UserError


def random_pair(seed: int, height: int = 30, width: int = 44, *, pre: bool = True) -> Pair:
    rng = np.random.default_rng(seed)
    dates = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    return Pair(dates[0] if pre else None, dates[1], rng.integers(0, 2, (height, width), dtype=np.uint8))


class Source:
    """Random pairs in memory; counts how often each is decoded."""

    fingerprints: ClassVar[dict[str, str]] = {"etf": "memory"}
    skipped: Sequence[Skipped] = ()

    def __init__(self, count: int, *, pre: bool = True):
        self.infos = [PairInfo(f"{index:02d}", "etf", f"{index:02d}") for index in range(count)]
        self.pre = pre
        self.decoded = [0] * count
        self.before: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> Pair:
        with self._lock:
            self.decoded[index] += 1
        self.before()
        return random_pair(index, pre=self.pre)


def gib(examples: float, *, size: int = 16, channels: int = 6) -> float:
    return examples * size * size * (channels + 1) / 2**30


@pytest.mark.parametrize("size", [8, 16, 64, 100])
def test_masks_are_resized_with_nearest_neighbour(size: int) -> None:
    pair = random_pair(0)
    mask = to_example(pair, size=size, channels=6).mask
    assert (mask.shape, mask.dtype) == ((size, size), np.uint8)
    assert set(np.unique(mask)) == {0, 1}
    rows, columns = (((np.arange(size) + 0.5) * side / size).astype(int) for side in pair.mask.shape)
    np.testing.assert_array_equal(mask, pair.mask[np.ix_(rows, columns)])


def test_six_channels_are_pre_then_post() -> None:
    pre, post = np.full((20, 30, 3), (1, 2, 3), np.uint8), np.full((20, 30, 3), (4, 5, 6), np.uint8)
    image = to_example(Pair(pre, post, np.zeros((20, 30), np.uint8)), size=8, channels=6).image
    assert (image.shape, image.dtype) == ((8, 8, 6), np.uint8)
    np.testing.assert_array_equal(image.reshape(-1, 6), np.tile([1, 2, 3, 4, 5, 6], (64, 1)).astype(np.uint8))


@pytest.mark.parametrize("pre", [True, False])
def test_three_channels_are_post_alone(pre: bool) -> None:
    pair = random_pair(3, pre=pre)
    image = to_example(pair, size=16, channels=3).image
    np.testing.assert_array_equal(image, to_example(random_pair(3), size=16, channels=6).image[..., 3:])


def test_images_of_the_right_size_are_untouched() -> None:
    pair = random_pair(1, 16, 16)
    example = to_example(pair, size=16, channels=6)
    np.testing.assert_array_equal(example.image[..., :3], pair.pre)
    np.testing.assert_array_equal(example.image[..., 3:], pair.post)
    np.testing.assert_array_equal(example.mask, pair.mask)


def test_image_and_mask_are_resized_alike() -> None:
    """Blocks of 4 x 4: where an enlarged or reduced image is plainly bright, there the mask is 1."""
    mask = np.kron(np.random.default_rng(0).integers(0, 2, (8, 12)), np.ones((4, 4))).astype(np.uint8)
    image = np.repeat(255 * mask[..., None], 3, axis=-1)
    for size in (16, 64):
        example = to_example(Pair(image, image, mask), size=size, channels=6)
        plain = (example.image < 30) | (example.image > 225)
        assert plain.mean() > 0.5
        np.testing.assert_array_equal(
            (example.image > 127)[plain], np.repeat(example.mask[..., None] == 1, 6, axis=-1)[plain]
        )


def test_a_missing_pre_event_image_names_the_pair_and_the_remedy() -> None:
    examples = Examples(Source(3, pre=False), size=16, channels=6)
    with pytest.raises(UserError, match=r"^etf/02: .*pre-event image.*--config.data.channels=3$"):
        examples[2]
    assert Examples(Source(3, pre=False), size=16, channels=3)[2].image.shape == (16, 16, 3)


@pytest.mark.parametrize("room", [0, 3, 5, 99])
def test_the_cache_is_bounded_and_tells_the_truth(room: int) -> None:
    source = Source(5)
    examples = Examples(source, size=16, channels=6, cache_gib=gib(room + 0.5))
    for _ in range(3):
        for index in range(5):
            example, expected = examples[index], to_example(random_pair(index), size=16, channels=6)
            np.testing.assert_array_equal(example.image, expected.image)
            np.testing.assert_array_equal(example.mask, expected.mask)
    assert source.decoded == [1 if index < room else 3 for index in range(5)]


def test_many_threads_read_the_same_and_keep_the_bound() -> None:
    source = Source(6)
    together = threading.Barrier(4, timeout=20)
    source.before = lambda: together.wait() if not together.broken else None
    examples = Examples(source, size=16, channels=6, cache_gib=gib(2.5))

    def read(index: int) -> Example:
        return examples[index]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for example in pool.map(read, [0] * 4):  # all four decode at once, and all of them want to store it
            np.testing.assert_array_equal(example.image, to_example(random_pair(0), size=16, channels=6).image)
        assert source.decoded[0] == 4
        source.before = lambda: None
        for index, example in enumerate(pool.map(read, list(range(6)) * 20)):
            expected = to_example(random_pair(index % 6), size=16, channels=6)
            np.testing.assert_array_equal(example.image, expected.image)
            np.testing.assert_array_equal(example.mask, expected.mask)
    assert source.decoded[0] == 4  # from the cache ever since
    before = list(source.decoded)
    for index in range(6):
        _ = examples[index]
    again = sum(now - then for now, then in zip(source.decoded, before, strict=True))
    assert again == 4  # two of the six are kept


def test_stack_keeps_order_and_repeats() -> None:
    examples = Examples(Source(4), size=16, channels=3)
    images, masks = examples.stack(np.array([3, 1, 3]))
    assert (images.shape, images.dtype, masks.shape, masks.dtype) == ((3, 16, 16, 3), np.uint8, (3, 16, 16), np.uint8)
    for row, index in enumerate((3, 1, 3)):
        np.testing.assert_array_equal(images[row], examples[index].image)
        np.testing.assert_array_equal(masks[row], examples[index].mask)


def test_validation_copies_are_augmented_reproducible_and_of_their_own_seed() -> None:
    examples = Examples(Source(4), size=16, channels=6)
    images, masks = validation_examples(examples, [2, 0], copies=3, seed=(0, 7))
    assert (images.shape, images.dtype, masks.shape, masks.dtype) == ((6, 16, 16, 6), np.uint8, (6, 16, 16), np.uint8)
    assert set(np.unique(masks)) == {0, 1}
    again = validation_examples(examples, [2, 0], copies=3, seed=(0, 7))
    np.testing.assert_array_equal(again.image, images)
    np.testing.assert_array_equal(again.mask, masks)
    # The copies of a pair depend on nothing but the pair: not on what stands beside it.
    np.testing.assert_array_equal(validation_examples(examples, [0], copies=3, seed=(0, 7)).image, images[3:])
    assert (validation_examples(examples, [2, 0], copies=3, seed=(1, 7)).image != images).any()
    assert len({copy.tobytes() for copy in images}) == 6  # no copy is like another one


def test_augmenting_leaves_the_cached_pair_alone() -> None:
    examples = Examples(Source(1), size=16, channels=6)
    before = examples[0].image.copy(), examples[0].mask.copy()
    images, masks = validation_examples(examples, [0], copies=20, seed=(0,))
    images[:], masks[:] = 0, 0
    np.testing.assert_array_equal(examples[0].image, before[0])
    np.testing.assert_array_equal(examples[0].mask, before[1])
