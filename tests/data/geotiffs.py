"""Rasters for tests, written by rasterio."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

HEIGHT, WIDTH = 6, 8
NO_PLACE = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of writing; reading is quiet


def write_raster(path: Path, values: np.ndarray, **options: Any) -> bytes:
    """Args: values: [bands, h, w]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": values.dtype} | options
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
    return path.read_bytes()


def values(dtype: str, bands: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4000 if dtype != "uint8" else 256, (bands, HEIGHT, WIDTH)).astype(dtype)


def pair(directory: Path, stored: np.ndarray, name: str = "1", **options: Any) -> None:
    for date in ("pre", "post"):
        write_raster(directory / f"{name}_{date}.tif", stored, **options)
    Image.fromarray(np.eye(*stored.shape[1:], dtype=np.uint8)).save(directory / f"{name}_mask.png")
