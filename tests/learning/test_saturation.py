import json

from tsmu_jax.learning.saturation import Saturation


def walk(saturation: Saturation, ious) -> list[tuple[bool, bool]]:
    return [saturation.update(epoch, validation_iou=iou) for epoch, iou in enumerate(ious, start=1)]


def test_without_patience_the_last_epoch_is_kept() -> None:
    saturation = Saturation()
    assert walk(saturation, [0.5, 0.1, 0.2]) == [(True, False)] * 3
    assert saturation.chosen_epoch == 3


def test_patience_keeps_the_best_and_ends_after_so_many_epochs_without_a_better_one() -> None:
    saturation = Saturation(patience=2)
    outcome = walk(saturation, [0.3, 0.2, 0.5, 0.5, 0.4])
    assert outcome == [(True, False), (False, False), (True, False), (False, False), (False, True)]
    assert saturation.chosen_epoch == 3


def test_an_improvement_must_exceed_min_delta_over_the_best_so_far() -> None:
    saturation = Saturation(patience=3, min_delta=0.1)
    walk(saturation, [0.30, 0.35, 0.39])  # 0.39 would be one over 0.35 or without the margin
    assert saturation.chosen_epoch == 1
    assert Saturation(patience=1, min_delta=0.1, best=0.3).update(9, validation_iou=0.45)[0]


def test_zero_is_an_improvement_over_nothing() -> None:
    assert Saturation(patience=1).update(1, validation_iou=0.0) == (True, False)


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
            outcome.append(resumed.update(epoch, validation_iou=ious[epoch - 1]))
        assert outcome == expected
        assert resumed.progress() == whole.progress()
