"""What runs are called is text wherever it is shown, and the page's policy would stop it even if it were not."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.reporting.comparison import compare
from tsmu_jax.reporting.documents import all_tables, documents
from tsmu_jax.reporting.page.document import page
from tsmu_jax.reporting.reading import LeftOut, find_runs
from tsmu_jax.reporting.table import Column, Table
from tsmu_jax.reporting.tables import results_markdown
from tsmu_jax.reporting.writers import comma_separated, markdown
from tsmu_jax.words import escaped_markdown

RUN = "window.ran=1"
ECOREGIONS = (
    f"<script>{RUN}<",  # names of folders hold no slash, and those of a configuration no comma
    f'"><img src=x onerror={RUN}>',
    f"' onfocus={RUN} autofocus x='",
    "<style>main{display:none}<",
    "${1+1}{{1+1}}{%x%}",
)
ELSEWHERE = f"</style></script></title><svg onload={RUN}>"
IMAGE = f"<svg onload={RUN}>\x1b[2J"
POLICY = (
    r"default-src 'none'; img-src data:; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; base-uri 'none'; "
    r"form-action 'none'"
)


@pytest.fixture
def hostile(tmp_path: Path, make_pictured_run: Callable[..., Path]) -> Path:
    path = make_pictured_run("a <img src=x onerror=1>", "tsmu", ECOREGIONS[:-1], ECOREGIONS[-1:], images=2)
    for file in path.glob("phases/*/phase.json"):
        record = json.loads(file.read_text())
        for test in record["tests"].values():
            test["id"][0] = IMAGE
        file.write_text(json.dumps({**record, "trained_in": ELSEWHERE}))
    for picture in [*path.glob("tests/*/0000_*"), *path.glob("predictions/*/*/0000.png")]:
        picture.rename(picture.with_name(picture.name.replace("0000", IMAGE)))
    origin = json.loads((path / "config.json").read_text())
    origin |= {"command": ELSEWHERE, "git_revision": ELSEWHERE, "versions": {ELSEWHERE: ELSEWHERE}}
    origin["config"]["data"]["labels"] = ELSEWHERE  # of LabelMe
    (path / "config.json").write_text(json.dumps(origin))
    return path


def written(path: Path) -> str:
    comparison = compare(find_runs([path]).runs)
    return page(comparison, all_tables(comparison), [LeftOut(Path("<b>x</b>"), ELSEWHERE)])


def test_the_policy_comes_first_and_allows_these_two_texts_alone(hostile: Path) -> None:
    text = written(hostile)
    found = re.search(r'<head>\n<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    assert found
    policy = found[1].replace("&#39;", "'")
    assert re.fullmatch(POLICY, policy)
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
        assert RUN not in content and "display:none" not in content
    assert not re.search(r"<[^>]* style=", text) and not re.search(r"<[^>]*\son\w+=[^>]*>", unquoted(text))


def unquoted(text: str) -> str:
    """A page without what stands in quotes: the values of attributes."""
    return re.sub(r'"[^"]*"', '""', text)


def test_the_page_runs_nothing_and_shows_names_as_they_are(tab: Any, tmp_path: Path, hostile: Path) -> None:
    (tmp_path / "report.html").write_text(written(hostile), encoding="utf-8")
    tab.open(tmp_path / "report.html")
    assert tab.complaints == []
    assert tab.run("window.ran") is None
    assert tab.run("document.scripts.length") == 1 and tab.run("document.querySelectorAll('style').length") == 1
    assert tab.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    shown = tab.run("document.body.textContent")
    for name in (*ECOREGIONS, ELSEWHERE, f"<svg onload={RUN}>", "<b>x</b>"):
        assert name in shown, name
    assert tab.run("getComputedStyle(document.querySelector('main')).display") == "block"
    assert tab.run("getComputedStyle(document.querySelector('.swatch')).borderTopStyle") == "solid"
    box = "document.querySelector('.case .stack').getBoundingClientRect()"
    assert tab.run(f"{box}.width / {box}.height") == pytest.approx(36 / 24, rel=0.02)
    tab.run(DRAW)
    assert tab.run("[...document.querySelectorAll('img.chart')].every(drawn)")  # their own styles work


# Whether a chart has coloured pixels on a canvas.
DRAW = """
function drawn(image) {
  const size = {width: image.naturalWidth, height: image.naturalHeight};
  const canvas = Object.assign(document.createElement("canvas"), size);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] && Math.abs(pixels[i] - pixels[i + 2]) > 40) return true;
  return false;
}
"""


@pytest.mark.parametrize(
    "planted",
    [
        f"<script>{RUN}</script>",
        f"<img src=x onerror={RUN}>",
        "<p style='color: red'>x</p>",
        "<style>p { color: red }</style>",
        "<iframe src='data:text/html,x'></iframe>",
        "<base href='https://example.org/'>",
        "<img src='https://example.org/x.png'>",
    ],
)
def test_what_would_get_into_the_page_all_the_same_is_stopped(
    tab: Any, tmp_path: Path, make_run: Callable[..., Path], planted: str
) -> None:
    text = written(make_run("run", "tsmu"))
    (tmp_path / "report.html").write_text(text.replace('<main id="content"', f'{planted}<main id="content"'))
    tab.open(tmp_path / "report.html")
    assert tab.run("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in tab.complaints), tab.complaints


def test_drawings_hold_names_as_text(hostile: Path) -> None:
    charts = re.findall(r'class="chart" src="data:image/svg\+xml;base64,([^"]+)"', written(hostile))
    drawings = [ElementTree.fromstring(base64.b64decode(chart)) for chart in charts]
    assert any(ECOREGIONS[0] in text for drawing in drawings for text in drawing.itertext())
    for drawing in drawings:
        for element in drawing.iter():
            assert element.tag.rpartition("}")[2] not in ("script", "image", "foreignObject", "a", "set", "animate")
            assert not any(name.startswith("on") for name in element.attrib)
            assert all(
                value.startswith("#") for name, value in element.attrib.items() if name.rpartition("}")[2] == "href"
            )


def test_markdown_and_csv_hold_names_as_text(hostile: Path) -> None:
    comparison = compare(find_runs([hostile]).runs)
    files = documents(all_tables(comparison), [LeftOut(Path("[x](javascript:1)"), ELSEWHERE)])
    for name, content in files.items():
        if name.endswith(".md"):
            assert not re.search(r"<\w|</", content), name
    assert "- [x\\](javascript:1): &lt;/style>" in files["report.md"]


@pytest.mark.parametrize(
    ("words", "escaped"),
    [
        ("[x](javascript:alert(1))", r"[x\](javascript:alert(1))"),
        ("![x](http://a/b.png)", r"![x\](http://a/b.png)"),
        ("[x]: http://a", r"[x\]: http://a"),
        ("[a][b]", r"[a\][b]"),
        ("`code`", r"\`code\`"),
        ("a\\|b", r"a\\\|b"),
        ("&lt;script>", "&amp;lt;script>"),
        ("<http://a>", "&lt;http://a>"),
        ("a\n# b", "a # b"),
        ("+0.031 [0.010, 0.052] better", "+0.031 [0.010, 0.052] better"),
        ("5 % & a_name", "5 % & a_name"),
    ],
)
def test_words_in_markdown(words: str, escaped: str) -> None:
    assert escaped_markdown(words) == escaped


def test_texts_in_csv_are_no_formulas_and_numbers_stay_numbers() -> None:
    columns = (Column("=1+1"), Column("score"), Column("change"))
    table = Table("t", "T", columns, (("@x", -0.5, Interval(-0.2, -0.3, 0.1)), ("-", -1, None), ("a=b", 1, None)))
    assert comma_separated(table).splitlines() == [
        "'=1+1,score,change,change low,change high,change ranking",
        "'@x,-0.5,-0.2,-0.3,0.1,",
        "'-,-1,,,,",
        "a=b,1,,,,",
    ]
    assert "| @x |" in markdown(table)


def test_the_closing_table_holds_names_as_text() -> None:
    scores = {name: {"decoder": "old", "iou": 0.5, "empty": 0} for name in ECOREGIONS}
    results = {
        "method": ELSEWHERE,
        "old": list(ECOREGIONS[:-1]),
        "new": list(ECOREGIONS[-1:]),
        "phases": [{"name": "initial", "ecoregions": scores}],
        "skipped": [{"ecoregion": ECOREGIONS[0], "path": "[x](javascript:1)", "reason": ELSEWHERE}],
    }
    text = results_markdown(results)
    assert not re.search(r"<\w|</|\]\(", text.replace("\\]", ""))
    assert "&lt;script>" in text and "[x\\](javascript:1)" in text
