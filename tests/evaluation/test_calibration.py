"""Temperature scaling finds the factor by which logits were made too certain."""

import numpy as np
import pytest
from scipy.special import expit

from tsmu_jax.evaluation.calibration import HOTTEST, MOST_PIXELS, fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_finds_the_temperature_that_logits_were_divided_by(temperature: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(-1, 2, (4, 200, 200))
    masks = rng.random(true.shape) < expit(true)
    assert fit_temperature(true * temperature, masks) == pytest.approx(temperature, rel=0.03)


def test_of_many_pixels_some_are_enough() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(0, 2, (2, 1024, 1024)).astype(np.float32)
    masks = (rng.random(true.shape) < expit(true)).astype(np.uint8)
    assert true.size > MOST_PIXELS
    assert fit_temperature(2 * true, masks) == pytest.approx(2, rel=0.03)


def test_answers_that_say_nothing_are_made_as_uncertain_as_can_be() -> None:
    rng = np.random.default_rng(2)
    assert fit_temperature(rng.normal(0, 9, (1, 99, 99)), rng.random((1, 99, 99)) < 0.5) == pytest.approx(HOTTEST, 0.01)


@pytest.mark.parametrize("value", [0, 1])
def test_masks_of_one_kind_decide_nothing(value: int) -> None:
    logits = np.random.default_rng(3).normal(size=(2, 8, 8))
    assert fit_temperature(logits, np.full((2, 8, 8), value, np.uint8)) == 1
