import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsmu_jax.batch import DECODER, FLIP, FLIPS, IMAGE, MASK, RESPONSES, WEIGHT, fill
from tsmu_jax.learning import responses
from tsmu_jax.learning.parallel import AXIS, pmap_train, replicate, shard
from tsmu_jax.learning.state import Model, start
from tsmu_jax.learning.steps import Objective, flip, make_train_step, to_unit
from tsmu_jax.mask import UNKNOWN

# Plain gradient descent: Adam would turn the rounding of gradients that should be 0 into whole steps.
SGD = optax.sgd(10.0)
BOTH = ("shared", "old")
TWO_OLD = Objective(trains=BOTH, training=BOTH, supervised=("a", "b"))


@pytest.fixture(scope="module")
def one_device(network_of_one_device):
    return jax.jit(make_train_step(network_of_one_device, SGD, TWO_OLD))


@pytest.fixture(scope="module")
def two_devices(network):
    return pmap_train(make_train_step(network, SGD, TWO_OLD, axis_name=AXIS))


def run(step, model: Model, batches, *, devices: int = 1, seed: int = 0):
    state, history = start(model, SGD), []
    state = replicate(state) if devices > 1 else state
    for batch in batches:
        sent = shard(batch) if devices > 1 else batch
        state, metrics = step(state, sent, jax.random.key(seed))
        history.append(jax.device_get(metrics))
    return jax.device_get(state), history


def assert_close(first, second) -> None:
    """To what the order of float32 sums leaves: far less than one step moves."""
    (state, history), (other, other_history) = first, second
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), history, other_history)
    for name in ("params", "batch_stats"):
        trees = getattr(state, name), getattr(other, name)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5), *trees)


def routed(batch, *decoders: int):
    return {**batch, DECODER: np.array(decoders, np.int32)}


def test_flip_codes() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 2), np.uint8)
    expected = [images[0], np.fliplr(images[1]), np.flipud(images[2]), np.flipud(np.fliplr(images[3]))]
    codes = np.arange(FLIPS, dtype=np.int32)
    flipped = flip(images, codes)
    np.testing.assert_array_equal(flipped, expected)
    np.testing.assert_array_equal(flip(flipped, codes), images)
    np.testing.assert_array_equal(flip(images[..., 0], codes), np.stack(expected)[..., 0])  # masks
    assert flipped.dtype == np.uint8


def test_to_unit() -> None:
    values = np.asarray(to_unit(np.array([0, 51, 255], np.uint8)))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [0, 0.2, 1], rtol=1e-6)


def test_unknown_ground_moves_no_parameter_and_is_seen_by_batchnorm(one_device, model, make_batch) -> None:
    batch = routed(make_batch(0), 0, 1, 1, 0)
    unknown = {**batch, MASK: np.full_like(batch[MASK], UNKNOWN)}
    state, (metrics,) = run(one_device, model, [unknown])
    known, _ = run(one_device, model, [batch])
    assert float(metrics["loss"]) == 0
    jax.tree.map(np.testing.assert_array_equal, state.params, jax.device_get(model.params))
    jax.tree.map(np.testing.assert_array_equal, state.batch_stats, known.batch_stats)  # the same images were seen


def test_two_devices_equal_one_on_the_whole_batch(one_device, two_devices, model, make_batch, identical) -> None:
    """Masks of dropout at rate 0.5 included; several steps, so that the updated state counts too."""
    batches = [routed(make_batch(seed), 0, 1, 1, 0) for seed in range(2)]
    whole, split = run(one_device, model, batches), run(two_devices, model, batches, devices=2)
    assert_close(whole, split)
    for part in ("shared", "old"):
        moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), split[0].params[part], model.params[part])
        assert max(jax.tree.leaves(moved)) > 1e-2
    other_masks = run(one_device, model, batches, seed=1)
    assert abs(other_masks[1][0]["loss"] - whole[1][0]["loss"]) > 1e-4  # the comparison sees other masks
    assert split[0].step == 2


