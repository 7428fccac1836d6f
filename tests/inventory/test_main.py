"""`python -m tsmu_jax.inventory` as a process: what it says, and how it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.inventory.test_adding import BOXES, DATES, ONE, table, write_map
from tsmu_jax.inventory.adding import add

ROOT = Path(__file__).parents[2]


def inventory(*words: str, cwd: Path = ROOT) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, "-m", "tsmu_jax.inventory", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an inventory of two landslides, and a list of one event."""
    folder = tmp_path_factory.mktemp("place")
    add(folder / "x.gpkg", write_map(folder / "first", BOXES), ONE, dates=DATES)
    row = table(folder / "x.gpkg")[0]
    line = f"7,{row['Latitude']},{row['Longitude']},5/10/2024\n"
    (folder / "events.csv").write_text(f"event_id,Latitude,Longitude,Date\n{line}8,0,0,soon\n")
    return folder


def test_the_three_commands(place: Path) -> None:
    found = inventory("export", "--inventory=x.gpkg", "--output=x.geojson", cwd=place)
    assert found == (0, "2 landslides: x.geojson\n", "")
    code, out, err = inventory(
        "match", "--inventory=x.gpkg", "--other=events.csv", "--distance_m=5", "--write", cwd=place
    )
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["ours", "2", "1", "50.0%", "1", "0", "1", "0"] in lines
    assert ["theirs", "2", "1", "50.0%", "1", "0", "0", "1"] in lines
    assert "x_matches.csv" in out and "kept in the inventory: the matches of 1 landslide\n" in out
    assert [row["matched_usgs_id"] for row in table(place / "x.gpkg")] == ["7", None]
    found = inventory("summary", "--inventory=x.gpkg", "--output=summary", cwd=place)
    assert found == (0, "2 landslides: summary/summary.html\n", "")


def test_help_names_the_commands_and_loads_little() -> None:
    code, out, _ = inventory("--help")
    assert code == 0 and "export  writes" in out and "--distance_m" in out
    script = "import sys; import tsmu_jax.inventory.__main__; print([m for m in sys.modules if m in 'jax geopandas'])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a command is missing; give one of export, match, summary before the flags"),
        (("exprt",), "unknown command 'exprt'; give one of export, match, summary"),
        (("export", "more"), "unexpected argument 'more'; every option is a flag"),
        (("export",), "--inventory is missing; name the GeoPackage"),
        (("export", "--inventory=x.gpkg"), "--output is missing; name a file that ends in .geojson"),
        (("export", "--inventory=x.gpkg", "--output=x.kml"), "--output=x.kml: name a file that ends in .geojson"),
        (("export", "--inventory=x.gpkg", "--output=y.csv", "--write"), "--write: is no flag of export"),
        (("export", "--inventory=x.gpkg", "--output=events.csv"), "--output=events.csv: is there already"),
        (("match", "--inventory=x.gpkg"), "--other is missing; name a list of events, or another inventory"),
        (("match", "--inventory=x.gpkg", "--other=no.csv", "--output=m.csv"), "--other=no.csv: there is no such file"),
        (("match", "--inventory=x.gpkg", "--other=events.csv", "--output=m.txt"), "--output=m.txt: name a file that"),
        (("match", "--inventory=x.gpkg", "--distance_m=-1"), "--distance_m=-1: -1.0 is not a non-negative number"),
        (("summary", "--inventory=events.csv", "--output=s"), "--inventory=events.csv: is no inventory of tsmu_jax"),
        (("summary", "--inventory=x.gpkg", "--output=first"), "--output=first: holds "),
    ],
)
def test_refusals_are_one_line(place: Path, words: tuple[str, ...], message: str) -> None:
    code, out, err = inventory(*words, cwd=place)
    assert (code, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
    assert message in err
