"""Images are found by their content; pictures show the landslide where the outline is."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageDraw

from tests.reviewing.conftest import BOXES, make, write_images
from tsmu_jax.errors import UserError
from tsmu_jax.reviewing import candidates, page, scene_files


def test_the_outline_lies_on_the_landslide(inventory: Path) -> None:
    queue = candidates.read(inventory)
    images = scene_files.find(queue.scenes, named=(), folder=inventory.parent / "images", likely=set())
    shown = list(page.pictured(queue, images, size=512))
    assert len(shown) == len(BOXES) == queue.waiting
    for one in shown:
        pre, post = (
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int) for data in (one.crop.pre, one.crop.post)
        )
        assert post.shape == (one.crop.height, one.crop.width, 3)
        inside = Image.new("L", (one.crop.width, one.crop.height))
        points = [float(number) for number in re.findall(r"[\d.]+", one.crop.path)]
        corners = [round(value) for value in points]
        ImageDraw.Draw(inside).rectangle(
            (min(corners[::2]), min(corners[1::2]), max(corners[::2]) - 1, max(corners[1::2]) - 1), fill=1
        )
        here = np.asarray(inside) > 0
        assert abs(np.median(post[here], axis=0) - [200, 150, 90]).max() < 12
        assert abs(pre[here] - post[here]).mean() > 3 * abs(pre[~here] - post[~here]).mean()
        assert one.crop.metres == pytest.approx(2 * one.crop.width, rel=0.01)
        facts = page.facts(one)
        assert facts["Between"] == "2024-05-01 and 2024-06-01" and facts["Probability"] == "0.72 (threshold 0.50)"


def test_other_images_are_named(inventory: Path, tmp_path: Path) -> None:
    queue = candidates.read(inventory)
    write_images(tmp_path / "other", BOXES, (60, 80), seed=5)
    with pytest.raises(UserError, match="no scene of the inventory was mapped from this"):
        scene_files.find(queue.scenes, named=[("--post", tmp_path / "other" / "after.tif")], folder=None, likely=set())
    assert scene_files.find(queue.scenes, named=(), folder=tmp_path / "other", likely=set()) == {}
    found = scene_files.find(
        queue.scenes, named=[("--post", tmp_path / "images" / "deep" / "after.tif")], folder=None, likely=set()
    )
    (only,) = page.pictured(queue, found, size=64, limit=1)
    assert only.crop.pre is None


def test_images_of_16_bits_are_shown_by_their_own_range(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "deep"

    def deepen(folder: Path) -> None:
        for path in folder.glob("*.tif"):
            with rasterio.open(path) as file:
                values, profile = file.read().astype(np.uint16) * 10 + 300, file.profile | {"dtype": "uint16"}
            with rasterio.open(path, "w", **profile) as file:
                file.write(values)

    inventory = make(tmp_path, before_mapping=deepen)
    queue = candidates.read(inventory)
    images = scene_files.find(queue.scenes, named=(), folder=folder, likely=set())
    (only,) = page.pictured(queue, images, size=64, limit=1)
    levels = np.asarray(Image.open(io.BytesIO(only.crop.post)).convert("RGB"))
    assert levels.min() < 30 and levels.max() > 225


def test_the_limit_counts_candidates_with_images(inventory: Path) -> None:
    """The first two of the queue lie in another scene, whose images are not there."""
    queue = candidates.read(inventory)
    images = scene_files.find(queue.scenes, named=(), folder=inventory.parent / "images", likely=set())
    elsewhere = tuple(one._replace(scenes=("another",)) for one in queue.candidates)
    longer = queue._replace(candidates=elsewhere[:2] + queue.candidates)
    shown = list(page.pictured(longer, images, size=64, limit=2))
    assert [one.place for one in shown] == [3, 4]
    assert [one.candidate for one in shown] == list(queue.candidates[:2])
    assert len(list(page.pictured(longer, images, size=64))) == len(BOXES)
