"""`python -m tsmu_jax.report` as a process: what it says, writes, refuses, and how fast it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forks

ROOT = Path(__file__).parent.parent


def report(*words: str, cwd: Path = ROOT) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tsmu_jax.report", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_sweep_is_reported_and_its_runs_stay_as_they_are(tmp_path: Path, make_run) -> None:
    for seed in range(2):
        make_run(f"sweep/tsmu{seed}", "tsmu", seed=seed)
    make_run("sweep/unfinished", "retraining", finished=1)
    sweep = tmp_path / "sweep"
    before = contents(sweep)
    code, out, err = report(f"--workdir={sweep}")
    assert code == 0
    assert out == f"2 runs: {sweep}/report/report.html, {sweep}/report/report.md\n"
    why = "unfinished: 1 of 2 phases have a phase.json; its own command goes on with it"
    assert err == f"left out: {sweep}/unfinished: {why}\n"
    assert {name: content for name, content in contents(sweep).items() if not name.startswith("report/")} == before
    assert "| tsmu | 1 | 2 |" in (sweep / "report" / "report.md").read_text()
    first = contents(sweep)
    assert report(f"--workdir={sweep}")[0] == 0  # again: the report itself is no foreign directory
    assert contents(sweep) == first


def test_several_workdirs_and_another_output(tmp_path: Path, make_run) -> None:
    one, two = make_run("one", "tsmu"), make_run("two", "retraining")
    code, out, _ = report("--workdir=one", f"--workdir={two}", "--output=both", cwd=tmp_path)
    assert (code, out) == (0, "2 runs: both/report.html, both/report.md\n")
    assert (tmp_path / "both" / "table_9_costs.tex").exists()
    assert not (one / "report").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--workdir is missing; name a directory that tsmu_jax.main or a sweep wrote"),
        (("--workdir=nowhere",), "--workdir=nowhere: no such directory"),
        (("--workdir=foreign",), "--workdir=foreign: holds no run, nor do directories in it; name one"),
        (("--workdir=half",), "no finished run to report on; half: unfinished: 1 of 3 phases"),
        (("--workdir=run", "--output=foreign"), "--output=foreign: holds thesis.txt, which no report wrote"),
        (("--workdir=run", "--output=run"), "--output=run: holds config.json, which no report wrote"),
        (("--workdir=run", "--reference=data.size=8"), "--reference: no two runs differ in data.size"),
        (("--workdir=run", "--reference=8"), "--reference: '8' is not of the form KEY=VALUE"),
        (("run",), "unexpected argument 'run'; every option is a flag: --name=value"),
    ],
)
def test_wrong_input_ends_with_one_line_and_code_2(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, make_run, words: tuple[str, ...], message: str
) -> None:
    make_run("run", "tsmu")
    make_run("half", "tsmu", finished=1)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("x")
    before = contents(tmp_path)
    said = tmp_path_factory.mktemp("said") / "words"
    code, out, err = forks.ended("tsmu_jax.report", *words, said=said, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}") and err.count("\n") == 1
    assert contents(tmp_path) == before


def test_help_says_how_to_use_it() -> None:
    code, out, err = report("--help")
    assert (code, err) == (0, "")
    for words in ("python -m tsmu_jax.report --workdir=runs/paper", "--workdir", "--output", "--reference"):
        assert words in out


@pytest.mark.parametrize(
    ("module", "slow"),
    [
        ("tsmu_jax.main", {"numpy", "scipy", "jax"}),  # `--help` comes at once
        ("tsmu_jax.prepare", {"numpy", "scipy", "jax", "tensorflow_datasets", "matplotlib"}),
        ("tsmu_jax.example", {"numpy", "scipy", "jax", "rasterio"}),
        ("tsmu_jax.report", {"numpy", "scipy", "jax"}),
        ("tsmu_jax.runs.train", {"torch", "tensorboardX", "matplotlib"}),  # nor before the first training step
        ("tsmu_jax.reporting.documents", {"jax", "flax", "matplotlib", "jinja2", "tensorflow_datasets"}),
        ("tsmu_jax.reporting.page.document", {"jax", "flax", "tensorflow_datasets"}),
    ],
)
def test_what_is_slow_to_import_stays_out(module: str, slow: set[str]) -> None:
    program = f"import sys, {module}; print(sorted(set({sorted(slow)}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
