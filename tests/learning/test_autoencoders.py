import jax
import numpy as np
import pytest
from scipy.special import expit

from tsmu_jax.data.draws import Draws
from tsmu_jax.evaluation.selection import choose
from tsmu_jax.learning.autoencoders import BATCH, downsample, fit, reconstruction_errors
from tsmu_jax.models.autoencoder import Autoencoder

SIDE = 6


def kind(seed: int, images: int, *, axis: int) -> np.ndarray:
    """Stripes across one axis, of random place and contrast: told apart by structure, not by brightness."""
    random = np.random.default_rng([seed, axis])
    wave = np.sin(random.uniform(0, 6.3, (images, 1)) + 2 * np.arange(SIDE)[None])
    stripes = 0.5 + random.uniform(0.2, 0.5, (images, 1)) * wave
    grid = np.broadcast_to(stripes[:, :, None, None] if axis else stripes[:, None, :, None], (images, SIDE, SIDE, 3))
    return grid.astype(np.float32)


def trained(images: np.ndarray, *, epochs: int, seed: int = 0) -> tuple[dict, np.ndarray]:
    draws = Draws({"etf": range(len(images))}, subsample=0, draws=4, batch_size=BATCH, seed=(0,))
    steps = epochs * draws.steps_per_epoch
    return fit(images, draws.batch, steps=steps, hidden=8, rate=1e-2, key=jax.random.key(seed))


def test_downsampling_keeps_range_mean_and_what_is_small_enough() -> None:
    images = np.random.default_rng(0).uniform(size=(2, 32, 48, 6)).astype(np.float32)
    small = np.asarray(downsample(images, side=8))
    assert small.shape == (2, 8, 8, 6) and small.min() >= 0 and small.max() <= 1
    np.testing.assert_allclose(small.mean((1, 2)), images.mean((1, 2)), atol=0.02)
    assert small.std() < 0.5 * images.std()  # averaged, not picked
    np.testing.assert_allclose(downsample(np.ones_like(images), side=8), np.ones((2, 8, 8, 6)), rtol=1e-6)
    np.testing.assert_array_equal(downsample(images[:, :, :32], side=32), images[:, :, :32])


def test_the_cross_entropy_falls_and_the_same_seed_gives_the_same_bits(identical) -> None:
    images = kind(0, 10, axis=0)  # 40 draws an epoch: the last of three steps holds fewer images than the others
    params, losses = trained(images, epochs=30)
    assert losses.shape == (90,) and losses.dtype == np.float32
    entropy = -(images * np.log(images) + (1 - images) * np.log(1 - images)).mean()  # no reconstruction is below it
    assert losses[0] > 0.6 and entropy < losses[-3:].mean() < entropy + 0.3 * (losses[0] - entropy)
    assert identical(trained(images, epochs=30)[0], params)
    assert not identical(trained(images, epochs=30, seed=1)[0], params)


def test_padding_does_not_count() -> None:
    """Three images in a step of 16: the loss is theirs alone."""
    images = kind(1, 3, axis=1)
    _, losses = fit(
        images,
        lambda step: np.array([[0, 0], [1, 1], [2, 2]]),
        steps=1,
        hidden=4,
        rate=1e-3,
        key=jax.random.key(0),
    )
    flipped = np.stack([images[0], images[1][:, ::-1], images[2][::-1]]).reshape(3, -1)
    logits = np.asarray(Autoencoder(4).apply(Autoencoder(4).init(jax.random.key(0), flipped), flipped))
    expected = -(flipped * np.log(expit(logits)) + (1 - flipped) * np.log(expit(-logits))).mean()
    assert losses[0] == pytest.approx(expected, rel=1e-5)


def test_progress_is_told_to_the_end() -> None:
    told = []
    fit(
        kind(0, 2, axis=0),
        lambda step: np.array([[0, 0], [1, 0]]),
        steps=101,
        hidden=2,
        rate=1e-3,
        key=jax.random.key(0),
        progress=lambda done, loss: told.append(done),
    )
    assert told == [100, 101]


def test_errors_are_mean_squares_of_any_number_of_images() -> None:
    images = np.random.default_rng(0).uniform(size=(300, SIDE, SIDE, 3)).astype(np.float32)
    params, _ = trained(images[:4], epochs=1)
    flat = images.reshape(300, -1)
    reconstruction = expit(np.asarray(Autoencoder(8).apply({"params": params}, flat)))
    errors = reconstruction_errors(params, images)
    np.testing.assert_allclose(errors, np.square(reconstruction - flat).mean(1), rtol=1e-4)


def test_the_smallest_error_names_the_kind_of_unseen_images() -> None:
    params = [trained(kind(0, 12, axis=axis), epochs=60)[0] for axis in (0, 1)]
    for axis in (0, 1):
        unseen = kind(99, 20, axis=axis)
        best, margin = choose(np.stack([reconstruction_errors(tree, unseen) for tree in params], axis=1))
        assert (best == axis).all()
        assert (margin > 0.5).all()
