"""Checks of a configuration: every variant passes, every wrong value is named with its flag."""

import ast
import dataclasses
import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ml_collections import config_dict

import tsmu_jax
from tsmu_jax.configuration import arrivals, counts, flatten, names, read, tiles
from tsmu_jax.declaration import Range, Scope
from tsmu_jax.errors import UserError
from tsmu_jax.learning.saturation import Saturation
from tsmu_jax.methods import METHODS
from tsmu_jax.settings import SETTINGS, Config
from tsmu_jax.settings_page import markdown

CONFIG = Path(__file__).parents[1] / "configs" / "tsmu.py"
VARIANTS = ("default", "paper", "small", "demo")
get_config: Callable[..., config_dict.ConfigDict] = runpy.run_path(str(CONFIG))["get_config"]
KNOWN = ("etf", "mwcf", "nad", "nwfm")


def changed(key: str, value: Any, variant: str = "default") -> dict[str, Any]:
    config = get_config(variant).unlock()
    with config.ignore_type():
        config.update_from_flattened_dict({key: value})
    return config.to_dict()


def refusal(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_passes(variant: str) -> None:
    read(get_config(variant).to_dict())


def test_the_default_departs_from_the_paper_in_what_it_says() -> None:
    default, paper = (flatten(get_config(variant).to_dict()) for variant in ("default", "paper"))
    assert {key: paper[key] for key in default if default[key] != paper[key]} == {
        "data.split": "paper",
        "data.validation": "paper",
        "distillation.form": "eq11",
        "distillation.weight": paper["data.size"] ** 2,  # a sum over pixels in units of a mean
    }


def test_the_default_has_images_network_and_epochs_of_the_paper() -> None:
    config = get_config()
    assert config.to_dict() == get_config("default").to_dict()
    assert (config.data.size, config.data.channels, config.data.test_pairs, config.data.draws) == (512, 6, 5, 20)
    assert config.data.subsample == 35
    assert (config.model.variant, config.model.width, config.model.depth) == ("table_ix", 1.0, 7)
    assert (config.batch_size, config.rates.initial, config.optimizer.weight_decay) == (2, 1e-3, 3e-4)
    assert (config.distillation.temperature, config.distillation.weight, config.distillation.form) == (2.0, 1.0, "bce")
    epochs = config.epochs.to_dict()
    assert {name: epochs.pop(name) for name in ("initial", "freeze", "joint_fine_tuning")} == {
        "initial": 200,
        "freeze": 200,
        "joint_fine_tuning": 100,
    }
    assert epochs == {"retrain": 100, "fine_tune": 200, "joint": 250, "retrain_all": 400}


def test_unknown_variants_are_named_beside_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'dem' of configs/tsmu.py; known: default, paper, small, demo"):
        get_config("dem")


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_are_locked(variant: str) -> None:
    with pytest.raises(AttributeError, match='Did you mean "batch_size" instead of "batch_siz"'):
        get_config(variant).batch_siz = 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_read_is_what_was_chosen(variant: str) -> None:
    chosen = get_config(variant).to_dict()
    config = read(chosen)
    assert isinstance(config, Config) and dataclasses.asdict(config) == chosen


def test_every_number_has_a_range_or_known_values() -> None:
    numbers = {key for key, setting in SETTINGS.items() if isinstance(setting.default, int | float)}
    assert {key for key in numbers if SETTINGS[key].permitted is None} == set()


def test_every_default_is_permitted_and_every_setting_says_what_it_means() -> None:
    read(dataclasses.asdict(Config()))
    assert all(setting.meaning for setting in SETTINGS.values())


def test_the_page_of_settings_is_what_they_declare() -> None:
    page = Path(__file__).parents[1] / "docs" / "settings.md"
    assert page.read_text() == markdown(), "run: python -m tsmu_jax.settings_page > docs/settings.md"


def _names_of_the_package() -> set[str]:
    """All attributes that the package reads, but in the declarations themselves: config.data, settings.rate."""
    files = [path for path in Path(tsmu_jax.__file__).parent.rglob("*.py") if path.name != "settings.py"]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text())))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_no_setting_is_dead() -> None:
    used = _names_of_the_package()
    settings = {field.name for field in dataclasses.fields(Saturation)}
    phases = {phase.settings for method in METHODS.values() for phase in (*method.initial, *method.update)}
    dead = []
    for key, setting in SETTINGS.items():
        section, _, leaf = key.rpartition(".")
        known = phases if setting.scope is Scope.OWN_PHASE else settings if section == "early_stopping" else used
        if leaf not in known or not set(section.split(".")) <= used | {""}:
            dead.append(key)
    assert dead == []


