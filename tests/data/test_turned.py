"""Files turned by their EXIF orientation: what belongs together lies together, or nothing is read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.source import Pair
from tsmu_jax.errors import UserError

Write = Callable[..., Any]
SIDEWAYS, HALF = 6, 3  # a quarter turn, and a half one


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[274] = orientation
    return tags


def only(directory: Path) -> Pair:
    return FolderSource(directory, require_pre=False)[0]


@pytest.fixture
def stored() -> Callable[[tuple[int, int]], np.ndarray]:
    """u8[h, w, 3] whose landslide is what is red."""

    def make(size: tuple[int, int]) -> np.ndarray:
        array = np.random.default_rng(0).integers(0, 100, (*size, 3), np.uint8)
        array[1:3, 2:5] = 255, 0, 0
        return array

    return make


def marked(image: np.ndarray) -> np.ndarray:
    return np.uint8(255) * (image[..., 0] == 255)


@pytest.mark.parametrize("turn", range(1, 9))
def test_all_files_turned_alike(tmp_path: Path, write_image: Write, stored: Any, turn: int) -> None:
    array = stored((8, 12))
    for date in ("pre", "post"):
        write_image(tmp_path / "etf" / f"a_{date}.png", array, exif=exif(turn))
    write_image(tmp_path / "etf" / "a_mask.png", marked(array), exif=exif(turn))
    pair = only(tmp_path)
    with Image.open(tmp_path / "etf" / "a_post.png") as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(pair.post, shown)
    np.testing.assert_array_equal(pair.mask, marked(shown) > 0)
    np.testing.assert_array_equal(pair.pre, pair.post)


def test_a_mask_of_the_turned_size_is_drawn_on_what_viewers_show(
    tmp_path: Path, write_image: Write, stored: Any
) -> None:
    array = stored((8, 12))
    write_image(tmp_path / "etf" / "a_post.tif", array, tiffinfo={274: SIDEWAYS})
    write_image(tmp_path / "etf" / "a_mask.png", marked(np.rot90(array, -1)))
    pair = only(tmp_path)
    np.testing.assert_array_equal(pair.post, np.rot90(array, -1))
    np.testing.assert_array_equal(pair.mask, marked(pair.post) > 0)


@pytest.mark.parametrize("turned", ["pre", "post", "mask", "unknown"])
@pytest.mark.parametrize(("size", "turn"), [((8, 8), SIDEWAYS), ((8, 12), SIDEWAYS), ((8, 12), HALF)])
def test_one_turned_file_whose_size_does_not_tell_is_refused_and_the_remedy_works(
    tmp_path: Path, write_image: Write, stored: Any, turned: str, size: tuple[int, int], turn: int
) -> None:
    array, folder = stored(size), tmp_path / "etf"
    arrays = {"pre": array, "post": array, "mask": marked(array), "unknown": np.zeros(size, np.uint8)}
    for role, values in arrays.items():
        write_image(folder / f"a_{role}.png", values, **({"exif": exif(turn)} if role == turned else {}))
    with pytest.raises(UserError) as caught:
        only(tmp_path)
    assert "may fit a_post.png as stored or as turned by EXIF" in str(caught.value)
    assert f"save a_{turned}.png without its EXIF orientation" in str(caught.value)
    assert f"exiftool -Orientation= a_{turned}.png" in str(caught.value)
    write_image(folder / f"a_{turned}.png", arrays[turned])  # what exiftool does
    pair = only(tmp_path)
    np.testing.assert_array_equal(pair.post, array)
    np.testing.assert_array_equal(pair.mask, marked(array) > 0)


def test_labelme_shows_images_upright(tmp_path: Path, write_image: Write, write_labels: Write, stored: Any) -> None:
    array, folder = stored((8, 12)), tmp_path / "etf"
    write_image(folder / "a_post.png", array, exif=exif(SIDEWAYS))
    upright = np.rot90(array, -1)
    y, x = np.argwhere(marked(upright)).min(0), np.argwhere(marked(upright)).max(0)
    corners = [[int(y[1]), int(y[0])], [int(x[1]), int(x[0])]]
    write_labels(folder / "a_post.json", ("rectangle", "landslide", corners), size=(12, 8))
    np.testing.assert_array_equal(only(tmp_path).mask, marked(upright) > 0)
    content = json.loads((folder / "a_post.json").read_text())
    (folder / "a_post.json").write_text(json.dumps(content | {"imageHeight": 8, "imageWidth": 12}))
    with pytest.raises(UserError, match="drawn on an image of 12 x 8 px, but a_post.png is 8 x 12; save a_post.png"):
        only(tmp_path)
    shutil.rmtree(folder)


def test_a_turned_image_alone_is_shown_upright(tmp_path: Path, write_image: Write, stored: Any) -> None:
    array = stored((8, 8))
    write_image(tmp_path / "etf" / "a_post.png", array, exif=exif(SIDEWAYS))
    (tmp_path / "etf" / "a_post.json").write_text(json.dumps({"imagePath": "a_post.png", "shapes": []}))
    np.testing.assert_array_equal(only(tmp_path).post, np.rot90(array, -1))
