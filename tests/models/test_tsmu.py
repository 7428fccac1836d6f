import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsmu_jax.models.decoder import Decoder, head_init
from tsmu_jax.models.encoder import TableIXEncoder
from tsmu_jax.models.tsmu import (
    Network,
    find_decoder,
    forward,
    init_decoder,
    init_encoder,
    make_network,
    subtree_sizes,
)

ONES = np.ones(3, np.float32)


def shapes(init, network) -> tuple[dict, dict]:
    """Parameters and statistics without allocating any."""
    return jax.eval_shape(functools.partial(init, network), jax.random.key(0))


def leaves(tree: Mapping, name: str) -> list[tuple[int, ...]]:
    found = jax.tree_util.tree_leaves_with_path(tree)
    return [leaf.shape for path, leaf in found if path[-1].key == name]


def test_table_ix_has_the_papers_parameter_counts() -> None:
    assert subtree_sizes(make_network("table_ix", channels=6)) == {
        "encoder": (307_968, 308_960),
        "decoder": (4_740_945, 4_743_985),
        "1 decoder": (5_048_913, 5_052_945),
        "2 decoders": (9_789_858, 9_796_930),
        "4 decoders": (19_271_748, 19_284_900),
    }


def test_counts_are_those_of_the_arrays(network, model) -> None:
    def size(tree) -> int:
        return sum(np.size(leaf) for leaf in jax.tree.leaves(tree))

    trainable, total = subtree_sizes(network, decoders=[3])["3 decoders"]
    assert trainable == size(model.params)
    assert total == size(model.params) + size(model.batch_stats)


def test_structure_of_table_ix() -> None:
    network = make_network("table_ix", channels=6)
    encoder, encoder_stats = shapes(init_encoder, network)
    spatial = [shape for shape in leaves(encoder, "kernel") if len(shape) == 4]
    assert sorted(spatial) == [(3, 3, f, f) for f in (8, 16, 32, 64, 128)]
    assert sorted(leaves(encoder_stats, "mean")) == [(2 * f,) for f in (8, 16, 32, 64, 128)]
    decoder, decoder_stats = shapes(init_decoder, network)
    transposed = {name: module["kernel"].shape for name, module in decoder.items() if "Transpose" in name}
    assert sorted(transposed.values()) == [(3, 3, 2 * f, f) for f in (8, 16, 32, 64, 128, 256)]
    contracting = [(3, 3, 256, 8), *[(3, 3, f, 2 * f) for f in (8, 16, 32, 64, 128, 256)]]
    expansive = [(3, 3, 2 * f, f) for f in (8, 16, 32, 64, 128, 256)]
    convolutions = [module["kernel"].shape for name, module in decoder.items() if name.startswith("Conv_")]
    assert sorted(convolutions) == sorted([*contracting, *expansive])
    assert len(leaves(decoder_stats, "mean")) == 7 + 6
    assert len(leaves(encoder, "bias")) == 5 * (4 + 1)  # every convolution has one, and the normalisation


def test_structure_of_text() -> None:
    network = make_network("text", channels=6)
    encoder, encoder_stats = shapes(init_encoder, network)
    spatial = [shape for shape in leaves(encoder, "kernel") if len(shape) == 4]
    expected, inputs = [(3, 3, 6, 8)], 8
    for width, blocks in zip((16, 32, 64, 128), (3, 4, 6, 3), strict=True):
        for _ in range(blocks):
            expected += [(3, 3, inputs, width), (3, 3, width, width)]
            inputs = width
    assert sorted(spatial) == sorted(expected)
    assert len(leaves(encoder_stats, "mean")) == 33
    decoder, _ = shapes(init_decoder, network)
    transposed = [module["kernel"].shape for name, module in decoder.items() if "Transpose" in name]
    assert sorted(transposed) == [(2, 2, 2 * f, f) for f in (8, 16, 32, 64, 128, 256)]
    depthwise = [shape for shape in leaves(decoder, "kernel") if len(shape) == 4 and shape[2] == 1]
    assert sorted(depthwise) == [(3, 3, 1, c) for c in (8, 16, 32, 64, 128, 128, 256)]
    pointwise = [shape for shape in leaves(decoder, "kernel") if len(shape) == 2]
    steps = [(128, 8), *[(f, 2 * f) for f in (8, 16, 32, 64, 128, 256)]]
    assert sorted(pointwise) == sorted([*steps, (8, 1)])


