"""What all sections of the page share: how experiments and variants are named, ordered and coloured."""

from collections.abc import Iterable

from tsmu_jax.reporting.comparison import Comparison, Setting, Variant
from tsmu_jax.reporting.page.markup import Html, element


def section(name: str, title: str, *children: str | None) -> Html:
    """A part of the page under a heading of level 2; `name` is what links point to."""
    return element("section", element("h2", title, id=name), *children, aria_labelledby=name)


def figures(drawn: Iterable[Html]) -> Html:
    """Figures side by side, as many as fit."""
    return element("div", *drawn, class_="figures")


def paragraph(words: str) -> Html:
    """Plain text."""
    return element("p", words)


def folded(title: str, *children: str | None, unfolded: bool = False) -> Html:
    """What is shown when its title, a heading of level 3, is chosen."""
    return element("details", element("summary", element("h3", title)), *children, open=unfolded)


def settings(comparison: Comparison) -> tuple[Setting, ...]:
    """Every setting: those with an ecoregion held out, then those of sequential methods."""
    every = (setting for variant in comparison.variants for setting in comparison.settings_of(variant))
    return tuple(dict.fromkeys((*comparison.settings, *every)))


def setting_title(setting: Setting) -> str:
    """Which ecoregions arrive after which."""
    if not setting.old:
        return f"{', '.join(setting.new)}, one after the other"
    if not setting.new:
        return ", ".join(setting.old)
    return f"{' + '.join(setting.new)} after {' + '.join(setting.old)}"


def variants(comparison: Comparison, setting: Setting) -> list[Variant]:
    """What was run in a setting, in the order of the tables."""
    return [variant for variant in comparison.variants if comparison.runs_of(variant, setting)]


def style(comparison: Comparison, variant: Variant) -> int:
    """A variant's colour and dash, the same in all diagrams."""
    return comparison.variants.index(variant)


def groups(setting: Setting) -> dict[str, tuple[str, ...]]:
    """Title -> ecoregions that are drawn together: old and new; all of a setting without the one or the other."""
    if setting.old and setting.new:
        return {"old ecoregions": setting.old, "new ecoregions": setting.new}
    return {"all ecoregions": (*setting.old, *setting.new)}
