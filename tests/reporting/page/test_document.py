"""The page as a text: what is in it, and that nothing from a run is markup."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tsmu_jax.errors import UserError
from tsmu_jax.reporting.comparison import compare
from tsmu_jax.reporting.documents import all_tables
from tsmu_jax.reporting.page import cases
from tsmu_jax.reporting.page.document import page
from tsmu_jax.reporting.reading import LeftOut, find_runs

VOID = {"meta", "img", "input", "br"}
EVIL = "<script>alert(1)<script>"


def written(*workdirs: Path) -> str:
    comparison = compare(find_runs(workdirs).runs)
    return page(comparison, all_tables(comparison), [])


class Reader(HTMLParser):
    """Elements in order, as (tag, attributes, text up to the next tag, trimmed); complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], str]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs), ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            tag, attributes, text = self.elements[-1]
            self.elements[-1] = (tag, attributes, text + data)

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None], str]]:
        return [(tag, attributes, text.strip()) for tag, attributes, text in self.elements if tag in tags]

    def pictures(self) -> list[dict[str, str | None]]:
        """Attributes of the images that show test images."""
        return [attributes for _, attributes, _ in self.all("img") if attributes["class"] != "chart"]

    def charts(self) -> list[tuple[str, ElementTree.Element]]:
        """Alternative text and drawing of each chart."""
        found = [attributes for _, attributes, _ in self.all("img") if attributes["class"] == "chart"]
        return [(one["alt"] or "", ElementTree.fromstring(content(one))) for one in found]


def content(image: dict[str, str | None]) -> bytes:
    """The file in an image's address."""
    return base64.b64decode((image["src"] or "").partition(",")[2])


@pytest.fixture
def sweep(tmp_path: Path, make_pictured_run) -> Path:
    for seed in range(2):
        for method in ("tsmu", "retraining"):
            make_pictured_run(f"sweep/{method}{seed}", method, seed=seed)
    make_pictured_run("sweep/sequential", "sequential_tsmu", ("a",), ("b", "c"))
    return tmp_path / "sweep"


@pytest.fixture(scope="module")
def kept() -> list[str]:
    return []


@pytest.fixture
def text(kept: list[str], request: pytest.FixtureRequest) -> str:
    """The page of `sweep`, which is the same for all tests: written for the first of them."""
    if not kept:
        kept.append(written(request.getfixturevalue("sweep")))
    return kept[0]


