"""Pictures of test images with truth and predictions."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.reporting.drawings import pixels, results
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.reporting import panels as panels_module
from tsmu_jax.reporting.panels import PanelRow, agreement, overview, panels

NASTY = "na$x_{d}\n$\\frac{0$_12"  # would be a broken formula


def count(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(image.astype(int) - colour).max(axis=-1) <= 2).sum())


def row(height: int, width: int, *, title: str = "etf\n0012", dated: bool = True, iou: float = 0.5) -> PanelRow:
    rng = np.random.default_rng(height)
    truth = np.zeros((height, width), np.uint8)
    truth[height // 4 : height // 2, width // 4 : width // 2] = 1
    post = rng.integers(0, 256, (height, width, 3), np.uint8)
    return PanelRow(title, post[::-1] if dated else None, post, truth, np.roll(truth, height // 8, 0), iou)


def test_agreement_colours() -> None:
    truth, prediction = np.array([[1, 1], [0, 0]], np.uint8), np.array([[1, 0], [1, 0]], np.uint8)
    found, missed, alarm, neither = agreement(truth, prediction).reshape(4, 3).tolist()
    assert found == [255, 255, 255]
    assert missed == [0x56, 0xB4, 0xE9] and alarm == [0xE6, 0x9F, 0x00]
    assert max(neither) < 64
    unknown = agreement(np.full((1, 2), UNKNOWN, np.uint8), prediction[:1])
    assert unknown.tolist() == [[[0x80] * 3] * 2]  # whatever is predicted there


def test_panels_take_any_sizes_and_names(tmp_path: Path) -> None:
    rows = [row(64, 64), row(40, 60, title=NASTY), row(90, 50, dated=False), row(8, 300, title="x" * 200)]
    panels(rows, tmp_path / "figures" / "panels.png")
    image = pixels(tmp_path / "figures" / "panels.png")
    assert 1000 < image.shape[1] < 1300 and image.shape[0] > 700
    misses, alarms = count(image, (0x56, 0xB4, 0xE9)), count(image, (0xE6, 0x9F, 0x00))
    assert misses > 2000 and misses == pytest.approx(alarms, rel=0.1)  # a shifted mask misses what it adds


def test_single_date_panels_lose_their_first_column(tmp_path: Path) -> None:
    panels([row(64, 64)], tmp_path / "two.png")
    panels([row(64, 64, dated=False)], tmp_path / "one.png")
    two, one = pixels(tmp_path / "two.png"), pixels(tmp_path / "one.png")
    assert one.shape[0] == two.shape[0]
    assert two.shape[1] - one.shape[1] == pytest.approx(120 * (panels_module.CELL + panels_module.GAP), abs=1)


def test_empty_and_full_masks_have_no_outline_to_draw(tmp_path: Path) -> None:
    for fill in (0, 1):
        mask = np.full((32, 32), fill, np.uint8)
        panels([dataclasses.replace(row(32, 32), truth=mask, prediction=mask)], tmp_path / "flat.png")
        pixels(tmp_path / "flat.png")


def test_panels_name_what_does_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images"):
        panels([], tmp_path / "x.png")
    with pytest.raises(ValueError, match="0012.*different sizes"):
        panels([dataclasses.replace(row(32, 32), truth=np.zeros((16, 32), np.uint8))], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_many_rows_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(panels_module, "MOST_ROWS", 2)
    panels([row(16, 16)] * 5, tmp_path / "five.png")
    panels([row(16, 16)] * 2, tmp_path / "two.png")
    assert pixels(tmp_path / "five.png").shape == pixels(tmp_path / "two.png").shape


def test_overview_shows_before_and_after(tmp_path: Path) -> None:
    after = [row(64, 64), row(64, 64, title=NASTY)]
    overview(after, [dataclasses.replace(r, iou=0.1) for r in after], results(), tmp_path / "both.png")
    overview(after, [], results(1), tmp_path / "one.png")
    both, one = pixels(tmp_path / "both.png"), pixels(tmp_path / "one.png")
    assert both.shape[0] == one.shape[0] and both.shape[1] > one.shape[1]
    with pytest.raises(ValueError, match="same images"):
        overview(after, after[::-1], results(), tmp_path / "x.png")
