"""Folders of images: what is read, and how it is tiled."""

import concurrent.futures
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.open import open_source
from tsmu_jax.data.source import Footprint, Skipped
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.errors import UserError

Write = Callable[..., Any]
GE = "GE_40.0_-105.0_40.2_-104.6_LS_7_US_"


def open_folder(directory: Path, **options: Any) -> FolderSource:
    return FolderSource(directory, **({"require_pre": False} | options))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_pairs_are_sorted_and_read_as_they_are(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "nad", "2", size=(5, 9))
    write_pair(tmp_path / "etf", "b")
    write_pair(tmp_path / "etf", "a", pre=False)
    (tmp_path / "etf" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "etf" / "notes.txt").write_text("ignored")
    source = open_folder(tmp_path)
    assert [(info.ecoregion, info.id) for info in source.infos] == [("etf", "a"), ("etf", "b"), ("nad", "2")]
    assert len(source) == 3
    assert source.skipped == ()
    assert source[0].pre is None
    nad = source[2]
    np.testing.assert_array_equal(nad.pre, pixels(tmp_path / "nad" / "2_pre.png"))
    np.testing.assert_array_equal(nad.post, pixels(tmp_path / "nad" / "2_post.png"))
    np.testing.assert_array_equal(nad.mask, nad.post[..., 0] > 128)
    assert nad.mask.dtype == np.uint8
    assert nad.mask.shape == (5, 9)


def test_arrays_belong_to_the_caller(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "etf", "a")
    source = open_folder(tmp_path)
    before = source[0].post.copy()
    source[0].post[...] = 0
    np.testing.assert_array_equal(source[0].post, before)


def test_names_of_the_paper(tmp_path: Path, write_image: Write, write_labels: Write) -> None:
    folder = tmp_path / "nwfm"
    write_image(folder / f"{GE}20121007_PRE.jpg", size=(20, 40))
    write_image(folder / f"{GE}20131006_POST.jpg", size=(20, 40))
    square = ("rectangle", "landslide", [[0, 0], [3, 3]])
    write_labels(folder / f"{GE}20131006_POST.json", square, size=(20, 40), imagePath=f"{GE}20131006_POST.jpg")
    source = open_folder(tmp_path, require_pre=True, tile=20)
    assert [info.id for info in source.infos] == ["7_r0c0", "7_r0c1"]
    first, second = source.infos
    assert (first.scene, first.pre_date, first.post_date) == ("7", "20121007", "20131006")
    np.testing.assert_allclose(first.footprint, Footprint(-105.0, 40.0, -104.8, 40.2))
    np.testing.assert_allclose(second.footprint, Footprint(-104.8, 40.0, -104.6, 40.2))
    assert source[0].mask.sum() == 16
    assert source[1].mask.sum() == 0


@pytest.mark.parametrize(
    ("array", "save"),
    [
        (np.arange(48, dtype=np.uint8).reshape(6, 8), {}),  # grey
        (np.arange(192, dtype=np.uint8).reshape(6, 8, 4), {}),  # with transparency
    ],
)
def test_other_modes_become_rgb(
    tmp_path: Path, write_pair: Write, write_image: Write, array: np.ndarray, save: dict[str, Any]
) -> None:
    write_pair(tmp_path / "etf", "a", pre=False)
    write_image(tmp_path / "etf" / "a_post.png", array, **save)
    expected = array[..., :3] if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)
    np.testing.assert_array_equal(open_folder(tmp_path)[0].post, expected)


def test_palette_images_are_looked_up(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "etf", "a", pre=False)
    indices = np.arange(48, dtype=np.uint8).reshape(6, 8) % 2
    image = Image.fromarray(indices)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.save(tmp_path / "etf" / "a_post.png")
    pair = open_folder(tmp_path)[0]
    np.testing.assert_array_equal(pair.post, np.array([[10, 20, 30], [200, 0, 0]], np.uint8)[indices])


@pytest.mark.parametrize("values", [(0, 1), (0, 255), (0, 1, 255), (0,), (255,)])
@pytest.mark.parametrize("channels", [1, 3])
def test_masks_of_all_customs(
    tmp_path: Path, write_pair: Write, write_image: Write, values: tuple[int, ...], channels: int
) -> None:
    write_pair(tmp_path / "etf", "a", pre=False)
    mask = np.resize(np.array(values, np.uint8), (6, 8))
    write_image(tmp_path / "etf" / "a_mask.png", mask if channels == 1 else np.repeat(mask[..., None], 3, axis=2))
    np.testing.assert_array_equal(open_folder(tmp_path)[0].mask, mask > 0)


