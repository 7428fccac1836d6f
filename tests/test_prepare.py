"""`python -m tsmu_jax.prepare`: the dataset, its description, and what it refuses."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from PIL import Image

from tsmu_jax import prepare
from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.prepared import PreparedSource, is_prepared
from tsmu_jax.errors import UserError

Prepare = Callable[..., None]


@pytest.fixture
def run() -> Iterator[Prepare]:
    """Runs the entry point with the given flags."""

    def call(**values: object) -> None:
        flags.FLAGS.unparse_flags()  # back to the defaults
        argv = ["prepare", *(f"--{name}={value}" for name, value in values.items())]
        prepare.main(flags.FLAGS(argv))

    yield call
    flags.FLAGS.unparse_flags()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight single-date pairs of `etf` and nine georeferenced ones of `alps`, three of them side by side.

    A random half of every image is a landslide of intensity 153, the rest has 51.
    """
    random = np.random.default_rng(0)
    west = [-105 + 0.001 * n for n in range(3)] + [-100.0 + n for n in range(6)]
    stems = [("etf", f"{number}", "post") for number in range(8)]
    stems += [
        ("alps", f"GE_40.0_{lon:.4f}_40.005_{lon + 0.005:.4f}_LS_{n}_US_20131006", "POST") for n, lon in enumerate(west)
    ]
    for ecoregion, stem, role in stems:
        target = tmp_path / "input" / ecoregion
        target.mkdir(parents=True, exist_ok=True)
        mask = random.permuted(np.repeat(np.uint8([0, 255]), 40)).reshape(8, 10)
        image = np.where(mask[..., None], np.uint8(153), np.uint8(51)).repeat(3, axis=2)
        Image.fromarray(image).save(target / f"{stem}_{role}.png")
        mask_stem = f"{stem}_POST" if role == "POST" else stem
        Image.fromarray(mask).save(target / f"{mask_stem}_mask.png")
    return tmp_path / "input"


def test_description_says_what_is_there(
    folder: Path, tmp_path: Path, run: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(input=folder, data_dir=out, test_pairs=2)
    assert is_prepared(out)
    assert len(PreparedSource(out, require_pre=False)) == 17
    content = json.loads((out / "description.json").read_text())
    etf, alps = content["ecoregions"]["etf"], content["ecoregions"]["alps"]
    assert (etf["pairs"], etf["with_pre"], etf["sizes"], etf["empty_masks"]) == (8, 0, {"10x8": 8}, 0)
    assert (len(etf["test"]), len(etf["validation"]), etf["train"]) == (2, 1, 5)
    assert etf["positive_fraction"] == 0.5
    assert etf["landslide"] == {"mean": 0.6, "std": 0, "median": 0.6}
    assert etf["background"]["mean"] == pytest.approx(0.2)
    assert etf["paper"]["landslide"] == ECOREGIONS["etf"].landslide._asdict()
    assert alps["paper"] is None
    assert content["split"]["kind"] == "blocked"
    assert content["leakage"]["among_all"]["overlap_much"] == 3
    assert content["leakage"]["test"]["overlap"] == 0
    assert content["skipped"] == []
    text = (out / "description.md").read_text()
    assert "| etf in the paper | 0.454, 0.186, 0.461 | 0.306, 0.142, 0.295 |" in text
    assert "Test against training: of 2 footprints 0 are duplicates" in text
    assert text in capsys.readouterr().out
    with Image.open(out / "pixel_histograms.png") as picture:
        assert min(picture.size) > 200


def test_again_and_with_other_images(folder: Path, tmp_path: Path, run: Prepare) -> None:
    out = tmp_path / "out"
    run(input=folder, data_dir=out, test_pairs=2)
    run(input=folder, data_dir=out, test_pairs=1, seed=3)  # the same images, described anew
    assert json.loads((out / "description.json").read_text())["split"]["seed"] == 3
    with pytest.raises(UserError, match="a dataset of other images or options"):
        run(input=folder, data_dir=out, tile=5, test_pairs=1)
    with pytest.raises(UserError, match="a dataset of other images or options"):
        run(input=folder, data_dir=out, ecoregions="etf", test_pairs=1)


def test_bad_files_stop_it_or_are_listed(folder: Path, tmp_path: Path, run: Prepare) -> None:
    (folder / "etf" / "3_mask.png").unlink()
    with pytest.raises(UserError, match=r"^etf/3_post.png: .*; to leave bad files out: --on_bad_file=skip$"):
        run(input=folder, data_dir=tmp_path / "out", test_pairs=2)
    assert not (tmp_path / "out").exists()
    run(input=folder, data_dir=tmp_path / "out", test_pairs=2, on_bad_file="skip")
    content = json.loads((tmp_path / "out" / "description.json").read_text())
    assert [skip["path"] for skip in content["skipped"]] == ["etf/3_post.png"]
    assert "etf/3_post.png: has neither" in (tmp_path / "out" / "description.md").read_text()


def test_a_split_that_cannot_be_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, run: Prepare
) -> None:
    with pytest.raises(UserError, match="'etf' has 8 pairs, none left .* a smaller --test_pairs"):
        run(input=folder, data_dir=tmp_path / "out", ecoregions="etf", test_pairs=8)
    with pytest.raises(UserError, match="--input=.*nowhere: no such directory"):
        run(input=tmp_path / "nowhere", data_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dataset_among_images_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, run: Prepare
) -> None:
    for inside in (folder, folder / "prepared"):
        with pytest.raises(UserError, match="later edits of the images would be overlooked") as caught:
            run(input=folder, data_dir=inside, test_pairs=2)
    assert sorted(path.name for path in folder.iterdir()) == ["alps", "etf"]
    elsewhere = str(caught.value).split("such as --data_dir=")[1]
    run(input=folder, data_dir=elsewhere, test_pairs=2)
    assert is_prepared(elsewhere)
    with pytest.raises(UserError, match="^--input=.*: the images lie in it.*; give --input="):
        run(input=folder / "etf", data_dir=tmp_path / "out")


def test_synthetic_ecoregions(tmp_path: Path, run: Prepare) -> None:
    run(input="synthetic", data_dir=tmp_path, synthetic_pairs=4, synthetic_size=32, test_pairs=1)
    source = PreparedSource(tmp_path, require_pre=True)
    assert len(source) == 16
    assert source[0].post.shape == (32, 32, 3)
    content = json.loads((tmp_path / "description.json").read_text())
    assert content["leakage"] is None
    assert sorted(content["ecoregions"]) == ["etf", "mwcf", "nad", "nwfm"]


def test_masks_that_teach_nothing_are_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, run: Prepare
) -> None:
    for path in (folder / "etf").glob("*_mask.png"):
        Image.fromarray(np.zeros((8, 10), np.uint8)).save(path)
    with pytest.raises(UserError, match=f"^{folder}: ecoregion 'etf' has no landslide in any of its 5 training pairs"):
        run(input=folder, data_dir=tmp_path / "out", ecoregions="etf", test_pairs=2)
    assert not (tmp_path / "out").exists()
    run(input=folder, data_dir=tmp_path / "out", ecoregions="alps", test_pairs=2)
