"""The entry point: every wrong input ends in one line on standard error and exit code 2, before any training."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from absl import app, logging
from ml_collections import config_dict
from ml_collections.config_flags import config_path
from PIL import Image

from tsmu_jax import cli, main
from tsmu_jax.runs import train

ROOT = Path(__file__).parents[1]
get_config: Callable[..., config_dict.ConfigDict] = runpy.run_path(str(ROOT / "configs" / "tsmu.py"))["get_config"]
HEIGHT, WIDTH = 20, 30
ECOREGIONS = {"alps": 8, "etf": 5}

Entry = Callable[..., int]


class Training(Exception):
    """Stands for training: the input was accepted."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two ecoregions of complete pairs."""
    rng = np.random.default_rng(0)
    for ecoregion, pairs in ECOREGIONS.items():
        target = tmp_path / "images" / ecoregion
        target.mkdir(parents=True)
        for number in range(pairs):
            for date in ("pre", "post"):
                image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
                Image.fromarray(image).save(target / f"{number}_{date}.png")
            mask = rng.integers(0, 2, (HEIGHT, WIDTH), dtype=np.uint8)
            Image.fromarray(255 * mask).save(target / f"{number}_mask.png")
    return tmp_path / "images"


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "demo"


@pytest.fixture
def entry(folder: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entry]:
    """Runs `main` as the command line would, up to where training begins; returns the exit code.

    Flags are given as values: absl's are those of the whole test process, other entry points' among them.
    """

    def begin(*_: Any) -> None:
        raise Training

    def call(path: Path = workdir, **values: Any) -> int:
        config = get_config("demo").unlock()
        config.update_from_flattened_dict(
            {"data.dir": str(folder), "data.size": 64, "model.depth": 7, "data.test_pairs": 2, "new": "etf"}
        )
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in values.items()})
        monkeypatch.setattr(main, "_CONFIG", SimpleNamespace(value=config))
        monkeypatch.setattr(main, "_WORKDIR", SimpleNamespace(value=str(path)))
        try:
            cli.run(main.main, "")
        except SystemExit as end:
            return int(end.code or 0)
        except Training:
            return 0
        raise AssertionError("ended without training")

    monkeypatch.setattr(app, "run", lambda function, **_: function([]))
    monkeypatch.setattr(main, "_SUMMARIZE", SimpleNamespace(value=False))
    monkeypatch.setattr(train, "run_stage", begin)
    monkeypatch.setattr(train, "first_model", lambda _: None)
    monkeypatch.setattr(train.estimate, "describe", lambda *_: "a while")
    verbosity = logging.get_verbosity()
    yield call
    logging.set_verbosity(verbosity)


def one_error_line(stderr: str) -> str:
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("error: ")
    assert "Traceback" not in stderr
    return lines[0].removeprefix("error: ")


def labels(path: Path, *points: tuple[float, float], label: str = "landslide", **keys: Any) -> None:
    """Replaces a pair's mask by a LabelMe file with one polygon."""
    shape = {"shape_type": "polygon", "label": label, "points": points}
    content = {"imagePath": f"{path.stem}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": [shape]}
    path.write_text(json.dumps(content | keys))
    path.with_name(path.name.replace("_post.json", "_mask.png")).unlink()


def resave(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array.astype(np.uint8)).save(path)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


