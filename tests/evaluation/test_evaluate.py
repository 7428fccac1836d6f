import json

import numpy as np
import pytest

from tsmu_jax.evaluation.evaluate import TestSet, evaluate, phase_scores, to_original_size

SIDE = 4


@pytest.fixture
def tests() -> dict[str, TestSet]:
    """Masks and images of other ecoregions differ, and so do their numbers."""
    random = np.random.default_rng(0)
    return {
        name: TestSet(
            random.integers(0, 256, (number, SIDE, SIDE, 3), np.uint8),
            random.integers(0, 2, (number, SIDE, SIDE), np.uint8),
        )
        for name, number in {"etf": 2, "nad": 3, "nwfm": 1}.items()
    }


ROUTE = {"etf": "old", "nad": "old", "nwfm": "new"}


def answer(decoder: str, images: np.ndarray) -> np.ndarray:
    """The old decoder calls bright pixels landslides, the new one dark ones."""
    logits = images[..., 0].astype(np.float32) - 127.5
    return logits if decoder == "old" else -logits


def test_each_ecoregion_is_answered_by_its_decoder(tests) -> None:
    outcomes = evaluate(answer, tests, ROUTE)
    assert {name: outcome.decoder for name, outcome in outcomes.items()} == ROUTE
    for name, outcome in outcomes.items():
        logits = answer(ROUTE[name], tests[name].images)
        np.testing.assert_array_equal(outcome.logits, logits)
        prediction, mask = logits > 0, tests[name].masks == 1
        np.testing.assert_array_equal(outcome.counts.tp, (prediction & mask).sum((1, 2)))
        np.testing.assert_array_equal(outcome.counts.fp, (prediction & ~mask).sum((1, 2)))
        np.testing.assert_array_equal(outcome.counts.fn, (~prediction & mask).sum((1, 2)))


def test_a_probability_of_one_half_is_no_landslide(tests) -> None:
    outcomes = evaluate(lambda decoder, images: np.zeros((len(images), SIDE, SIDE), np.float32), tests, ROUTE)
    assert all((outcome.counts.tp + outcome.counts.fp == 0).all() for outcome in outcomes.values())


def test_scores_weigh_images_and_not_ecoregions(tests) -> None:
    outcomes = evaluate(answer, tests, ROUTE)
    result = phase_scores(outcomes, ["etf", "nad"], ["nwfm"])
    ious = {
        name: outcome.counts.tp / (outcome.counts.tp + outcome.counts.fp + outcome.counts.fn)
        for name, outcome in outcomes.items()
    }
    on_old = np.concatenate([ious["etf"], ious["nad"]])
    assert result["iou"]["old"] == pytest.approx(on_old.mean())
    assert result["iou"]["old"] != pytest.approx((ious["etf"].mean() + ious["nad"].mean()) / 2)
    assert result["iou"]["new"] == pytest.approx(ious["nwfm"].mean())
    assert result["iou"]["global"] == pytest.approx(np.concatenate([on_old, ious["nwfm"]]).mean())
    pixels = [np.sum([outcome.counts[i].sum() for outcome in outcomes.values()]) for i in range(3)]
    assert result["micro_iou"]["global"] == pytest.approx(pixels[0] / sum(pixels))
    assert set(result) == {"iou", "iou_nonempty", "micro_iou", "empty", "ecoregions"}
    assert list(result["ecoregions"]) == ["etf", "nad", "nwfm"]
    nad = result["ecoregions"]["nad"]
    assert (nad["decoder"], nad["images"], nad["iou"]) == ("old", 3, pytest.approx(ious["nad"].mean()))
    assert set(nad) >= {"decoder", "images", "iou", "precision", "recall", "f1", "micro_iou", "empty"}
    json.dumps(result, allow_nan=False)


def test_scores_count_empty_images_by_group(tests) -> None:
    empty = TestSet(tests["etf"].images, np.zeros_like(tests["etf"].masks))
    silent = evaluate(
        lambda decoder, images: np.full((len(images), SIDE, SIDE), -1 if decoder == "old" else 1, np.float32),
        {**tests, "etf": empty},
        ROUTE,
    )
    result = phase_scores(silent, ["etf"], ["nwfm"])
    assert result["empty"] == {"old": 2, "new": 0, "global": 2}
    assert result["iou"]["old"] == 1 and result["iou_nonempty"]["old"] is None
    assert result["iou_nonempty"]["global"] == result["iou"]["new"]


@pytest.mark.parametrize("shape", [(4, 4), (30, 50), (50, 30), (3, 2), (1, 1)])
@pytest.mark.parametrize("value", [-100.0, 100.0, 1000.0])
def test_one_answer_everywhere_at_every_size(shape, value: float) -> None:
    mask = to_original_size(np.full((SIDE, SIDE), value, np.float32), shape)
    assert (mask.shape, mask.dtype) == (shape, np.uint8)
    assert (mask == (value > 0)).all()


def test_axes_are_not_exchanged() -> None:
    logits = np.full((4, 4), -20, np.float32)
    logits[:2] = 20  # the upper half
    mask = to_original_size(logits, (20, 60))
    np.testing.assert_array_equal(mask, np.arange(20)[:, None].repeat(60, 1) < 10)
    np.testing.assert_array_equal(to_original_size(logits.T, (60, 20)), mask.T)


def test_same_size_is_the_evaluated_mask() -> None:
    logits = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    np.testing.assert_array_equal(to_original_size(logits, (16, 16)), logits > 0)
    assert not to_original_size(np.zeros((2, 2), np.float32), (5, 5)).any()  # one half is no landslide


def test_probabilities_are_interpolated_and_not_logits() -> None:
    """Between p = 1 and p = 0.2, p is 0.5 at 5/8 of the way; between logits of 100 and -1.4 it would be at 98 %."""
    logits = np.full((1, 2), 100.0, np.float32)
    logits[0, 1] = np.log(0.2 / 0.8)
    width = 800
    mask = to_original_size(logits, (1, width))
    # Pixel centres: the first at a quarter of the width, the second at three quarters.
    assert abs(mask.sum() - (0.25 + 0.5 * 5 / 8) * width) <= 1
