"""The digest of a phase: it changes with what influences the model, and with nothing else."""

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import config_dict
from PIL import Image

from tests.runs.circle import configuration, write_images
from tsmu_jax.learning import costs
from tsmu_jax.learning.state import init_model
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.runs.experiment import ecoregions_of, prepare
from tsmu_jax.runs.stage_step import begin, enter, objective, optimizer, step_costs
from tsmu_jax.runs.start import Start
from tsmu_jax.runs.train import results_before

get_config = runpy.run_path(str(Path(__file__).parents[2] / "configs" / "tsmu.py"))["get_config"]


def demo() -> config_dict.ConfigDict:
    """The demo with few pairs, each drawn several times an epoch."""
    config = get_config("demo")
    few = {"new": "nwfm", "data.synthetic.pairs": "etf=21,mwcf=21,nad=21,nwfm=21", "data.test_pairs": 5}
    config.update_from_flattened_dict({**few, "data.draws": 4, "epochs.freeze": 10})
    return config


def keys(**changes: Any) -> list[str]:
    """The digests of a method's phases, first to last."""
    config = demo()
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    experiment = prepare(config.to_dict())
    return [experiment.stage_key(stage) for stage in experiment.stages]


def joint_epochs(old_sample: str) -> tuple[dict[str, set[int]], list[list[int]]]:
    """The training pairs of each ecoregion, and the pairs of each epoch of joint training, with repetitions."""
    config = demo()
    config.method, config.new, config.data.old_sample = "joint_training", "nwfm", old_sample
    experiment = prepare(config.to_dict())
    draws = experiment.data.draws(experiment.stages[-1])
    train = {name: set(pairs) for name, pairs in experiment.data.split.train.items()}
    return train, [draws.epoch(i)[:, 0].tolist() for i in range(4)]


@pytest.mark.parametrize(("old_sample", "samples"), [("once", 1), ("anew", 4)])
def test_joint_training_sees_as_many_old_pairs_as_new_ones(old_sample: str, samples: int) -> None:
    train, epochs = joint_epochs(old_sample)
    known = set.union(*(pairs for name, pairs in train.items() if name != "nwfm"))
    drawn = [frozenset(epoch) & known for epoch in epochs]
    for epoch, sample in zip(epochs, drawn, strict=True):
        assert train["nwfm"] <= set(epoch)
        assert len(sample) == len(train["nwfm"])
        assert set(epoch) == sample | train["nwfm"]
        assert {epoch.count(pair) for pair in set(epoch)} == {4}
    assert len(set(drawn)) == samples


def test_hard_negatives_are_drawn_more_often_and_nothing_else_is_another_order() -> None:
    experiment = prepare(demo().to_dict())
    stage = experiment.stages[-1]
    (new,) = stage.arrived
    plain = experiment.data.draws(stage)
    assert {name: tuple(group) for name, group in plain.groups.items() if name == new} == {
        new: experiment.data.split.train[new]
    }
    hard = experiment.data.split.train[new][0]
    infos = list(experiment.data.source.infos)
    infos[hard] = dataclasses.replace(infos[hard], draws=3)
    source = cast(Any, SimpleNamespace(infos=infos))
    draws = dataclasses.replace(experiment.data, source=source).draws(stage)
    counts = [np.bincount(each.epoch(0)[:, 0], minlength=len(infos)) for each in (plain, draws)]
    assert counts[1][hard] == 3 * counts[0][hard] and (np.delete(counts[1] - counts[0], hard) == 0).all()


def shared(**changes: Any) -> int:
    """How many phases of TSMU a changed configuration shares with the demo's."""
    return sum(one == other for one, other in zip(keys(), keys(**changes), strict=True))