SKIP = "to leave bad files out: --config.data.on_bad_file=skip"
TRIANGLE = ((1, 1), (9, 1), (5, 9))
BAD_FILES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "undecodable image": (
        lambda etf: (etf / "1_post.png").write_bytes(b"not an image"),
        "etf/1_post.png: does not decode",
        "replace the file",
    ),
    "cut-off image": (
        lambda etf: (etf / "1_pre.png").write_bytes((etf / "1_pre.png").read_bytes()[:200]),
        "etf/1_pre.png: does not decode",
        "replace the file",
    ),
    "pre and post of different size": (
        lambda etf: resave(etf / "1_pre.png", np.zeros((HEIGHT, WIDTH + 1, 3))),
        "etf/1_pre.png: 31 x 20 px, but 1_post.png is 30 x 20",
        "resample",
    ),
    "mask of another size": (
        lambda etf: resave(etf / "1_mask.png", np.zeros((HEIGHT + 2, WIDTH))),
        "etf/1_mask.png: 30 x 22 px, but 1_post.png is 30 x 20",
        "resample",
    ),
    "mask with other values": (
        lambda etf: resave(etf / "1_mask.png", np.full((HEIGHT, WIDTH), 128)),
        "etf/1_mask.png: a mask with values 128",
        "only 0, 1 and 255 are allowed",
    ),
    "broken polygon": (
        lambda etf: labels(etf / "1_post.json", (1, 1), (2, 2)),
        "etf/1_post.json: polygon 1 has 2 points",
        "a polygon needs 3",
    ),
    "unknown label": (
        lambda etf: labels(etf / "1_post.json", *TRIANGLE, label="gully"),
        "etf/1_post.json: polygon 1 has the unknown label 'gully'",
        "--config.data.labels=landslide,gully",
    ),
    "labels of a missing image": (
        lambda etf: labels(etf / "1_post.json", *TRIANGLE, imagePath="9_post.png"),
        "etf/1_post.json: imagePath names the missing image '9_post.png'",
        "",
    ),
    "missing pre-event image": (
        lambda etf: (etf / "1_pre.png").unlink(),
        "etf/1_post.png: has no pre-event image",
        "--config.data.channels=3",
    ),
    "neither mask nor labels": (
        lambda etf: (etf / "1_mask.png").unlink(),
        "etf/1_post.png: has neither a mask (1_mask.png) nor labels (1_post.json)",
        "add one",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_named_with_a_remedy(
    folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    spoil, offender, remedy = BAD_FILES[case]
    spoil(folder / "etf")
    assert entry() == 2
    line = one_error_line(capsys.readouterr().err)
    assert line.startswith(offender)
    assert remedy in line
    assert line.endswith(SKIP)
    assert not workdir.exists()


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_left_out_and_listed_where_asked_for(
    folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    spoil, offender, _ = BAD_FILES[case]
    spoil(folder / "etf")
    assert entry(data__on_bad_file="skip") == 0
    (skipped,) = json.loads((workdir / "skipped.json").read_text())
    assert skipped["ecoregion"] == "etf"
    assert f"{skipped['path']}: {skipped['reason']}".startswith(offender)
    err = capsys.readouterr().err
    assert "1 bad files skipped, listed in" in err
    assert "etf: 1 training, 1 validation, 2 test pairs" in " ".join(err.split())  # 4 of 5 pairs


def test_the_folder_itself_is_accepted(workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    """What makes every refusal here one of its own offence."""
    assert entry() == 0
    assert json.loads((workdir / "config.json").read_text())["config"]["data"]["size"] == 64
    assert json.loads((workdir / "skipped.json").read_text()) == []
    assert "tsmu: old alps; new etf" in capsys.readouterr().err


def test_copies_are_said_at_the_start(
    folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]
) -> None:
    with Image.open(folder / "etf" / "0_post.png") as image:
        image.save(folder / "alps" / "1_post.png")
    assert entry(data__test_pairs=1) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "copies of one picture, kept on one side of the split: alps/1, etf/0 (nearly the same)" in said


# changes of the configuration: beginning of the message, what else it holds
BAD_VALUES: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing directory": ({"data__dir": "/nowhere/images"}, "--config.data.dir=/nowhere/images: no such directory", ""),
    "fewer pairs than the test set needs": (
        {"data__test_pairs": 5},
        "ecoregion 'etf' has 5 pairs, none left for training beside 5 test pairs",
        "add pairs or use a smaller --config.data.test_pairs",
    ),
    "more test pairs than pairs": (
        {"data__test_pairs": 50},
        "ecoregion 'alps' has 8 pairs, none left for training beside 50 test pairs",
        "add pairs or use a smaller --config.data.test_pairs",
    ),
    "no test pairs": ({"data__test_pairs": 0}, "--config.data.test_pairs=0: must be greater than 0", ""),
    "nothing left to validate on": (
        {"data__test_pairs": 4},
        "ecoregion 'etf': its 1 training pairs",
        "--config.data.validation=paper",
    ),
    "side not divisible by 64": (
        {"data__size": 100},
        "--config.data.size=100: sides must be divisible by 64",
        "try 64 or 128",
    ),
    "unknown method": (
        {"method": "feature_extracton"},
        "--config.method=feature_extracton: did you mean feature_extraction?",
        "known: leave_one_out, ",
    ),
    "unknown new ecoregion": (
        {"new": "eft"},
        "--config.new: no ecoregion 'eft'; did you mean 'etf'?",
        "(there are etf, alps)",
    ),
    "unknown old ecoregion": (
        {"old": "alpes", "new": ""},
        "--config.old: no ecoregion 'alpes'; did you mean 'alps'?",
        "(there are etf, alps)",
    ),
    "unknown ecoregion among all that are named": (
        {"old": "alpes", "new": "etf"},
        "",
        "no ecoregion 'alpes' (did you mean 'alps'?); there are alps, etf",
    ),
    "the same ecoregion twice": ({"old": "etf", "new": "etf"}, "--config.old and --config.new both name etf", ""),
    "unknown synthetic ecoregion": (
        {"data__dir": "", "data__synthetic__pairs": "etf=9,alps=9", "new": "etf"},
        "",
        "no ecoregion 'alps'; choose from etf, mwcf, nad, nwfm",
    ),
    "tiles for an unknown ecoregion": (
        {"data__tile": "eft=10"},
        "--config.data.tile: no ecoregion 'eft' (did you mean 'etf'?)",
        "",
    ),
    "no footprints to keep apart": (
        {"data__split": "blocked"},
        "--config.data.split=blocked needs footprints",
        "--config.data.split=paper",
    ),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_bad_values_are_named_with_a_remedy(
    workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    changes, offender, remedy = BAD_VALUES[case]
    assert entry(**changes) == 2
    line = one_error_line(capsys.readouterr().err)
    assert line.startswith(offender)
    assert remedy in line
    assert not workdir.exists()


def test_an_empty_ecoregion(folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    empty(folder / "etf")
    assert entry() == 2
    line = one_error_line(capsys.readouterr().err)
    assert line.startswith(f"{folder}: ecoregion 'etf' is empty; it needs image pairs")
    assert not workdir.exists()


def test_masks_that_teach_nothing(
    folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "etf").glob("*_mask.png"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(path)
    assert entry() == 2
    line = one_error_line(capsys.readouterr().err)
    assert line.startswith(f"{folder}: ecoregion 'etf' has no landslide in any of its 2 training pairs, so there is")
    assert not workdir.exists()


def test_an_empty_directory(folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.parent / "empty").mkdir()
    assert entry(data__dir=str(folder.parent / "empty")) == 2
    assert "empty: no ecoregions in it; images belong into <dir>/<ecoregion>/" in capsys.readouterr().err
    assert not workdir.exists()


def test_skipping_does_not_make_an_ecoregion_vanish(
    folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "etf").glob("*_mask.png"):
        path.write_bytes(b"")
    assert entry(data__on_bad_file="skip") == 2
    line = one_error_line(capsys.readouterr().err)
    assert "all pairs of ecoregion 'etf' are bad, the first: etf/0_mask.png: " in line
    assert not workdir.exists()


# Run directories


def test_a_file_where_the_workdir_should_be(workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    workdir.parent.write_text("x")
    for path in (workdir.parent, workdir):
        assert entry(path) == 2
        line = one_error_line(capsys.readouterr().err)
        assert line.startswith(f"--workdir={path}: cannot be written (")
        assert line.endswith("name another directory")
    assert workdir.parent.read_text() == "x"


def test_a_workdir_of_another_configuration(workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry() == 0
    before = {path.name: path.read_bytes() for path in workdir.iterdir() if path.is_file()}
    capsys.readouterr()
    assert entry(seed=3, model__width=0.25, data__workers=1) == 2
    line = one_error_line(capsys.readouterr().err)
    assert "model.width (was 0.5, is 0.25), seed (was 0, is 3)" in line
    assert "workers" not in line
    assert line.startswith(f"--workdir={workdir}: ")
    assert {path.name: path.read_bytes() for path in workdir.iterdir() if path.is_file()} == before
    assert not (workdir / "phases").exists()
    assert entry(data__workers=1) == 0  # the same run goes on


def test_a_workdir_with_other_files(workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    workdir.mkdir(parents=True)
    (workdir / "thesis.txt").write_text("x")
    assert entry() == 2
    line = one_error_line(capsys.readouterr().err)
    assert line == f"--workdir={workdir}: holds files but no run; name a new or empty directory"
    assert [path.name for path in workdir.iterdir()] == ["thesis.txt"]


def test_a_phase_of_other_images_is_not_continued(
    folder: Path, workdir: Path, entry: Entry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry() == 0
    record = workdir / "phases" / "01_initial" / "phase.json"
    record.parent.mkdir(parents=True)
    whole = {"steps": 1, "tests": {}, "result": {}}
    record.write_text(json.dumps({"key": "that of other images", **whole}))
    capsys.readouterr()
    assert entry() == 2
    line = one_error_line(capsys.readouterr().err.splitlines()[-1])
    assert line.endswith("01_initial: trained on other images or by other code; name another --workdir")


# The command line itself, as a process


def run(*words: str, timeout: float = 60) -> tuple[int, str, str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "COLUMNS": "200"}
    command = [sys.executable, "-m", "tsmu_jax.main", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr


DEMO = "--config=configs/tsmu.py:demo"
BAD_COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "no configuration": ((), "--config is missing; for a first look: --config=configs/tsmu.py:demo"),
    "no workdir": ((DEMO,), "--workdir is missing; for a first look: --workdir=runs/demo"),
    "unknown key": (
        (DEMO, "--config.data.siz=64"),
        "unknown configuration key --config.data.siz; did you mean --config.data.size?",
    ),
    "unknown key unlike any": (
        (DEMO, "--config.data.zzz=64"),
        "unknown configuration key --config.data.zzz; the configuration file lists the known ones",
    ),
    "key below a value": (
        (DEMO, "--config.data.size.x=64"),
        "unknown configuration key --config.data.size.x; the configuration file lists the known ones",
    ),
    "key without configuration": (("--config.data.size=64",), "--config.NAME=VALUE needs --config=FILE before it"),
    "value of another type": ((DEMO, "--config.data.size=big"), "flag --config.data.size=big: invalid literal"),
    "unknown variant": (
        ("--config=configs/tsmu.py:dmeo",),
        "--config=configs/tsmu.py:dmeo: unknown variant 'dmeo' of configs/tsmu.py; known: default, paper, small, demo",
    ),
    "unknown file": (("--config=configs/tmsu.py:demo",), "--config=configs/tmsu.py:demo: no such configuration file"),
    "directory as file": (("--config=configs",), "--config=configs: "),
    "unknown flag": ((DEMO, "--workdri=x"), "Unknown command line flag 'workdri'. Did you mean: workdir ?"),
    "stray word": ((DEMO, "demo"), "unexpected argument 'demo'; every option is a flag: --name=value"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_bad_command_lines_end_with_one_line_and_code_2(tmp_path: Path, case: str) -> None:
    words, message = BAD_COMMANDS[case]
    if "missing" not in message:
        words = (*words, f"--workdir={tmp_path / 'run'}")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert one_error_line(err).startswith(message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("source", ["", "def get_config():\n    return 1 / 0\n", "def get_config(:\n"])
def test_broken_configuration_files_are_named(tmp_path: Path, source: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    code, _, err = run(f"--config={path}", f"--workdir={tmp_path / 'run'}")
    assert code == 2
    assert one_error_line(err).startswith(f"--config={path}: ")


def test_bad_data_end_with_one_line_and_code_2_in_a_process_too(folder: Path, workdir: Path) -> None:
    resave(folder / "etf" / "3_mask.png", np.full((HEIGHT, WIDTH), 7))
    code, out, err = run(DEMO, f"--config.data.dir={folder}", f"--workdir={workdir}")
    assert (code, out) == (2, "")
    assert one_error_line(err).startswith("etf/3_mask.png: a mask with values 7")
    assert not workdir.exists()


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(flag: str) -> None:
    code, out, err = run(flag)
    assert (code, err) == (0, "")
    assert "python -m tsmu_jax.main --config=configs/tsmu.py:demo --workdir=runs/demo" in out
    for name in ("--config", "--workdir", "--[no]summarize"):
        assert name in out


def test_summarize_prints_the_numbers_of_table_ix_beside_those_of_the_paper() -> None:
    code, out, err = run("--config=configs/tsmu.py", "--summarize")
    assert (code, err) == (0, "")
    rows = {}
    for line in out.splitlines():
        found = re.match(r"\s*(encoder|decoder|\d decoders?)\s+([\d,]+)\s+([\d,]+)\s*([\d,]*)\s*$", line)
        if found:
            rows[found.group(1)] = [number.replace(",", "") for number in found.groups()[1:]]
    assert rows["encoder"][1] == "308960"
    assert rows["decoder"][1] == "4743985"
    assert rows["1 decoder"] == ["5048913", "5052945", "5052945"]
    assert rows["2 decoders"] == ["9789858", "9796930", "9796930"]
    assert rows["4 decoders"] == ["19271748", "19284900", "19278820"]
    assert run("--config=configs/tsmu.py", "--summarize", "--config.data.size=100")[0] == 2


def test_every_setting_can_be_set_by_a_flag() -> None:
    """Also those in a section that is named like a method of the configuration object."""
    config = get_config("demo")
    names = [f"{section}.{name}" for section, held in config.items() if hasattr(held, "items") for name in held]
    assert "update.max_forgetting" in names
    for name in names:
        assert config_path.get_type(name, config) is type(config[name.split(".")[0]][name.split(".")[1]]), name
