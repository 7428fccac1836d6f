"""The validation set's augmentations: rule, shapes, and a mask that stays with its image."""

from typing import Any

import numpy as np
import pytest

from tsmu_jax.data import augmentation
from tsmu_jax.data.augmentation import AUGMENTATIONS, augment_validation

SIDE = 64
NAMES = ("diagonal_flip", "horizontal_flip", "vertical_flip", "zoom", "translation", "gaussian_blur")
BY_NAME = dict(zip(NAMES, AUGMENTATIONS, strict=True))
EXACT = ("diagonal_flip", "horizontal_flip", "vertical_flip", "translation")  # no resampling


def blob(side: int = SIDE, channels: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """A lopsided landslide, and an image all of whose channels are 255 times the mask."""
    rows, columns = np.mgrid[:side, :side] / side
    mask = (((rows - 0.3) / 0.2) ** 2 + ((columns - 0.55) / 0.32) ** 2 < 1).astype(np.uint8)
    mask[int(0.6 * side) : int(0.9 * side), int(0.1 * side) : int(0.2 * side)] = 1
    return np.repeat(255 * mask[..., None], channels, axis=-1), mask


def apply(name: str, seed: int = 0, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    return BY_NAME[name](*blob(**options), np.random.default_rng(seed))


def test_the_augmentations_are_those_of_the_paper() -> None:
    assert [function.__name__.lstrip("_") for function in AUGMENTATIONS] == list(NAMES)


def test_flips_are_the_flips() -> None:
    image, mask = blob()
    for name, turned in (
        ("diagonal_flip", lambda x: np.swapaxes(x, 0, 1)),
        ("horizontal_flip", np.fliplr),
        ("vertical_flip", np.flipud),
    ):
        moved = apply(name)
        np.testing.assert_array_equal(moved[0], turned(image))
        np.testing.assert_array_equal(moved[1], turned(mask))
        assert (moved[1] != mask).any()


@pytest.mark.parametrize("name", EXACT)
def test_image_and_mask_move_together(name: str) -> None:
    for seed in range(10):
        image, mask = apply(name, seed)
        np.testing.assert_array_equal(image, np.repeat(255 * mask[..., None], 6, axis=-1))


def test_zoom_enlarges_image_and_mask_alike() -> None:
    full = np.ones((SIDE, SIDE), np.uint8)
    sizes = []
    for seed in range(10):
        image, mask = apply("zoom", seed)
        differing = (image > 127) != (mask[..., None] == 1)
        assert differing.mean() < 0.02  # bilinear and nearest neighbour part on the outline alone
        plain = (image < 10) | (image > 245)
        assert not differing[plain].any()
        ruler = np.repeat(np.arange(SIDE, dtype=np.uint8)[None, :, None], SIDE, axis=0)
        zoomed, _ = BY_NAME["zoom"](ruler, full, np.random.default_rng(seed))
        sizes.append((int(zoomed.max()) - int(zoomed.min()) + 1) / SIDE)
    assert 0.75 < min(sizes) < max(sizes) < 1  # a part of the image fills the frame


def test_translation_shifts_by_a_tenth_at_most_and_mirrors_the_edge() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.uint8)
    ruler, mask = np.stack([rows, columns], axis=-1), (rows > 40).astype(np.uint8)
    shifts = set()
    for seed in range(60):
        moved, moved_mask = BY_NAME["translation"](ruler, mask, np.random.default_rng(seed))
        shift = moved[SIDE // 2, SIDE // 2].astype(int) - SIDE // 2
        shifts.add(tuple(shift))
        inside = np.clip(np.arange(SIDE)[:, None] + shift, 0, SIDE - 1) == np.arange(SIDE)[:, None] + shift
        at = np.abs(np.arange(SIDE)[:, None] + shift)
        at = np.where(inside, at, np.where(at >= SIDE, 2 * (SIDE - 1) - at, at))  # the mirrored edge
        np.testing.assert_array_equal(moved[..., 0], np.repeat(at[:, :1], SIDE, axis=1))
        np.testing.assert_array_equal(moved[..., 1], np.repeat(at[None, :, 1], SIDE, axis=0))
        np.testing.assert_array_equal(moved_mask, moved[..., 0] > 40)
    assert max(abs(step) for shift in shifts for step in shift) <= SIDE // 10
    assert {np.sign(shift[axis]) for shift in shifts for axis in (0, 1)} == {-1, 0, 1}


@pytest.mark.parametrize("side", [SIDE, 256])
def test_blur_softens_the_image_and_leaves_the_mask(side: int) -> None:
    image, mask = blob(side)
    blurred, same = apply("gaussian_blur", side=side)
    np.testing.assert_array_equal(same, mask)
    assert (blurred != image).any()
    assert abs(blurred.mean() - image.mean()) < 1.5  # brightness stays
    # Only the outline: further than four pixels from it nothing changes.
    near = np.zeros_like(mask, bool)
    for down in range(-4, 5):
        for right in range(-4, 5):
            near |= np.roll(mask, (down, right), (0, 1)) != mask
    np.testing.assert_array_equal(blurred[~near], image[~near])


@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("side", [16, SIDE])
def test_shapes_types_and_binary_masks(side: int, channels: int) -> None:
    image, mask = blob(side, channels)
    for seed in range(40):
        moved, moved_mask = augment_validation(image, mask, np.random.default_rng(seed))
        assert (moved.shape, moved.dtype) == (image.shape, np.uint8)
        assert (moved_mask.shape, moved_mask.dtype) == (mask.shape, np.uint8)
        assert moved.flags.c_contiguous and moved_mask.flags.c_contiguous
        assert set(np.unique(moved_mask)) == {0, 1}


def test_the_mask_stays_with_the_image_whatever_is_applied() -> None:
    for seed in range(60):
        image, mask = augment_validation(*blob(), np.random.default_rng(seed))
        assert ((image > 127) == (mask[..., None] == 1)).mean() > 0.97


def test_two_or_more_are_applied_each_once_and_all_of_them_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[int] = []

    def spy(index: int) -> augmentation.Augmentation:
        def note(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            applied.append(index)
            return AUGMENTATIONS[index](image, mask, rng)

        return note

    monkeypatch.setattr(augmentation, "AUGMENTATIONS", tuple(spy(index) for index in range(len(NAMES))))
    numbers, seen = set(), set()
    for seed in range(100):
        applied.clear()
        augment_validation(*blob(16), np.random.default_rng(seed))
        assert 2 <= len(applied) == len(set(applied)) <= len(NAMES)
        numbers.add(len(applied))
        seen |= set(applied)
    assert numbers == {2, 3, 4, 5, 6}
    assert seen == set(range(len(NAMES)))


def test_equal_generators_give_equal_copies() -> None:
    one, two, other = (augment_validation(*blob(), np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert (one[0] != other[0]).any()
