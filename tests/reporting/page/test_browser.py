"""The page in a browser: it shows itself without complaint, and its controls work by mouse, keyboard and name."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.comparison import compare
from tsmu_jax.reporting.documents import all_tables
from tsmu_jax.reporting.page.document import page
from tsmu_jax.reporting.reading import find_runs

CASE = "document.querySelector('figure.case')"
STYLE = Path(page.__code__.co_filename).with_name("templates") / "style.css"


@pytest.fixture
def report(tmp_path: Path, make_pictured_run: Callable[..., Path]) -> Path:
    for method in ("tsmu", "retraining"):
        make_pictured_run(f"sweep/{method}", method, ("a", "<script>b"), ("c",), images=2)
    comparison = compare(find_runs([tmp_path / "sweep"]).runs)
    path = tmp_path / "report.html"
    path.write_text(page(comparison, all_tables(comparison), []))
    return path


def test_the_page_loads_without_complaint(tab: Any, report: Path) -> None:
    tab.open(report)
    assert tab.run("[...document.querySelectorAll('.stack img')].length") == 6 * (3 + 2)
    assert tab.run("[...document.querySelectorAll('img.chart')].length") > 6
    assert tab.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    for width in (360, 1280):
        tab.resize(width, 800)
        assert tab.run("document.documentElement.scrollWidth <= innerWidth"), "the page itself scrolls sideways"
    colours = []
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        colours.append(tab.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 26)"]
    tab.run("console.error('seen')")
    assert len(tab.complaints) == 1 and "seen" in tab.complaints[0]  # only the one that was asked for


def test_slider_and_toggles(tab: Any, report: Path) -> None:
    tab.open(report)
    before = f"getComputedStyle({CASE}.querySelector('.pre')).clipPath"
    assert tab.run(before) == "inset(0px 50% 0px 0px)"
    tab.run(f"{CASE}.querySelector('input[type=range]').focus()")
    for _ in range(10):
        tab.press("ArrowRight")
    assert tab.run(f"{CASE}.querySelector('input[type=range]').value") == "60"
    assert tab.run(before) == "inset(0px 40% 0px 0px)"
    assert (
        tab.run(f"{CASE}.querySelector('input[type=range]').getAttribute('aria-valuetext')") == "60 % before the event"
    )
    others = "[...document.querySelectorAll('.case')].slice(1).map(one => one.querySelector('input').value)"
    assert tab.run(others) == ["50"] * 5

    shown = f"[...{CASE}.querySelectorAll('img')].filter(image => image.offsetParent).map(image => image.className)"
    assert tab.run(shown) == ["post", "pre", "truth", "prediction"]
    for seen in (["post", "pre", "prediction"], ["post", "pre"]):
        tab.press("Tab")
        assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tab.press(" ")
        assert tab.run(shown) == seen
    tab.press(" ")
    methods = f"[...{CASE}.querySelectorAll('img.prediction')].find(image => !image.hidden).alt"
    assert "prediction of tsmu" in tab.run(methods)
    choose = f"(() => {{ const list = {CASE}.querySelector('select'); list.selectedIndex = 1;"
    tab.run(f"{choose} list.dispatchEvent(new Event('input', {{bubbles: true}})); }})()")
    assert "prediction of retraining" in tab.run(methods)
    assert tab.complaints == []


def test_what_a_screen_reader_is_told(tab: Any, report: Path) -> None:
    tab.open(report)
    tree = [node for node in tab.send("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
    roles: dict[str, list[str]] = {}
    for node in tree:
        roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert {"banner", "main", "navigation"} <= roles.keys()
    for role in ("slider", "checkbox", "combobox", "image", "table", "region", "link"):
        assert roles[role] and all(roles[role]), role
    assert "c, 0000: before to after the event" in roles["slider"] and len(set(roles["slider"])) == 6
    assert len(roles["heading"]) > 20


def test_colours_differ_enough() -> None:
    """WCAG 2: texts by 4.5, lines of charts by 3, in light and in dark."""
    assert "filter: invert(1) hue-rotate(180deg)" in STYLE.read_text()
    light, dark = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)
    for block in (light, dark):
        colours = {name: luminance(value) for name, value in re.findall(r"--(\w+): #(\w{6})", block)}
        for text in ("ink", "soft", "better", "worse", "focus"):
            for ground in ("page", "sheet"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        ground = colours["page"]
        for colour in (*canvas.COLOURS, canvas.INK):
            shown = colour[1:] if block is light else inverted(colour[1:])
            assert contrast(luminance(shown), ground) >= (4.5 if colour == canvas.INK else 3), (colour, shown)


def inverted(colour: str) -> str:
    """A chart's colour as the page shows it in the dark: invert(1) hue-rotate(180deg), by the matrix of CSS filters."""
    red, green, blue = (1 - int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4))
    grey = 2 * (0.213 * red + 0.715 * green + 0.072 * blue)
    return "".join(f"{round(255 * min(max(grey - value, 0), 1)):02x}" for value in (red, green, blue))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
