"""Unknown ground: where it comes from, and that it has no weight."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from tsmu_jax.data.examples import Examples
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.prepared import PreparedSource, write
from tsmu_jax.data.statistics import pixel_statistics
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.calibration import fit_temperature
from tsmu_jax.evaluation.probabilities import histogram
from tsmu_jax.learning.losses import KD_FORMS, cross_entropy, drift, knowledge_distillation, soft_dice
from tsmu_jax.mask import BACKGROUND, LANDSLIDE, UNKNOWN

Write = Callable[..., Any]
SHAPE = (12, 16)


def picture(path: Path, array: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One pair whose landslide is the left half."""
    random = np.random.default_rng(0)
    picture(tmp_path / "etf" / "1_post.png", random.integers(1, 256, (*SHAPE, 3), np.uint8))
    picture(tmp_path / "etf" / "1_mask.png", np.repeat([[255] * 8 + [0] * 8], SHAPE[0], 0).astype(np.uint8))
    return tmp_path


def mask_of(directory: Path, **options: Any) -> np.ndarray:
    return FolderSource(directory, require_pre=False, **options)[0].mask


def expected(unknown: np.ndarray) -> np.ndarray:
    columns = np.broadcast_to(np.arange(SHAPE[1]), SHAPE)
    return np.where(unknown, UNKNOWN, np.where(columns < 8, LANDSLIDE, BACKGROUND))


def rows(first: int, stop: int) -> np.ndarray:
    unknown = np.zeros(SHAPE, bool)
    unknown[first:stop] = True
    return unknown


def test_a_file_marks_it(folder: Path) -> None:
    picture(folder / "etf" / "1_unknown.png", 255 * rows(2, 5).astype(np.uint8))
    np.testing.assert_array_equal(mask_of(folder), expected(rows(2, 5)))


def test_a_label_marks_it(folder: Path, write_labels: Write) -> None:
    (folder / "etf" / "1_mask.png").unlink()
    landslide = ("rectangle", "landslide", [[0, 0], [7, 11]])
    unknown = ("rectangle", "Unknown", [[0, 2], [15, 4]])
    write_labels(folder / "etf" / "1_post.json", landslide, unknown, size=SHAPE)
    np.testing.assert_array_equal(mask_of(folder), expected(rows(2, 5)))


def test_transparent_ground_is_unknown(folder: Path) -> None:
    image = np.asarray(Image.open(folder / "etf" / "1_post.png"))
    alpha = np.where(rows(9, 12), 0, np.where(rows(0, 2), 7, 255)).astype(np.uint8)  # nearly transparent is seen
    picture(folder / "etf" / "1_post.png", np.dstack([image, alpha]))
    np.testing.assert_array_equal(mask_of(folder), expected(rows(9, 12)))
    np.testing.assert_array_equal(FolderSource(folder, require_pre=False)[0].post, image)


def test_ground_without_data_is_unknown(folder: Path) -> None:
    image = np.array(Image.open(folder / "etf" / "1_post.png"))
    image[0:3] = 0
    image[5, 5, 0] = 0  # one black value is a colour
    (folder / "etf" / "1_post.png").unlink()
    tags = ImageFileDirectory_v2()
    tags[42113] = "0"
    picture(folder / "etf" / "1_post.tif", image, tiffinfo=tags)
    np.testing.assert_array_equal(mask_of(folder), expected(rows(0, 3)))


@pytest.mark.parametrize(("suffix", "marked"), [("png", {"transparency": 3}), ("tif", {"tiffinfo": {42113: "3"}})])
def test_an_index_of_a_palette_marks_it(folder: Path, suffix: str, marked: dict[str, Any]) -> None:
    (folder / "etf" / "1_post.png").unlink()
    image = Image.fromarray(np.where(rows(4, 9), 3, np.arange(SHAPE[1]) % 3).astype(np.uint8))
    image.putpalette([0, 0, 0, 90, 80, 70, 20, 200, 30, 20, 200, 30])  # the last colour is another one's, too
    image.save(folder / "etf" / f"1_post.{suffix}", **marked)
    np.testing.assert_array_equal(mask_of(folder), expected(rows(4, 9)))


def test_tiles_without_known_ground_are_left_out(folder: Path) -> None:
    unknown = np.zeros(SHAPE, bool)
    unknown[4:8, 4:12] = True  # the tiles in the middle
    picture(folder / "etf" / "1_unknown.png", 255 * unknown.astype(np.uint8))
    source = FolderSource(folder, require_pre=False, tile=4)
    wanted = {f"1_r{row}c{col}" for row in range(3) for col in range(4)} - {"1_r1c1", "1_r1c2"}
    assert {info.id for info in source.infos} == wanted


