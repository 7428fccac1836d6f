"""Who comes first among pairs to review, and what is drawn of the scores."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import reviewed_pairs
from benchmarks.reviewed_pairs import QUEUE, RANDOM, priority
from tsmu_jax.evaluation.intervals import Sample

NOTHING = np.zeros((16, 16))


def blob(value: float, side: int = 4) -> np.ndarray:
    found = NOTHING.copy()
    found[2 : 2 + side, 3 : 3 + side] = value
    return found


def test_the_least_sure_candidate_comes_first_and_a_pair_without_any_last() -> None:
    sure, doubtful = priority(blob(0.99), NOTHING), priority(blob(0.55), NOTHING)
    assert priority(blob(0.4), NOTHING) == priority(NOTHING, NOTHING) == -1 < sure < doubtful
    assert priority(blob(0.99), blob(0.2)) == pytest.approx(sure + 0.4)
    assert priority(blob(0.99, 8), NOTHING) > sure  # large
    two = blob(0.99)
    two[10:14, 10:14] = 0.55
    assert priority(two, NOTHING) == pytest.approx(doubtful)  # of several the one that most needs a look
    assert priority(blob(0.75), NOTHING, pixel_m=100 / 4) == pytest.approx(0.5 + 0.5)  # a hectare


def test_scores_become_a_table_and_a_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def scores(mean: float) -> dict[Sample, float]:
        return {Sample(seed, "a", f"{i}", seed): mean + 0.1 * rng.random() for seed in range(2) for i in range(9)}

    found = {(RANDOM, 0): scores(0.2)}
    found |= {(choice, number): scores(0.2 + number / 100) for choice in (RANDOM, QUEUE) for number in (10, 40)}
    text = reviewed_pairs.table(found)
    assert "on 9 test images" in text and text.count("\n") == 5 and "| 40 | 0.6" in text
    reviewed_pairs.draw(found, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
