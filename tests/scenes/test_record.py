"""A finished map is checked before it is read again: damage is named with what to do, and never becomes rows."""

import collections
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.scenes.conftest import texture
from tests.stress.damage import cut, flip
from tsmu_jax import digests
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import adding
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import layers
from tsmu_jax.scenes.run import map_scene

DAMAGES = {"cut": cut, "flip": flip}


class Finished:
    """A map that is finished, the command that made it, and whoever adds it to an inventory."""

    def __init__(self, model: SavedModel, pair: list[Path], path: Path):
        self.path = path
        self._model, self._pair = model, pair

    def again(self, **options: Any) -> bool:
        return map_scene(self._model, *self._pair, self.path, decoder="a", **options)

    def add(self) -> adding.Added:
        """To a new inventory: one that has the map reads no rasters."""
        number = len(list(self.path.parent.glob("*.gpkg")))
        return adding.add(self.path.parent / f"{number}.gpkg", self.path, self._model)

    def change(self, **values: Any) -> None:
        """Writes another record; None leaves a value out."""
        record = json.loads((self.path / "scene.json").read_text()) | values
        held = {name: value for name, value in record.items() if value is not None}
        (self.path / "scene.json").write_text(json.dumps(held))


@pytest.fixture
def finished(model: SavedModel, tmp_path: Path, write_raster: Any) -> Finished:
    """In a copy: no process has seen its rasters before."""
    pair = [write_raster(tmp_path / f"{number}.tif", texture(40, 50, number)) for number in range(2)]
    map_scene(model, *pair, tmp_path / "made", decoder="a")
    shutil.copytree(tmp_path / "made", tmp_path / "map")
    return Finished(model, pair, tmp_path / "map")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", layers.NAMES)
def test_a_damaged_raster_is_named_by_whoever_reads_the_map(finished: Finished, name: str, damage: str) -> None:
    DAMAGES[damage](finished.path / name)
    for read in (finished.again, finished.add):
        with pytest.raises(UserError) as refused:
            read()
        said = str(refused.value)
        what = "has changed since it was written" if damage == "flip" else said[said.index(": ") + 2 : said.index(";")]
        remedy = f"remove {finished.path} and run the same command again: it maps the scene anew"
        assert said == f"{finished.path / name}: {what}; {remedy}"
        assert damage == "flip" or " bytes instead of " in what
    assert not list(finished.path.parent.glob("*.gpkg"))


def test_the_remedy_makes_the_map_anew(finished: Finished) -> None:
    whole = (finished.path / "mask.tif").read_bytes()
    flip(finished.path / "mask.tif")
    with pytest.raises(UserError):
        finished.again()
    shutil.rmtree(finished.path)
    assert finished.again() and (finished.path / "mask.tif").read_bytes() == whole
    assert finished.add().new > 0
    (finished.path / "mask.tif").unlink()  # what is not there is made by the same command alone
    assert finished.again() and (finished.path / "mask.tif").read_bytes() == whole


def test_a_damaged_record_ends_in_one_line(finished: Finished) -> None:
    whole = (finished.path / "scene.json").read_text()
    for text in (
        whole[:40],
        whole.replace('"landslide_share": 0.', '"landslide_share": 1.'),
        whole.replace("digest", "digess"),
    ):
        (finished.path / "scene.json").write_text(text)
        for read in (finished.again, finished.add):
            with pytest.raises(UserError, match=r"scene.json: (has changed since|cannot be read)") as refused:
                read()
            assert "\n" not in str(refused.value)


def test_maps_without_digests_are_decoded(finished: Finished) -> None:
    """As earlier releases wrote them."""
    record = json.loads((finished.path / "scene.json").read_text())
    finished.change(files=record["image_files"], image_files=None, digest=None)
    assert finished.again() and finished.add().new > 0
    cut(finished.path / "probability.tif")
    for read in (finished.again, finished.add):
        with pytest.raises(
            UserError, match="probability.tif: cannot be read .*; remove .*map and run the same command"
        ):
            read()


def test_a_command_reads_every_raster_once(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, count = digests._of, collections.Counter[str]()

    def counted(path: Path) -> tuple[int, str]:
        count[path.name] += 1
        return taken(path)

    monkeypatch.setattr(digests, "_of", counted)
    assert finished.again(inventory=finished.path.parent / "landslides.gpkg")
    assert count == dict.fromkeys(layers.NAMES, 1)