def test_an_image_without_known_ground_is_bad(folder: Path) -> None:
    picture(folder / "etf" / "1_unknown.png", np.ones(SHAPE, np.uint8))
    with pytest.raises(UserError, match=r"etf/1_post.png: all of its ground is unknown"):
        FolderSource(folder, require_pre=False)
    unknown = np.ones(SHAPE, np.uint8)
    unknown[0, 0] = 0  # one of 192 pixels
    picture(folder / "etf" / "1_unknown.png", unknown)
    with pytest.raises(UserError, match=r"etf/1_post.png: more than 99% of its ground is unknown"):
        FolderSource(folder, require_pre=False)


def test_a_mark_of_another_size_is_bad(folder: Path) -> None:
    picture(folder / "etf" / "1_unknown.png", np.ones((3, 3), np.uint8))
    with pytest.raises(UserError, match=r"etf/1_unknown.png: 3 x 3 px, but 1_post.png is 16 x 12"):
        FolderSource(folder, require_pre=False)


def test_it_changes_the_fingerprint(folder: Path) -> None:
    before = FolderSource(folder, require_pre=False).fingerprints
    picture(folder / "etf" / "1_unknown.png", np.zeros(SHAPE, np.uint8))
    assert FolderSource(folder, require_pre=False).fingerprints != before


def test_it_survives_preparation_and_resizing(folder: Path, tmp_path: Path) -> None:
    picture(folder / "etf" / "1_unknown.png", 255 * rows(0, 6).astype(np.uint8))
    source = FolderSource(folder, require_pre=False)
    write(source, tmp_path / "prepared")
    prepared = PreparedSource(tmp_path / "prepared", require_pre=False)
    np.testing.assert_array_equal(prepared[0].mask, source[0].mask)
    small = Examples(prepared, size=4, channels=3)[0].mask
    np.testing.assert_array_equal(small, [[UNKNOWN] * 4] * 2 + [[LANDSLIDE] * 2 + [BACKGROUND] * 2] * 2)


def test_statistics_leave_it_out(folder: Path) -> None:
    whole = FolderSource(folder, require_pre=False)[0]
    marked = whole._replace(mask=expected(rows(0, 6)).astype(np.uint8))
    cut = whole._replace(post=whole.post[6:], mask=whole.mask[6:])
    found, wanted = pixel_statistics([marked]), pixel_statistics([cut])
    assert found.unknown_fraction == pytest.approx(0.5)
    assert wanted.unknown_fraction == 0
    assert found.landslide == wanted.landslide
    assert found.background == wanted.background
    assert found.positive_fraction == wanted.positive_fraction == 0.5


def halves() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Logits, other logits, masks and which rows are known; the images of the known rows alone are half as high."""
    random = np.random.default_rng(1)
    logits, responses = (random.normal(0, 2, (3, 8, 5)).astype(np.float32) for _ in "ab")
    mask = random.integers(0, 2, (3, 8, 5)).astype(np.uint8)
    known = np.broadcast_to(np.arange(8)[:, None] < 4, mask.shape)
    return logits, responses, np.where(known, mask, UNKNOWN).astype(np.uint8), known


def test_losses_are_those_of_the_known_part() -> None:
    logits, responses, mask, known = halves()
    cut = {"logits": logits[:, :4], "mask": mask[:, :4]}
    for loss in (soft_dice, cross_entropy):
        np.testing.assert_allclose(loss(logits=logits, mask=mask, known=known), loss(**cut), rtol=1e-5)
    for form in KD_FORMS:
        found = knowledge_distillation(logits=logits, responses=responses, form=form, known=known)
        wanted = knowledge_distillation(logits=logits[:, :4], responses=responses[:, :4], form=form)
        np.testing.assert_allclose(found, wanted, rtol=1e-4)
    found = drift(logits=logits, responses=responses, known=known)
    np.testing.assert_allclose(found, drift(logits=logits[:, :4], responses=responses[:, :4]), rtol=1e-5)


def test_losses_of_nothing_known_are_0_without_gradient() -> None:
    logits, responses, mask, known = halves()
    none = np.zeros_like(known)

    def total(x: jax.Array) -> jax.Array:
        parts = (
            soft_dice(logits=x, mask=mask, known=none),
            cross_entropy(logits=x, mask=mask, known=none),
            knowledge_distillation(logits=x, responses=responses, known=none),
        )
        return jnp.stack(parts).sum()

    value, gradient = jax.value_and_grad(total)(logits)
    assert float(value) == 0
    assert not np.asarray(gradient).any()


def test_calibration_and_curves_are_those_of_the_known_part() -> None:
    logits, _, mask, _ = halves()
    assert fit_temperature(logits, mask) == pytest.approx(fit_temperature(logits[:, :4], mask[:, :4]))
    for found, wanted in zip(histogram(logits, mask), histogram(logits[:, :4], mask[:, :4]), strict=True):
        np.testing.assert_allclose(found, wanted)
