import numpy as np
import pytest

from tsmu_jax.evaluation.metrics import Counts, concatenate, count, is_known, micro_iou, scores, summary
from tsmu_jax.mask import UNKNOWN


def by_hand(prediction: np.ndarray, mask: np.ndarray) -> tuple[int, int, int]:
    """Pixel by pixel."""
    tp = fp = fn = 0
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            found, true = bool(prediction[row, column]), bool(mask[row, column])
            tp += found and true
            fp += found and not true
            fn += true and not found
    return tp, fp, fn


@pytest.fixture
def prediction() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(6, 5, 7)) < 0.4


@pytest.fixture
def mask() -> np.ndarray:
    return (np.random.default_rng(1).uniform(size=(6, 5, 7)) < 0.3).astype(np.uint8)


def of(*images: tuple[int, int, int]) -> Counts:
    return Counts(*(np.array(field, np.int64) for field in zip(*images, strict=True)))


def test_count_is_pixel_by_pixel(prediction, mask) -> None:
    counts = count(prediction, mask)
    expected = [by_hand(p, m) for p, m in zip(prediction, mask, strict=True)]
    assert list(zip(*(field.tolist() for field in counts), strict=True)) == expected
    assert all(field.dtype == np.int64 for field in counts)
    for other in (255 * mask, mask.astype(bool), mask.astype(np.float32)):  # non-zero is landslide, but for 2
        np.testing.assert_array_equal(count(prediction, other), counts)


def test_unknown_ground_is_in_no_count(prediction, mask) -> None:
    unknown = np.random.default_rng(2).uniform(size=mask.shape) < 0.4
    counts = count(prediction, np.where(unknown, np.uint8(UNKNOWN), mask))
    expected = [by_hand(p[~u][None], m[~u][None]) for p, m, u in zip(prediction, mask, unknown, strict=True)]
    assert list(zip(*(field.tolist() for field in counts), strict=True)) == expected


def test_an_image_is_known_by_any_pixel() -> None:
    mask = np.full((3, 2, 2), UNKNOWN, np.uint8)
    mask[1, 0, 1], mask[2] = 0, 1
    assert is_known(mask).tolist() == [False, True, True]


def test_scores_are_equations_1_to_4(prediction, mask) -> None:
    found = scores(count(prediction, mask))
    for index, (p, m) in enumerate(zip(prediction, mask, strict=True)):
        tp, fp, fn = by_hand(p, m)
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        assert found.iou[index] == pytest.approx(tp / (tp + fp + fn))
        assert found.precision[index] == pytest.approx(precision)
        assert found.recall[index] == pytest.approx(recall)
        assert found.f1[index] == pytest.approx(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0, 0), (1, 1, 1, 1)),  # nothing to find, nothing found
        ((0, 4, 0), (0, 0, 0, 0)),  # nothing to find, something found
        ((0, 0, 4), (0, 0, 0, 0)),  # something to find, nothing found
        ((0, 3, 4), (0, 0, 0, 0)),
        ((5, 0, 0), (1, 1, 1, 1)),
        ((2, 2, 0), (0.5, 0.5, 1, 2 / 3)),
        ((2, 0, 2), (0.5, 1, 0.5, 2 / 3)),
    ],
)
def test_conventions(counts, expected) -> None:
    found = scores(of(counts))
    assert [float(values[0]) for values in found] == pytest.approx(list(expected))
    assert all(values.dtype == np.float64 for values in found)


def test_empty_images() -> None:
    assert of((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0)).empty.tolist() == [True, False, False, False]


def test_micro_iou_takes_all_pixels_together() -> None:
    counts = of((1, 0, 0), (10, 20, 69), (0, 0, 0))
    assert micro_iou(counts) == 11 / 100
    assert np.mean(scores(counts).iou) == pytest.approx((1 + 10 / 99 + 1) / 3)  # something else
    assert micro_iou(of((0, 0, 0), (0, 0, 0))) == 1
    assert micro_iou(of((0, 0, 0), (0, 3, 0))) == 0


def test_counts_of_large_sets_do_not_overflow() -> None:
    each = 2**33  # more than 32 bits hold
    assert micro_iou(of((each, each, 0), (each, each, 0))) == 0.5


def test_summary() -> None:
    found = summary(of((1, 1, 0), (0, 0, 0), (0, 2, 2)))
    assert found == {
        "images": 3,
        "iou": pytest.approx((0.5 + 1 + 0) / 3),
        "precision": pytest.approx((0.5 + 1 + 0) / 3),
        "recall": pytest.approx((1 + 1 + 0) / 3),
        "f1": pytest.approx((2 / 3 + 1 + 0) / 3),
        "micro_iou": pytest.approx(1 / 6),
        "empty": 1,
        "iou_nonempty": pytest.approx(0.25),
    }
    assert all(type(value) in (int, float) for value in found.values())  # for JSON


def test_summary_of_empty_images_alone() -> None:
    found = summary(of((0, 0, 0), (0, 0, 0)))
    assert (found["iou"], found["micro_iou"], found["empty"], found["iou_nonempty"]) == (1, 1, 2, None)


def test_concatenate(prediction, mask) -> None:
    parts = [count(prediction[chunk], mask[chunk]) for chunk in (slice(2), slice(2, 5), slice(5, 6))]
    np.testing.assert_array_equal(concatenate(parts), count(prediction, mask))
