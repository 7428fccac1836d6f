"""Charts: what they draw, of complete and of incomplete runs."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import same_color, to_rgba

from tests.reporting.drawings import pixels, results
from tsmu_jax.data.statistics import EcoregionStatistics, histogram_statistics
from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.charts.canvas import save
from tsmu_jax.reporting.charts.heat_map import Grid, heat_map
from tsmu_jax.reporting.charts.learning_curves import learning_curves
from tsmu_jax.reporting.charts.phase_bars import phase_bars
from tsmu_jax.reporting.charts.pixel_histograms import pixel_histograms
from tsmu_jax.reporting.charts.shares import Dot, Line, limits, numbered_dots, unit_square


def test_bars_are_as_high_as_their_values(tmp_path: Path) -> None:
    save(phase_bars(results(1, old=0.6, new=0.3, **{"global": 0.45})), tmp_path / "bars.png")
    image = pixels(tmp_path / "bars.png")
    heights = []
    for colour in ((0x00, 0x72, 0xB2), (0x00, 0x9E, 0x73)):
        columns = (np.abs(image.astype(int) - colour).max(axis=-1) <= 2).sum(axis=0)
        heights.append(columns.max())
    assert heights[0] / heights[1] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("run", [{}, results(0), results(new=None), results(old=math.nan, new=None), results(3)])
def test_bars_of_unfinished_runs(tmp_path: Path, run: dict[str, Any]) -> None:
    save(phase_bars(run), tmp_path / "bars.png")
    pixels(tmp_path / "bars.png")


def lines(phases: dict[str, int]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for name, steps in phases.items():
        for step in range(1, steps + 1):
            line: dict[str, object] = {"phase": name, "step": step, "train/loss": 1 / step}
            if step % 5 == 0:
                line |= {"validation/micro_iou": 1 - 1 / step, "train/kd_loss": None, "train/drift": math.nan}
            found.append(line)
    return found


def test_learning_curves_grow_with_what_was_logged(tmp_path: Path) -> None:
    for name, log in {
        "loss": [{"phase": "initial", "step": 1, "train/loss": 0.5}],
        "iou": lines({"initial": 300, "fr$ee$ze": 20}),
        "drift": [
            *lines({"initial": 30, "joint_fine_tuning": 5}),
            {"phase": "joint", "step": 3, "train/drift": 0.1},
        ],
    }.items():
        save(learning_curves({"run": log}), tmp_path / f"{name}.png")
    heights = [pixels(tmp_path / f"{name}.png").shape[0] for name in ("loss", "iou", "drift")]
    assert heights[0] < heights[1] < heights[2]


@pytest.mark.parametrize("log", [[], [{"phase": "initial", "step": 0, "test/iou": 0.5}], [{"phase": "x"}]])
def test_learning_curves_of_nothing(tmp_path: Path, log: list[dict[str, object]]) -> None:
    save(learning_curves({"run": log}), tmp_path / "curves.png")
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
        save(pixel_histograms({f"r$_{i}": one for i in range(number)}), tmp_path / "hist.png")
        shapes.append(pixels(tmp_path / "hist.png").shape[:2])
    assert shapes[0][0] == shapes[1][0] < shapes[2][0]
    assert shapes[1][1] == shapes[2][1] < shapes[3][1]
    nothing = np.zeros(256, np.int64)
    save(pixel_histograms({"empty": statistics(nothing, nothing), "etf": one}), tmp_path / "hist.png")
    pixels(tmp_path / "hist.png")
    with pytest.raises(ValueError, match="no ecoregions"):
        save(pixel_histograms({}), tmp_path / "x.png")


def test_curves_of_several_runs_have_a_colour_each_and_begin_together(tmp_path: Path) -> None:
    short, long = lines({"initial": 10, "freeze": 5}), lines({"initial": 30, "freeze": 5})
    loss, validation = learning_curves({"seed 0": short, "seed 1": long}).axes
    colours = [line.get_color() for line in loss.lines if line.get_marker() == "o"]
    assert colours == [canvas.COLOURS[0]] * 2 + [canvas.COLOURS[1]] * 2
    starts = [line.get_xdata()[0] for line in loss.lines if line.get_marker() == "o"]
    assert starts == [1, 31, 1, 31]  # the second phase begins where the longest first one ends
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["seed 0", "seed 1"]
    assert validation.get_legend() is None


def test_long_curves_are_drawn_by_their_mean_and_range() -> None:
    log = [{"phase": "initial", "step": step, "train/loss": float(step % 2)} for step in range(3000)]
    (loss,) = learning_curves({"run": log}).axes
    (line,) = (line for line in loss.lines if line.get_color() == canvas.BLUE)
    assert len(line.get_xdata()) == 150
    np.testing.assert_allclose(line.get_ydata(), 0.5)
    (band,) = loss.collections
    assert band.get_datalim(loss.transData).intervaly.tolist() == [0, 1]


def test_dots_lie_where_their_values_say_and_grow_with_their_weight() -> None:
    (axes,) = numbered_dots([Dot(0, 0.5, 0.7, 0.0), Dot(9, 0.6, 0.6, 1.0)], "IoU, old", "IoU, new").axes
    large, small = axes.lines  # small ones on top
    assert (large.get_xydata().tolist(), small.get_xydata().tolist()) == ([[0.6, 0.6]], [[0.5, 0.7]])
    assert large.get_markersize() > 2 * small.get_markersize()
    assert [text.get_text() for text in axes.texts] == ["2", "1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("IoU, old", "IoU, new")


def test_limits_leave_room_within_shares() -> None:
    assert limits([0.5, 0.7]) == pytest.approx((0.47, 0.73))
    assert limits([0.0, 1.0]) == (0, 1)
    low, high = limits([0.5])
    assert low < 0.5 < high


def test_curves_of_shares_and_what_is_marked_on_them() -> None:
    points = np.array([[0, 0.2], [0.5, 0.5], [1, 0.9]])
    (axes,) = unit_square([Line(9, points, points[1:2])], "x", "y", diagonal=True).axes
    diagonal, curve, marked = axes.lines
    np.testing.assert_array_equal(curve.get_xydata(), points)
    np.testing.assert_array_equal(marked.get_xydata(), points[1:2])
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert (curve.get_color(), curve.get_linestyle()) == (canvas.COLOURS[1], "--")
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)


def test_heat_maps_are_darker_where_values_are_larger_and_frame_cells() -> None:
    framed = np.array([[True, False]])
    grid = Grid(("after", ["01"]), ("IoU on", ["etf", "na$d"]), np.array([[0.25, 0.75]]), [["0.250", "0.750"]], framed)
    (axes,) = heat_map(grid).axes
    pale, frame, dark = axes.patches
    assert pale.get_facecolor()[3] < dark.get_facecolor()[3] < 1
    assert not frame.get_fill() and same_color(frame.get_edgecolor(), canvas.INK)
    assert [text.get_text() for text in axes.texts] == ["0.250", "0.750"]
    assert grid.said == "01: etf 0.250, na$d 0.750"


def test_line_styles_stay_apart() -> None:
    styles = [canvas.line_style(index) for index in range(24)]
    assert len(set(styles)) == 24 and all(to_rgba(colour) for colour, _ in styles)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_same_figure_same_bytes_and_no_backend_touched(tmp_path: Path, suffix: str) -> None:
    backend, before = matplotlib.get_backend(), dict(matplotlib.rcParams)
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    for path in (one, two):
        save(phase_bars(results()), path)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")
    assert matplotlib.get_backend() == backend and dict(matplotlib.rcParams) == before


def test_an_svg_has_texts_as_they_are_and_no_background() -> None:
    figure = phase_bars({**results(), "new": ["<b>$x_1$"]})
    drawn = canvas.svg(figure).decode()
    assert "&lt;b&gt;$x_1$" in drawn and "<b>" not in drawn
    assert "fill: #ffffff" not in drawn
