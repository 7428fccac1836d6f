"""The chart of an inventory's scenes shows the limits beyond which mapping warns."""

from tsmu_jax.reporting.charts.sources import Source, sources
from tsmu_jax.scenes import pair


def test_limits_are_those_of_mapping() -> None:
    figure = sources([Source("a", 0.95, 1.0, 0.2, 2.0)])
    dashed = {
        axes.get_title(): [float(line.get_xdata()[0]) for line in axes.lines if line.get_linestyle() == "--"]
        for axes in figure.axes
    }
    expected = {"overlap of the dates": [pair.LEAST_OVERLAP], "shift (px)": [pair.MOST_SHIFT_PX]}
    assert dashed == {**expected, "decoder's margin": [], "pixel (m)": []}
