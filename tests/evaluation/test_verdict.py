import numpy as np
import pytest

from tsmu_jax.evaluation.verdict import changes, sentence


def counted(**iou: float) -> dict:
    """Counted test images: 12 of each ecoregion, around a mean IoU."""
    wobble = np.arange(12) % 3 - 1
    return {
        name: {"id": [f"{i:02d}" for i in range(12)], "tp": (hit := (100 * mean + wobble).round()).tolist()}
        | {"fp": [0] * 12, "fn": (100 - hit).tolist()}
        for name, mean in iou.items()
    }


PHASES = [
    ("initial", counted(a=0.6, b=0.5, c=0.2)),
    ("freeze", counted(a=0.6, b=0.5, c=0.4)),
    ("joint_fine_tuning", counted(a=0.62, b=0.5, c=0.45)),
]


def test_differences_are_taken_to_the_initial_model_and_to_the_new_decoder_alone() -> None:
    found = changes(PHASES, ["a", "b"], ["c"])
    assert {name: each.difference for name, each in found.items()} == pytest.approx(
        {"old": 0.01, "new": 0.25, "new_decoder": 0.05}
    )
    assert all(each.low <= each.difference <= each.high for each in found.values())
    assert sentence(found) == (
        "The update: old ecoregions +.010 [+.010, +.010], new ones +.250 [+.250, +.250] over the initial model, +.050 "
        "[+.050, +.050] over a new decoder alone (mean IoU, paired bootstrap 95 % intervals over the test images)."
    )


def test_what_was_not_compared_is_not_said() -> None:
    assert sentence(changes(PHASES[:1], ["a", "b"], ["c"])) is None
    alone = changes(PHASES[:2], ["a", "b"], ["c"])
    assert set(alone) == {"old", "new"} and "new decoder" not in (sentence(alone) or "")
    twice = changes([*PHASES, *PHASES[1:]], ["a", "b"], ["c"])  # sequential: no single freeze phase
    assert set(twice) == {"old", "new"}


def test_a_loss_and_too_few_images_are_said_as_they_are() -> None:
    few = [(name, {k: {f: v[:2] for f, v in each.items()} for k, each in tests.items()}) for name, tests in PHASES]
    text = sentence(changes(few[::-1], ["a", "b"], ["c"])) or ""
    assert "-.010 [too few images for an interval]" in text and "-.250" in text