def test_every_method_finds_its_epochs_and_rates() -> None:
    config = get_config()
    for method in METHODS.values():
        needed = {phase.settings for phase in (*method.initial, *method.update)}
        assert needed <= set(config.epochs) and needed <= set(config.rates)
    assert set(config.epochs) == set(config.rates) == {"initial", "freeze", *config.statistics}


CHOICES = {key: setting.permitted for key, setting in SETTINGS.items() if isinstance(setting.permitted, tuple)}
RANGES = {key: setting.permitted for key, setting in SETTINGS.items() if isinstance(setting.permitted, Range)}


@pytest.mark.parametrize("section", ["epochs", "rates", "statistics"])
def test_a_configuration_without_a_section_is_refused(section: str) -> None:
    config = get_config().to_dict()
    del config[section]
    assert f"the configuration lacks {section}." in refusal(read, config)


def test_an_unknown_setting_is_named_beside_the_nearest_one() -> None:
    config = get_config().to_dict()
    config["model"]["dept"] = 3
    assert refusal(read, config).startswith("unknown setting model.dept; did you mean model.depth?")


@pytest.mark.parametrize("key", SETTINGS)
def test_values_of_another_type_are_refused(key: str) -> None:
    wrong = 3 if isinstance(SETTINGS[key].default, str) else "three"
    assert refusal(read, changed(key, wrong)).startswith(f"--config.{key}={wrong}: must be of type ")


@pytest.mark.parametrize("key", CHOICES)
def test_every_choice_passes_and_others_are_refused(key: str) -> None:
    for value in CHOICES[key]:
        read(changed(key, value))
    if isinstance(CHOICES[key][0], bool):
        return
    wrong = 4 if isinstance(CHOICES[key][0], int) else f"{CHOICES[key][-1]}x"
    message = refusal(read, changed(key, wrong))
    assert message.startswith(f"--config.{key}={wrong}: ")
    assert all(str(value) in message for value in CHOICES[key])
    if isinstance(wrong, str):
        assert f"did you mean {CHOICES[key][-1]}?" in message


@pytest.mark.parametrize("key", RANGES)
def test_numbers_out_of_range_are_refused(key: str) -> None:
    kind, limits = type(SETTINGS[key].default), RANGES[key]
    outside = [kind(limits.low) if limits.low_excluded else kind(limits.low - 1)]
    if limits.high < math.inf:
        outside.append(kind(limits.high) if limits.high_excluded else kind(limits.high + 1))
    if kind is float:
        outside += [math.nan, math.inf]
    for wrong in outside:
        assert refusal(read, changed(key, wrong)).startswith(f"--config.{key}={wrong}: must be ")


@pytest.mark.parametrize("key", [key for key in RANGES if RANGES[key].low == 0 and not RANGES[key].low_excluded])
def test_zero_is_allowed_where_it_means_something(key: str) -> None:
    read(changed(key, type(SETTINGS[key].default)(0)))


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "text"),
    [
        (Range(0, low_excluded=True), [1e-9, 5], [0, -1], "greater than 0"),
        (Range(0, 1, high_excluded=True), [0, 0.99], [1, -0.1], "at least 0 and less than 1"),
        (Range(1, 10), [1, 10], [0, 11], "at least 1 and at most 10"),
    ],
)
def test_ranges(limits: Range, inside: list[float], outside: list[float], text: str) -> None:
    assert all(map(limits.holds, inside)) and not any(map(limits.holds, outside))
    assert str(limits) == text


def test_settings_concern_the_phases_that_they_change() -> None:
    tsmu, joint = (METHODS[name].update for name in ("tsmu", "joint_training"))
    initial, (freeze, joint_fine_tuning), sampled = METHODS["tsmu"].initial[0], tsmu, joint[1]
    phases = {"initial": initial, "freeze": freeze, "joint_fine_tuning": joint_fine_tuning, "joint": sampled}

    def concerned(key: str) -> set[str]:
        return {name for name, phase in phases.items() if SETTINGS[key].concerns(phase)}

    assert concerned("data.size") == concerned("seed") == set(phases)
    assert concerned("rates.freeze") == {"freeze"}
    assert concerned("distillation.weight") == {"joint_fine_tuning"}
    assert concerned("data.new_pairs") == set(phases) - {"initial"}
    assert concerned("data.old_sample") == {"joint"}
    for key in ("data.workers", "data.dir", "selection.rate", "method", "reuse", "data.synthetic.pairs"):
        assert concerned(key) == set()


@pytest.mark.parametrize("phase", ["initial", "freeze", "joint_fine_tuning"])
def test_phases_of_no_epochs_are_refused(phase: str) -> None:
    message = refusal(read, changed(f"epochs.{phase}", 0))
    assert message == f"--config.epochs.{phase}=0: must be greater than 0"


