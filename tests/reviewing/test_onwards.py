"""From reviewed ground to what learns from it: the model's resolution, and the command that `dataset` proposes."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reviewing import test_dataset
from tests.reviewing.conftest import make
from tests.reviewing.test_main import ROOT, review
from tests.test_predict import CONTRACT, SIDE, write_model
from tsmu_jax.data import draws_file
from tsmu_jax.data.prepared import PreparedSource
from tsmu_jax.errors import UserError
from tsmu_jax.models import archive
from tsmu_jax.reviewing import dataset, learner
from tsmu_jax.reviewing.dataset import Asked

DATASET = ("dataset", "--inventory=x.gpkg", "--scenes=images", "--ecoregion=alps", "--output=out")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reviewed inventory, mapped at 2 m a pixel, and a model."""
    folder = tmp_path_factory.mktemp("made")
    make(folder)
    test_dataset.decide(folder / "x.gpkg", "accepted", "rejected", "accepted")
    write_model(folder / "model")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def trained_at(model: Path, **gsd_m: float | None) -> None:
    """Lets a model's ecoregions say how many metres a pixel of its input covered."""
    file = model / "model.json"
    description = json.loads(file.read_text())
    for name, metres in gsd_m.items():
        extent = metres and {side: [metres] * 3 for side in ("height", "width")}
        description["ecoregions"][name]["contract"] = {**CONTRACT, "gsd_m": extent}
    description["digest"] = archive._digest(description)
    file.write_text(archive._text(description))


def write(place: Path, side: int = SIDE, gsd_m: float = 0.0) -> dataset.Written:
    asked = Asked("alps", side, gsd_m=gsd_m, learner=learner.read(str(place / "model"), "alps"))
    return test_dataset.write(place / "x.gpkg", place / "out", asked)


def test_the_command_refuses_tiles_of_another_resolution_than_the_models(place: Path) -> None:
    trained_at(place / "model", a=4.0, b=40.0)
    code, out, err = review(*DATASET, "--model=model", cwd=place)
    assert (code, out) == (2, "") and not (place / "out").exists()
    assert err == (
        "error: --model: a pixel of the network's input would cover 2 m, and covered 4 m where the model learnt (a); "
        "make tiles of its resolution with --gsd=4, or insist on this one with --gsd=2\n"
    )
    assert write(place, gsd_m=4.0).gsd_m == pytest.approx(4.0, rel=1e-2)


@pytest.mark.parametrize(
    ("gsd_m", "side", "stated", "remedy"),
    [
        ({"a": None, "b": None}, SIDE, 0.0, None),
        ({"a": 10.0, "b": 2.9}, SIDE, 0.0, None),
        ({"a": 10.0, "b": None}, SIDE, 0.0, "--gsd=10, "),
        ({"a": 1.25, "b": 0.5}, SIDE, 0.0, r"--gsd=1\.25, "),
        ({"a": 2.0, "b": 2.0}, 2 * SIDE, 0.0, "--gsd=1, "),  # `prepare` would shrink them to half their resolution
        ({"a": 4.0, "b": 2.0}, 2 * SIDE, 0.0, None),
        ({"a": 2.0, "b": 2.0}, 2 * SIDE, 2.0, None),
    ],
)
def test_tiles_are_compared_with_the_ecoregion_that_is_nearest(
    place: Path, gsd_m: dict[str, float | None], side: int, stated: float, remedy: str | None
) -> None:
    trained_at(place / "model", **gsd_m)
    if remedy is None:
        assert write(place, side, stated).pairs
    else:
        with pytest.raises(UserError, match=f"make tiles of its resolution with {remedy}or insist"):
            write(place, side, stated)
        assert not (place / "out").exists()


def test_the_command_that_is_proposed_prepares_tiles_with_their_draws(place: Path) -> None:
    trained_at(place / "model", a=2.0)
    code, out, _ = review(*DATASET, "--model=model", "--hard_negatives=3", cwd=place)
    assert code == 0
    _, module, *words = shlex.split(out.splitlines()[-1].removeprefix("next: python "))
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (module, done.returncode) == ("tsmu_jax.prepare", 0), done.stderr
    stated = json.loads((place / "out" / "alps" / draws_file.NAME).read_text())
    infos = PreparedSource(place / "out_prepared", require_pre=True).infos
    assert set(stated.values()) == {3} and stated.keys() < {info.id for info in infos}
    assert {info.id: info.draws for info in infos} == {info.id: stated.get(info.id, 1) for info in infos}
