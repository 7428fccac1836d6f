"""Landslides of known outlines, drawn into scenes, and a network whose weights make it answer where ground reddened.

The network is an ordinary one. Its weights carry the difference of the two dates' red from the first layer to the last:
what it answers for a pixel is known, whatever lies around.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pyproj
import shapely
from shapely import affinity

from tsmu_jax.data.contract import PLAIN
from tsmu_jax.data.source import Intensities
from tsmu_jax.models import saved
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.models.tsmu import init_decoder, init_encoder, make_network

DARK, BRIGHT = 30, 220  # levels of red without and with a landslide
_NETWORK = {"variant": "table_ix", "channels": 6, "width": 0.05, "depth": 2}
_STEEP = 40.0  # of logits over intensities
_PARTS = 8  # along each side of a pixel: how much of the pixel lies in an outline is told by their centres


class Shape(NamedTuple):
    """A landslide in a scene's pixels.

    Attributes:
      kind: "ellipse" or "rectangle".
      row, column: of its centre.
      height, width: before it is turned.
      degrees: by which it is turned.
    """

    kind: str
    row: float
    column: float
    height: float
    width: float
    degrees: float = 0.0

    @property
    def outline(self) -> Any:
        """Shapely Polygon, columns first."""
        one = (
            shapely.Point(0, 0).buffer(0.5, quad_segs=90)
            if self.kind == "ellipse"
            else shapely.box(-0.5, -0.5, 0.5, 0.5)
        )
        sized = affinity.scale(one, self.width, self.height, origin=(0, 0))
        return affinity.translate(affinity.rotate(sized, self.degrees, origin=(0, 0)), self.column, self.row)


def covered(shapes: Sequence[Shape], height: int, width: int) -> np.ndarray:
    """f[h, w], how much of each pixel lies in the outlines, 0 to 1."""
    rows, columns = ((np.arange(_PARTS * length) + 0.5) / _PARTS for length in (height, width))
    xs, ys = np.meshgrid(columns, rows)
    whole = shapely.union_all([one.outline for one in shapes])
    shapely.prepare(whole)
    inside = shapely.contains_xy(whole, xs, ys)
    return inside.reshape(height, _PARTS, width, _PARTS).mean((1, 3))


def image(coverage: np.ndarray) -> np.ndarray:
    """u8[h, w, 3], red where there are landslides."""
    red = np.round(DARK + (BRIGHT - DARK) * coverage)
    return np.stack([red, np.full_like(red, 90), np.full_like(red, 60)], -1).astype(np.uint8)


class Place(NamedTuple):
    """Where a landslide lies on the globe: degrees of its centre, and its area on the ellipsoid."""

    longitude: float
    latitude: float
    area_m2: float


def on_globe(outline: Any, crs: str, transform: Any) -> Place:
    """Of an outline in pixels; longitudes count on beyond 180."""
    to = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def degrees(points: np.ndarray) -> np.ndarray:
        longitudes, latitudes = to.transform(*(transform * (points[:, 0], points[:, 1])))
        return np.stack([np.asarray(longitudes) % 360, latitudes], -1)

    polygon = shapely.transform(shapely.segmentize(outline, 1.0), degrees)
    area_m2, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(polygon)
    return Place(polygon.centroid.x, polygon.centroid.y, abs(area_m2))


def save_model(path: Path, gsd_m: float, intensities: Intensities = PLAIN) -> SavedModel:
    """A model that answers by the red of the later date less that of the earlier one, trained at `gsd_m` as it says."""
    network = make_network(**_NETWORK)
    inits = (functools.partial(init, network) for init in (init_encoder, init_decoder))
    shapes = [jax.eval_shape(init, jax.random.key(0)) for init in inits]
    (encoder, encoder_stats), (decoder, decoder_stats) = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes
    )
    for norm in (*_norms(encoder), *_norms(decoder)):
        norm["scale"][:] = 1
    for tree in (encoder_stats, decoder_stats):
        for norm in tree.values():
            norm["var"][:] = 1 - 1e-3  # BatchNorm's epsilon: these layers change nothing
    shortcuts = [encoder[f"Pointwise_{3 * block}"]["Dense_0"]["kernel"] for block in range(5)]
    shortcuts[0][3, 0], shortcuts[0][0, 0] = 1, -1
    for kernel in shortcuts[1:]:
        kernel[0, 0] = 1
    decoder["Conv_0"]["kernel"][1, 1, 0, 0] = 1  # at full resolution, whose result skips the coarser level
    skipped = decoder["ConvTranspose_0"]["bias"].shape[0]
    decoder["Conv_2"]["kernel"][1, 1, skipped, 0] = 1
    head = decoder["Pointwise_0"]["Dense_0"]
    head["kernel"][0, 0], head["bias"][:] = _STEEP, -_STEEP * (BRIGHT - DARK) / 255 / 2
    contract = {
        "channels": ["red", "green", "blue"],
        "side": 16,
        "gsd_m": {side: [gsd_m] * 3 for side in ("height", "width")},
    }
    described = {
        "network": _NETWORK,
        "side": 16,
        "decoders": {"a": {"ecoregions": ["a"], "calibration": {"temperature": 1.0}}},
        "ecoregions": {"a": {"contract": {**contract, "intensities": dataclasses.asdict(intensities)}}},
        "margin": 0.1,
    }
    params = {"shared": encoder, "old": {"a": decoder}, "new": {}}
    stats = {"shared": encoder_stats, "old": {"a": decoder_stats}, "new": {}}
    saved.save(path, described, params, stats, autoencoders={}, exam={})
    return load_model(path)


def _norms(tree: Any) -> list[Any]:
    return [one for name, one in tree.items() if name.startswith("BatchNorm")]
