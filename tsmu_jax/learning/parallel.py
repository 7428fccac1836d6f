"""Data parallelism over the devices of all processes. The only file that names `jax.pmap`.

Each process holds the rows of a batch that would lie on its devices if one process had them all.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "batch"

# Steps that the host may be ahead of the devices, so that they need not wait for it. Each holds its batch in memory,
# and whoever stops a run waits for them. With several devices on one CPU, every step beyond 32 takes a thread of XLA
# to wait in, until none is left to run the steps.
AHEAD = 2

# What the compiler is told on CPUs (benchmarks/README.md has the figures):
# - The heavy kernels come ready-made; LLVM's dearer passes over the rest double the time to compile, and gain nothing.
# - Barriers stay until programs are scheduled: XLA would drop them before it decides what to compute anew, and so undo
#   those of the models, and rematerialisation.
CPU_OPTIONS = {"xla_backend_optimization_level": 1, "xla_disable_hlo_passes": "cse_barrier_expander"}


@jax.tree_util.register_pytree_node_class
class _Unnamed:
    """A tree of results whose names JAX does not see: it compiles anew what differs by the names of decoders alone."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    def tree_flatten(self) -> tuple[list[Any], Any]:
        return jax.tree.flatten(self.tree)

    @classmethod
    def tree_unflatten(cls, structure: Any, leaves: Sequence[Any]) -> "_Unnamed":
        return cls(jax.tree.unflatten(structure, leaves))


class _Compiled:
    """A mapped step within `jit`."""

    def __init__(self, whole: Callable[..., _Unnamed], **options: Any) -> None:
        compiled: Any = jax.jit(whole, **options)
        self.lower, self.trace, self._call = compiled.lower, compiled.trace, compiled

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments).tree


def _pmap(step: Callable[..., Any], in_axes: Any, *, donates_first: bool = False) -> Callable[..., Any]:
    """Maps over AXIS, with results as device 0 has them.

    Within `jit`, which takes options for the compiler, for one process alone: there `pmap` would see this one's devices
    and no others.
    """
    donated = (0,) if donates_first else ()
    mapped = jax.pmap(step, axis_name=AXIS, in_axes=in_axes, out_axes=None, donate_argnums=donated)
    if jax.process_count() > 1 or jax.default_backend() != "cpu":
        return mapped

    def whole(*arguments: Any) -> _Unnamed:
        return _Unnamed(mapped(*arguments))

    return _Compiled(whole, donate_argnums=donated, compiler_options=CPU_OPTIONS)


def pmap_train(step: Callable[..., Any]) -> Callable[..., Any]:
    """Maps step(state, batch, key) over the devices: replicated state and key, sharded batch, gathered results.

    The step must `psum` all that leaves it over `AXIS`: `out_axes=None` takes device 0's value unasked.
    """
    return _pmap(step, (None, 0, None), donates_first=True)


def jaxpr_of(step: Callable[..., Any], *arguments: Any) -> Any:
    """Returns the trace of a mapped step on one of its devices."""
    trace = getattr(step, "trace", None)  # what `pmap` returns has none
    return jax.make_jaxpr(step)(*arguments).jaxpr if trace is None else trace(*arguments).jaxpr


def pmap_answer(step: Callable[..., Any]) -> Callable[..., Any]:
    """Maps step(params, batch_stats, batch) over the devices; every process gets all answers."""

    def gathered(*args: Any) -> jax.Array:
        return jax.lax.all_gather(step(*args), AXIS)

    return _pmap(gathered, (None, None, 0))


def pmap_fill(step: Callable[..., Any]) -> Callable[..., Any]:
    """Maps step(params, batch_stats, batch) into fill(table, start, params, batch_stats, batch).

    The rows that all devices computed are written to every device's table, in place, from row `start` on.

    Returns:
      The table, and the number of rows that it has now, which can be waited for when the table is another one already.
    """

    def fill(table: jax.Array, start: jax.Array, *arguments: Any) -> tuple[jax.Array, jax.Array]:
        rows = jax.lax.all_gather(step(*arguments), AXIS, tiled=True)
        return jax.lax.dynamic_update_slice_in_dim(table, rows, start, axis=0), start + len(rows)

    return _pmap(fill, (None, None, None, None, 0), donates_first=True)