def test_everything_is_in_one_file(text: str) -> None:
    reader = Reader(text)
    assert text.startswith("<!doctype html>") and len(text) < 1_000_000
    for _, attributes, _ in reader.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:image/", "data:", "#"))
    assert "url(" not in text and "@import" not in text and "//" not in re.sub(r"// .*|data:[^\"]*", "", text)
    identifiers = [attributes["id"] for _, attributes, _ in reader.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for _, attributes, _ in reader.all("a"):
        assert (attributes["href"] or "").removeprefix("#") in identifiers
    for _, attributes, _ in reader.elements:
        assert attributes.get("aria-labelledby", identifiers[0]) in identifiers


def test_headings_follow_one_another(text: str) -> None:
    levels = [int(tag[1]) for tag, *_ in Reader(text).all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_images_have_texts_and_open(text: str) -> None:
    images = Reader(text).pictures()
    # Worst and best of three ecoregions: before, after, truth; predictions of two methods, and of the sequential one.
    assert len(images) == 6 * (3 + 2) + 6 * (3 + 1)
    for attributes in images:
        assert re.match(
            r"[abc], 000\d: (before the event|after the event|true|prediction of \w+, IoU 0.\d{3})",
            attributes["alt"] or "",
        )
        with Image.open(io.BytesIO(content(attributes))) as image:
            assert np.asarray(image.convert("RGBA")).shape[2] == 4
    shown = [one for one in images if one["class"] == "prediction" and "hidden" not in one]
    assert len(shown) == 12


def test_charts_say_in_words_what_they_show(sweep: Path) -> None:
    """Each chart of each section, drawn with texts that can be read, and the same bytes each time."""
    text = written(sweep)
    charts = Reader(text).charts()
    labels = [label for label, _ in charts]
    for words in (
        r"c after a \+ b\. retraining: old 0\.\d{3}, new 0\.\d{3}, \d+ s; tsmu: old",
        r"tsmu\. 01_initial: a 0\.\d{3}, b 0\.\d{3}, c 0\.\d{3}; 02_freeze: a",
        r"tsmu\. Loss, validation IoU and drift by training step; validation IoU at the end of each phase: 0.651, 0",
        r"Precision and recall, old ecoregions\. retraining: AP 0\.\d{3}; tsmu: AP",
        r"Reliability, new ecoregions\. retraining: ECE 0\.\d{3}; tsmu: ECE",
        r"Reliability, all ecoregions\. sequential_tsmu: ECE",
        r"a\. landslide: 0\.\d{3} ± 0\.\d{3}; background: 0\.\d{3} ± ",
    ):
        assert any(re.match(words, label) for label in labels), words
    drawn = ["|".join(drawing.itertext()) for _, drawing in charts]
    for words in ("IoU, old", "after phase", "01_initial", "validation IoU", "seed 1", "recall", "5 pairs", "density"):
        assert any(words in one for one in drawn), words
    assert written(sweep) == text


def test_every_table_has_a_caption_and_heads(sweep: Path) -> None:
    comparison = compare(find_runs([sweep]).runs)
    reader = Reader(written(sweep))
    titles = [text for tag, _, text in reader.all("h3")]
    assert all(table.title in titles for table in all_tables(comparison))
    assert len(reader.all("table")) == len(reader.all("caption")) == len(all_tables(comparison)) > 8
    assert all(attributes.get("scope") for _, attributes, _ in reader.all("th"))


def test_a_single_run_leads_with_its_verdict_and_pictures(text: str, make_pictured_run) -> None:
    def titles(page: Reader) -> list[str | None]:
        return [attributes.get("href") for _, attributes, _ in page.all("a")][1:]

    alone = Reader(written(make_pictured_run("alone", "tsmu", ("a", "b"), ("c",), images=6)))
    assert titles(alone)[:2] == ["#summary", "#cases"]
    assert titles(Reader(text))[:3] == ["#summary", "#scatter", "#tables"]
    said = [words for tag, _, words in alone.all("strong") if words.startswith("The update: ")]
    assert len(said) == 1 and "The update: " not in text


def test_nothing_of_a_run_is_markup(tmp_path: Path, make_pictured_run) -> None:
    path = make_pictured_run("run", "tsmu", ("a", f'{EVIL}"'), ("<img src=x onerror=alert(1)>",), images=2)
    for file in path.glob("phases/*/phase.json"):  # image ids, too
        file.write_text(file.read_text().replace('"0000"', f'"{EVIL}"'))
    for file in [*path.rglob("0000*")]:
        file.rename(file.with_name(file.name.replace("0000", EVIL)))
    config = json.loads((path / "config.json").read_text())
    config["command"] = f"--note={EVIL}"
    (path / "config.json").write_text(json.dumps(config))
    text = written(path)
    reader = Reader(text)
    assert len(reader.all("script")) == 1 and text.count("<script") == 1
    assert not any(name.startswith("on") for _, attributes, _ in reader.elements for name in attributes)
    assert len(reader.pictures()) == 3 * 2 * 4  # the page's own
    charts = reader.charts()
    assert any(EVIL in label for label, _ in charts)
    assert any("<script>" in "".join(drawing.itertext()) for _, drawing in charts)
    for _, drawing in charts:
        tags = {element.tag.rpartition("}")[2] for element in drawing.iter()}
        assert not tags & {"script", "b", "img", "image", "a", "foreignObject"}
    assert any(EVIL in (attributes["alt"] or "") for _, attributes, _ in reader.all("img"))
    assert any(f"--note={EVIL}" == words for *_, words in reader.all("dd"))


def test_runs_of_earlier_releases_are_shown_without_what_they_lack(make_run) -> None:
    text = written(make_run("run", "tsmu"))
    assert text.count("Runs of an earlier release have not stored what is needed here") == 3
    assert "These runs logged nothing" in text
    reader = Reader(text)
    assert not reader.pictures()
    assert [label.partition(".")[0] for label, _ in reader.charts()] == ["c after a + b", "tsmu"]  # scores alone


def test_images_of_a_single_date_have_no_slider(make_pictured_run) -> None:
    reader = Reader(written(make_pictured_run("run", "tsmu", dated=False)))
    assert len(reader.pictures()) == 6 * 3
    assert {attributes["type"] for _, attributes, _ in reader.all("input")} == {"checkbox"}


def test_of_many_images_the_new_ones_come_first(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "MOST", 4)
    text = written(sweep)
    assert "4 of 12 images are shown, those of new ecoregions first." in text
    names = [one["alt"] for one in Reader(text).pictures() if one["class"] == "post"]
    assert [str(name)[0] for name in names] == ["c", "c", "a", "a"]  # the sequential run knows no old ones


def test_prediction_and_truth_are_drawn_where_they_are(make_pictured_run) -> None:
    path = make_pictured_run("run", "leave_one_out", images=1)
    left, right = np.zeros((24, 36), np.uint8), np.zeros((24, 36), np.uint8)
    left[:, :24], right[:, 12:] = 255, 255
    Image.fromarray(left).save(path / "tests" / "a" / "0000_mask.png")
    Image.fromarray(right).save(path / "predictions" / "01_initial" / "a" / "0000.png")
    drawn = {one["class"]: content(one) for one in Reader(written(path)).pictures() if str(one["alt"]).startswith("a,")}
    with Image.open(io.BytesIO(drawn["prediction"])) as image:
        row = np.asarray(image.convert("RGBA"))[image.height // 2, [2, image.width // 2, image.width - 2]]
    assert row[:, :3].tolist() == [list(cases.MISSED[:3]), list(cases.FOUND[:3]), list(cases.ALARM[:3])]
    assert (row[:, 3] > 0).all()
    with Image.open(io.BytesIO(drawn["truth"])) as image:
        opaque = np.asarray(image.convert("RGBA"))[image.height // 2, :, 3] > 0
    edge = np.flatnonzero(opaque) / len(opaque)
    assert 0 < len(edge) <= 2 and np.allclose(edge, 24 / 36, atol=0.02)


def test_the_choice_of_the_decoder_is_shown_where_a_run_made_it(make_pictured_run) -> None:
    path = make_pictured_run("run", "tsmu", images=1)
    assert 'id="choice"' not in written(path)
    ways = {"oracle": 0.5, "chosen": 0.375, "mean": 0.25, "fallback": 0.4375}
    scores = {"images": 5, "accuracy": 0.8, "decoder_accuracy": 1.0, "iou": ways}
    selection = {
        **scores,
        "confusion": {"a": {"a": 4, "b": 1}, "b": {"a": 0, "b": 5}},
        "margin": {
            "threshold": 0.1,
            "quantiles": {"0.0": 0.01, "0.5": 0.4, "1.0": 0.9},
            "review": 1,
            "accuracy_of_rest": 1.0,
            "decoder_accuracy_of_rest": 1.0,
        },
        "ecoregions": {"a": scores, "b": scores},
    }
    results = json.loads((path / "results.json").read_text())
    (path / "results.json").write_text(json.dumps({**results, "selection": selection}))
    text = written(path)
    assert "The right ecoregion for 80.0% of 5 images, the right decoder for 100.0%." in text
    assert "sends 1 to review; of the others 100.0% are right." in text
    assert "Choice of the decoder</h3>" in text
    assert "50%" in text and '<td class="number">0.400</td>' in text  # quantiles, where no margins are kept
    (lost,) = find_runs([path]).left_out
    assert lost.path == path / "selection" / "selection.json" and lost.reason.startswith("is missing")
    (path / "selection").mkdir()
    tests = {"a": {"id": ["sure", "unsure"], "chosen": ["a", "b"], "margin": [0.3, 0.05]}}
    (path / "selection" / "selection.json").write_text(json.dumps({"tests": tests}))
    text = written(path)
    assert "Margins; vertical line: review below 0.1. right ecoregion 1, wrong ecoregion 1" in text
    assert "For review" in text and "unsure" in text.partition("For review")[2] and ">sure<" not in text
    (path / "selection" / "selection.json").write_text('{"tests": {"a": {"id": ["sure"]}}}')
    with pytest.raises(
        UserError, match=r"selection.json: not what a run writes \(KeyError\('chosen'\)\); leave its run"
    ):
        written(path)
    (path / "results.json").write_text(json.dumps({**results, "selection": {"images": 3}}))
    with pytest.raises(
        UserError, match=r"results.json: not what a run writes \(KeyError\('margin'\)\); leave its run out"
    ):
        written(path)


def test_broken_files_are_named(make_pictured_run) -> None:
    path = make_pictured_run("run", "tsmu", images=1)
    file = path / "tests" / "histograms.json"
    whole = file.read_text()
    file.write_text("[1]")
    with pytest.raises(UserError, match=r"histograms.json: not what a run writes .*; remove it"):
        written(path)
    file.write_text(whole)
    for mask in path.glob("tests/*/*_mask.png"):
        mask.write_bytes(b"x")
    with pytest.raises(UserError, match=r"_mask.png: is no image"):
        written(path)
    shutil.rmtree(path / "tests")
    assert not Reader(written(path)).pictures()


def test_what_is_left_out_is_listed(make_run) -> None:
    comparison = compare(find_runs([make_run("run", "tsmu")]).runs)
    assert "<li>a&amp;b: unfinished</li>" in page(comparison, [], [LeftOut(Path("a&b"), "unfinished")])
