"""`python -m tsmu_jax.review` as a process: what it says, and how it refuses."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reviewing.conftest import make
from tests.reviewing.test_decision_file import content
from tests.reviewing.test_labelme import ACROSS

ROOT = Path(__file__).parents[2]


def review(*words: str, cwd: Path = ROOT) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, "-m", "tsmu_jax.review", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    said = re.sub(r"^(?:pictures|tiles): \d.*\n", "", done.stderr, flags=re.MULTILINE)  # progress, on a slow machine
    return done.returncode, done.stdout, said


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    make(folder)
    (folder / "decisions.json").write_text(json.dumps(content(folder / "x.gpkg")))
    return folder


def test_there_and_back(place: Path) -> None:
    gallery = ("gallery", "--inventory=x.gpkg", "--scenes=images", "--output=queue.html", "--limit=2")
    code, out, err = review(*gallery, cwd=place)
    assert (code, err) == (0, "") and out.startswith("2 candidates of 3 that wait: queue.html (")
    back = ("import", "--inventory=x.gpkg", "--decisions=decisions.json")
    assert review(*back, cwd=place) == (0, "1 new decision, 1 accepted: x.gpkg\n", "")
    assert review(*back, cwd=place) == (0, "0 new decisions, 1 known already: x.gpkg\n", "")
    export = ("export", "--inventory=x.gpkg", "--scenes=images", "--output=tiles")
    assert review(*export, cwd=place) == (0, "3 landslides in 1 tile: tiles\n", "")
    back = ("import", "--inventory=x.gpkg", "--labelme=tiles", "--reviewer=ada")
    assert review(*back, cwd=place) == (0, "0 new decisions: x.gpkg\n", "")
    dataset = ("dataset", "--inventory=x.gpkg", "--scenes=images", "--output=out", "--tile=16", "--ecoregion=alps")
    said = "9 pairs of 16 x 16 px of 2 m, 1 landslide, 0 rejected, 15% of the ground unknown: out\n"
    following = "next: python -m tsmu_jax.prepare --input=out --data_dir=out_prepared --split=paper --test_pairs=2\n"
    assert review(*dataset, cwd=place) == (0, said + following, "")
    code, _, err = review(*dataset, cwd=place)
    assert code == 2 and "--output=out: is there already; name a new directory" in err


def test_what_is_done_to_context_is_told_in_one_line(tmp_path: Path) -> None:
    make(tmp_path, ACROSS, shape=(60, 128))
    export = ("export", "--inventory=x.gpkg", "--scenes=images", "--output=tiles", "--tile=64")
    assert review(*export, cwd=tmp_path) == (0, "2 landslides in 2 tiles: tiles\n", "")
    path, _ = sorted((tmp_path / "tiles").glob("*_post.json"))
    content = json.loads(path.read_text())
    content["shapes"] = [shape for shape in content["shapes"] if shape["label"] != "context"]
    path.write_text(json.dumps(content | {"flags": {"reviewed": True}}))
    code, out, err = review("import", "--inventory=x.gpkg", "--labelme=tiles", "--reviewer=ada", cwd=tmp_path)
    assert (code, out) == (0, "1 new decision, 1 accepted, 1 tile of reviewed ground: x.gpkg\n")
    assert err.startswith(f"tiles/{path.name}: left out is what was done to context: landslide ")
    assert err.endswith("_000_001; change it there\n") and err.count("\n") == 1


def test_help_names_the_commands_and_loads_little() -> None:
    code, out, _ = review("--help")
    assert code == 0 and "gallery writes" in out and "--decisions" in out
    heavy = "{'jax', 'numpy', 'rasterio', 'shapely', 'jinja2'}"
    script = f"import sys; import tsmu_jax.review; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gallery", "--inventory=x.gpkg", "--output=q.html"), "--scenes is missing; name"),
        (("gallery", "--inventory=x.gpkg", "--output=q.html", "--scenes=map"), "none of the candidates' images"),
        (("import", "--inventory=x.gpkg", "--labelme=tiles"), "--labelme and --reviewer belong together"),
        (("import", "--inventory=x.gpkg", "--limit=3"), "--limit: is no flag of import"),
        (
            ("dataset", "--inventory=x.gpkg", "--scenes=images", "--output=o", "--ecoregion=a/b"),
            "is no name of a folder",
        ),
        (("import", "--inventory=x.gpkg", "--labelme=map", "--reviewer=ada"), "tiles.json: cannot be"),
        (("show",), "unknown command 'show'; give one of gallery, export, import, dataset"),
    ],
)
def test_errors_are_one_line(place: Path, words: tuple[str, ...], message: str) -> None:
    code, out, err = review(*words, cwd=place)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1