@pytest.mark.parametrize(
    ("changes", "phases"),
    [
        ({"reuse": False, "data__workers": 1}, 3),
        ({"data__split": "paper"}, 3),  # what "auto" means where no footprints are known
        ({"rates__joint_fine_tuning": 2e-4}, 2),
        ({"distillation__temperature": 3.0}, 2),
        ({"statistics__joint_fine_tuning": "all"}, 2),
        ({"model__rematerialise": True}, 3),
        ({"data__new_pairs": 5}, 1),
        ({"epochs__freeze": 11}, 1),
        ({"data__features_gib": 0.0}, 3),
        ({"rates__freeze": 2e-2}, 1),
        ({"rates__initial": 2e-2}, 0),
        ({"data__draws": 5}, 0),
        ({"seed": 1}, 0),
        ({"new": "nad"}, 0),
        ({"method": "joint_training"}, 2),
    ],
)
def test_phases_before_a_difference_are_shared(changes: dict[str, Any], phases: int) -> None:
    assert shared(**changes) == phases


def test_every_phase_moves_its_parts_at_its_own_rate() -> None:
    config = demo()
    config.model.rematerialise = True
    experiment = prepare(config.to_dict())
    assert experiment.network.encoder.rematerialise and experiment.network.decoder.rematerialise
    params = {part: {"x": jnp.ones((1, 1))} for part in ("shared", "old", "new")}
    for given in experiment.stages:
        tx = optimizer(experiment, given)
        updates, _ = tx.update(params, tx.init(params), params)
        rate = config.rates[given.phase.settings]
        moved = {part: abs(float(updates[part]["x"][0, 0])) / rate for part in given.phase.trains}
        assert moved == pytest.approx(dict.fromkeys(moved, 1.0), rel=0.01)


def test_phases_that_distil_do_so_as_the_configuration_says() -> None:
    config = demo()
    config.distillation.temperature, config.distillation.weight, config.distillation.form = 5.0, 0.7, "mse"
    experiment = prepare(config.to_dict())
    for given in experiment.stages:
        minimised = objective(experiment, given)
        assert minimised.distilled == (given.old_decoders if given.phase.name == "joint_fine_tuning" else ())
        if minimised.distilled:
            assert (minimised.temperature, minimised.kd_weight, minimised.kd) == (5.0, 0.7, "mse")


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, [False, True, False]),
        ({"data.features_gib": 0.01}, [False, False, False]),
        ({"data.draws": 2, "epochs.freeze": 2}, [False, False, False]),  # each (pair, flip) is seen once at most
        ({"method": "fine_tuning"}, [False, False]),
    ],
)
def test_features_are_kept_where_the_encoder_is_frozen_and_it_is_worth_it(
    changes: dict[str, Any], kept: list[bool]
) -> None:
    config = demo()
    config.update_from_flattened_dict(changes)
    experiment = prepare(config.to_dict())
    assert [experiment.kept_features(stage) > 0 for stage in experiment.stages] == kept


def test_features_of_the_validation_images_are_kept_where_there_is_room_left() -> None:
    config = demo()
    pixels, channels = config.data.size**2, prepare(config.to_dict()).network.encoder.feature_channels

    def kept(images: int) -> int:
        config.data.features_gib = images * pixels * channels * 2 / 2**30
        experiment = prepare(config.to_dict())
        return experiment.kept_features(experiment.stages[1])

    training = 4 * 14  # the flips of nwfm's pairs
    assert [kept(images) for images in (training - 1, training, training + 3, training + 4, 1000)] == [
        0,
        training,
        training,
        training + 4,
        training + 4,
    ]


def test_the_old_sample_is_drawn_after_all_other_phases() -> None:
    once, anew = (keys(method="joint_training", data__old_sample=how) for how in ("once", "anew"))
    assert [one == other for one, other in zip(once, anew, strict=True)] == [True, True, False]


def test_a_number_of_pairs_reaches_only_what_arrives() -> None:
    config = demo()
    config.data.new_pairs = 5
    split = prepare(config.to_dict()).data.split
    assert {name: len(pairs) for name, pairs in split.train.items()} == {"etf": 14, "mwcf": 14, "nad": 14, "nwfm": 5}


