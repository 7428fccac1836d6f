from pathlib import Path

import numpy as np
import pytest

from tsmu_jax.methods import METHODS
from tsmu_jax.reporting.costs import (
    Rates,
    cumulative_seconds,
    grows,
    images_per_ecoregion,
    measured_rates,
    update_costs,
)
from tsmu_jax.reporting.reading import find_runs
from tsmu_jax.reporting.runs import Run


@pytest.fixture
def read(tmp_path: Path, make_run):
    def call(method: str, old_ecoregions=("a", "b"), new_ecoregions=("c",), **options: object) -> Run:
        return find_runs([make_run(f"{method}{options}", method, old_ecoregions, new_ecoregions, **options)]).runs[0]

    return call


def test_an_update_leaves_the_initial_training_out_and_the_freeze_phase_in(read) -> None:
    costs = update_costs(read("tsmu"))
    assert costs is not None
    assert (costs.epochs, costs.seconds, costs.images) == (300, 120.0, 20)
    assert costs.trainable_parameters == 3000  # of joint fine-tuning, not of the freeze phase
    assert (costs.flops, costs.peak_memory_bytes) == (4e9, 3 * 2**20)


def test_joint_training_counts_its_largest_phase_and_sequential_methods_every_update(read) -> None:
    joint = update_costs(read("joint_training"))
    assert joint is not None and (joint.images, joint.epochs) == (60, 450)
    sequential = update_costs(read("sequential_tsmu", ("a",), ("b", "c", "d")))
    assert sequential is not None and (sequential.images, sequential.epochs, sequential.seconds) == (60, 900, 360.0)


def test_a_method_without_update_costs_nothing_more(read) -> None:
    assert update_costs(read("leave_one_out")) is None


def test_what_some_phase_did_not_count_is_unknown(read) -> None:
    costs = update_costs(read("tsmu", costs={"flops": None, "peak_memory_bytes": None}))
    assert costs is not None and costs.flops is None and costs.peak_memory_bytes is None


def test_rates_are_seconds_of_an_image_in_each_kind_of_phase(read) -> None:
    runs = [read("tsmu"), read("tsmu", seed=1)]
    rates = measured_rates(runs)
    assert rates.seconds_per_image == pytest.approx(dict.fromkeys(rates.epochs, 1 / 45))  # the first epoch compiles
    assert rates.epochs == {"initial": 200, "freeze": 200, "joint_fine_tuning": 100}
    assert images_per_ecoregion(runs) == 20


def test_without_a_log_rates_come_from_the_time_of_the_phase(read) -> None:
    runs = [read("tsmu"), read("tsmu", seed=1, costs={"seconds": 180.0})]
    for run in runs:
        (run.path / "metrics.jsonl").unlink()
    rates = measured_rates(find_runs([run.path for run in runs]).runs)
    assert rates.seconds_per_image == pytest.approx(
        {"initial": 120 / 200 / 40, "freeze": 120 / 200 / 20, "joint_fine_tuning": 120 / 100 / 20}
    )


def test_stored_responses_count_in_their_phase(read) -> None:
    rates = measured_rates([read("tsmu", costs={"recording_seconds": 20.0})])
    assert rates.seconds_per_image["joint_fine_tuning"] == pytest.approx(1 / 45 + 20 / (100 * 20))


RATES = Rates(
    dict.fromkeys(("initial", "freeze", "joint_fine_tuning", "joint", "retrain_all"), 0.01),
    {"initial": 200, "freeze": 200, "joint_fine_tuning": 100, "joint": 250, "retrain_all": 400},
)


def total(method: str, ecoregions: int = 8) -> np.ndarray:
    found = cumulative_seconds(method, RATES, images=50, ecoregions=ecoregions)
    assert found is not None
    return found


def test_tsmu_is_linear_and_all_data_quadratic_in_the_number_of_ecoregions() -> None:
    tsmu, joint, everything = total("tsmu"), total("joint_training"), total("all_data")
    np.testing.assert_allclose(tsmu, 100 + 150 * np.arange(8))
    np.testing.assert_allclose(np.diff(joint, 2), 0, atol=1e-9)  # its sample of old data does not grow
    np.testing.assert_allclose(everything, 100 + 200 * np.cumsum([0, *range(2, 9)]))
    np.testing.assert_allclose(np.diff(everything, 2), 200)
    growing = {name for name, plan in METHODS.items() if plan.update and grows(plan)}
    assert "all_data" in growing and not growing & {"tsmu", "joint_training", "sequential_tsmu", "retraining"}


def test_the_first_ecoregion_costs_the_same_for_all_methods() -> None:
    assert len({total(method)[0] for method in ("tsmu", "joint_training", "all_data")}) == 1
    assert len(total("tsmu", ecoregions=1)) == 1


def test_what_was_not_measured_is_not_made_up() -> None:
    assert cumulative_seconds("retraining", RATES, images=50, ecoregions=8) is None
    assert cumulative_seconds("leave_one_out", RATES, images=50, ecoregions=8) is None