@pytest.mark.parametrize(("variant", "feature_channels"), [("table_ix", 256), ("text", 128)])
@pytest.mark.parametrize("channels", [3, 6, 11])
def test_encoder_never_samples_down_and_the_decoder_returns_every_pixel(
    variant: str, feature_channels: int, channels: int
) -> None:
    network = make_network(variant, channels=channels)
    assert network.stride == 64
    images, weight = jnp.zeros((2, 64, 128, channels)), jnp.ones(2)

    def run():
        params, stats = init_encoder(network, jax.random.key(0))
        decoder, decoder_stats = init_decoder(network, jax.random.key(0))
        encoded = network.encoder.apply({"params": params, "batch_stats": stats}, images, weight, train=False)
        logits, _ = forward(
            network,
            {"shared": params, "old": {}, "new": {"new": decoder}},
            {"shared": stats, "old": {}, "new": {"new": decoder_stats}},
            images,
            {"new": weight},
        )
        return encoded, logits["new"]

    encoded, logits = jax.eval_shape(run)
    assert encoded.shape == (2, 64, 128, network.encoder.feature_channels) == (2, 64, 128, feature_channels)
    assert (logits.shape, logits.dtype) == ((2, 64, 128), jnp.float32)


@pytest.mark.parametrize("channels", range(1, 10))
@pytest.mark.parametrize("prior", [0.01, 0.1, 0.5, 0.9])
def test_a_new_head_can_reach_both_answers(channels: int, prior: float) -> None:
    weights = np.asarray(jax.jit(head_init(prior), static_argnums=1)(jax.random.key(0), (channels, 1)))
    np.testing.assert_allclose(np.abs(weights), channels**-0.5)
    toward_landslide, away = (weights > 0).sum(), (weights < 0).sum()
    assert toward_landslide if prior <= 0.5 else away  # what the bias alone does not answer
    assert abs(toward_landslide - away) == channels % 2


@pytest.mark.parametrize("variant", ["table_ix", "text"])
@pytest.mark.parametrize("width", [0.125, 0.5])  # 1 and 4 channels before the head
def test_a_new_decoder_can_reach_both_answers_from_any_seed(variant: str, width: float) -> None:
    network = make_network(variant, channels=3, width=width, depth=2, prior=0.1)
    features = jax.random.normal(jax.random.key(1), (2, 16, 16, network.encoder.feature_channels))

    @jax.jit
    @jax.vmap
    def louder(key: jax.Array) -> jax.Array:
        """The logits of a decoder whose head has grown, as training lets it, while its bias has not."""
        params, stats = init_decoder(network, key)
        grown = jax.tree.map(lambda leaf: 1000 * leaf if leaf.ndim == 2 and leaf.shape[1] == 1 else leaf, params)
        variables = {"params": grown, "batch_stats": stats}
        logits, _ = network.decoder.apply(variables, features, jnp.ones(2), train=True, mutable=["batch_stats"])
        return jnp.stack([logits.min(), logits.max()])

    low, high = louder(jax.random.split(jax.random.key(0), 200)).T
    assert (low <= 0).all() and (high > 0).all()


@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_a_new_decoder_starts_from_its_prior(prior: float) -> None:
    network = Network(TableIXEncoder((2, 4)), Decoder((2, 4, 8), prior=prior), channels=3)

    @jax.jit
    def answer(seed: int, images: jax.Array) -> jax.Array:
        shared, decoder = (init(network, jax.random.key(seed)) for init in (init_encoder, init_decoder))
        params, stats = ({"shared": a, "old": {}, "new": {"new": b}} for a, b in zip(shared, decoder, strict=True))
        logits, _ = forward(network, params, stats, images, {"new": jnp.ones(len(images))})
        return jax.nn.sigmoid(logits["new"])

    np.testing.assert_allclose(answer(0, np.zeros((2, 8, 8, 3), np.float32)), prior, rtol=1e-5)  # nothing seen
    images = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype(np.float32)
    assert prior / 5 < np.median([answer(seed, images).mean() for seed in range(4)]) < (1 + prior) / 2


