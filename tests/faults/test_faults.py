"""The quickest faults are caught, the catalogue fits the source, and only a test's own failure counts."""

import dataclasses
import subprocess
from pathlib import Path

import pytest

from tests.faults import plant
from tests.faults.catalogue import FAULTS, Fault

QUICKEST = ("labels-shifted", "responses-of-the-wrong-flip", "test-pair-in-training")
DOUBLE = Fault("double", "tsmu_jax/numbers.py", "2 * x", "3 * x", ("tests/test_numbers.py",))


@pytest.mark.skipif(not (plant.ROOT / ".git").exists(), reason="faults are planted in files that git lists")
def test_the_quickest_faults_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert plant.run(QUICKEST, all_tests=False) == 0
    unchanged, *lines = capsys.readouterr().out.splitlines()
    assert "passes" in unchanged
    for name, line in zip(QUICKEST, lines, strict=True):
        assert line.startswith(name) and "caught by tests/" in line


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_catalogue_fits_the_source(fault: Fault) -> None:
    assert plant.occurrences(fault, plant.ROOT) == 1
    assert fault.before != fault.after and fault.tests
    for test in fault.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (plant.ROOT / file).read_text()


def test_names_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A package of one function, and its test."""
    files = {
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib"]\n',
        "tsmu_jax/__init__.py": "",
        "tsmu_jax/numbers.py": "def double(x):\n    return 2 * x\n",
        "tests/test_numbers.py": (
            "from tsmu_jax.numbers import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_every_fault_has_its_line(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harmless = dataclasses.replace(DOUBLE, name="harmless", after="x + x")
    stale = dataclasses.replace(DOUBLE, name="stale", before="4 * x")
    assert plant.run([], all_tests=False, root=repository, faults=(DOUBLE, harmless, stale)) == 1
    unchanged, *lines = capsys.readouterr().out.splitlines()
    assert unchanged.startswith("unchanged  passes, ")
    assert lines[0].startswith("double     caught by tests/test_numbers.py::test_double, ")
    assert lines[1].startswith("harmless   NOT CAUGHT, ")
    assert lines[2].startswith("stale      NOT PLANTED: tsmu_jax/numbers.py: the text to replace occurs 0 times; ")
    assert "2 * x" in (repository / DOUBLE.file).read_text()  # the copies alone are changed
    assert plant.run(["double"], all_tests=True, root=repository, faults=(harmless, DOUBLE)) == 0


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("2 * y", "no test failed by itself"),
        ("2 *", "no test failed by itself"),
        ("2 * x\n\nimport nothing_of_this_name", "no test failed by itself"),
        ("__import__('time').sleep(60)", "longer than 2 s"),
    ],
    ids=("unknown name", "no Python", "unknown module", "endless"),
)
def test_only_a_failure_of_a_test_counts(repository: Path, after: str, said: str) -> None:
    broken = dataclasses.replace(DOUBLE, after=after)
    outcome = plant.try_fault(
        broken, repository, DOUBLE.tests, stop=True, timeout_seconds=2 if "sleep" in after else 60
    )
    assert not outcome.passed and not outcome.noticed
    assert said in outcome.problem and plant.sentence(outcome).startswith("NOT CAUGHT, ")


def test_another_copy_of_the_package_is_refused(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (repository / "tsmu_jax").rename(elsewhere / "tsmu_jax")
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    outcome = plant.run_tests(repository, DOUBLE.tests, stop=True, timeout_seconds=60)
    assert not outcome.passed and f"tsmu_jax was imported from {elsewhere}" in outcome.output


def test_an_unchanged_copy_must_pass(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant.plant(DOUBLE, repository)
    assert plant.run([], all_tests=False, root=repository, faults=[DOUBLE]) == 1
    assert capsys.readouterr().out.startswith("unchanged  FAILS, ")


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        plant.main(["head-sign"])
    assert "no fault 'head-sign'; known: frozen-statistics-moved, " in capsys.readouterr().err
