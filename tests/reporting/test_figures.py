import dataclasses
import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tsmu_jax.data.statistics import EcoregionStatistics, histogram_statistics
from tsmu_jax.reporting import panels as panels_module
from tsmu_jax.reporting.figures import (
    PanelRow,
    agreement,
    learning_curves,
    overview,
    panels,
    phase_bars,
    pixel_histograms,
)

NASTY = "na$x_{d}\n$\\frac{0$_12"  # would be a broken formula


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        found = np.asarray(image.convert("RGB"))
    assert found.std() > 5, "blank"
    return found


def count(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(image.astype(int) - colour).max(axis=-1) <= 2).sum())


def row(height: int, width: int, *, title: str = "etf\n0012", dated: bool = True, iou: float = 0.5) -> PanelRow:
    rng = np.random.default_rng(height)
    truth = np.zeros((height, width), np.uint8)
    truth[height // 4 : height // 2, width // 4 : width // 2] = 1
    post = rng.integers(0, 256, (height, width, 3), np.uint8)
    return PanelRow(title, post[::-1] if dated else None, post, truth, np.roll(truth, height // 8, 0), iou)


def results(phases: int = 3, **iou: float | None) -> dict[str, Any]:
    scores = {"old": 0.638, "new": 0.392, "global": 0.591} | iou
    run = [{"name": name, "iou": scores} for name in ("initial", "freeze", "joint_fine_tuning")[:phases]]
    return {"method": "tsmu", "old": ["etf", "na$d"], "new": ["nw$fm"], "phases": run}


def test_agreement_colours() -> None:
    truth, prediction = np.array([[1, 1], [0, 0]], np.uint8), np.array([[1, 0], [1, 0]], np.uint8)
    found, missed, alarm, neither = agreement(truth, prediction).reshape(4, 3).tolist()
    assert found == [255, 255, 255]
    assert missed == [0x56, 0xB4, 0xE9] and alarm == [0xE6, 0x9F, 0x00]
    assert max(neither) < 64


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


def test_bars_are_as_high_as_their_values(tmp_path: Path) -> None:
    phase_bars(results(1, old=0.6, new=0.3, **{"global": 0.45}), tmp_path / "bars.png")
    image = pixels(tmp_path / "bars.png")
    heights = []
    for colour in ((0x00, 0x72, 0xB2), (0x00, 0x9E, 0x73)):
        columns = (np.abs(image.astype(int) - colour).max(axis=-1) <= 2).sum(axis=0)
        heights.append(columns.max())
    assert heights[0] / heights[1] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("run", [{}, results(0), results(new=None), results(old=math.nan, new=None), results(3)])
def test_bars_of_unfinished_runs(tmp_path: Path, run: dict[str, Any]) -> None:
    phase_bars(run, tmp_path / "bars.png")
    pixels(tmp_path / "bars.png")


def records(phases: dict[str, int]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for name, steps in phases.items():
        for step in range(1, steps + 1):
            record: dict[str, object] = {"phase": name, "step": step, "train/loss": 1 / step}
            if step % 5 == 0:
                record |= {"validation/micro_iou": 1 - 1 / step, "train/kd_loss": None, "train/drift": math.nan}
            found.append(record)
    return found


def test_learning_curves_grow_with_what_was_logged(tmp_path: Path) -> None:
    for name, log in {
        "loss": [{"phase": "initial", "step": 1, "train/loss": 0.5}],
        "iou": records({"initial": 300, "fr$ee$ze": 20}),
        "drift": [
            *records({"initial": 30, "joint_fine_tuning": 5}),
            {"phase": "joint", "step": 3, "train/drift": 0.1},
        ],
    }.items():
        learning_curves(log, tmp_path / f"{name}.png")
    heights = [pixels(tmp_path / f"{name}.png").shape[0] for name in ("loss", "iou", "drift")]
    assert heights[0] < heights[1] < heights[2]


@pytest.mark.parametrize("log", [[], [{"phase": "initial", "step": 0, "test/iou": 0.5}], [{"phase": "x"}]])
def test_learning_curves_of_nothing(tmp_path: Path, log: list[dict[str, object]]) -> None:
    learning_curves(log, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def statistics(landslide: np.ndarray, background: np.ndarray) -> EcoregionStatistics:
    return EcoregionStatistics(
        pairs=5,
        landslide=histogram_statistics(landslide),
        background=histogram_statistics(background),
        positive_fraction=0.1,
        unknown_fraction=0.0,
        empty_masks=0,
        landslide_counts=landslide,
        background_counts=background,
    )


def test_pixel_histograms_of_one_to_five_ecoregions(tmp_path: Path) -> None:
    levels = np.arange(256)
    dark, bright = (np.round(1e4 * np.exp(-(((levels - m) / 40) ** 2))).astype(np.int64) for m in (80, 140))
    one = statistics(bright, dark)
    shapes = []
    for number in (1, 2, 4, 5):
        pixel_histograms({f"r$_{i}": one for i in range(number)}, tmp_path / "hist.png")
        shapes.append(pixels(tmp_path / "hist.png").shape[:2])
    assert shapes[0][0] == shapes[1][0] < shapes[2][0]
    assert shapes[1][1] == shapes[2][1] < shapes[3][1]
    nothing = np.zeros(256, np.int64)
    pixel_histograms({"empty": statistics(nothing, nothing), "etf": one}, tmp_path / "hist.png")
    pixels(tmp_path / "hist.png")
    with pytest.raises(ValueError, match="no ecoregions"):
        pixel_histograms({}, tmp_path / "x.png")


def test_same_figure_same_bytes_and_no_backend_touched(tmp_path: Path) -> None:
    backend = matplotlib.get_backend()
    for name in ("a.png", "b.png"):
        phase_bars(results(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert matplotlib.get_backend() == backend
