"""The methods as data: what each stage sees, creates, trains and distils (section 4 of the specification)."""

import dataclasses
from typing import Any

import pytest

from tsmu_jax.methods import CONTROL, METHODS, PAPER_METHODS, PLUS
from tsmu_jax.runs.plan import Stage, stages

OLD, NEW = ("etf", "mwcf"), ("nwfm",)
INITIAL_ROUTE = {"etf": "old", "mwcf": "old", "nwfm": "old"}  # the old decoder answers for what it never saw
UPDATED_ROUTE = {"etf": "old", "mwcf": "old", "nwfm": "new"}

# directory: ecoregions, trains, statistics, created, distilled, supervised, route, decoders, settings
INITIAL = (OLD, {"shared", "old"}, {"shared", "old"}, "old", (), ("old",), INITIAL_ROUTE, ("old",), (), "initial")
FREEZE = (NEW, {"new"}, {"new"}, "new", (), ("new",), UPDATED_ROUTE, ("old",), ("new",), "freeze")
JOINT = (
    NEW,
    {"shared", "old", "new"},
    set(),
    None,
    ("old",),
    ("new",),
    UPDATED_ROUTE,
    ("old",),
    ("new",),
    "joint_fine_tuning",
)
LONGER = (NEW, {"new"}, set(), None, (), ("new",), UPDATED_ROUTE, ("old",), ("new",), "joint_fine_tuning")
ALL = {"shared", "old", "new"}
BASE = {"shared", "old"}
RETRAIN = (NEW, BASE, BASE, None, (), ("old",), INITIAL_ROUTE, ("old",), (), "retrain")
FINE_TUNE = (
    (NEW, {"shared", "new"}, {"shared", "new"}, "new", (), ("new",), UPDATED_ROUTE, ("old",), ("new",), "fine_tune")
)  # fmt: skip
SAMPLED = ((*OLD, *NEW), ALL, ALL, None, (), ("old", "new"), UPDATED_ROUTE, ("old",), ("new",), "joint")
RETRAIN_ALL = ((*OLD, *NEW), BASE, BASE, None, (), ("old",), INITIAL_ROUTE, ("old",), (), "retrain_all")
EXPECTED: dict[str, dict[str, tuple[Any, ...]]] = {
    "leave_one_out": {"01_initial": INITIAL},
    "retraining": {"01_initial": INITIAL, "02_retrain": RETRAIN},
    "fine_tuning": {"01_initial": INITIAL, "02_fine_tune": FINE_TUNE},
    "feature_extraction": {"01_initial": INITIAL, "02_freeze": FREEZE},
    "joint_training": {"01_initial": INITIAL, "02_freeze": FREEZE, "03_joint": SAMPLED},
    "all_data": {"01_initial": INITIAL, "02_retrain_all": RETRAIN_ALL},
    "tsmu": {"01_initial": INITIAL, "02_freeze": FREEZE, "03_joint_fine_tuning": JOINT},
    "tsmu_plus": {"01_initial": INITIAL, "02_freeze": FREEZE, "03_joint_fine_tuning": JOINT},
    "feature_extraction_longer": {"01_initial": INITIAL, "02_freeze": FREEZE, "03_freeze_longer": LONGER},
}


def bind(method: str = "tsmu", **options: Any) -> tuple[Stage, ...]:
    return stages(method, OLD, NEW, **options)


@pytest.mark.parametrize("method", EXPECTED)
def test_stages_are_those_of_the_paper(method: str) -> None:
    found = {
        stage.directory: (
            stage.ecoregions,
            set(stage.phase.trains),
            set(stage.phase.statistics),
            stage.created,
            stage.distilled,
            stage.supervised,
            stage.route,
            stage.old_decoders,
            stage.new_decoders,
            stage.phase.settings,
        )
        for stage in bind(method)
    }
    assert found == EXPECTED[method]
    assert list(found) == list(EXPECTED[method])  # in this order


def test_sequential_tsmu_adds_one_decoder_for_each_ecoregion() -> None:
    assert set(EXPECTED) | {"sequential_tsmu"} == {*PAPER_METHODS, *CONTROL, *PLUS}
    plan = stages("sequential_tsmu", ("etf",), ("nad", "mwcf"))
    assert [stage.directory for stage in plan] == [
        "01_initial",
        "02_freeze",
        "03_joint_fine_tuning",
        "04_freeze",
        "05_joint_fine_tuning",
    ]
    assert [stage.old_decoders for stage in plan] == [("etf",)] * 3 + [("etf", "nad")] * 2
    assert [stage.new_decoders for stage in plan] == [(), ("nad",), ("nad",), ("mwcf",), ("mwcf",)]
    assert [stage.created for stage in plan] == ["etf", "nad", None, "mwcf", None]
    assert [stage.promotes for stage in plan] == [False, False, False, True, False]
    assert [stage.ecoregions for stage in plan] == [("etf",), ("nad",), ("nad",), ("mwcf",), ("mwcf",)]
    assert plan[2].distilled == ("etf",) and plan[4].distilled == ("etf", "nad")  # all old decoders
    assert plan[1].route == {"etf": "etf", "nad": "nad", "mwcf": "etf"}
    assert plan[4].route == {"etf": "etf", "nad": "nad", "mwcf": "mwcf"}


