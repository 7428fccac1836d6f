"""The commands of docs/tutorial.md run, in their order, and leave the files that it names."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

from tests.runs.circle import PROGRAM

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SIDE = "--side=800", "--side=192"  # the same commands on less ground
# The same training on fewer and smaller pairs: it takes minutes otherwise.
REDUCED = PROGRAM | {
    "data.synthetic.height": 32,
    "data.synthetic.width": 32,
    "data.synthetic.pairs": "etf=16,nad=16,nwfm=16,mwcf=16",
    "data.test_pairs": 4,
    "epochs.initial": 12,
    "epochs.freeze": 6,
    "epochs.joint_fine_tuning": 2,
    "selection.epochs": 4,
}

Session = tuple[Path, dict[str, str]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The directory after the tutorial, and what each block printed."""
    place = tmp_path_factory.mktemp("tutorial")
    training, *blocks = BLOCKS
    assert "tsmu_jax.main" in training and training.endswith(" --workdir=runs/demo\n")
    assert SIDE[0] in blocks[0]
    (place / "configs").symlink_to(ROOT / "configs")
    less = " ".join(f"--config.{name}={shlex.quote(str(value))}" for name, value in REDUCED.items())
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "COLUMNS": "100"}
    said = {}
    for block in BLOCKS:
        whole = f"{block.rstrip()} {less}\n" if block is training else block
        script = re.sub("^python -m", f"{shlex.quote(sys.executable)} -m", whole.replace(*SIDE), flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-ec", script], cwd=place, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        said[block] = done.stdout
    return place, said


def test_every_file_that_it_names_is_there(session: Session) -> None:
    place, _ = session
    named = set(re.findall(r"[\w/]*\w\.(?:tif|gpkg|html|geojson|csv)\b", TEXT))
    assert {"example/truth.tif", "map/uncertainty.tif", "landslides.gpkg", "landslides_matches.csv"} <= named
    assert [name for name in sorted(named) if not (place / name).exists()] == []
    assert (place / "runs" / "demo" / "model").is_dir()


def test_the_printed_lines_are_of_the_kind_that_it_shows(session: Session) -> None:
    """Numbers apart, and apart from what the model decides: the decoder, and how many landslides match."""
    _, said = session
    shown = re.findall(r"^```bash\n([^`]*)^```\n\n```\n([^`]*)^```$", TEXT, re.MULTILINE)
    assert len(shown) > 5
    for block, lines in shown:
        printed = kinds(said[block])
        assert [line for line in kinds(lines) if line not in printed] == [], block


def kinds(text: str) -> list[str]:
    """Lines without their numbers, their rulers and what the model decides."""
    whole = [re.sub(r"[-+]?\d[\d.,]*|\s+", "", line) for line in text.splitlines()]
    return [line for line in whole if line.strip("─") and not line.startswith(("decoder:", "halo:", "Pairsthat"))]


def test_the_dates_are_those_of_the_scene(session: Session) -> None:
    _, said = session
    drawn = next(text for block, text in said.items() if "tsmu_jax.example" in block)
    dates = re.findall(r"--(?:pre|post)_date=\S+", drawn)
    mapping = next(block for block in said if "--inventory" in block and "tsmu_jax.predict" in block)
    assert re.findall(r"--(?:pre|post)_date=\S+", mapping) == dates and len(dates) == 2


def test_the_map_has_the_coordinates_of_the_scene(session: Session) -> None:
    place, _ = session
    with rasterio.open(place / "example" / "after.tif") as scene, rasterio.open(place / "map" / "mask.tif") as mapped:
        assert (scene.crs, scene.transform, scene.shape) == (mapped.crs, mapped.transform, mapped.shape)