@pytest.mark.parametrize("size", [(600, 600), (450, 1001), (200, 200), (130, 640), (90, 80)])
def test_tiles_reassemble_the_scene(tmp_path: Path, write_pair: Write, size: tuple[int, int]) -> None:
    write_pair(tmp_path / "etf", "a", size=size)
    source = open_folder(tmp_path, tile=200)
    whole = open_folder(tmp_path)[0]
    height, width = size
    rebuilt = np.zeros_like(whole.post), np.zeros_like(whole.mask)
    covered = np.zeros(size, bool)
    for info, pair in zip(source.infos, source, strict=True):
        assert info.scene == "a"
        assert pair.post.shape[:2] == pair.mask.shape == (min(200, height), min(200, width))
        row, col = (int(n) for n in info.id.removeprefix("a_r").split("c")) if len(source) > 1 else (0, 0)
        y, x = min(row * 200, max(height - 200, 0)), min(col * 200, max(width - 200, 0))
        part = np.s_[y : y + 200, x : x + 200]
        rebuilt[0][part], rebuilt[1][part], covered[part] = pair.post, pair.mask, True
    assert covered.all()
    np.testing.assert_array_equal(rebuilt[0], whole.post)
    np.testing.assert_array_equal(rebuilt[1], whole.mask)
    assert len(source) == -(-height // 200) * -(-width // 200)
    assert len(source) > 1 or source.infos[0].id == "a"


def test_tiles_by_ecoregion(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "etf", "a", size=(20, 20))
    write_pair(tmp_path / "nad", "a", size=(20, 20))
    source = open_folder(tmp_path, tile={"nad": 10})
    assert [info.id for info in source.infos] == ["a", "a_r0c0", "a_r0c1", "a_r1c0", "a_r1c1"]
    with pytest.raises(UserError, match=r"no ecoregion 'nda' \(did you mean 'nad'\?\)"):
        open_folder(tmp_path, tile={"nda": 10})
    with pytest.raises(UserError, match="must be 1 or more"):
        open_folder(tmp_path, tile=0)


def test_fingerprint_changes_with_the_content_and_only_then(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "one" / "etf", "a")
    write_pair(tmp_path / "one" / "etf", "b")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    write_pair(tmp_path / "two" / "nad", "a")  # another ecoregion beside it changes nothing
    first = open_folder(tmp_path / "one").fingerprints["etf"]
    assert open_folder(tmp_path / "two").fingerprints["etf"] == first
    assert open_folder(tmp_path / "two", tile=4).fingerprints["etf"] != first
    mask = tmp_path / "two" / "etf" / "a_mask.png"
    Image.fromarray(255 - np.asarray(Image.open(mask))).save(mask)
    assert open_folder(tmp_path / "two").fingerprints["etf"] != first
    shutil.copy(tmp_path / "one" / "etf" / "a_mask.png", mask)
    assert open_folder(tmp_path / "two").fingerprints["etf"] == first
    for path in (tmp_path / "two" / "etf").glob("b_*"):
        path.unlink()
    assert open_folder(tmp_path / "two").fingerprints["etf"] != first


def test_reading_from_threads(tmp_path: Path, write_pair: Write) -> None:
    for number in range(6):
        write_pair(tmp_path / "etf", str(number), size=(30, 30))
    source = open_folder(tmp_path, tile=10)
    alone = [source[index].post for index in range(len(source))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda index: source[index].post, range(len(source))))
    np.testing.assert_array_equal(together, alone)


def test_open_source(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "etf", "a")
    assert isinstance(open_source(tmp_path, require_pre=True), FolderSource)
    synthetic = open_source(
        None,
        ecoregions=["nad"],
        require_pre=True,
        synthetic_pairs={"nad": 2, "etf": 1},
        synthetic_size=(40, 48),
    )
    assert isinstance(synthetic, SyntheticSource)
    assert [info.ecoregion for info in synthetic.infos] == ["nad", "nad"]
    assert synthetic[0].mask.shape == (40, 48)
    with pytest.raises(UserError, match="no ecoregion 'moon'"):
        open_source(None, ecoregions=["moon"], require_pre=True)


def test_real_single_date_regions(shared_data: Path) -> None:
    source = open_folder(shared_data / "landslides", ecoregions=["tianshui", "bijie_zhijin"], tile={"tianshui": 200})
    counts = [sum(info.ecoregion == name for info in source.infos) for name in ("bijie_zhijin", "tianshui")]
    assert counts == [122, 81]
    assert source[0].post.shape == (224, 224, 3)
    assert source[-1].post.shape == (200, 200, 3)
    with pytest.raises(UserError, match=r"channels=3 \(and 8 more bad files\)"):
        open_folder(shared_data / "landslides", ecoregions=["tianshui"], require_pre=True)


def test_real_pairs(shared_data: Path) -> None:
    source = open_folder(shared_data / "change", require_pre=True, tile=128, ecoregions=["paris", "mumbai"])
    assert source.skipped == ()
    assert isinstance(source.skipped, tuple)
    assert all(pair.pre is not None and pair.pre.shape == pair.post.shape for pair in source)
    assert any(pair.mask.any() for pair in source)
    assert Skipped._fields == ("ecoregion", "path", "reason")