def test_rematerialised_blocks_gather_their_statistics_from_all_devices(
    network, two_devices, model, make_batch
) -> None:
    encoder, decoder = (dataclasses.replace(each, rematerialise=True) for each in (network.encoder, network.decoder))
    saving = dataclasses.replace(network, encoder=encoder, decoder=decoder)
    step = pmap_train(make_train_step(saving, SGD, TWO_OLD, axis_name=AXIS))
    batches = [routed(make_batch(seed), 0, 1, 1, 0) for seed in range(2)]
    assert_close(run(step, model, batches, devices=2), run(two_devices, model, batches, devices=2))


def test_padding_leaves_no_trace(one_device, two_devices, model, make_batch, identical) -> None:
    three = [routed(make_batch(seed, images=3), 0, 1, 0) for seed in range(2)]
    padded = [fill(batch, 4) for batch in three]
    alone = run(one_device, model, three)
    assert_close(alone, run(one_device, model, padded))
    # An odd number: one device has two real images, the other one has one.
    split = run(two_devices, model, padded, devices=2)
    assert_close(alone, split)
    noise = make_batch(9)
    other = [{**b, **{k: np.concatenate([b[k][:3], noise[k][3:]]) for k in (IMAGE, MASK, FLIP)}} for b in padded]
    again, history = run(two_devices, model, other, devices=2)
    assert identical(again, split[0]) and identical(history, split[1])


def test_a_batch_of_padding_alone_on_one_device(one_device, two_devices, model, make_batch) -> None:
    two = fill(make_batch(0, images=2), 4)
    assert_close(run(one_device, model, [two]), run(two_devices, model, [two], devices=2))


@pytest.mark.parametrize("dice", ["image", "batch"])
def test_losses_gather_the_real_pixels_of_all_devices(shallow, make_batch, dice: str) -> None:
    """Dice of each image or of the whole batch, and cross-entropy beside it."""
    weights = {"smoothing": 2.0, "cross_entropy": 0.5}
    objective = Objective(trains=("old",), training=(), supervised=("a", "b"), dice=dice, **weights)
    whole = jax.jit(make_train_step(shallow.network_of_one_device, SGD, objective))
    split = pmap_train(make_train_step(shallow.network, SGD, objective, axis_name=AXIS))
    batch = routed(make_batch(0), 0, 1, 0, 1)
    batch[WEIGHT][3] = 0
    outcome = run(whole, shallow.model, [batch])
    assert_close(outcome, run(split, shallow.model, [batch], devices=2))
    of_batch, surprise = 0.0, 0.0
    for decoder, rows in {"a": [0, 2], "b": [1]}.items():
        logits = shallow.answer(shallow.model, decoder, batch[IMAGE], batch[FLIP])[rows].astype(np.float64)
        p, y = 1 / (1 + np.exp(-logits)), flip(batch[MASK], batch[FLIP])[np.array(rows)]
        of_batch += len(rows) / 3 * (1 - (2 * (y * p).sum() + 2) / ((y + p).sum() + 2))
        surprise -= (y * np.log(p) + (1 - y) * np.log(1 - p)).mean((1, 2)).sum() / 3
    metrics = outcome[1][0]
    if dice == "batch":
        np.testing.assert_allclose(metrics["dice_loss"], of_batch, rtol=1e-4)
    np.testing.assert_allclose(metrics["cross_entropy"], surprise, rtol=1e-4)
    np.testing.assert_allclose(metrics["loss"], metrics["dice_loss"] + 0.5 * surprise, rtol=1e-5)
    for decoder in ("a", "b"):
        trees = outcome[0].params["old"], shallow.model.params["old"]
        moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), *trees)
        assert max(jax.tree.leaves(moved[decoder])) > 1e-2


def test_same_seed_same_bits(two_devices, model, make_batch, identical) -> None:
    batches = [make_batch(seed) for seed in range(2)]
    first, again = (run(two_devices, model, batches, devices=2)[0] for _ in range(2))
    other, _ = run(two_devices, model, batches, devices=2, seed=1)
    assert identical(first, again)
    assert not identical(first.params, other.params)


