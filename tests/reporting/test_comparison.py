from pathlib import Path

import numpy as np
import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.reporting.comparison import Comparison, Setting, Variant, compare
from tsmu_jax.reporting.reading import find_runs

PAPER = ("etf", "mwcf", "nad", "nwfm")


@pytest.fixture
def compared(tmp_path: Path):
    """Compares what was made below `sweep`."""

    def call(**chosen: str) -> Comparison:
        return compare(
            find_runs([tmp_path / "sweep"]).runs, {key.replace("__", "."): one for key, one in chosen.items()}
        )

    return call


def test_seeds_of_one_setting_are_one_spread(make_run, compared) -> None:
    for seed, iou in enumerate((0.3, 0.5, 0.7)):
        make_run(f"sweep/{seed}", "tsmu", seed=seed, scores=lambda phase, name, iou=iou: iou, images=400)
    comparison = compared()
    (variant,) = comparison.variants
    assert variant == Variant("tsmu") and comparison.settings == (Setting(("a", "b"), ("c",)),)
    found = comparison.spread(variant, comparison.settings, "global")
    assert found is not None and found.seeds == 3
    means = [run.phases[-1].iou(run.ecoregions) for run in comparison.runs]
    assert found.mean == pytest.approx(np.mean(means)) and found.std == pytest.approx(np.std(means, ddof=1))


def test_the_paper_s_experiments_come_first_and_in_its_order(make_run, compared) -> None:
    make_run("sweep/0", "tsmu", ["x"], ["y"])
    for index, new in enumerate(PAPER):
        make_run(f"sweep/{index + 1}", "tsmu", [name for name in reversed(PAPER) if name != new], [new])
    make_run("sweep/9", "tsmu", ["etf"], ["nad"])  # two of its names are not its experiment
    comparison = compared()
    assert [setting.held_out for setting in comparison.settings] == ["nwfm", "etf", "mwcf", "nad", None, None]
    assert comparison.settings[0].old_ecoregions == ("etf", "mwcf", "nad")


def test_an_average_needs_every_setting_and_seeds_that_have_them_all(make_run, compared) -> None:
    for new, seed in (("c", 0), ("c", 1), ("b", 0)):
        make_run(f"sweep/{new}{seed}", "tsmu", [name for name in "abc" if name != new], [new], seed=seed)
    make_run("sweep/fine", "fine_tuning")
    comparison = compared()
    tsmu, fine = comparison.of_method("tsmu")[0], comparison.of_method("fine_tuning")[0]
    found = comparison.spread(tsmu, comparison.settings, "global")
    assert found is not None and found.seeds == 1
    assert comparison.spread(fine, comparison.settings, "global") is None
    assert comparison.spread(fine, (), "global") is None


def test_differences_pair_images_of_the_same_seeds_and_settings(make_run, compared) -> None:
    for seed in range(2):
        make_run(f"sweep/tsmu{seed}", "tsmu", seed=seed, scores=lambda phase, name: {"c": 0.6}.get(name, 0.5))
    make_run("sweep/retraining", "retraining", seed=1, scores=lambda phase, name: {"c": 0.62}.get(name, 0.3))
    make_run("sweep/elsewhere", "retraining", seed=7, scores=lambda phase, name: 0.9)  # no TSMU has this seed
    comparison = compared()
    (retraining,) = comparison.of_method("retraining")
    reference = comparison.counterpart(retraining)
    assert reference == Variant("tsmu")
    on_old, on_new = (comparison.difference(retraining, reference, group) for group in ("old", "new"))
    assert on_old is not None and on_old.difference == pytest.approx(-0.2) and on_old.excludes_zero
    assert on_new is not None and on_new.difference == pytest.approx(0.02)
    assert comparison.difference(retraining, reference, "old") == on_old  # the same bounds again
    assert comparison.difference(Variant("tsmu"), comparison.counterpart(Variant("tsmu")), "old") is None


def test_differences_do_not_depend_on_what_else_is_compared(make_run, compared) -> None:
    rng = np.random.default_rng(0)
    make_run("sweep/tsmu", "tsmu", scores=lambda phase, name: rng.uniform(0.3, 0.6))
    make_run("sweep/retraining", "retraining", scores=lambda phase, name: rng.uniform(0.3, 0.6))
    before = compared()
    make_run("sweep/another", "fine_tuning")
    after = compared()
    pairs = (one.difference(Variant("retraining"), Variant("tsmu"), "global") for one in (before, after))
    assert len(set(pairs)) == 1


