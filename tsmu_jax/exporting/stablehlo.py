"""StableHLO by `jax.export`: one program for each decoder, for any number and any size of images."""

import calendar
import contextlib
import datetime
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from tsmu_jax.models.saved import SavedModel
from tsmu_jax.models.tsmu import find_decoder, forward

PLATFORMS = ("cpu", "cuda")
MONTHS = 6  # that jax promises to read what an earlier release has written


def program(model: SavedModel, decoder: str) -> bytes:
    """Serialises a decoder with its encoder.

    The program takes images f32[b, h, w, c] in [0, 1], h and w any multiples of the network's stride, and returns
    calibrated probabilities f32[b, h, w]. It computes in the model's own precision.
    """
    part, _ = find_decoder(model.params, decoder)
    params, stats = (
        {"shared": tree["shared"], "old": {"decoder": tree[part][decoder]}, "new": {}}
        for tree in (model.params, model.batch_stats)
    )
    temperature = float(model.description["decoders"][decoder]["calibration"]["temperature"])

    def landslide(images: jax.Array) -> jax.Array:
        logits, _ = forward(model.network, params, stats, images, {"decoder": jnp.ones(1)})
        return jax.nn.sigmoid(logits["decoder"] / temperature)

    stride = model.network.stride
    sizes = export.symbolic_shape(f"b, {stride}*h, {stride}*w")
    images = jax.ShapeDtypeStruct((*sizes, model.network.channels), jnp.float32)
    with _without_places():
        return bytes(export.export(jax.jit(landslide), platforms=PLATFORMS)(images).serialize())


@contextlib.contextmanager
def _without_places() -> Iterator[None]:
    """Keeps the paths of this machine's source files out of programs."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def about(created: datetime.datetime) -> dict[str, Any]:
    """What a description says of the programs: the platforms, what wrote them, and until when they can be read."""
    return {
        "platforms": list(PLATFORMS),
        "jax": metadata.version("jax"),
        "jaxlib": metadata.version("jaxlib"),
        "expires": expires(created.date()).isoformat(),
    }


def expires(written: datetime.date) -> datetime.date:
    """The last day on which a new release of jax can be counted on to read a program.

    Jax counts from the release that wrote it: where that was not the newest one, the day is earlier.
    """
    months = written.month - 1 + MONTHS
    year, month = written.year + months // 12, months % 12 + 1
    return datetime.date(year, month, min(written.day, calendar.monthrange(year, month)[1]))
