"""Shared by the sections of the page: charts, and how settings and variants are named, ordered and coloured."""

import base64
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.comparison import Comparison, Setting, Variant

OLDER = "Runs of an earlier release have not stored what is needed here"


class Entry(NamedTuple):
    """A line of a legend: what a line style stands for."""

    label: str
    style: int
    note: str = ""

    @property
    def swatch(self) -> str:
        """The name of the line style in the page's style sheet: "line-3"."""
        return f"line-{self.style % canvas.LINE_STYLES}"

    @property
    def words(self) -> str:
        """Label and note."""
        return f"{self.label}: {self.note}"


class Chart(NamedTuple):
    """A chart with its caption and legend.

    Attributes:
      address: of the drawing, data and all.
      label: what it shows, for those who do not see it.
      numbered: whether the entries of the legend are numbered as the dots are.
    """

    caption: str
    address: str
    label: str
    legend: Sequence[Entry] = ()
    numbered: bool = False


class Block(NamedTuple):
    """Charts that are shown when their title is chosen."""

    title: str
    charts: Sequence[Chart]


def chart(
    figure: Figure, caption: str, said: str = "", legend: Sequence[Entry] = (), *, numbered: bool = False
) -> Chart:
    """Draws a figure. Args: said: what it shows, for those who do not see it; the legend by default."""
    label = f"{caption}. {said or '; '.join(entry.words for entry in legend)}"
    return Chart(caption, data_address("image/svg+xml", canvas.svg(figure)), label, legend, numbered)


def data_address(kind: str, content: bytes) -> str:
    """An address that holds the file itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def settings(comparison: Comparison) -> tuple[Setting, ...]:
    """Every setting: those with an ecoregion held out, then those of sequential methods."""
    every = (setting for variant in comparison.variants for setting in comparison.settings_of(variant))
    return tuple(dict.fromkeys((*comparison.settings, *every)))


def setting_title(setting: Setting) -> str:
    """Which ecoregions arrive after which."""
    if not setting.old_ecoregions:
        return f"{', '.join(setting.new_ecoregions)}, one after the other"
    if not setting.new_ecoregions:
        return ", ".join(setting.old_ecoregions)
    return f"{' + '.join(setting.new_ecoregions)} after {' + '.join(setting.old_ecoregions)}"


def variants(comparison: Comparison, setting: Setting) -> list[Variant]:
    """Returns the variants that were run in a setting, in the order of the tables."""
    return [variant for variant in comparison.variants if comparison.runs_of(variant, setting)]


def style(comparison: Comparison, variant: Variant) -> int:
    """A variant's line style, the same in all charts."""
    return comparison.variants.index(variant)


def groups(setting: Setting) -> dict[str, tuple[str, ...]]:
    """Title -> ecoregions that are drawn together: old and new; all of a setting without the one or the other."""
    if setting.old_ecoregions and setting.new_ecoregions:
        return {"old ecoregions": setting.old_ecoregions, "new ecoregions": setting.new_ecoregions}
    return {"all ecoregions": (*setting.old_ecoregions, *setting.new_ecoregions)}
