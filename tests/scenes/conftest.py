"""Georeferenced pairs, and a model of random values that maps them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.enums import ColorInterp
from scipy import ndimage

from tests.test_predict import CONTRACT, write_model
from tsmu_jax.models import archive, saved
from tsmu_jax.models.saved import SavedModel, load_model

UTM = rasterio.Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 5_000_000.0)


def moved(right: float, down: float) -> Any:
    """UTM's grid, so many pixels further right and down."""
    return rasterio.Affine(2.0, 0.0, 500_000.0 + 2 * right, 0.0, -2.0, 5_000_000.0 - 2 * down)


WriteRaster = Callable[..., Path]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> SavedModel:
    """Trained, as it says, on squares of 16 px of 2 m."""
    return model_at(tmp_path_factory.mktemp("model") / "model", 2.0)


def model_at(path: Path, gsd_m: float | None, **changes: Any) -> SavedModel:
    """A model whose training images had that many metres a pixel; `changes` of its network.

    Of `texture` it calls about half landslide.
    """
    made = write_model(path, **changes)
    params = jax.tree.map(np.asarray, made.params)
    params["old"]["a"] = jax.tree.map(lambda x: x + 0.1, params["old"]["a"])  # `write_model` has shut it down
    gsd = gsd_m and {name: [gsd_m] * 3 for name in ("height", "width")}
    described = {key: value for key, value in made.description.items() if key not in ("files", "digest")}
    described["ecoregions"] = {name: {"contract": {**CONTRACT, "gsd_m": gsd}} for name in "ab"}
    dates = [texture(160, 160, seed) for seed in range(made.network.channels // 3)]
    for _ in range(2):  # the second time with what the first one has measured
        saved.save(path, described, params, made.batch_stats, autoencoders=made.autoencoders(), exam={})
        model = load_model(path)
        for name in "ab":
            logits = model.logits(np.concatenate(dates, -1)[None], name)
            head = params["old"][name]["Pointwise_0"]["Dense_0"]
            head["bias"] = head["bias"] - np.median(logits)
            calibration = {"temperature": float(logits.std()) / 2}
            described["decoders"] = {**described["decoders"], name: {"ecoregions": [name], "calibration": calibration}}
    return model


def with_halo(path: Path, stored: dict[str, Any] | None) -> SavedModel:
    """The model at a path, after its description was changed by somebody who wrote its digest anew."""
    file = path / "model.json"
    description = json.loads(file.read_text()) | {"halo": stored}
    description["digest"] = archive._digest(description)
    file.write_text(archive._text(description))
    return load_model(path)


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """u8[h, w, 3] with structures of some pixels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width, 3)), (2, 2, 0))
    return np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


@pytest.fixture
def write_raster() -> WriteRaster:
    """Writes values [h, w, bands] as a GeoTIFF; `alpha` u8[h, w] becomes a fourth band, `valid` bool[h, w] a mask."""

    def write(
        path: Path,
        values: np.ndarray,
        *,
        crs: str | None = "EPSG:32633",
        transform: Any = UTM,
        alpha: np.ndarray | None = None,
        valid: np.ndarray | None = None,
        **options: Any,
    ) -> Path:
        height, width, bands = values.shape
        shape = {"height": height, "width": width, "count": bands + (alpha is not None), "dtype": values.dtype}
        place = {"crs": crs, "transform": transform}
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **shape, **place, **options) as file:
            for band in range(bands):
                file.write(values[..., band], band + 1)
            if alpha is not None:
                file.write(alpha.astype(values.dtype), bands + 1)
                file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            if valid is not None:
                file.write_mask(valid)
        return path

    return write


def write_polygons(
    path: Path, polygons: Sequence[Any], crs: str | None = "EPSG:32633", **columns: Sequence[Any]
) -> Path:
    """Writes shapely geometries as a vector file, by its name's ending; with columns of values."""
    values = [np.array(column, object if isinstance(column[0], str) else None) for column in columns.values()]
    kinds = {shape.geom_type for shape in polygons}
    pyogrio.raw.write(
        path,
        geometry=np.array(shapely.to_wkb(polygons), object),
        field_data=values,
        fields=list(columns),
        geometry_type=kinds.pop() if len(kinds) == 1 else "Unknown",
        crs=crs,
        append=path.exists(),
        layer=f"layer_{path.exists():d}" if path.suffix == ".gpkg" else None,
    )
    return path