def test_every_step_draws_its_own_dropout(two_devices, model, make_batch) -> None:
    batch, losses = shard(make_batch(0)), []
    for step in (0, 1):  # of the same weights: only the keys differ
        state = dataclasses.replace(start(model, SGD), step=np.int32(step))
        losses.append(float(two_devices(replicate(state), batch, jax.random.key(0))[1]["loss"]))
    assert losses[0] != losses[1]


def test_labels_train_only_their_own_decoder(one_device, model, make_batch, identical) -> None:
    to_a, _ = run(one_device, model, [routed(make_batch(0), 0, 0, 0, 0)])
    for tree, before in ((to_a.params, model.params), (to_a.batch_stats, model.batch_stats)):
        assert identical(tree["old"]["b"], before["old"]["b"])
        assert not identical(tree["old"]["a"], before["old"]["a"])
        assert identical(tree["new"], before["new"])
    batch = routed(make_batch(0), 0, 0, 1, 1)
    changed = {**batch, MASK: batch[MASK].copy()}
    changed[MASK][2:] ^= 1
    (first, _), (second, _) = (run(one_device, model, [b]) for b in (batch, changed))
    assert identical(first.params["old"]["a"], second.params["old"]["a"])
    assert not identical(first.params["old"]["b"], second.params["old"]["b"])
    assert not identical(first.params["shared"], second.params["shared"])


def test_frozen_means_identical_to_the_bit(freeze, answer, model, make_batch, identical) -> None:
    state, history = freeze.run(model, [make_batch(seed) for seed in range(4)])
    for tree, before in ((state.params, model.params), (state.batch_stats, model.batch_stats)):
        for part in ("shared", "old"):
            assert identical(tree[part], before[part]), part
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), tree["new"], before["new"])
        assert all(jax.tree.leaves(moved))
    assert set(history[0]) == {"loss", "dice_loss"}
    images = make_batch(7)[IMAGE]
    after = Model(state.params, state.batch_stats)
    for decoder in ("a", "b"):
        np.testing.assert_array_equal(answer(after, decoder, images), answer(model, decoder, images))
    assert not np.array_equal(answer(after, "new", images), answer(model, "new", images))


def test_old_decoders_may_stay_as_they_are_in_joint_fine_tuning(shallow, make_batch, identical) -> None:
    network, model = shallow.network_of_one_device, shallow.model
    objective = Objective(trains=("shared", "new"), training=(), supervised=("new",), distilled=("a", "b"))
    step = jax.jit(make_train_step(network, SGD, objective))
    batch = make_batch(0)
    batch[RESPONSES] = np.random.default_rng(1).normal(0, 3, (4, 2, 8, 8)).astype(np.float32)
    state, _ = step(start(model, SGD), batch, jax.random.key(0))
    assert identical(state.params["old"], model.params["old"])
    assert identical(state.batch_stats, model.batch_stats)
    for part in ("shared", "new"):
        assert not identical(state.params[part], model.params[part])


@pytest.mark.parametrize("side", [3, 300])
def test_a_state_may_hold_the_same_array_twice(side: int) -> None:
    """A step reuses the memory of its arguments."""
    step = pmap_train(lambda state, batch, key: ({**state, "params": state["params"] + 1}, batch["x"].sum()))
    leaf = jnp.full((side, side), 0.5)  # on one device
    state = replicate({"params": leaf, "kept": leaf})
    for _ in range(3):
        state, _ = step(state, shard({"x": np.ones(2, np.float32)}), jax.random.key(0))
    for name, value in {"params": 3.5, "kept": 0.5}.items():
        for copy in state[name].addressable_shards:
            np.testing.assert_array_equal(copy.data, value)
    np.testing.assert_array_equal(leaf, 0.5)


def test_the_names_of_decoders_are_nothing_to_the_compiler() -> None:
    """So what is kept of one run's programs serves an update with other ecoregions."""
    step = pmap_train(lambda state, batch, key: (jax.tree.map(lambda leaf: leaf + 1, state), batch["x"].sum()))
    batch, key = shard({"x": np.ones(2, np.float32)}), jax.random.key(0)
    texts = {step.lower({name: np.ones(3, np.float32)}, batch, key).as_text() for name in ("alps", "andes")}
    assert len(texts) == 1
    assert step({"alps": np.ones(3, np.float32)}, batch, key)[0]["alps"].tolist() == [2, 2, 2]