def test_sequential_runs_are_compared_with_the_mean_of_all_that_hold_one_out(make_run, compared) -> None:
    for new in "abc":
        scores = dict.fromkeys("abc", 0.5) | {new: 0.8}
        make_run(
            f"sweep/{new}", "tsmu", [name for name in "abc" if name != new], [new], scores=lambda p, n, s=scores: s[n]
        )
    make_run("sweep/elsewhere", "tsmu", ["a"], ["x"], scores=lambda phase, name: 0.1)
    make_run("sweep/sequential", "sequential_tsmu", ["a"], ["b", "c"], scores=lambda phase, name: 0.7)
    comparison = compared()
    (sequential,) = comparison.of_method("sequential_tsmu")
    found = comparison.difference(sequential, comparison.counterpart(sequential), "global")
    assert found is not None and found.difference == pytest.approx(0.7 - 0.6) and found.excludes_zero
    assert comparison.settings_of(sequential) == (Setting((), ("a", "b", "c")),)


def test_orders_of_arrival_are_variants_of_sequential_methods(make_run, compared) -> None:
    make_run("sweep/1", "sequential_tsmu", ["a"], ["b", "c"])
    assert compared().variants[0].label == "sequential_tsmu"
    make_run("sweep/2", "sequential_tsmu", ["c"], ["a", "b"])
    labels = [variant.label for variant in compared().variants]
    assert labels == ["sequential_tsmu (order=a → b → c)", "sequential_tsmu (order=c → a → b)"]


def test_configurations_are_variants_compared_with_the_chosen_one(make_run, compared) -> None:
    for form in ("bce", "eq11", "mse"):
        make_run(f"sweep/{form}", "tsmu", changes={"distillation.form": form})
    make_run("sweep/retraining", "retraining", changes={"distillation.form": "eq11"})
    comparison = compared()
    assert [variant.label for variant in comparison.variants] == [
        "retraining",
        "tsmu (form=bce)",
        "tsmu (form=eq11)",
        "tsmu (form=mse)",
    ]
    assert comparison.reference("tsmu") == comparison.variants[1]
    chosen = compared(distillation__form="mse")
    assert chosen.reference("tsmu") == comparison.variants[3]
    assert chosen.counterpart(chosen.variants[0]) == comparison.variants[3]
    assert chosen.counterpart(chosen.variants[1]) == comparison.variants[3]
    assert chosen.counterpart(chosen.variants[3]) is None


def test_the_reference_is_the_one_most_like_the_papers(make_run, compared) -> None:
    for statistics in ("all", "frozen", "new"):
        for form in ("eq11", "bce"):
            changes = {"statistics.joint_fine_tuning": statistics, "distillation.form": form}
            make_run(f"sweep/{statistics},{form}", "tsmu", changes=changes)
    reference = compared().reference("tsmu")
    assert reference is not None and reference.configuration == "form=bce, statistics.joint_fine_tuning=frozen"


def test_an_average_difference_needs_seeds_that_both_have_everywhere(make_run, compared) -> None:
    for new in ("c", "b"):
        for seed in (0, 1):
            make_run(f"sweep/t{new}{seed}", "tsmu", [n for n in "abc" if n != new], [new], seed=seed)
    for new, seed in (("c", 0), ("b", 1)):
        make_run(f"sweep/r{new}{seed}", "retraining", [n for n in "abc" if n != new], [new], seed=seed)
    comparison = compared()
    tsmu, other = comparison.of_method("tsmu")[0], comparison.of_method("retraining")[0]
    assert comparison.difference(other, tsmu, "old", comparison.settings[:1]) is not None
    assert comparison.difference(other, tsmu, "old", comparison.settings) is None


def test_a_method_is_compared_with_tsmu_of_its_own_configuration(make_run, compared) -> None:
    for size in (16, 32):
        for method in ("tsmu", "retraining"):
            make_run(f"sweep/{method}{size}", method, changes={"data.size": size})
    comparison = compared()
    for variant in comparison.of_method("retraining"):
        other = comparison.counterpart(variant)
        assert other is not None and other.values == variant.values


def test_references_that_fit_no_run_are_refused(make_run, compared) -> None:
    for form in ("bce", "mse"):
        make_run(f"sweep/{form}", "tsmu", changes={"distillation.form": form})
    with pytest.raises(UserError, match="no two runs differ in data.size; they do in distillation.form"):
        compared(data__size="64")
    with pytest.raises(UserError, match="no run of tsmu is so configured; there are form=bce; form=mse"):
        compared(distillation__form="eq11")


def test_short_names_of_keys_stay_apart() -> None:
    variant = Variant("tsmu", (("optimizer.weight", 1), ("distillation.weight", 2), ("data.size", 3)))
    assert variant.configuration == "optimizer.weight=1, distillation.weight=2, size=3"
