import json

from tsmu_jax.learning.saturation import Saturation


def walk(saturation: Saturation, ious, drifts=None) -> list[tuple[bool, bool]]:
    drifts = drifts or [None] * len(ious)
    return [
        saturation.update(epoch, validation_iou=iou, drift=drift)
        for epoch, (iou, drift) in enumerate(zip(ious, drifts, strict=True), start=1)
    ]


def test_without_patience_the_last_epoch_is_kept() -> None:
    saturation = Saturation()
    assert walk(saturation, [0.5, 0.1, 0.2]) == [(True, False)] * 3
    assert saturation.chosen_epoch == 3 and not saturation.active


def test_patience_keeps_the_best_and_ends_after_so_many_epochs_without_a_better_one() -> None:
    saturation = Saturation(patience=2)
    assert saturation.active
    outcome = walk(saturation, [0.3, 0.2, 0.5, 0.5, 0.4])
    assert outcome == [(True, False), (False, False), (True, False), (False, False), (False, True)]
    assert saturation.chosen_epoch == 3


def test_an_improvement_must_exceed_min_delta_over_the_best_so_far() -> None:
    saturation = Saturation(patience=3, min_delta=0.1)
    walk(saturation, [0.30, 0.35, 0.39])  # 0.39 would be one over 0.35 or without the margin
    assert saturation.chosen_epoch == 1
    assert Saturation(patience=1, min_delta=0.1, best=0.3).update(9, validation_iou=0.45, drift=None)[0]


def test_zero_is_an_improvement_over_nothing() -> None:
    assert Saturation(patience=1).update(1, validation_iou=0.0, drift=None) == (True, False)


def test_drift_budget_ends_the_phase_before_the_epoch_that_exceeds_it() -> None:
    saturation = Saturation(drift_budget=0.02)
    assert saturation.active
    outcome = walk(saturation, [0.1, 0.2, 0.9], [0.01, 0.02, 0.021])
    assert outcome == [(True, False), (True, False), (False, True)]
    assert saturation.chosen_epoch == 2
    assert Saturation(drift_budget=0.02).update(1, validation_iou=0.5, drift=None) == (True, False)
    assert Saturation().update(1, validation_iou=0.5, drift=1.0) == (True, False)  # no budget


def test_budget_and_patience_together() -> None:
    saturation = Saturation(patience=5, drift_budget=0.02)
    assert walk(saturation, [0.5, 0.4, 0.6], [0.0, 0.01, 0.03])[-1] == (False, True)
    assert saturation.chosen_epoch == 1


def test_resumed_is_as_if_never_interrupted() -> None:
    ious = [0.3, 0.5, 0.4, 0.2, 0.1]
    whole = Saturation(patience=3, min_delta=0.01)
    expected = walk(whole, ious)
    for stop in range(len(ious)):
        first = Saturation(patience=3, min_delta=0.01)
        outcome = walk(first, ious[:stop])
        resumed = Saturation(patience=3, min_delta=0.01)
        resumed.restore(json.loads(json.dumps(first.progress())))
        for epoch in range(stop + 1, len(ious) + 1):
            outcome.append(resumed.update(epoch, validation_iou=ious[epoch - 1], drift=None))
        assert outcome == expected
        assert resumed.progress() == whole.progress()
