"""`python -m tsmu_jax.example`: a georeferenced scene, the same bits for the same flags, or one line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp

from tsmu_jax.errors import UserError
from tsmu_jax.scenes import example

SIDE = 150  # whole patches, and parts of some


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


def run(*words: str, cwd: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "tsmu_jax.example", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_writes_two_dates_and_the_truth(tmp_path: Path) -> None:
    scene = example.draw("mwcf", side=SIDE, seed=1, output=tmp_path / "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(example.NAMES)
    for name, values in zip(example.NAMES, (scene.pre, scene.post, scene.mask[..., None]), strict=True):
        np.testing.assert_array_equal(read(tmp_path / "made" / name), np.moveaxis(values, -1, 0))
        with rasterio.open(tmp_path / "made" / name) as file:
            assert file.crs.to_epsg() == 32631 and file.res == (10.0, 10.0) and file.shape == (SIDE, SIDE)
            assert file.profile["tiled"] and file.profile["compress"] == "deflate" and file.dtypes[0] == "uint8"
    assert set(np.unique(scene.mask)) == {0, 1} and 0.02 < scene.mask.mean() < 0.2
    assert scene.pre_date < scene.post_date
    said = example.described(scene, Path("made"))
    assert f"after: made/after.tif, {scene.post_date}" in said and "place and dates are invented" in said


def test_flags_decide_the_bits(tmp_path: Path) -> None:
    makings = [("mwcf", SIDE, 1), ("mwcf", SIDE, 1), ("mwcf", SIDE, 2), ("etf", SIDE, 1), ("mwcf", 200, 1)]
    drawn = [
        example.draw(key, side=side, seed=seed, output=tmp_path / str(number))
        for number, (key, side, seed) in enumerate(makings)
    ]
    first, same, seed, region, larger = (scene.post for scene in drawn)
    np.testing.assert_array_equal(first, same)
    assert (first != seed).mean() > 0.5 and (first != region).mean() > 0.5
    np.testing.assert_array_equal(larger[:SIDE, :SIDE], first)  # a larger scene goes on where a smaller one ends


@pytest.mark.parametrize("key", ["etf", "mwcf", "nad", "nwfm"])
def test_every_ecoregion(key: str, tmp_path: Path) -> None:
    assert example.draw(key, side=example.SMALLEST, seed=0, output=tmp_path / "made").post.shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("key", "side", "seed", "message"),
    [
        ("mars", 100, 0, "--ecoregion=mars: not a synthetic one; choose from etf, mwcf, nad, nwfm"),
        ("mwcf", 63, 0, "--side=63: must be 64 to 10000 px"),
        ("mwcf", 10_001, 0, "--side=10001"),
        ("mwcf", 100, -1, "--seed=-1: must be 0 or more"),
    ],
)
def test_errors_name_the_remedy(key: str, side: int, seed: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        example.draw(key, side=side, seed=seed, output=tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    code, out, err = run("--output=mine", "--side=64", cwd=tmp_path)
    assert (code, out, err) == (2, "", "error: --output=mine: holds thesis.txt; name a new directory\n")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    with pytest.raises(UserError, match="file: cannot be written"):
        example.draw("mwcf", side=64, seed=0, output=tmp_path / "file")
    (tmp_path / "empty").mkdir()
    example.draw("mwcf", side=64, seed=0, output=tmp_path / "empty")


def test_scenes_of_other_places_have_no_ground_in_common(tmp_path: Path) -> None:
    code, _, _ = run("--output=second", "--side=64", "--seed=1", "--place=1", cwd=tmp_path)
    assert code == 0
    example.draw("mwcf", side=64, seed=1, output=tmp_path / "first")
    with (
        rasterio.open(tmp_path / "first" / "after.tif") as one,
        rasterio.open(tmp_path / "second" / "after.tif") as two,
    ):
        np.testing.assert_array_equal(one.read(), two.read())  # the same picture
        assert two.bounds.top == one.bounds.top - example.LARGEST * example.GSD_M
    last = tmp_path / "last"
    example.draw("mwcf", side=64, seed=1, output=last, place=example.PLACES - 1)
    with rasterio.open(last / "after.tif") as file:
        (_, latitude) = rasterio.warp.transform(file.crs, "EPSG:4326", [file.bounds.left], [file.bounds.top])
    assert -30 < latitude[0] < 0  # west of Namibia's coast, in the open sea
    with pytest.raises(UserError, match="--place=30: must be 0 to 29"):
        example.draw("mwcf", side=64, seed=1, output=tmp_path / "none", place=example.PLACES)


def test_help_says_how_to_use_it(tmp_path: Path) -> None:
    code, out, err = run("--help", cwd=tmp_path)
    assert (code, err) == (0, "")
    for words in ("python -m tsmu_jax.example --output=DIR", "--ecoregion", "--side", "--seed", "invented"):
        assert words in out
