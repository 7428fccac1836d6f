from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from benchmarks.real_ground import compared, join, main
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.scenes.image import SceneImage
from tsmu_jax.scenes.pair import ScenePair

SIDE = 4


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Two tiles of one area, whose lower right corner has a landslide, and one of another."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("area_A_8_4", "area_A_12_8", "area_B_0_0"):
        Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)).save(folder / f"{name}_post.png")
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[-1, -1] = 255
        Image.fromarray(mask).save(folder / f"{name}_mask.png")
    return folder


def test_tiles_lie_where_their_names_say(tiles: Path) -> None:
    after, truth = join(tiles, "area_A")
    assert after.shape == (8, 8, 3)
    assert np.argwhere(truth == 1).tolist() == [[3, 3], [7, 7]]
    assert (truth[:4, 4:] == UNKNOWN).all() and (truth[4:, :4] == UNKNOWN).all()
    second = np.asarray(Image.open(tiles / "area_A_12_8_post.png"))
    np.testing.assert_array_equal(after[4:, 4:], second)


def test_a_scene_says_where_no_tile_lies(tiles: Path, tmp_path: Path) -> None:
    assert main([f"--tiles={tiles}", "--area=area_A", "--gsd=1.5", f"--output={tmp_path / 'scene'}"]) == 0
    with rasterio.open(tmp_path / "scene" / "after.tif") as file:
        assert file.res == (1.5, 1.5)
        assert (file.dataset_mask()[:4, :4] > 0).all() and (file.dataset_mask()[:4, 4:] == 0).all()


def test_maps_are_compared_over_known_ground(tiles: Path, tmp_path: Path) -> None:
    main([f"--tiles={tiles}", "--area=area_A", f"--output={tmp_path / 'scene'}"])
    truth = tmp_path / "scene" / "truth.tif"
    with rasterio.open(truth) as file:
        right, profile = file.read(1), file.profile
    for name, mask in (
        ("empty", np.zeros_like(right)),
        ("right", right),
    ):  # 2 where there is no tile, which says nothing
        (tmp_path / name).mkdir()
        with rasterio.open(tmp_path / name / "mask.tif", "w", **profile) as file:
            file.write(mask, 1)
    lines = compared(truth, [tmp_path / "empty", tmp_path / "right"], SIDE // 2).splitlines()
    assert "IoU 0.000, mean of 8 squares 0.750" in lines[0]  # six squares have nothing to find
    assert "IoU 1.000, mean of 8 squares 1.000, +0.250 [+0.0" in lines[1]


def test_a_map_may_have_larger_pixels_than_the_truth(tiles: Path, tmp_path: Path) -> None:
    main([f"--tiles={tiles}", "--area=area_A", "--gsd=1", f"--output={tmp_path / 'scene'}"])
    truth = tmp_path / "scene" / "truth.tif"
    with rasterio.open(truth) as file:
        profile = file.profile | {"height": 4, "width": 4, "transform": file.transform @ rasterio.Affine.scale(2)}
    with rasterio.open(tmp_path / "mask.tif", "w", **profile) as file:
        file.write(np.eye(4, dtype=np.uint8), 1)
    assert f"{tmp_path}: IoU 0." in compared(truth, [tmp_path], 2)


def test_another_area_is_refused(tiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--tiles={tiles}", "--area=area_C", f"--output={tiles / 'scene'}"]) == 2
    assert "holds no area_C_<row>_<column>_post.png" in capsys.readouterr().err


CITIES = ("abudhabi", "beihai", "bercy", "cupertino", "mumbai", "paris", "rennes")


def displacement(folder: Path) -> tuple[float, float]:
    """Returns by how much mapping finds the later of two rasters displaced: metres down and to the right."""
    with (
        SceneImage(folder / "before.tif", PLAIN, flag="--pre") as before,
        SceneImage(folder / "after.tif", PLAIN, flag="--post") as after,
    ):
        fit = ScenePair(before, after).fit()
    assert fit and fit.shift_m
    return fit.shift_m


@pytest.mark.parametrize("city", CITIES)
def test_real_dates_lie_on_each_other_and_a_planted_displacement_is_found(
    shared_data: Path, tmp_path: Path, city: str
) -> None:
    """Satellite images of 10 m, months apart; within 1 m, a tenth of a pixel."""
    pair = f"--pair={shared_data / 'change' / city}"
    assert main([pair, "--gsd=10", f"--output={tmp_path / 'as_it_is'}"]) == 0
    assert main([pair, "--gsd=10", "--moved=3,-2", f"--output={tmp_path / 'moved'}"]) == 0
    assert displacement(tmp_path / "as_it_is") == pytest.approx((0, 0), abs=1)
    assert displacement(tmp_path / "moved") == pytest.approx((-30, 20), abs=1)


def test_a_folder_of_several_pairs_is_refused(tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([f"--pair={tiles}", f"--output={tmp_path / 'x'}"]) == 2
    assert "error: " in capsys.readouterr().err and not (tmp_path / "x").exists()


@pytest.mark.parametrize("moved", ["3", "3,-2,1", "a,b", "1.5,2", ""])
def test_a_displacement_is_two_whole_numbers(tmp_path: Path, capsys: pytest.CaptureFixture, moved: str) -> None:
    assert main([f"--pair={tmp_path}", f"--moved={moved}", f"--output={tmp_path / 'x'}"]) == 2
    assert capsys.readouterr().err == f"error: --moved={moved}: two whole numbers with a comma between them, as 3,-2\n"
