"""What the command warns of before it maps: dates that do not fit each other, images of unlike resolution."""

from pathlib import Path
from typing import Any

import pytest
import rasterio

from tests.scenes.conftest import WriteRaster, model_at, texture
from tsmu_jax.errors import UserError
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes.run import map_scene

HEIGHT, WIDTH = 150, 220


def squares(metres: float, across: float | None = None) -> Any:
    """The corner of the other scenes, with pixels of so many metres down (and across)."""
    return rasterio.Affine(across or metres, 0, 500_000, 0, -metres, 5_000_000)


def written(write_raster: WriteRaster, path: Path, metres: float, seed: int = 0, across: float | None = None) -> Path:
    """An image of 300 x 440 m whose pixels cover so many metres."""
    height, width = round(300 / metres), round(440 / (across or metres))
    return write_raster(path, texture(height, width, seed), transform=squares(metres, across))


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize(
    ("columns", "right", "said"),
    [
        (WIDTH, 0, []),
        (WIDTH * 92 // 100, 0, []),
        (WIDTH * 60 // 100, 0, ["warning: --pre covers 60.0 % of the ground; the rest is not mapped"]),
        (WIDTH, 1, []),
        (WIDTH, 6, ["warning: the dates do not lie on each other; register one to the other first"]),
        (
            WIDTH * 70 // 100,
            -6,
            [
                "warning: --pre covers 70.0 % of the ground; the rest is not mapped",
                "warning: the dates do not lie on each other; register one to the other first",
            ],
        ),
    ],
)
def test_dates_that_do_not_fit_are_warned_of(
    model: SavedModel,
    tmp_path: Path,
    write_raster: WriteRaster,
    capsys: pytest.CaptureFixture[str],
    columns: int,
    right: int,
    said: list[str],
) -> None:
    """The earlier image has so many columns, and its content lies so many pixels further right."""
    ground = texture(HEIGHT, WIDTH + 20)
    pre = write_raster(tmp_path / "pre.tif", ground[:, 10 - right : 10 - right + columns])
    post = write_raster(tmp_path / "post.tif", ground[:, 10 : 10 + WIDTH])
    map_scene(model.path, pre, post, tmp_path / "out", decoder="a", dry_run=True)
    assert warnings(capsys) == said


def test_a_map_is_warned_of_as_its_dry_run(
    model: SavedModel, tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str]
) -> None:
    pre = write_raster(tmp_path / "pre.tif", texture(HEIGHT, WIDTH // 2))
    post = write_raster(tmp_path / "post.tif", texture(HEIGHT, WIDTH))
    map_scene(model.path, pre, post, tmp_path / "out", decoder="a", dry_run=True)
    dry = warnings(capsys)
    map_scene(model.path, pre, post, tmp_path / "out", decoder="a")
    assert warnings(capsys) == dry and "covers 50.0 % of the ground" in dry[0]


OF_NETWORK = "and one of the network's input 2 m"


def refusal(model: SavedModel, pair: list[Path], role: str, *, dry_run: bool) -> str:
    """Why mapping refuses a pair, without the flag and the file, which must be those of the role."""
    with pytest.raises(UserError) as caught:
        map_scene(model.path, *pair, pair[0].parent / "out", decoder="a", dry_run=dry_run)
    start = f"--{role}={pair[0].parent / role}.tif: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


@pytest.mark.parametrize("role", ["pre", "post"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_an_image_that_is_too_coarse_is_refused_without_a_flag(
    model: SavedModel,
    tmp_path: Path,
    write_raster: WriteRaster,
    capsys: pytest.CaptureFixture[str],
    role: str,
    dry_run: bool,
) -> None:
    """The model was trained on pixels of 2 m."""
    metres = {"pre": 2.0, "post": 2.0} | {role: 4.0}
    pair = [written(write_raster, tmp_path / f"{name}.tif", side) for name, side in metres.items()]
    remedy = "too coarse to be enlarged; give a finer image, or --resolution=4 to map it as it is"
    assert refusal(model, pair, role, dry_run=dry_run) == f"a pixel covers 4 m, {OF_NETWORK}, {remedy}"
    assert not (tmp_path / "out").exists() and not warnings(capsys)
    for resolution in (2.0, 4.0):
        map_scene(model.path, *pair, tmp_path / f"{resolution}", decoder="a", resolution_m=resolution, dry_run=dry_run)
        sides = ", ".join(f"{side:g} m of --{name}" for name, side in metres.items())
        start = f"warning: a pixel covers {sides}, 2 m in training: "
        assert [line[: len(start)] for line in warnings(capsys)] == [start]
        assert (tmp_path / f"{resolution}" / "mask.tif").exists() != dry_run


@pytest.mark.parametrize("role", ["pre", "post"])
def test_an_image_that_is_too_fine_is_refused_without_a_flag(
    model: SavedModel, tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    """Along both sides: pixels that are short along one alone are those of a grid in degrees."""
    metres = {"pre": 2.0, "post": 2.0} | {role: 1.0}
    pair = [written(write_raster, tmp_path / f"{name}.tif", side) for name, side in metres.items()]
    remedy = "more than 1.5 times finer than in training; give a coarser image, or --resolution=2 to average it"
    assert refusal(model, pair, role, dry_run=True) == f"a pixel covers 1 m, {OF_NETWORK}, {remedy}"
    map_scene(model.path, *pair, tmp_path / "out", decoder="a", dry_run=True, resolution_m=2.0)
    (line,) = warnings(capsys)
    sides = ", ".join(f"{side:g} m of --{name}" for name, side in metres.items())
    assert line.startswith(f"warning: a pixel covers {sides}, 2 m in training: ")
    flat = [written(write_raster, tmp_path / f"{n}_flat.tif", 2.0, n, across=1.0) for n in range(2)]
    map_scene(model.path, *flat, tmp_path / "out", decoder="a", dry_run=True)
    assert warnings(capsys) == []


@pytest.mark.parametrize(
    ("pre", "post", "said"),
    [
        (2.0, 2.0, ""),
        (2.9, 2.0, ""),
        (2.5, 1.6, "2.5 m of --pre, 1.6 m of --post, 2 m in training"),
        (1.6, 2.5, "1.6 m of --pre, 2.5 m of --post, 2 m in training"),
    ],
)
def test_images_of_unlike_resolution_are_warned_of(
    model: SavedModel,
    tmp_path: Path,
    write_raster: WriteRaster,
    capsys: pytest.CaptureFixture[str],
    pre: float,
    post: float,
    said: str,
) -> None:
    pair = [written(write_raster, tmp_path / f"{n}.tif", side) for n, side in enumerate((pre, post))]
    map_scene(model.path, *pair, tmp_path / "out", decoder="a", dry_run=True)
    found = warnings(capsys)
    assert [line.partition(": more")[0] for line in found] == ([f"warning: a pixel covers {said}"] if said else [])


def test_a_model_that_knows_no_resolution(
    tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images are compared with the pixels of the map, and their sides may differ."""
    nowhere = model_at(tmp_path / "nowhere", None)
    pre = written(write_raster, tmp_path / "pre.tif", 2.0)
    post = written(write_raster, tmp_path / "post.tif", 2.0, across=4.0)
    map_scene(nowhere.path, pre, pre, tmp_path / "out", decoder="a", resolution_m=2.0, dry_run=True)
    assert warnings(capsys) == []
    map_scene(nowhere.path, pre, post, tmp_path / "out", decoder="a", resolution_m=2.0, dry_run=True)
    (line,) = warnings(capsys)
    assert line.startswith("warning: a pixel covers 2 m of --pre, 4 x 2 m of --post, 2 m of the map: ")


def test_a_model_of_one_date(tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str]) -> None:
    one_date = model_at(tmp_path / "one_date", 2.0, channels=3)
    post = written(write_raster, tmp_path / "post.tif", 4.0)
    with pytest.raises(UserError, match="--post=.*too coarse to be enlarged"):
        map_scene(one_date.path, None, post, tmp_path / "out", decoder="a")
    map_scene(one_date.path, None, post, tmp_path / "out", decoder="a", resolution_m=2.0, dry_run=True)
    (line,) = warnings(capsys)
    assert line.startswith("warning: a pixel covers 4 m of --post, 2 m in training: ")