@functools.cache
def pmap_take() -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Returns take(table, rows): each device takes its own rows from its table."""
    return jax.pmap(lambda table, rows: table[rows], axis_name=AXIS, in_axes=(None, 0))


def padded(size: int) -> int:
    """The smallest multiple of the number of devices that holds `size` images."""
    devices = jax.device_count()
    return -(-size // devices) * devices


def share(size: int) -> slice:
    """The rows of this process in a batch of `padded` size."""
    rows = size // jax.process_count()
    return slice(rows * jax.process_index(), rows * (jax.process_index() + 1))


def shard_whole(batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Sends this process's share of a batch that all processes have whole."""
    return shard({name: rows[share(len(rows))] for name, rows in batch.items()})


def shard(batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Sends this process's share of a batch to its devices: [b, ...] becomes [devices, b / devices, ...].

    Starts the copy and returns at once. Raises ValueError if the devices do not divide b: see `padded`.
    """
    devices = len(jax.local_devices())
    split = {name: value.reshape(devices, -1, *value.shape[1:]) for name, value in batch.items()}
    return {name: jax.device_put(value, _on_devices(AXIS)) for name, value in split.items()}


def unshard(answers: jax.Array) -> np.ndarray:
    """[devices, b / devices, ...] on the devices becomes [b, ...] on the host."""
    host = np.asarray(answers)
    return host.reshape(-1, *host.shape[2:])


def step_shapes(state: Any, batch: Mapping[str, Any], key: Any) -> tuple[Any, Any, Any]:
    """The arguments of a mapped training step as shapes, types and places: to trace and compile it without any array.

    Args:
      state: a tree of arrays or shapes, as `replicate` takes it.
      batch: likewise, a whole batch of all processes, as `shard_whole` takes it.
      key: likewise.
    """
    devices = len(jax.local_devices())

    def split(rows: Any) -> jax.ShapeDtypeStruct:
        shape = (devices, rows.shape[0] // jax.device_count(), *rows.shape[1:])
        return jax.ShapeDtypeStruct(shape, rows.dtype, sharding=_on_devices(AXIS))

    def whole(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=_on_devices())

    return jax.tree.map(whole, state), {name: split(rows) for name, rows in batch.items()}, key


def lowered(step: Callable[..., Any], state: Any, batch: Mapping[str, Any], key: Any) -> Any:
    """A mapped training step, ready to be compiled. Arguments: of the step, see `step_shapes`."""
    if jax.process_count() == 1:
        return step.lower(*step_shapes(state, batch, key))  # type: ignore[attr-defined]
    # Over several processes `pmap` lowers for arrays alone.
    state, batch = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), (state, dict(batch)))
    return step.lower(replicate(state), shard_whole(batch), key)  # type: ignore[attr-defined]


def _on_devices(*axes: str) -> NamedSharding:
    """All devices of this process: an array's first axis lies over them, or each has the whole array."""
    return NamedSharding(Mesh(np.asarray(jax.local_devices()), (AXIS,)), PartitionSpec(*axes))


def place(tree: Any) -> Any:
    """Sends a tree to every device here, what is not there yet: parameters that answer, once for all batches.

    What lies there already is returned as it is. So a step that reuses the memory of its arguments must not get this
    tree: see `replicate`.
    """

    def sent(leaf: Any) -> Any:
        everywhere = isinstance(leaf, jax.Array) and not leaf.is_fully_addressable  # on other processes' devices, too
        return leaf if everywhere else jax.device_put(leaf, _on_devices())

    return jax.tree.map(sent, tree)


def replicate(tree: Any) -> Any:
    """Copies a tree to every device here, so that no step has to; steps that reuse memory then reuse the copy's.

    By way of copies on the host: of an array on one device, JAX lets the copies for several share the memory, whatever
    `may_alias` says, and a tree that holds it twice would be written to twice.
    """
    return jax.device_put(jax.tree.map(np.array, tree), _on_devices(), may_alias=False)