@pytest.mark.parametrize("variant", ["table_ix", "text"])
def test_width_and_depth_scale(variant: str) -> None:
    network = make_network(variant, channels=3, width=0.5, depth=4)
    assert network.stride == 8
    assert tuple(network.decoder.widths) == (4, 8, 16, 32)
    decoder, _ = shapes(init_decoder, network)
    inputs = 128 if variant == "table_ix" else 64
    assert decoder["Conv_0"]["kernel"].shape == ((3, 3, inputs, 4) if variant == "table_ix" else (3, 3, 1, inputs))
    smallest = make_network(variant, channels=3, width=0.001, depth=1)
    shapes(init_encoder, smallest), shapes(init_decoder, smallest)  # never without a channel


def test_unknown_variant() -> None:
    with pytest.raises(ValueError, match="'unet'; known: table_ix, text"):
        make_network("unet")


def test_initialisation_is_seeded_and_starts_from_neutral_statistics() -> None:
    network = Network(TableIXEncoder((2,)), Decoder((4,)), channels=3)
    (params, stats), (other, _) = (init_decoder(network, jax.random.key(seed)) for seed in (1, 2))
    assert not np.array_equal(params["Conv_0"]["kernel"], other["Conv_0"]["kernel"])
    assert (stats["BatchNorm_0"]["mean"] == 0).all() and (stats["BatchNorm_0"]["var"] == 1).all()
    assert (params["BatchNorm_0"]["scale"] == 1).all() and (params["BatchNorm_0"]["bias"] == 0).all()


@pytest.mark.parametrize("variant", ["table_ix", "text"])
def test_bfloat16_computes_but_nothing_is_kept_in_it(variant: str, images) -> None:
    network = make_network(variant, channels=3, width=0.25, depth=2, dtype="bfloat16")

    def run(network, images):
        params, stats = init_encoder(network, jax.random.key(0))
        decoder, decoder_stats = init_decoder(network, jax.random.key(1))
        params = {"shared": params, "old": {"old": decoder}, "new": {}}
        stats = {"shared": stats, "old": {"old": decoder_stats}, "new": {}}
        keys = jax.random.split(jax.random.key(2), 3)

        def loss(params):
            logits, moved = forward(
                network, params, stats, images, {"old": ONES}, keys=keys, training=("shared", "old")
            )
            return logits["old"].sum(), (logits, moved)

        gradients, (logits, moved) = jax.grad(loss, has_aux=True)(params)
        return params, gradients, logits, moved

    traced, results = jax.make_jaxpr(functools.partial(run, network), return_shape=True)(images)
    assert {leaf.dtype for leaf in jax.tree.leaves(results)} == {jnp.dtype("float32")}
    convolutions = [line for line in str(traced).splitlines() if "= conv_general_dilated[" in line]
    assert convolutions and all(":bf16[" in line for line in convolutions)


@functools.partial(jax.jit, static_argnames=("network", "training"))
def compiled(network, params, stats, images, weights, training, keys):
    return forward(network, params, stats, images, weights, training=training, keys=keys)


def run_forward(network, model, images, weights, training=(), seed: int = 0):
    """Logits and statistics."""
    keys = jax.random.split(jax.random.key(seed), len(images))
    return compiled(network, model.params, model.batch_stats, images, weights, training, keys)


def identical(first, second) -> bool:
    if jax.tree.structure(first) != jax.tree.structure(second):
        return False
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


@pytest.mark.parametrize("training", [(), ("new",), ("shared", "old")])
def test_only_parts_in_training_mode_move_their_statistics(network, model, images, training) -> None:
    logits, stats = run_forward(network, model, images, {"a": ONES, "c": ONES}, training)
    assert list(logits) == ["a", "c"] and logits["a"].shape == (3, 8, 8)
    before = model.batch_stats
    assert identical(stats["shared"], before["shared"]) == ("shared" not in training)
    assert identical(stats["old"]["a"], before["old"]["a"]) == ("old" not in training)
    assert identical(stats["new"]["c"], before["new"]["c"]) == ("new" not in training)
    assert identical(stats["old"]["b"], before["old"]["b"])  # was not run


