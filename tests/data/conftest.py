"""Small folders of images to read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Write = Callable[..., Path]


@pytest.fixture
def write_image() -> Write:
    """Writes a seeded random u8[h, w, 3] image, or the given array, in any format."""

    def write(path: Path, array: np.ndarray | None = None, *, size: tuple[int, int] = (6, 8), **save: Any) -> Path:
        if array is None:
            seed = int.from_bytes(path.name.encode())
            array = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path, **save)
        return path

    return write


@pytest.fixture
def write_pair(write_image: Write) -> Callable[..., None]:
    """Writes `<id>_pre`, `_post` and `_mask` of one pair as PNG."""

    def write(folder: Path, pair_id: str, *, size: tuple[int, int] = (6, 8), pre: bool = True) -> None:
        if pre:
            write_image(folder / f"{pair_id}_pre.png", size=size)
        post = np.asarray(Image.open(write_image(folder / f"{pair_id}_post.png", size=size)))
        write_image(folder / f"{pair_id}_mask.png", (post[..., 0] > 128).astype(np.uint8) * 255)

    return write


@pytest.fixture
def write_labels() -> Write:
    """Writes a LabelMe file of (shape_type, label, points); keywords replace top-level keys."""

    def write(path: Path, *shapes: tuple[str, str, Any], size: tuple[int, int] = (6, 8), **keys: Any) -> Path:
        content = {
            "version": "5.5.0",
            "flags": {},
            "imageData": None,
            "imagePath": f"{path.stem}.png",
            "imageHeight": size[0],
            "imageWidth": size[1],
            "shapes": [{"shape_type": kind, "label": label, "points": points} for kind, label, points in shapes],
        }
        content.update(keys)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    return write
