"""Parameters go to the devices once a model: what answers many batches sends each batch, and nothing else.

JAX's transfer guard refuses whatever a mapped step would send by itself: arrays of the host, and on two devices those
that lie on one of them. Batches are sent explicitly, which it allows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tsmu_jax.batch import FLIP, IMAGE
from tsmu_jax.learning import features, responses
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.parallel import place, replicate, shard
from tsmu_jax.learning.state import Model
from tsmu_jax.models.tsmu import Network

PAIRS = tuple(range(9))


@pytest.fixture
def given(answer: Answerer, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The parameters and statistics that each batch was answered with."""
    trees: list[Any] = []
    step: Callable[..., Any] = answer._step

    def seen(params: Any, batch_stats: Any, batch: Any) -> Any:
        trees.append({**params, "stats": batch_stats})
        return step(params, batch_stats, batch)

    monkeypatch.setattr(answer, "_step", seen)
    return trees


def assert_same_arrays(trees: list[Any]) -> None:
    """Each decoder's batches were answered with the same arrays, not with copies."""
    assert len(trees) > 1
    for tree in trees[1:]:
        for one, other in zip(jax.tree.leaves(tree), jax.tree.leaves(trees[0]), strict=True):
            assert one is other


def test_the_guard_sees_parameters_that_are_sent_with_each_batch(answer: Answerer, model: Model, make_batch) -> None:
    """The host's arrays, and those of one device, would be copied at each call."""
    images = make_batch(0, images=7)[IMAGE]
    answer(model, "a", images)  # compiles
    trees = [{"shared": tree["shared"], "decoder": tree["old"]["a"]} for tree in (model.params, model.batch_stats)]
    batch = {IMAGE: images[:4], FLIP: np.zeros(4, np.int32)}
    for params in (trees, jax.tree.map(jax.numpy.asarray, trees)):
        with jax.transfer_guard("disallow"), pytest.raises(Exception, match="Disallowed .*-to-device transfer"):
            answer._step(*params, shard(batch))


def test_a_model_is_sent_once_for_all_its_answers(answer: Answerer, model: Model, make_batch, given) -> None:
    images = make_batch(0, images=7)[IMAGE]
    expected = {name: answer(model, name, images) for name in ("a", "b")}
    with jax.transfer_guard("disallow"):
        placed = place(model)
        for name, logits in expected.items():
            given.clear()
            for _ in range(2):
                np.testing.assert_array_equal(answer(placed, name, images), logits)
            assert len(given) == 4
            assert_same_arrays(given)


def test_a_model_that_trained_is_there_already(model: Model) -> None:
    state = replicate(model)
    for one, other in zip(jax.tree.leaves(place(state)), jax.tree.leaves(state), strict=True):
        assert one is other


def test_responses_are_stored_with_one_copy_of_the_teacher(
    answer: Answerer, model: Model, make_batch, given, tmp_path: Path
) -> None:
    images, placed = make_batch(0, images=9)[IMAGE], place(model)
    answer(placed, "a", images)
    given.clear()
    with jax.transfer_guard("disallow"):
        responses.store(tmp_path, answer, placed, images.__getitem__, pairs=PAIRS, decoders=["a"], key="k")
    assert len(given) == 9
    assert_same_arrays(given)


def test_features_are_stored_and_answered_with_one_copy_of_the_model(
    answer: Answerer, network: Network, model: Model, make_batch, given
) -> None:
    images, placed = make_batch(0, images=9)[IMAGE], place(model)
    settings: dict[str, Any] = {"pairs": PAIRS, "validation": {"a": images}, "batch_size": 4}
    before = features.store(network, placed, images.__getitem__, **settings)
    answer.from_features(placed, "a", before, before.validation["a"])
    given.clear()
    with jax.transfer_guard_device_to_device("disallow"):  # the empty table is made of numbers of the host
        kept = features.store(network, placed, images.__getitem__, **settings)
    with jax.transfer_guard("disallow"):
        answer.from_features(placed, "a", kept, kept.validation["a"])
    assert_same_arrays(given)
