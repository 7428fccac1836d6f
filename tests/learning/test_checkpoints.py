from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tensorstore

from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints
from tsmu_jax.learning.optimizer import make_optimizer


@pytest.fixture
def model() -> dict:
    random = np.random.default_rng(0)
    odd = np.array([np.nan, -0.0, np.inf, 1e-45, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    params = {
        "shared": {"Conv_0": {"kernel": random.normal(size=(3, 3, 2, 4)).astype(np.float32), "bias": odd}},
        "old": {"etf/a b": {"scale": random.normal(size=4).astype(np.float32)}},
        "new": {},
    }
    return {"params": params, "batch_stats": {"shared": {}, "old": {}, "new": {}}}


def assert_same_bits(first, second) -> None:
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_round_trip_keeps_every_bit_and_empty_subtrees(tmp_path: Path, model) -> None:
    checkpoints.save(tmp_path / "phases" / "model", model)
    loaded = checkpoints.load(tmp_path / "phases" / "model")
    assert_same_bits(loaded, model)
    assert loaded["params"]["new"] == {}
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(loaded))


def test_training_state_with_the_optimizers_memory(tmp_path: Path, model, monkeypatch) -> None:
    params = jax.tree.map(lambda x: jnp.nan_to_num(jnp.asarray(x), posinf=1.0), model["params"])
    tx = make_optimizer(("shared",), rate=1e-2, clip_norm=1.0)
    memory = tx.init(params)
    for _ in range(3):
        _, memory = tx.update(jax.tree.map(lambda x: 0.1 * x, params), memory, params)
    state = {"step": jnp.asarray(3, jnp.int32), "params": params, "opt_state": memory}
    monkeypatch.chdir(tmp_path)
    checkpoints.save(Path("relative"), {"state": state})
    like = {"state": {**state, "step": jnp.zeros((), jnp.int32), "opt_state": tx.init(params)}}
    loaded = checkpoints.load(Path("relative"), like)["state"]
    assert_same_bits(loaded, state)
    gradient = jax.tree.map(jnp.ones_like, params)
    assert_same_bits(*(tx.update(gradient, s["opt_state"], params)[0] for s in (loaded, state)))
    assert isinstance(optax.tree.get(loaded["opt_state"], "count"), np.ndarray)


def test_saving_again_replaces(tmp_path: Path, model) -> None:
    checkpoints.save(tmp_path / "model", model)
    other = jax.tree.map(lambda x: x + 1, {"params": {"shared": model["params"]["shared"]}})
    checkpoints.save(tmp_path / "model", other)
    assert_same_bits(checkpoints.load(tmp_path / "model"), other)


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="model: no finished checkpoint here"):
        checkpoints.load(tmp_path / "model")
    (tmp_path / "model").mkdir()
    with pytest.raises(FileNotFoundError):
        checkpoints.load(tmp_path / "model")


NOT_UTF8 = b"\xff".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", ["a[1]", "[b", "a*", "a?b", "a\\b", "c%20#d", "é", NOT_UTF8])
def test_any_path_and_any_name_of_a_decoder(tmp_path: Path, model, name: str) -> None:
    model["params"]["old"] = {name.replace(NOT_UTF8, "refused"): model["params"]["shared"]}
    for _ in range(2):
        checkpoints.save(tmp_path / name / "phases" / "checkpoint", model)
    assert_same_bits(checkpoints.load(tmp_path / name / "phases" / "checkpoint"), model)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in (tmp_path / name / "phases").iterdir()] == ["checkpoint"]


def test_a_checkpoint_reads_nothing_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "phase" / "checkpoint"
    checkpoints.save(path, {"shared": {"x": np.ones(3, np.float32)}})
    description = path / "state" / "_METADATA"
    whole = description.read_text()
    for name in ("../../x", "/etc", ".."):
        description.write_text(whole.replace('"key": "shared"', f'"key": "{name}"'))
        with pytest.raises(UserError, match=f"^{path}: holds a damaged checkpoint; remove {path.parent}"):
            checkpoints.load(path)
    description.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(UserError, match="holds a damaged checkpoint"):
        checkpoints.load(path)
    description.write_text(whole)
    (path / "state" / "d").rename(tmp_path / "elsewhere")
    (path / "state" / "d").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"state/d: a link that leads out of"):
        checkpoints.load(path)


def test_a_checkpoint_that_claims_petabytes(tmp_path: Path) -> None:
    path = tmp_path / "phase" / "checkpoint"
    checkpoints.save(path, {"shared": {"x": np.ones(3, np.float32)}})
    store = {"driver": "ocdbt", "base": f"file://{path}/state/", "path": "shared.x/"}
    huge = {"driver": "zarr3", "kvstore": store, "metadata": {"shape": [2**50], "data_type": "float32"}}
    tensorstore.open(huge, create=True, delete_existing=True).result()
    with pytest.raises(UserError, match=f"^{path}: holds a damaged checkpoint; remove {path.parent}") as caught:
        checkpoints.load(path)
    assert "claims 4194304 GiB of arrays" in str(caught.value.__cause__)
