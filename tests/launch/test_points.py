"""Points of a sweep: every one is checked before the first one runs, and named when it is wrong."""

import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import config_dict

from launch.order import waves
from launch.points import KNOBS, Point, check, directory_name, overridden, read
from launch.space import base
from tsmu_jax.configuration import flatten
from tsmu_jax.errors import UserError
from tsmu_jax.methods import CONTROL, PAPER_METHODS, PLUS

SWEEPS = sorted((Path(__file__).parents[2] / "configs" / "sweeps").glob("*.py"))
VARIANTS = ("default", "paper", "small", "demo")
DEMO = base("demo").to_dict()


def refusal(call: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def planned(file: Path, directory: Path, variant: str, **changes: Any) -> list[Point]:
    config = runpy.run_path(str(file))["get_config"](variant)
    config.sweep.seeds = min(config.sweep.seeds, 2)  # further ones are as the second
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return check(config.to_dict(), read(str(file), config), directory)


def sweep(name: str) -> Path:
    return next(path for path in SWEEPS if path.stem == name)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_sweep_is_valid_and_shares_initial_trainings(file: Path, variant: str, tmp_path: Path) -> None:
    points = planned(file, tmp_path, variant)
    assert len({point.name for point in points}) == len(points) > 1
    assert len({tuple(flatten(point.config).items()) for point in points}) == len(points)
    assert all(KNOBS not in point.config for point in points)
    first = waves([point.keys for point in points])[0]
    assert len(first) == len({point.keys[0] for point in points}) <= len(points)
    assert list(tmp_path.iterdir()) == []  # checking leaves nothing


def test_the_paper_sweep_is_every_method_on_every_held_out_ecoregion(tmp_path: Path) -> None:
    points = planned(sweep("paper"), tmp_path, "demo", sweep__seeds=2)
    runs = {(point.config["method"], point.config["new"], point.config["seed"]) for point in points}
    regions = ("etf", "mwcf", "nad", "nwfm")
    bifurcated = [name for name, method in (PAPER_METHODS | CONTROL | PLUS).items() if not method.sequential]
    expected = {(method, new, seed) for method in bifurcated for new in regions for seed in (0, 1)}
    assert runs == expected | {("sequential_tsmu", "mwcf,nad,nwfm", seed) for seed in (0, 1)}
    # One initial training for each held-out ecoregion and seed, and those of sequential TSMU.
    assert len({point.keys[0] for point in points}) == 2 * (4 + 1)
    freezing = [point for point in points if point.phases[1:] and point.phases[1].name == "02_freeze"]
    freezing = [point for point in freezing if point.config["method"] != "sequential_tsmu"]
    plain = [point for point in freezing if point.config["method"] not in PLUS]
    assert {point.config["method"] for point in plain} == {"feature_extraction", "joint_training", "tsmu", *CONTROL}
    assert len({point.keys[1] for point in plain}) == 2 * 4
    assert len({point.keys[1] for point in freezing}) == 2 * 4 * 2  # tsmu_plus starts its new decoder elsewhere


def test_the_paper_sweep_can_be_narrowed(tmp_path: Path) -> None:
    chosen = {"sweep__ecoregions": "nad,etf,mwcf", "sweep__held_out": "etf", "sweep__methods": "tsmu,retraining"}
    points = planned(sweep("paper"), tmp_path, "demo", sweep__seeds=1, **chosen)
    assert [point.name for point in points] == [
        "method=tsmu,old=nad+mwcf,new=etf,seed=0",
        "method=retraining,old=nad+mwcf,new=etf,seed=0",
    ]


def test_orders_that_begin_alike_share_their_phases(tmp_path: Path) -> None:
    points = planned(sweep("order"), tmp_path, "demo", sweep__orders=24)
    assert len(points) == math.factorial(4)
    for depth, prefixes in ((1, 4), (3, 4 * 3), (5, 4 * 3 * 2), (7, 24)):
        assert len({point.keys[:depth] for point in points}) == prefixes


def test_numbers_of_new_pairs_share_the_initial_training(tmp_path: Path) -> None:
    points = planned(sweep("data_size"), tmp_path, "demo", sweep__held_out="nad")
    assert len({point.keys[0] for point in points}) == 1
    assert len({point.keys[1] for point in points}) == 4


def test_images_are_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsmu_jax.data import open as opening

    opened = []
    open_source = opening.open_source
    monkeypatch.setattr(opening, "open_source", lambda **options: opened.append(options) or open_source(**options))
    check(DEMO, [{"distillation.weight": weight} for weight in (0.5, 1.0, 2.0)], tmp_path)
    assert len(opened) == 1


# What is wrong with a point


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"rates.joind": 1e-4}, "unknown configuration key 'rates.joind'; did you mean rates.joint?"),
        ({"rate": 1e-4}, "unknown configuration key 'rate'; "),
        ({"optimizer": {"rate": 1e-4}}, "unknown configuration key 'optimizer'; "),
        ({"sweep.seeds": 3}, "unknown configuration key 'sweep.seeds'; "),
        ({"method": "tsmuu"}, "--config.method=tsmuu: did you mean tsmu? known: "),
        ({"new": "eft"}, "--config.new: no ecoregion 'eft'; did you mean 'etf'? (there are etf, mwcf, nad, nwfm)"),
        ({"data.test_pairs": 200}, "ecoregion 'etf' has 200 pairs, none left for training beside 200 test pairs; "),
        ({"data.new_pairs": 137}, "--config.data.new_pairs=137: ecoregion 'mwcf' has 136 training pairs; "),
        ({"rates.joint": -1.0}, "--config.rates.joint=-1.0: must be greater than 0"),
        ({"seed": "0"}, "seed='0': must be of type int, is str"),
        ({"epochs.initial": 2.5}, "epochs.initial=2.5: must be of type int, is float"),
        ({"rates.joint": True}, "rates.joint=True: must be of type float, is bool"),
        ({"method": None}, "method=None: must be of type str, is NoneType"),
    ],
)
def test_a_wrong_point_is_named(overrides: dict[str, Any], message: str, tmp_path: Path) -> None:
    said = refusal(check, DEMO, [{"seed": 5}, overrides], tmp_path / "sweep")
    assert said.startswith(f"point 2 ({directory_name(overrides)}): {message}")
    assert not (tmp_path / "sweep").exists()


