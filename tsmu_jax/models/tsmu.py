"""One encoder and named decoders over the three subtrees: {"shared": ..., "old": {...}, "new": {...}}."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsmu_jax.models.decoder import Decoder
from tsmu_jax.models.encoder import ResNet34Encoder, TableIXEncoder

Tree = Any  # a pytree of arrays
PARTS = ("shared", "old", "new")
DEPTHS = range(1, 11)  # levels of a decoder: what the settings permit, too


@dataclasses.dataclass(frozen=True)
class Network:
    """The modules that a run applies to its parameters; holds no parameters itself."""

    encoder: nn.Module
    decoder: nn.Module
    channels: int

    @property
    def stride(self) -> int:
        """Sides of an image must be divisible by this."""
        return 2 ** (len(self.decoder.widths) - 1)


def make_network(
    variant: str = "table_ix",
    *,
    channels: int = 6,
    width: float = 1.0,
    depth: int = 7,
    dropout: float = 0.1,
    prior: float = 0.5,
    momentum: float = 0.9,
    dtype: str = "float32",
    axis_name: str | None = None,
    rematerialise: bool = False,
) -> Network:
    """Builds the network of Table IX (`table_ix`) or of section V-C (`text`).

    Args:
      channels: of the input: 6 for pre- and post-event RGB, 3 for post-event alone, or any other number.
      width: factor on every layer's number of channels, for small runs.
      depth: contracting levels of the decoder; sides must be divisible by 2 ** (depth - 1).
      prior: probability of landslide that a new decoder starts from.
      dtype: of the computation, "float32" or "bfloat16"; parameters and statistics are always float32.
      axis_name: the mapped axis over which batch statistics are gathered.
      rematerialise: compute the values inside each block again in the backward pass instead of keeping them.

    Raises:
      ValueError: for an unknown variant, or a depth outside of 1 to 10.
    """
    if variant not in ("table_ix", "text"):
        raise ValueError(f"unknown network variant {variant!r}; known: table_ix, text")
    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth!r}; it must be a whole number from {DEPTHS[0]} to {DEPTHS[-1]}")

    def scaled(widths: Iterable[int]) -> tuple[int, ...]:
        return tuple(max(1, round(w * width)) for w in widths)

    common: dict[str, Any] = {
        "momentum": momentum,
        "dtype": jnp.dtype(dtype),
        "axis_name": axis_name,
        "rematerialise": rematerialise,
    }
    encoder: nn.Module
    if variant == "table_ix":
        encoder = TableIXEncoder(scaled((8, 16, 32, 64, 128)), **common)
    else:
        stem, *widths = scaled((8, 16, 32, 64, 128))
        encoder = ResNet34Encoder(stem, tuple(widths), **common)
    decoder = Decoder(scaled(8 * 2**i for i in range(depth)), variant == "text", dropout, prior, **common)
    return Network(encoder, decoder, channels)


def init_encoder(network: Network, key: jax.Array) -> tuple[Tree, Tree]:
    """Randomly initialises theta_s. Returns (parameters, batch statistics)."""
    return _init(network.encoder, network.stride, network.channels, key)


def init_decoder(network: Network, key: jax.Array) -> tuple[Tree, Tree]:
    """Randomly initialises one decoder (Algorithm 1, phase 2). Returns (parameters, batch statistics)."""
    return _init(network.decoder, network.stride, network.encoder.feature_channels, key)


def initial_jaxprs(network: Network) -> tuple[Any, Any]:
    """Traces the initialisation of encoder and decoder: a forward pass each, of an image of side `stride`."""
    parts = ((network.encoder, network.channels), (network.decoder, network.encoder.feature_channels))
    encoder, decoder = (
        _initialiser(module, network.stride, channels).trace(jax.random.key(0)).jaxpr  # type: ignore[attr-defined]
        for module, channels in parts
    )
    return encoder, decoder


def _init(module: nn.Module, side: int, channels: int, key: jax.Array) -> tuple[Tree, Tree]:
    if isinstance(key, jax.core.Tracer):  # only shapes are asked for
        return _initialiser(module, side, channels)(key)
    return _compiled_initialiser(module, side, channels)(key)


@functools.lru_cache(maxsize=8)
def _initialiser(module: nn.Module, side: int, channels: int) -> Callable[[jax.Array], tuple[Tree, Tree]]:
    """Cached, so that all decoders share what is traced, for its shapes or to compile it."""

    @jax.jit
    def init(key: jax.Array) -> tuple[Tree, Tree]:
        variables = module.init(key, jnp.zeros((1, side, side, channels)), jnp.ones(1), train=False)
        return variables["params"], variables["batch_stats"]

    return init


@functools.lru_cache(maxsize=8)
def _compiled_initialiser(module: nn.Module, side: int, channels: int) -> Callable[[jax.Array], tuple[Tree, Tree]]:
    """Compiled without optimisation: it runs only a few times, so optimising costs more time than it saves."""
    lowered = _initialiser(module, side, channels).lower(jax.random.key(0))  # type: ignore[attr-defined]
    options: dict[str, Any] = {"xla_backend_optimization_level": 0}
    return lowered.compile(compiler_options=options)


def find_decoder(tree: Mapping[str, Mapping[str, Tree]], name: str) -> tuple[str, Tree]:
    """Returns (its part, its subtree) of the decoder called `name`."""
    for part in ("old", "new"):
        if name in tree[part]:
            return part, tree[part][name]
    raise KeyError(f"no decoder called {name!r}; there are {[*tree['old'], *tree['new']]}")


def encode(
    network: Network, params: Tree, batch_stats: Tree, images: jax.Array, weight: jax.Array, *, train: bool = False
) -> tuple[jax.Array, Tree]:
    """Runs the encoder alone.

    Args:
      params, batch_stats: of the part "shared".
      images: f[b, h, w, c] in [0, 1].
      weight: f32[b]: which images count in the batch statistics.
      train: normalise by the batch, and move the statistics.

    Returns:
      The features f[b, h, w, k] and the new batch statistics.
    """
    return _run(network.encoder, params, batch_stats, images, weight, train=train)


def forward(
    network: Network,
    params: Mapping[str, Tree],
    batch_stats: Mapping[str, Tree],
    images: jax.Array | None,
    weights: Mapping[str, jax.Array],
    *,
    training: Collection[str] = (),
    keys: jax.Array | None = None,
    features: jax.Array | None = None,
) -> tuple[dict[str, jax.Array], dict[str, Tree]]:
    """Runs the encoder once and each decoder named by `weights` on its features.

    Args:
      images: f[b, h, w, c] in [0, 1]; None where there are features.
      weights: for each decoder to run, f32[b]: which images count in its batch statistics.
      training: the parts ("shared", "old", "new") that normalise by the batch, move their statistics and drop out. All
        others use their statistics as they are, so that a frozen part is frozen to the bit.
      keys: key[b], one for each image, for dropout.
      features: f[b, h, w, k], stored ones of the images, in place of a run of the encoder, which must be frozen.

    Returns:
      {decoder: logits f32[b, h, w]}, and the new batch statistics of all three parts.
    """
    stats: dict[str, Any] = {part: batch_stats[part] for part in PARTS}
    counted = sum(weights.values())
    counted = jnp.minimum(jnp.asarray(counted), 1.0)
    if features is None:
        assert images is not None
        features, stats["shared"] = encode(
            network, params["shared"], stats["shared"], images, counted, train="shared" in training
        )
    logits = {}
    for name, weight in weights.items():
        part, decoder = find_decoder(params, name)
        drawn = keys if part in training else None
        logits[name], moved = _run(
            network.decoder, decoder, stats[part][name], features, weight, train=part in training, keys=drawn
        )
        stats[part] = {**stats[part], name: moved}
    return logits, stats


def _run(
    module: nn.Module, params: Tree, stats: Tree, x: jax.Array, weight: jax.Array, *, train: bool, **kwargs: Any
) -> tuple[jax.Array, Tree]:
    variables = {"params": params, "batch_stats": stats}
    if not train:
        return module.apply(variables, x, weight, train=False, **kwargs), stats  # type: ignore[return-value]
    output, moved = module.apply(variables, x, weight, train=True, mutable=["batch_stats"], **kwargs)
    return output, moved["batch_stats"]


def count(params: Tree, batch_stats: Tree | None = None) -> int:
    """Parameters, and moving statistics if given: Table IX counts both."""
    return sum(leaf.size for leaf in jax.tree.leaves((params, batch_stats)))


def subtree_sizes(network: Network, decoders: Sequence[int] = (1, 2, 4)) -> dict[str, tuple[int, int]]:
    """(trainable, total) parameters of the encoder, a decoder and whole models, without allocating any."""
    sizes = {
        "encoder": jax.eval_shape(lambda: init_encoder(network, jax.random.key(0))),
        "decoder": jax.eval_shape(lambda: init_decoder(network, jax.random.key(0))),
    }
    parts = {name: (count(params), count(params, stats)) for name, (params, stats) in sizes.items()}
    (encoder_trainable, encoder_total), (trainable, total) = parts["encoder"], parts["decoder"]
    for number in decoders:
        parts[f"{number} decoder{'s' * (number > 1)}"] = (
            encoder_trainable + number * trainable,
            encoder_total + number * total,
        )
    return parts
