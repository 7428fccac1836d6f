"""Whole scenes: how they are written, what the table says, and that our side and PyTorch's make the same map."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from benchmarks import ours, scenes
from benchmarks.measure import Candidate, Measured
from benchmarks.scenes import GIB, Mapped
from tsmu_jax.errors import UserError
from tsmu_jax.prediction.output import FULL
from tsmu_jax.scenes.layers import PROBABILITY

SIDE = 192
NETWORK = {"channels": 6, "width": 0.25, "depth": 2}
LITTLE_GIB = 1e-6  # windows as small as they can be


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    made = Mapped(tmp_path_factory.mktemp("scenes"), LITTLE_GIB, NETWORK)
    made.write(SIDE)
    return made


@pytest.fixture(scope="module")
def ours_map(mapped: Mapped) -> np.ndarray:
    """u8[h, w] as our side writes it."""
    setting = mapped.ours("ours").arguments
    with contextlib.closing(ours.scene(**setting)) as job:
        job.run()
    return read(Path(setting["output"]) / PROBABILITY)


def read(path: Path | str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def test_images_are_tiled_and_have_a_place(tmp_path: Path) -> None:
    scenes.write_image(tmp_path / "a.tif", 1040, 0)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.shape == (1040, 1040) and file.count == 3 and file.block_shapes[0] == (512, 512)
        assert file.crs == "EPSG:32633" and file.res == (2.0, 2.0)
        image = file.read()
    assert image.std() > 20
    np.testing.assert_array_equal(image[:, 512:1024, :512], image[:, :512, 512:1024])


def test_a_scene_takes_several_windows(mapped: Mapped, ours_map: np.ndarray) -> None:
    assert mapped.window < SIDE
    assert ours_map.shape == (SIDE, SIDE) and ours_map.max() <= 250 and ours_map.std() > 0


def test_one_window_compiles_what_a_scene_needs(mapped: Mapped, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for aoi in (None, mapped.corner):
        with contextlib.closing(ours.scene(**mapped.ours("ours", aoi=aoi).arguments)) as job:
            job.run()
        said.append(re.findall(r"windows: (\d+) of (\d+ x \d+) px", capsys.readouterr().out)[0])
    (all_of_them, shape), one = said
    assert int(all_of_them) > 1 and one == ("1", shape)


@pytest.fixture
def peers() -> Iterator[Any]:
    pytest.importorskip("torch", reason="PyTorch is not installed; pip install -e '.[benchmarks]'")
    from benchmarks import peer_scenes

    yield peer_scenes


def test_a_loop_in_pytorch_makes_the_same_map(mapped: Mapped, ours_map: np.ndarray, peers: Any) -> None:
    setting = mapped.peer("pytorch").arguments
    peers.loop(**setting).run()
    difference = read(setting["output"]).astype(int) - ours_map
    assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 0.01


def test_torchgeo_makes_the_same_map_but_for_two_edges(mapped: Mapped, ours_map: np.ndarray, peers: Any) -> None:
    pytest.importorskip("torchgeo", reason="TorchGeo is not installed; pip install torchgeo")
    setting = mapped.peer("torchgeo").arguments
    peers.torchgeo(**setting).run()
    inner = slice(max(setting["margins"]), SIDE - max(setting["margins"]))
    difference = read(setting["output"])[inner, inner].astype(int) - ours_map[inner, inner]
    assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 0.01


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves directories to the end
def test_raster_vision_makes_the_same_map_but_for_its_edges(mapped: Mapped, ours_map: np.ndarray, peers: Any) -> None:
    package = "rastervision_pytorch_learner"
    pytest.importorskip("rastervision.pytorch_learner", reason=f"Raster Vision is not installed; pip install {package}")
    setting = mapped.peer("rastervision").arguments
    peers.rastervision(**setting).run()
    inner = slice(max(setting["margins"]), SIDE - max(setting["margins"]))
    scores = read(Path(setting["output"]) / "scores.tif")[inner, inner].astype(float) / 255
    assert np.abs(scores - ours_map[inner, inner] / FULL).max() < 0.006  # halves of a level of either


def measured(name: str, seconds: float, gib: float) -> Measured:
    return Measured(name, seconds=[seconds], peak_bytes=int(gib * GIB))


def test_the_table_has_time_and_memory_beside_each_peer() -> None:
    absent = Measured("TorchGeo", missing="not installed")
    found = {
        1000: [measured("ours", 2.0, 2.0), measured("PyTorch eager", 4.0, 1.0), absent],
        2000: [measured("ours", 8.0, 2.1), measured("PyTorch eager", 4.0, 1.0), absent],
    }
    rows = scenes.table("title", measured("cold", 10.0, 2.5), found)
    ratios = [row.ratio and round(row.ratio, 3) for row in rows]
    assert ratios == [0.5, None, 2.0, None, 2.0, None, 2.1, None, 5.0, 1.25, 1.05, None]
    assert rows[0].note == "ours 0.5 Mpx/s, PyTorch eager 0.25 Mpx/s" and rows[1].note == "not installed"
    assert rows[0].met is True and rows[4].met is False
    assert [row.met for row in rows[-2:]] == [True, True]
    assert len({row.name for row in rows}) == len(rows)


@pytest.mark.parametrize(("gib", "flat", "small"), [((2.0, 2.3), False, True), ((3.1, 3.2), True, False)])
def test_memory_has_to_be_flat_and_small(gib: tuple[float, float], flat: bool, small: bool) -> None:
    found = {1000 * number: [measured("ours", 1.0, each)] for number, each in enumerate(gib, 1)}
    *rows, most, limit = scenes.table("title", Measured("cold", missing="no"), found)
    assert [row.name.split(",")[0] for row in rows] == [
        "map 1000 x 1000",
        "peak memory",
        "map 2000 x 2000",
        "peak memory",
    ]
    assert (most.met, limit.met) == (flat, small)


def test_what_fails_is_a_row_with_its_reason() -> None:
    (row,) = scenes.table("title", Measured("cold"), {1000: [Measured("ours", missing="no memory")]})
    assert (row.ours, row.note) == (None, "no memory")


@pytest.mark.parametrize("flags", [{"sides": "2000,999"}, {"sides": ""}, {"peers": "pytorch,keras"}])
def test_wrong_flags_are_refused(flags: dict[str, str]) -> None:
    with pytest.raises(UserError, match=f"--{next(iter(flags))}"):
        scenes.rows(**flags)


def test_runs_share_compiled_programs_and_no_output(mapped: Mapped) -> None:
    one, other = (mapped.ours("ours") for _ in range(2))
    assert isinstance(one, Candidate) and one.environment == other.environment
    assert one.arguments["output"] != other.arguments["output"]