def test_two_points_that_are_the_same(tmp_path: Path) -> None:
    same = [{"seed": 0}, {"seed": 1}, {"seed": 0}]
    assert refusal(check, DEMO, same, tmp_path) == "points 1 and 3 of the sweep are the same: seed=0"


def test_one_ecoregion_alone_is_no_protocol() -> None:
    message = "--config.sweep.ecoregions=etf: one arrives after others; name two"
    assert refusal(lambda: planned(sweep("paper"), Path(), "demo", sweep__ecoregions="etf")) == message


@pytest.mark.parametrize(
    ("name", "knob", "message"),
    [
        ("data_size", {"sweep__pairs": "2,a"}, "--config.sweep.pairs=2,a: must be whole numbers, such as 2,4,8,0"),
        ("search", {"sweep__rates": "1e-4;1"}, "--config.sweep.rates=1e-4;1: must be numbers, such as 1e-5,1e-4"),
    ],
)
def test_knobs_with_wrong_values_are_named(name: str, knob: dict[str, str], message: str) -> None:
    assert refusal(lambda: planned(sweep(name), Path(), "demo", **knob)).startswith(message)


def test_directories_with_something_else(tmp_path: Path) -> None:
    (tmp_path / "seed=0").mkdir()
    (tmp_path / "seed=0" / "notes.txt").write_text("mine")
    assert "holds files but no run" in refusal(check, DEMO, [{"seed": 0}], tmp_path)
    (tmp_path / "sweep.json").write_text('{"mine": 1}')
    message = f"--workdir={tmp_path}: holds sweep.json, which no sweep wrote; name a new directory"
    assert refusal(check, DEMO, [{"seed": 1}], tmp_path) == message
    (tmp_path / "config.json").write_text("{}")
    message = f"--workdir={tmp_path}: holds a single run; name another directory for the sweep"
    assert refusal(check, DEMO, [{"seed": 1}], tmp_path) == message


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "no function points(config), so it is no sweep; see configs/sweeps/paper.py"),
        ("def points(config): return [1 / 0]", "points(config) failed: ZeroDivisionError: division by zero"),
        ("def points(config): return []", "points(config) yielded nothing; it must yield dictionaries of overrides"),
        ("def points(config): yield 3", "points(config) yielded 3; it must yield dictionaries of overrides"),
        ("def points(config): yield from config.sweep.grid", "points(config) failed: AttributeError: "),
    ],
)
def test_files_that_are_no_sweeps(code: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.py"
    file.write_text(code)
    assert refusal(read, str(file), base("demo")).startswith(f"--config={file}: {message}")


def test_points_may_raise_a_users_error(tmp_path: Path) -> None:
    config = runpy.run_path(str(sweep("paper")))["get_config"]("demo")
    config.data.dir = str(tmp_path / "nowhere")
    assert "nowhere" in refusal(read, str(sweep("paper")), config)


# Overrides


def test_overrides_leave_the_base_as_it_is() -> None:
    before = flatten(DEMO)
    changed = overridden(DEMO, {"rates.joint": 1, "seed": np.int64(7), "loss.smoothing": np.float32(0.5)})
    assert changed["rates"]["joint"] == 1.0 and isinstance(changed["rates"]["joint"], float)
    assert type(changed["seed"]) is int and type(changed["loss"]["smoothing"]) is float
    assert flatten(DEMO) == before
    rest = {key: value for key, value in flatten(changed).items() if before[key] != value}
    assert rest == {"rates.joint": 1.0, "seed": 7, "loss.smoothing": 0.5}


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({"method": "tsmu", "new": "etf", "seed": 0}, "method=tsmu,new=etf,seed=0"),
        ({"new": "mwcf, nad", "rates.joint": 1e-5}, "new=mwcf+-nad,rates.joint=1e-05"),
        ({"selection.rate": 1 / 3}, f"rate={1 / 3}"),
        ({"distillation.weight": 1.0, "model.weight": 2.0}, "distillation.weight=1,model.weight=2"),
        ({"data.dir": "/my images/a"}, "dir=-my-images-a"),
        ({}, "base"),
    ],
)
def test_directory_names(overrides: dict[str, Any], name: str) -> None:
    assert directory_name(overrides) == name


def test_long_names_stay_apart() -> None:
    names = [directory_name({"data.labels": "x" * 300 + end}) for end in "ab"]
    assert len(set(names)) == 2 and all(len(name) < 200 for name in names)


def test_knobs_are_set_on_the_command_line_like_any_value() -> None:
    config = base("demo", pairs="1,2")
    config.update_from_flattened_dict({"sweep.pairs": "3", "sweep.held_out": "nad"})
    assert (config.sweep.pairs, config.sweep.held_out, config.sweep.seeds) == ("3", "nad", 1)
    with pytest.raises(AttributeError):
        config.sweep.pears = "3"
    assert isinstance(config, config_dict.ConfigDict)