def test_orders_of_arrival_share_what_comes_before_they_part() -> None:
    def chain(new: str) -> list[str]:
        return keys(method="sequential_tsmu", old="etf", new=new)

    first, second, third = chain("mwcf,nad,nwfm"), chain("mwcf,nwfm,nad"), chain("nad,mwcf,nwfm")
    assert [one == other for one, other in zip(first, second, strict=True)] == [True] * 3 + [False] * 4
    assert [one == other for one, other in zip(first, third, strict=True)] == [True] + [False] * 6


def test_ecoregions_in_the_order_of_the_paper() -> None:
    config = demo()
    assert ecoregions_of(config.to_dict()) == ("etf", "mwcf", "nad", "nwfm")
    config.data.synthetic.pairs = "nwfm=9,etf=9"
    assert ecoregions_of(config.to_dict()) == ("etf", "nwfm")


@pytest.mark.parametrize(("method", "copied"), [("tsmu", False), ("tsmu_plus", True)])
def test_where_the_new_decoder_starts(method: str, copied: bool) -> None:
    config = demo()
    config.method = method
    experiment = prepare(config.to_dict())
    initial, freeze, _ = experiment.stages
    model = enter(experiment, initial, init_model(experiment.network, experiment.random_key("encoder")))
    model = enter(experiment, freeze, model)
    kernels = (model.params[part][part]["Conv_0"]["kernel"] for part in ("old", "new"))
    assert np.array_equal(*kernels) is copied


def test_the_costs_of_a_step_are_asked_of_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second state is made for them, with a second memory of the optimiser."""
    experiment = prepare(demo().to_dict())
    initial = experiment.stages[0]
    model = enter(experiment, initial, init_model(experiment.network, experiment.random_key("encoder")))
    asked: list[Any] = []
    for cost in ("step_flops", "step_memory"):
        monkeypatch.setattr(costs, cost, lambda step, state, batch, key: asked.append(state))
    step_costs(experiment, initial, model)
    wanted = begin(experiment, initial, model)
    for state in asked:
        assert jax.tree.structure(state) == jax.tree.structure(wanted)
        for shape, array in zip(jax.tree.leaves(state), jax.tree.leaves(wanted), strict=True):
            assert isinstance(shape, jax.ShapeDtypeStruct)
            assert (shape.shape, shape.dtype) == (array.shape, array.dtype)
    assert len(asked) == 2


def test_test_pairs_without_known_ground_at_the_networks_size_are_left_out_and_named(tmp_path: Path) -> None:
    """Of 32 px to 16, the first column is lost."""
    config = configuration(write_images(tmp_path, ("etf", "nad")), old="etf", new="nad")
    before = prepare(config).data
    lost, *others = before.tests["nad"].ids
    unknown = np.full((32, 32), 255, np.uint8)
    unknown[:, 0] = 0
    Image.fromarray(unknown).save(tmp_path / "nad" / f"{lost}_unknown.png")
    experiment = prepare(config)
    assert list(experiment.data.tests["nad"].ids) == list(experiment.data.test_pairs["nad"].ids) == others
    assert experiment.data.tests["nad"].masks.shape == (len(others), 16, 16)
    assert experiment.data.tests["etf"].ids == before.tests["etf"].ids
    assert results_before(experiment)["unscored"] == {"nad": [lost]}


def test_pairs_of_an_old_exam_without_known_ground_are_left_out() -> None:
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0] = UNKNOWN
    exams = {"a": (np.zeros((2, 4, 4, 3), np.uint8), masks), "b": (np.zeros((1, 4, 4, 3), np.uint8), masks[:1])}
    described = {"ecoregions": {"a": {"tests": ["1", "2"]}, "b": {"tests": ["3"]}}}
    saved = SimpleNamespace(ecoregions=("a", "b"), exam=exams.get, description=described)
    found = Start(cast(SavedModel, saved)).exam
    assert {name: test.ids for name, test in found.items()} == {"a": ("2",)}
    np.testing.assert_array_equal(found["a"].masks, masks[1:])
