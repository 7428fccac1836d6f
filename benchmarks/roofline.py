"""How near each part of a training step comes to what the device can do.

python -m benchmarks.roofline --size=128 --batch=2

The bound of a part is the longer of its arithmetic at the device's peak and its memory traffic at the device's
bandwidth. Arithmetic is that of products and convolutions as written, traffic the compiler's account of the compiled
part. Peak and bandwidth are measured on the same device, by a large matrix product and by a large copy. A ratio of 2 is
half of the possible speed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row
from benchmarks.worker import Job
from tsmu_jax.learning.costs import count_flops
from tsmu_jax.learning.losses import soft_dice
from tsmu_jax.learning.optimizer import make_optimizer
from tsmu_jax.models.tsmu import init_decoder, init_encoder, make_network

TARGET = 2.0
PARTS = ("encoder", "encoder_gradient", "decoder", "decoder_gradient", "loss_gradient", "optimizer")


def part(name: str, size: int, batch: int, dtype: str) -> Job:
    """One part of a training step by itself, in training mode; a gradient is a part's forward and backward pass."""
    network, key = make_network(dtype=dtype), jax.random.key(0)
    images = jax.random.uniform(key, (batch, size, size, network.channels))
    weight, keys = jnp.ones(batch), jax.random.split(key, batch)
    (encoder, shared_stats), (decoder, stats) = init_encoder(network, key), init_decoder(network, key)

    def encode(params: Any, images: jax.Array) -> jax.Array:
        variables = {"params": params, "batch_stats": shared_stats}
        return network.encoder.apply(variables, images, weight, train=True, mutable=["batch_stats"])[0]

    def decode(params: Any, features: jax.Array) -> jax.Array:
        variables = {"params": params, "batch_stats": stats}
        apply = network.decoder.apply
        return apply(variables, features, weight, train=True, mutable=["batch_stats"], keys=keys)[0]

    def gradient(function: Callable[..., jax.Array], both: tuple[int, ...]) -> Callable[..., Any]:
        return jax.grad(lambda *args: function(*args).astype(jnp.float32).sum(), both)

    features = jax.jit(encode)(encoder, images)
    logits = jax.random.normal(key, (batch, size, size))
    mask = (logits > 1).astype(jnp.uint8)
    tx = make_optimizer(("shared", "old"), rate=1e-3)
    params = {"shared": encoder, "old": {"a": decoder}, "new": {}}
    works: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "encoder": (encode, (encoder, images)),
        "encoder_gradient": (gradient(encode, (0,)), (encoder, images)),
        "decoder": (decode, (decoder, features)),
        "decoder_gradient": (gradient(decode, (0, 1)), (decoder, features)),
        "loss_gradient": (gradient(lambda x: soft_dice(logits=x, mask=mask), (0,)), (logits,)),
        "optimizer": (tx.update, (params, tx.init(params), params)),
    }
    return _job(*works[name])


def arithmetic(side: int, dtype: str) -> Job:
    """A product of two square matrices."""
    x = jax.random.normal(jax.random.key(0), (side, side), dtype)
    return _job(lambda x: x @ x, (x,))


def copying(mebibytes: int) -> Job:
    """Reads and writes a large array."""
    return _job(lambda x: x + 1, (jnp.zeros(mebibytes * 2**18, jnp.float32),))


def _job(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Job:
    traced = jax.jit(function).trace(*arguments)
    compiled = traced.lower().compile()
    traffic = compiled.cost_analysis() or {}
    facts = {"flops": count_flops(traced.jaxpr.jaxpr), "bytes": float(traffic.get("bytes accessed", 0))}
    return Job(lambda: (jax.block_until_ready(compiled(*arguments)), None)[1], warmup=2, facts=lambda: facts)


def rows(*, size: int = 128, batch: int = 2, dtype: str = "float32", repetitions: int = 11) -> Sequence[Row]:
    """Seconds of each part beside its bound."""
    setting = {"size": size, "batch": batch, "dtype": dtype}
    accelerated = on_accelerator()
    limits = [
        Candidate("peak", "benchmarks.roofline:arithmetic", {"side": 8192 if accelerated else 2048, "dtype": dtype}),
        Candidate("bandwidth", "benchmarks.roofline:copying", {"mebibytes": 2048 if accelerated else 256}),
    ]
    parts = [Candidate(name, "benchmarks.roofline:part", {"name": name, **setting}) for name in PARTS]
    measured = interleaved([*limits, *parts], repetitions=repetitions)
    peak, bandwidth = measured["peak"], measured["bandwidth"]
    flops, traffic = peak.facts["flops"] / peak.median, bandwidth.facts["bytes"] / bandwidth.median
    table = []
    for name in PARTS:
        each = measured[name]
        if each.missing:
            table.append(Row(f"roofline of {name}", "s", None, note=each.missing))
            continue
        at_peak, at_bandwidth = each.facts["flops"] / flops, each.facts["bytes"] / traffic
        note = (
            f"{at_peak / each.median:.0%} of {flops / 1e12:.3g} TFLOP/s, "
            f"{at_bandwidth / each.median:.0%} of {traffic / 1e9:.3g} GB/s"
        )
        work = f"roofline of {name}, {dtype}, {size} x {size}, batch {batch}"
        table.append(Row(work, "s", each.median, max(at_peak, at_bandwidth), "its bound", TARGET, note=note))
    return table


def on_accelerator() -> bool:
    """Whether JAX finds anything but a CPU; asked in a process of its own, which leaves the device alone after."""
    found = interleaved([Candidate("platform", "benchmarks.roofline:platform")], repetitions=0)["platform"]
    return found.facts.get("platform", "cpu") != "cpu"


def platform() -> Job:
    """Does nothing, and says where."""
    return Job(lambda: None, facts=lambda: {"platform": jax.devices()[0].platform})


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
