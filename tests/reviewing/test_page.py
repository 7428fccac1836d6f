"""The page in a browser: keys decide, a reload keeps all, the saved file comes into the inventory; names are text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.inventory.test_adding import Model, table
from tests.reviewing.conftest import make
from tsmu_jax.inventory import geopackage
from tsmu_jax.reviewing import candidates, decision_file, page, scene_files

BOXES = [(8 + 20 * row, 16 + 20 * row, 8 + 20 * col, 14 + 20 * col + row % 5) for row in range(20) for col in range(25)]
COUNTS = "document.getElementById('counts').textContent"
WHICH = "document.getElementById('which').textContent"
TERMS = "[...document.querySelectorAll('#facts dt')]"
FACTS = f"Object.fromEntries({TERMS}.map(one => [one.textContent, one.nextElementSibling.textContent]))"
RUN = "window.ran=1"


def write_page(inventory: Path) -> Path:
    queue = candidates.read(inventory)
    images = scene_files.find(queue.scenes, named=(), folder=inventory.parent / "images", likely=queue.files)
    shown = list(page.pictured(queue, images, size=128))
    path = inventory.with_suffix(".html")
    path.write_text(page.page(queue, shown, inventory.name), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inventory = make(tmp_path_factory.mktemp("many"), BOXES, (410, 510))
    write_page(inventory)
    return inventory


def test_500_candidates_by_keys(tab: Any, many: Path, tmp_path: Path) -> None:
    path = many.with_suffix(".html")
    tab.open(path)
    assert tab.run("document.images.length") == 2  # those of one candidate: so it opens at once
    assert tab.run(WHICH) == "Candidate 1 of 500"
    first = landslides(path)[0]
    (probability,) = [row["prob_mean"] for row in table(many) if row["uuid"] == first]
    assert tab.run(FACTS)["Probability"] == f"{probability:.2f} (threshold 0.50)"
    tab.press("a")
    assert "Say who you are" in tab.run("document.getElementById('told').textContent")
    for letter in "ada":  # in the field for the name these decide nothing
        tab.press(letter)
    tab.run("document.activeElement.blur()")
    for key in ("a", "r", "u", "ArrowRight", "p", "n", "a", "a", "z"):
        tab.press(key)
    assert tab.run(COUNTS) == "4 of 500 decided: 2 accepted, 1 unsure, 1 rejected"
    assert tab.run(WHICH) == "Candidate 6 of 500"
    tab.run("document.getElementById('slider').focus()")
    tab.press("ArrowRight")
    assert tab.run("document.getElementById('slider').value") == "51" and tab.run(WHICH) == "Candidate 6 of 500"
    before = "getComputedStyle(document.querySelector('.pre')).clipPath"
    assert tab.run(before) == "inset(0px 49% 0px 0px)"
    for buttons, value in ((0, "51"), (1, "25")):  # a mouse that passes, and a finger
        where = f"{{bubbles: true, buttons: {buttons}, clientX: box.left + box.width / 4}}"
        touch = f"document.querySelector('#stack .pre').dispatchEvent(new PointerEvent('pointermove', {where}))"
        tab.run(f"(box => {touch})(document.getElementById('stack').getBoundingClientRect())")
        assert tab.run("document.getElementById('slider').value") == value
    tab.run("document.getElementById('name').value = 'bob'")
    for kind in ("input", "change"):
        tab.run(f"document.getElementById('name').dispatchEvent(new Event('{kind}'))")
    assert tab.run("document.getElementById('undo').disabled"), "bob takes back what ada said"
    tab.run("document.getElementById('name').value = 'ada'")
    tab.run("document.getElementById('name').dispatchEvent(new Event('input'))")
    tab.press("o")
    assert tab.run("getComputedStyle(document.querySelector('#stack svg')).display") == "none"

    tab.open(path)  # again
    assert tab.run(COUNTS) == "4 of 500 decided: 2 accepted, 1 unsure, 1 rejected"
    assert tab.run(WHICH) == "Candidate 6 of 500" and tab.run("document.getElementById('name').value") == "ada"
    saved = tab.download("document.getElementById('save').click()", tmp_path / "saved")
    assert tab.complaints == []

    done = decision_file.bring_in(many, saved)
    assert (dict(done.new), done.known) == ({"accepted": 3, "rejected": 1, "unsure": 1, "undone": 1}, 0)
    order = landslides(path)
    rows = {row["uuid"]: row["review_status"] for row in table(many)}
    said = ["accepted", "rejected", "unsure", "unreviewed", "accepted", "unreviewed"]
    assert [rows[uuid] for uuid in order[:6]] == said
    assert {row["reviewer"] for row in table(many) if row["review_status"] != "unreviewed"} == {"ada"}
    before_again = many.read_bytes()
    assert decision_file.bring_in(many, saved).known == 6 and many.read_bytes() == before_again


def landslides(path: Path) -> list[str]:
    """Of the page, in its order."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return [one["landslide"] for one in json.loads(text)["candidates"]]


def test_the_page_shows_itself_everywhere(tab: Any, many: Path) -> None:
    tab.open(many.with_suffix(".html"))
    for width in (360, 1280):
        tab.resize(width, 800)
        assert tab.run("document.documentElement.scrollWidth <= innerWidth"), "the page itself scrolls sideways"
        heights = tab.run(
            "[...document.querySelectorAll('.bar button')].map(one => one.getBoundingClientRect().height)"
        )
        assert min(heights) >= 44
    colours = []
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        colours.append(tab.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 26)"]
    nodes = [node for node in tab.send("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes}
    for role, name in (
        ("slider", "Before to after the event"),
        ("textbox", "Your name"),
        ("textbox", "Reason, if you like"),
        ("progressbar", "Decided"),
        ("image", "Before the event"),
        ("image", "After the event"),
        ("group", "Decision"),
    ):
        assert (role, name) in named, name
    buttons = {name.split(" ")[0] for role, name in named if role == "button"}
    assert buttons >= {"Accept", "Unsure", "Reject", "Undo", "Previous", "Next", "Save"}
    assert tab.complaints == []


def test_names_are_text(tab: Any, tmp_path: Path) -> None:
    inventory = make(tmp_path, model=Model("1"))
    hostile = f"</script><script>{RUN}</script><img src=x onerror={RUN}>"
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET decoder = ?", (hostile,))
    renamed = inventory.rename(tmp_path / f"<img src=x onerror={RUN}>.gpkg")
    path = write_page(renamed)
    tab.open(path)
    assert tab.run("window.ran") is None and tab.complaints == []
    shown = tab.run("document.body.textContent")
    assert hostile in shown and renamed.name in shown
    assert not re.search(r"<[^>]* style=", path.read_text())
