import numpy as np
import pytest

from tsmu_jax.evaluation.metrics import Counts
from tsmu_jax.evaluation.selection import QUANTILES, WAYS, Selected, answers, choice_scores, choose, confusion


def test_the_smallest_error_wins_by_its_relative_distance_to_the_second() -> None:
    errors = np.array([[0.2, 0.1, 0.4], [0.03, 0.03, 0.03], [0.0, 0.5, 0.1], [0.0, 0.0, 1.0]], np.float32)
    best, margin = choose(errors)
    assert best.tolist() == [1, 0, 0, 0]  # the first of equals
    np.testing.assert_allclose(margin, [0.5, 0, 1, 0], atol=1e-6)


def test_margins_lie_between_0_and_1() -> None:
    random = np.random.default_rng(0)
    errors = np.exp(random.uniform(-80, 2, (1000, 4)))
    errors[:100, 1] = errors[:100, 0]
    errors[:50] *= random.integers(0, 2, (50, 4))
    best, margin = choose(errors.astype(np.float32))
    assert (errors.astype(np.float32)[np.arange(1000), best] == errors.astype(np.float32).min(1)).all()
    assert margin.min() == 0 and margin.max() > 0.99 and (margin <= 1).all()


def test_the_only_candidate_wins_by_the_largest_margin() -> None:
    best, margin = choose(np.array([[0.3], [0.0]]))
    assert best.tolist() == [0, 0] and margin.tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(3,), (3, 0), (2, 2, 2)])
def test_errors_of_another_form_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"errors have shape \("):
        choose(np.zeros(shape))


def test_each_way_answers_as_it_says() -> None:
    """Two images of one row; decoders a, b and c answer with probabilities .9 / .1 / .6, mirrored on the second."""
    odds = np.log(np.array([0.9, 0.1, 0.6]) / np.array([0.1, 0.9, 0.4]))
    logits = {name: np.array([[[odd]], [[-odd]]], np.float32) for name, odd in zip("abc", odds, strict=True)}
    predicted = answers(logits, true="b", chosen=["a", "c"], unsure=np.array([True, False]))
    assert set(predicted) == set(WAYS)
    flat = {way: mask.reshape(2).tolist() for way, mask in predicted.items()}
    assert flat == {
        "oracle": [False, True],
        "chosen": [True, False],
        "mean": [True, False],  # .533 and .467
        "fallback": [True, False],
    }
    logits["a"][0] = -3.0
    flat = {
        way: mask.reshape(2).tolist()
        for way, mask in answers(logits, true="b", chosen=["c", "c"], unsure=np.array([True, False])).items()
    }
    assert flat["chosen"] == [True, False] and flat["mean"] == [False, False] and flat["fallback"] == [False, False]


def selected(names: str, decoded: list[bool], margin: list[float], **tp: list[int]) -> Selected:
    counts = {way: Counts(np.array(tp[way]), 4 - np.array(tp[way]), np.zeros(len(margin), int)) for way in WAYS}
    return Selected(tuple(names), np.array(decoded), np.array(margin), counts)


@pytest.fixture
def both() -> dict[str, Selected]:
    """Three images of "a", two of "b"; "b" and "c" share a decoder."""
    return {
        "a": selected(
            "aab",
            [True, True, False],
            [0.5, 0.05, 0.3],
            oracle=[4, 2, 2],
            chosen=[4, 2, 0],
            mean=[1, 1, 1],
            fallback=[4, 1, 0],
        ),
        "b": selected("cb", [True, True], [0.0, 0.1], oracle=[4, 0], chosen=[4, 0], mean=[2, 2], fallback=[2, 0]),
    }


def test_confusion_counts_every_image_once(both) -> None:
    assert confusion(both, "abc") == {"a": {"a": 2, "b": 1, "c": 0}, "b": {"a": 0, "b": 1, "c": 1}}


def test_scores_by_hand(both) -> None:
    found = choice_scores(both, "abc", threshold=0.1)
    assert (found["images"], found["accuracy"], found["decoder_accuracy"]) == (5, 3 / 5, 4 / 5)
    assert found["iou"] == pytest.approx({"oracle": 3 / 5, "chosen": 1 / 2, "mean": 7 / 20, "fallback": 7 / 20})
    assert found["ecoregions"]["b"] == {
        "images": 2,
        "accuracy": 1 / 2,
        "decoder_accuracy": 1.0,
        "iou": {"oracle": 0.5, "chosen": 0.5, "mean": 0.5, "fallback": 0.25},
    }
    margin = found["margin"]
    assert (margin["threshold"], margin["review"]) == (0.1, 2)  # a margin that equals it is large enough
    assert margin["accuracy_of_rest"] == pytest.approx(2 / 3)
    assert margin["decoder_accuracy_of_rest"] == pytest.approx(2 / 3)
    assert list(margin["quantiles"]) == [str(q) for q in QUANTILES]
    assert (margin["quantiles"]["0.0"], margin["quantiles"]["0.5"], margin["quantiles"]["1.0"]) == (0.0, 0.1, 0.5)


def test_nothing_may_be_left_beside_the_review(both) -> None:
    margin = choice_scores(both, "abc", threshold=0.9)["margin"]
    assert (margin["review"], margin["accuracy_of_rest"], margin["decoder_accuracy_of_rest"]) == (5, None, None)