@pytest.mark.parametrize(
    ("size", "depth", "stride", "remedy"),
    [(100, 7, 64, "64 or 128"), (63, 7, 64, "64"), (513, 7, 64, "512 or 576"), (100, 4, 8, "96 or 104")],
)
def test_sides_that_the_decoder_cannot_halve(size: int, depth: int, stride: int, remedy: str) -> None:
    config = changed("data.size", size)
    config["model"]["depth"] = depth
    message = refusal(read, config)
    assert message.startswith(f"--config.data.size={size}: sides must be divisible by {stride},")
    assert message.endswith(f"{depth - 1} times; try {remedy}")


def test_any_side_will_do_for_one_level() -> None:
    config = changed("data.size", 37)
    config["model"]["depth"] = 1
    read(config)


def test_files_that_lack_keys_are_told_which() -> None:
    config = get_config().to_dict()
    del config["data"]["size"], config["method"]
    assert refusal(read, config).startswith("the configuration lacks data.size, method;")


def test_flatten() -> None:
    assert flatten({"a": 1, "b": {"c": "x", "d": {"e": None}}, "f": {}}) == {"a": 1, "b.c": "x", "b.d.e": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ()), ("etf", ("etf",)), (" etf, süd west ,", ("etf", "süd west")), (" , ", ())],
)
def test_names(text: str, expected: tuple[str, ...]) -> None:
    assert names(text) == expected


def test_counts() -> None:
    assert counts("etf=27, mwcf=30", key="x") == {"etf": 27, "mwcf": 30}
    assert counts("", key="x") == {}


@pytest.mark.parametrize("word", ["etf", "etf=", "etf=x", "etf=0", "etf=-3", "etf=1.5", "=3", "etf=²", "etf=3=4"])
def test_counts_of_another_form(word: str) -> None:
    message = refusal(counts, f"nad=3,{word}", key="data.synthetic.pairs")
    assert message.startswith(f"--config.data.synthetic.pairs=nad=3,{word}: {word!r} is not of the form name=number")


def test_counts_name_an_ecoregion_once() -> None:
    assert refusal(counts, "etf=3,nad=1,etf=4", key="x") == "--config.x=etf=3,nad=1,etf=4: names etf twice"


@pytest.mark.parametrize(
    ("text", "expected"), [("", None), ("200", 200), ("etf=200", {"etf": 200}), ("a=1,b=2", {"a": 1, "b": 2})]
)
def test_tiles(text: str, expected: object) -> None:
    assert tiles(text) == expected


@pytest.mark.parametrize("text", ["0", "-5", "x", "200,300", "1.5", "²"])
def test_tiles_of_another_form(text: str) -> None:
    message = refusal(tiles, text)
    assert message.startswith(f"--config.data.tile={text}: must be a side in pixels, 200, or sides by name")


@pytest.mark.parametrize(
    ("old_ecoregions", "new_ecoregions", "expected"),
    [
        ("", "", (("etf", "mwcf", "nad"), ("nwfm",))),
        ("", "etf", (("mwcf", "nad", "nwfm"), ("etf",))),
        ("nad", "", (("nad",), ("nwfm",))),
        ("nwfm,etf", "", (("nwfm", "etf"), ("nad",))),
        ("nwfm, etf", "nad,mwcf", (("nwfm", "etf"), ("nad", "mwcf"))),
    ],
)
def test_arrivals(old_ecoregions: str, new_ecoregions: str, expected: object) -> None:
    assert arrivals(old_ecoregions, new_ecoregions, KNOWN) == expected


@pytest.mark.parametrize(
    ("old_ecoregions", "new_ecoregions", "message"),
    [
        ("eft", "", "--config.old: no ecoregion 'eft'; did you mean 'etf'? (there are etf, mwcf, nad, nwfm)"),
        ("", "etf,nwmf", "--config.new: no ecoregion 'nwmf'; did you mean 'nwfm'? (there are etf, mwcf, nad, nwfm)"),
        ("", "alps", "--config.new: no ecoregion 'alps' (there are etf, mwcf, nad, nwfm)"),
        ("etf,nad", "nad,etf", "--config.old and --config.new both name etf, nad"),
        ("etf,nad,etf", "", "--config.old names etf twice"),
        ("etf", "nad,nad", "--config.new names nad twice"),
        ("etf,mwcf,nad,nwfm", "", "one ecoregion to start with and one that arrives are needed;"),
        ("", "etf,mwcf,nad,nwfm", "one ecoregion to start with and one that arrives are needed;"),
    ],
)
def test_arrivals_that_cannot_be(old_ecoregions: str, new_ecoregions: str, message: str) -> None:
    assert refusal(arrivals, old_ecoregions, new_ecoregions, KNOWN).startswith(message)


@pytest.mark.parametrize("known", [(), ("etf",)])
def test_two_ecoregions_are_needed(known: tuple[str, ...]) -> None:
    assert "one ecoregion to start with and one that arrives are needed" in refusal(arrivals, "", "", known)