def test_methods_share_prefixes() -> None:
    plans = {name: bind(name) for name in EXPECTED}
    assert len({repr(plan[0]) for plan in plans.values()}) == 1
    assert plans["feature_extraction"] == plans["tsmu"][:2]
    assert plans["leave_one_out"] == plans["tsmu"][:1]


@pytest.mark.parametrize("method", METHODS)
def test_stages_hold_together(method: str) -> None:
    plan = bind(method)
    assert [stage.index for stage in plan] == list(range(1, len(plan) + 1))
    existing: set[str] = set()
    for stage in plan:
        if stage.created:
            assert stage.created not in existing
            existing.add(stage.created)
        assert {
            *stage.old_decoders,
            *stage.new_decoders,
        } == existing  # a decoder is there once it was created, and stays
        assert set(stage.route) == {*OLD, *NEW}  # every ecoregion has an answer after every stage
        assert set(stage.route.values()) <= existing
        assert set(stage.supervised) <= existing
        assert set(stage.phase.statistics) <= set(stage.phase.trains)  # frozen: inference mode
        parts = {"old" if name in stage.old_decoders else "new" for name in stage.supervised}
        assert parts <= set(stage.phase.trains)  # what labels teach can learn
        assert not set(stage.distilled) & set(stage.supervised)


def test_joint_fine_tuning_is_by_default_what_its_method_says() -> None:
    assert bind()[-1].phase == METHODS["tsmu"].update[-1]


def test_only_phases_that_distil_see_options_of_distillation() -> None:
    plain, changed = bind(), bind(train_old=False)
    assert plain[:2] == changed[:2]
    assert plain[2] != changed[2]


@pytest.mark.parametrize("statistics", ["frozen", "new", "all"])
@pytest.mark.parametrize("train_old", [False, True])
def test_options_of_joint_fine_tuning(statistics: str, train_old: bool) -> None:
    last = bind(statistics={"joint_fine_tuning": statistics}, train_old=train_old)[-1]
    trained = {"shared", "old", "new"} if train_old else {"shared", "new"}
    assert set(last.phase.trains) == trained
    assert set(last.phase.statistics) == {"frozen": set(), "new": {"new"}, "all": trained}[statistics]
    assert last.distilled == ("old",)  # held to their responses though they may not move: the encoder does


@pytest.mark.parametrize("method", ["retraining", "fine_tuning", "joint_training", "all_data"])
@pytest.mark.parametrize("statistics", ["frozen", "new", "all"])
def test_statistics_of_each_phase_are_a_setting(method: str, statistics: str) -> None:
    plain = bind(method)
    last = bind(method, statistics={plain[-1].phase.name: statistics})[-1]
    trained = set(last.phase.trains)
    assert trained == set(plain[-1].phase.trains)
    assert set(last.phase.statistics) == {"frozen": set(), "new": trained & {"new"}, "all": trained}[statistics]


def test_the_control_is_joint_fine_tuning_of_the_new_decoder_alone() -> None:
    for statistics in ("frozen", "new"):
        tsmu, control = (bind(m, statistics={"joint_fine_tuning": statistics})[-1] for m in ("tsmu", *CONTROL))
        assert control.phase.settings == tsmu.phase.settings and control.ecoregions == tsmu.ecoregions
        assert control.phase.statistics == tsmu.phase.statistics
        assert control.phase.trains == ("new",) and not control.phase.distils


def test_tsmu_plus_differs_from_tsmu_in_where_the_new_decoder_starts() -> None:
    tsmu, plus = (bind(method) for method in ("tsmu", "tsmu_plus"))
    assert [stage.phase.starts_from for stage in tsmu] == ["random"] * 3
    assert [stage.phase.starts_from for stage in plus] == ["random", "old", "random"]
    started_alike = [dataclasses.replace(stage.phase, starts_from="random") for stage in plus]
    assert started_alike == [stage.phase for stage in tsmu]


def test_any_names_and_numbers_of_ecoregions() -> None:
    plan = stages("tsmu", ["süd west"], ["a", "b"])
    assert plan[0].ecoregions == ("süd west",)
    assert plan[0].route == {"süd west": "old", "a": "old", "b": "old"}
    assert plan[1].ecoregions == plan[2].ecoregions == ("a", "b")
    assert plan[2].route == {"süd west": "old", "a": "new", "b": "new"}
    assert plan[2].supervised == ("new",)  # one decoder for all new ones


def test_phases_and_stages_cannot_be_changed() -> None:
    stage = bind()[0]
    for value, field in ((stage, "index"), (stage.phase, "name")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, "other")