def test_only_parts_in_training_mode_drop_out(network, model, images) -> None:
    def answers(training, seed: int):
        return run_forward(network, model, images, {"a": ONES, "c": ONES}, training, seed)[0]

    assert identical(answers((), 0), answers((), 1))
    first, second = answers(("new",), 0), answers(("new",), 1)
    assert identical(first["a"], second["a"])  # the old decoder does not drop out
    assert not identical(first["c"], second["c"])


def test_weights_decide_which_images_count_for_which_decoder(network, model, images) -> None:
    weights = {"a": np.array([1, 1, 0], np.float32), "b": np.array([0, 0, 1], np.float32)}
    other = images.copy()
    other[2] = 1 - other[2]
    (_, stats), (_, changed) = (run_forward(network, model, batch, weights, ("old",)) for batch in (images, other))
    assert identical(stats["old"]["a"], changed["old"]["a"])
    assert not identical(stats["old"]["b"], changed["old"]["b"])


def test_the_encoder_counts_each_image_once_and_padding_never(network, model, images) -> None:
    def shared(images, weights):
        return run_forward(network, model, images, weights, ("shared",))[1]["shared"]

    padded = np.array([1, 1, 0], np.float32)
    first = shared(images, {"a": padded, "b": np.array([1, 0, 0], np.float32)})  # the first one by both
    second = shared(images[:2], {"a": ONES[:2]})
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), first, second)
    third = shared(images, {"a": padded, "b": ONES - padded})  # each image by one of them
    fourth = shared(images, {"a": ONES})
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), third, fourth)
    assert not identical(first, fourth)


def test_find_decoder(model) -> None:
    assert find_decoder(model.params, "b") == ("old", model.params["old"]["b"])
    assert find_decoder(model.params, "c") == ("new", model.params["new"]["c"])
    with pytest.raises(KeyError, match=r"no decoder called 'etf'; there are \['a', 'b', 'c'\]"):
        find_decoder(model.params, "etf")


def test_forward_names_an_unknown_decoder(network, model, images) -> None:
    with pytest.raises(KeyError, match="no decoder called 'etf'"):
        run_forward(network, model, images, {"etf": ONES})


@pytest.mark.parametrize("variant", ["table_ix", "text"])
def test_rematerialisation_changes_what_is_kept_and_nothing_else(variant: str) -> None:
    shape = {"channels": 3, "width": 0.25, "depth": 2, "dropout": 0.3}
    plain, saving = make_network(variant, **shape), make_network(variant, **shape, rematerialise=True)
    fewer = {"widths": (2, 4)} | ({"blocks": (2, 1)} if variant == "text" else {})  # each kind of block
    plain, saving = (dataclasses.replace(each, encoder=each.encoder.copy(**fewer)) for each in (plain, saving))
    key = jax.random.key(3)
    (shared, shared_stats), (new, new_stats) = init_encoder(plain, key), init_decoder(plain, key)
    jax.tree.map(
        np.testing.assert_array_equal, (shared, new), (init_encoder(saving, key)[0], init_decoder(saving, key)[0])
    )
    stats = {"shared": shared_stats, "old": {}, "new": {"c": new_stats}}
    images = jax.random.uniform(key, (2, 16, 16, 3))

    def loss(network: Network, params: Mapping) -> tuple[jax.Array, Mapping]:
        everything = {"training": ("shared", "new"), "keys": jax.random.split(key, 2)}
        logits, moved = forward(network, params, stats, images, {"c": np.ones(2, np.float32)}, **everything)
        return (logits["c"] ** 2).mean(), moved

    params = {"shared": shared, "old": {}, "new": {"c": new}}
    found = {}
    for name, network in {"plain": plain, "saving": saving}.items():
        gradient = jax.value_and_grad(functools.partial(loss, network), has_aux=True)
        found[name] = jax.jit(gradient)(params)
        checkpoints = str(jax.make_jaxpr(gradient)(params)).count("prevent_cse=True")
        assert checkpoints == (0 if name == "plain" else {"table_ix": 2, "text": 3}[variant] + 2 + 1)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    jax.tree.map(close, found["saving"], found["plain"])
