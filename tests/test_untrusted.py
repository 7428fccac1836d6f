"""Files that somebody else made: nonsense in JSON, names and links that lead elsewhere end in one line."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from launch import points, slurm
from tests.stress.checkpoint_inputs import PROGRESS
from tsmu_jax import analysis, digests, untrusted
from tsmu_jax.data import labelme, prepared_index
from tsmu_jax.data import open as opening
from tsmu_jax.data.layout import index_path
from tsmu_jax.errors import UserError
from tsmu_jax.learning import periodic, responses
from tsmu_jax.models import archive
from tsmu_jax.prediction.output import MANIFEST, TABLE, Output
from tsmu_jax.reporting import documents, reading
from tsmu_jax.reporting.comparison import compare
from tsmu_jax.reporting.page import choice, pixels
from tsmu_jax.reporting.page import runs as run_facts
from tsmu_jax.runs import choice as run_choice
from tsmu_jax.runs import metrics_log
from tsmu_jax.runs.directory import RunDirectory
from tsmu_jax.settings import Config

DEEP = 100_000
HOSTILE = {
    "deep lists": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "just too deep": "[" * (untrusted.DEEPEST + 2) + "]" * (untrusted.DEEPEST + 2),
    "5000 digits": "1" * 5000,
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "beyond a double": "1e999",
    "beyond 64 bits": str(10**400),
}
CHOSEN = "selection/selection.json"
Read = Callable[[Path], object]


def _model(path: Path) -> object:
    return archive.read_description(path, "model.json", schema=1)


def _found(path: Path) -> object:
    return reading.find_runs([path])


def _checked(path: Path) -> None:
    RunDirectory(path).check(Config(), images="")


def _compared(section: Callable[[Any], object]) -> Read:
    return lambda path: section(compare(reading.find_runs([path]).runs))


def _labels(path: Path) -> object:
    return labelme.read((path / "a_post.json").read_bytes(), path="a_post.json", labels=("landslide",))


def _output(path: Path) -> None:
    with Output(path, {"model": "m"}):
        pass


# The file, what reads it, and the error's words; None where the reader makes do without the file.
READERS: dict[str, tuple[str, Read, str | None]] = {
    "configuration of a run": ("config.json", _found, "cannot be read"),
    "configuration of a run, to go on": ("config.json", _checked, "cannot be read"),
    "configuration of a run, to analyse": ("config.json", analysis.load_selector, "cannot be read"),
    "phase": ("phases/01_initial/phase.json", _found, "cannot be read"),
    "phase, to go on": ("phases/01_initial/phase.json", lambda p: RunDirectory(p).check_finished(), "cannot be read"),
    "results": ("results.json", _found, "cannot be read"),
    "metrics, for a report": ("metrics.jsonl", _found, None),
    "metrics": ("metrics.jsonl", metrics_log.read, "line 1 holds no metrics"),
    "chosen decoders": (CHOSEN, lambda p: choice._images(p / CHOSEN), "cannot be read"),
    "chosen decoders, to go on": (CHOSEN, lambda p: run_choice._stored(p / CHOSEN), None),
    "histograms": ("tests/histograms.json", _compared(pixels.intensities), "not what a run writes"),
    "origin": ("config.json", lambda p: run_facts._origin(_run(p)), "cannot be read"),
    "report": ("report.json", documents.refuse_foreign, "which no report wrote"),
    "lineage": ("model/model.json", _compared(documents.all_tables), None),
    "model": ("model.json", _model, "cannot be read"),
    "index": (str(index_path("")), prepared_index.read, "damaged"),
    "index, outlines": (str(index_path("")), opening.outlines, "damaged"),
    "predictions": (MANIFEST, _output, "cannot be read"),
    "checkpoint under way": ("latest.json", periodic.interrupted_at, "cannot be read"),
    "responses": (responses.INDEX, lambda p: responses.is_stored(p, key="k"), None),
    "LabelMe": ("a_post.json", _labels, "a_post.json: "),
    "sweep": (points.SWEEP, points._is_sweep, None),
    "queue": (".jobs/slurm.json", lambda p: slurm._queued([], [], p, p), "cannot be read"),
}


class _run:
    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.fixture
def directory(make_run: Callable[..., Path]) -> Path:
    path = make_run("run", "tsmu")
    for folder in ("selection", "tests", "model", ".jobs", index_path("").parent):
        (path / folder).mkdir(exist_ok=True)
    (path / TABLE).write_text("")
    return path


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("case", HOSTILE)
def test_json_that_nobody_writes_ends_in_one_line(directory: Path, reader: str, case: str) -> None:
    name, read, words = READERS[reader]
    file = directory / name
    if reader == "report":
        directory = file.parent / "new"
        directory.mkdir()
        file = directory / name
    if reader == "LabelMe" and case in ("NaN", "Infinity", "beyond a double"):
        points = f"[[1, 1], [5, {HOSTILE[case]}], [9, 3]]"
        content = f'{{"imagePath": "a_post.png", "shapes": [{{"label": "landslide", "points": {points}}}]}}'
    else:
        whole = file.read_text() if file.exists() else '{"schema": 1}'
        content = f'{{"hostile": {HOSTILE[case]}, {whole[1:]}'
    file.write_text(content)
    if words is None:
        read(directory)
        return
    with pytest.raises(UserError, match=words) as caught:
        read(directory)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_what_json_may_hold() -> None:
    value = {"a": [1, -1.5, None, True, "é", 2**63, -(2**63)], "b": {"c": [[]]}}
    assert untrusted.parse(json.dumps(value)) == value
    deepest: Any = 1
    for _ in range(untrusted.DEEPEST):
        deepest = [deepest]
    assert untrusted.parse(json.dumps(deepest)) == deepest
    with pytest.raises(ValueError, match="nested too deeply"):
        untrusted.parse(json.dumps([deepest]))


def test_files_that_are_no_files_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no file"):  # and does not wait for somebody to write
        untrusted.read(tmp_path / "pipe")
    monkeypatch.setattr(untrusted, "MOST_BYTES", 2**20)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="holds more than 1 MiB"):
        untrusted.read(tmp_path / "sparse")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", "a/", "a\0b", "\ud800", "x" * 300, 7, None])
def test_names_that_lead_elsewhere(name: object) -> None:
    assert not untrusted.is_name(name)


@pytest.mark.parametrize("name", ["etf", "a b", "..x", "x..", "=1+1", "<script>", "é", "a+b", "-"])
def test_names_of_files(name: str) -> None:
    assert untrusted.is_name(name)


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Path]:
    """A directory under a link, with links within it that are fine."""
    (tmp_path / "disk" / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "inside").symlink_to("a")
    (tmp_path / "disk" / "nowhere").symlink_to("a/gone")
    yield tmp_path / "run"
    assert (tmp_path / "secret").read_text() == "x"


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "..", "/nowhere", "inside/../../secret"])
def test_links_that_lead_out(linked: Path, target: str) -> None:
    untrusted.refuse_links(linked)
    (linked / "a" / "out").symlink_to("../" + target if target[0] != "/" else target)
    with pytest.raises(UserError, match=rf"^{linked}/a/out: a link that leads out of {linked}; put what it leads to"):
        untrusted.refuse_links(linked)
    untrusted.refuse_links(linked, only=("inside",))


def test_pipes_are_named(linked: Path) -> None:
    os.mkfifo(linked / "a" / "pipe")
    with pytest.raises(UserError, match=r"a/pipe: is neither a file nor a directory; remove it"):
        untrusted.refuse_links(linked)


LINKED: dict[str, tuple[str, Read]] = {
    "to report on": ("figures", _found),
    "to go on": ("selection", _checked),
    "to analyse": ("phases/02_freeze/checkpoint", lambda path: analysis.load_phase(path, "freeze")),
    "predictions": ("etf", _output),
}


@pytest.mark.parametrize("case", LINKED)
def test_a_directory_with_a_link_out_is_neither_read_nor_written(make_run: Any, tmp_path: Path, case: str) -> None:
    path, (name, read) = make_run("run", "tsmu"), LINKED[case]
    (tmp_path / "elsewhere").mkdir()
    (path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"^{path / name}: a link that leads out of"):
        read(path)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("linked", ["report", "report/report.md"])
def test_a_report_is_not_written_through_a_link(make_run: Any, tmp_path: Path, linked: str) -> None:
    path = make_run("sweep/run", "tsmu")
    (tmp_path / "victim").mkdir()
    output = path.parent / "report"
    if linked == "report":
        output.symlink_to(tmp_path / "victim")
        with pytest.raises(UserError, match="report: is a link; name the directory"):
            documents.default_output(path.parent)
    else:
        documents.write({"report.md": "1"}, output)
        (output / "report.md").unlink()
        (output / "report.md").symlink_to(tmp_path / "victim" / "x")
        with pytest.raises(UserError, match=r"holds report\.md, which no report wrote"):
            documents.write({"report.md": "2"}, output)
    assert not list((tmp_path / "victim").iterdir())


@pytest.mark.parametrize("place", ["ecoregion", "image"])
def test_a_report_looks_for_no_image_elsewhere(make_run: Any, place: str) -> None:
    path = make_run("run", "tsmu")
    for file in path.glob("phases/*/phase.json"):
        record = json.loads(file.read_text())
        if place == "image":
            record["tests"]["a"]["id"][0] = "../../../secret"
        else:
            record["tests"]["../../secret"] = record["tests"]["a"]
        file.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"phase.json: not what a run writes .*secret' is no name of"):
        reading.find_runs([path])


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "."])
def test_a_record_names_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    record = digests.sealed({"key": "k"}, {name: (1, "0")})
    (tmp_path / "phase.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"phase.json: lists its files otherwise .* is not in its directory"):
        digests.read(tmp_path / "phase.json")


@pytest.mark.parametrize("name", ["../step_1", "/tmp/step_1", "step_1/../../x", "step_x"])
def test_a_phase_under_way_names_no_checkpoint_elsewhere(tmp_path: Path, name: str) -> None:
    record = PROGRESS | {"checkpoint": name}
    (tmp_path / "latest.json").write_text(json.dumps(digests.sealed(record, {})))
    with pytest.raises(UserError, match=r"latest.json: names no checkpoint; remove .* it trains the phase anew"):
        periodic.interrupted_at(tmp_path)


@pytest.mark.parametrize("place", ["ecoregion", "pair"])
@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ".."])
def test_an_index_names_no_folder_or_file_elsewhere(tmp_path: Path, place: str, name: str) -> None:
    ecoregion, identity = (name, "a") if place == "ecoregion" else ("etf", name)
    entry = {"id": identity, "scene": "s", "has_pre": True}
    index = {"schema": 5, "fingerprints": {ecoregion: "f"}, "ecoregions": {ecoregion: [entry]}, "skipped": []}
    index_path(tmp_path).parent.mkdir()
    index_path(tmp_path).write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"index.json: damaged .* is no name of a"):
        prepared_index.read(tmp_path)


@pytest.mark.parametrize("image", ["../x", "etf/../../x", "/x", "etf/..", ""])
def test_no_image_is_written_out_of_the_output(tmp_path: Path, image: str) -> None:
    pixels = np.ones((2, 2), bool)
    with Output(tmp_path / "out", {"model": "m"}) as output:
        with pytest.raises(ValueError, match="is no name of an image"):
            output.write_images(image, np.ones((2, 2)), pixels, pixels)
        output.write_images("etf/...", np.ones((2, 2)), pixels, pixels)
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert {path.name for path in (tmp_path / "out" / "etf").iterdir()} == {"..._mask.png", "..._probability.png"}