def test_freeze_learns(freeze, model, make_batch) -> None:
    batch = make_batch(0)
    batch[MASK] = (batch[IMAGE][..., 0] > 127).astype(np.uint8)
    _, history = freeze.run(model, [batch] * 40)
    losses = [metrics["loss"] for metrics in history]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


def test_a_frozen_encoder_is_not_differentiated(network_of_one_device, model, make_batch) -> None:
    def convolutions(*trains: str) -> int:
        objective = Objective(trains=trains, training=trains, supervised=("new",))
        step = make_train_step(network_of_one_device, SGD, objective)
        traced = jax.make_jaxpr(step)(start(model, SGD), make_batch(0), jax.random.key(0))
        return str(traced).count("= conv_general_dilated[")

    # The 3x3 convolution of its block has a gradient for its weights and one for its input.
    assert convolutions("shared", "new") - convolutions("new") >= 2


def test_joint_fine_tuning_starts_from_its_own_answers(joint, answer, model, make_batch, identical, tmp_path):
    images = make_batch(3, images=5)[IMAGE]
    stored = responses.store(
        tmp_path, answer, model, lambda pair: images[pair], pairs=range(5), decoders=("a", "b"), key="before"
    )

    def batch(step: int):
        pairs = (np.arange(4) + step) % 5
        made = {**make_batch(step), IMAGE: images[pairs]}
        made[RESPONSES] = np.stack([stored.read(p, f) for p, f in zip(pairs, made[FLIP], strict=True)])
        return made

    state, history = joint.run(model, [batch(step) for step in range(6)])
    first, last = history[0], history[-1]
    assert abs(first["kd_loss"]) < 1e-8 and first["drift"] < 1e-6
    np.testing.assert_allclose(first["loss"], first["dice_loss"], rtol=1e-6)
    assert last["kd_loss"] > 1e-6 and last["drift"] > 1e-4
    np.testing.assert_allclose(last["loss"], last["dice_loss"] + 3.0 * last["kd_loss"], rtol=1e-5)
    for part in ("shared", "old", "new"):
        assert not identical(state.params[part], model.params[part]), part
    for decoder in ("a", "b"):
        assert not identical(state.params["old"][decoder], model.params["old"][decoder])
    assert identical(state.batch_stats, model.batch_stats)


def test_losses_are_means_over_real_images_and_decoders(joint, answer, model, make_batch) -> None:
    batch = make_batch(0)
    batch[WEIGHT][3] = 0
    teacher = np.random.default_rng(1).normal(0, 3, (4, 2, 8, 8)).astype(np.float32)
    batch[RESPONSES] = teacher
    _, [metrics] = joint.run(model, [batch])

    def sigmoid(x):
        return 1 / (1 + np.exp(-np.asarray(x, np.float64)))

    divergence, moved = [], []
    for index, decoder in enumerate("ab"):
        student = answer(model, decoder, batch[IMAGE], batch[FLIP])[:3]
        q, f = sigmoid(student / 4), sigmoid(teacher[:3, index] / 4)
        divergence.append(f * np.log(f / q) + (1 - f) * np.log((1 - f) / (1 - q)))
        moved.append(np.abs(sigmoid(student) - sigmoid(teacher[:3, index])))
    np.testing.assert_allclose(metrics["kd_loss"], np.mean(divergence), rtol=1e-3)
    np.testing.assert_allclose(metrics["drift"], np.mean(moved), rtol=1e-3)
    p, y = sigmoid(answer(model, "new", batch[IMAGE], batch[FLIP])[:3]), flip(batch[MASK], batch[FLIP])[:3]
    dice = 1 - (2 * (y * p).sum((1, 2)) + 1) / ((y + p).sum((1, 2)) + 1)
    np.testing.assert_allclose(metrics["dice_loss"], dice.mean(), rtol=1e-4)
