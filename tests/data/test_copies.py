"""Copies of one picture: told by content, kept on one side of any split, listed; other pictures are left alone."""

import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tsmu_jax.data import copies, describe, images, prepared
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.source import PairInfo
from tsmu_jax.data.splits import Split, split
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.errors import UserError

Write = Callable[..., Any]


def jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return Image.open(buffer)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "the same": lambda image: image,
    "JPEG": jpeg,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "three quarters": lambda image: image.resize((image.width * 3 // 4,) * 2, Image.Resampling.BILINEAR),
    "half the size, JPEG": lambda image: jpeg(image.resize((image.width // 2,) * 2)),
    "darker": lambda image: image.point([value * 4 // 5 + 10 for value in range(256)] * 3),
}


@pytest.fixture(scope="module")
def synthetic() -> SyntheticSource:
    return SyntheticSource({"etf": 12, "nad": 12}, height=96, width=96, seed=0)


@pytest.fixture
def folder(tmp_path: Path, synthetic: SyntheticSource, write_image: Write) -> Path:
    """Twelve pairs of each of two ecoregions, none a copy of another one."""
    for index, info in enumerate(synthetic.infos):
        pair, stem = synthetic[index], tmp_path / "in" / info.ecoregion / info.id
        for role, array in (("pre", pair.pre), ("post", pair.post), ("mask", pair.mask * 255)):
            write_image(stem.with_name(f"{stem.name}_{role}.png"), array)
    return tmp_path / "in"


def infos_of(folder: Path) -> tuple[PairInfo, ...]:
    return FolderSource(folder, require_pre=True).infos


def add(folder: Path, source: str, target: str, change: Callable[[Image.Image], Image.Image]) -> None:
    for role in ("pre", "post", "mask"):
        with Image.open(folder / f"{source}_{role}.png") as image:
            changed = change(image) if role != "mask" else image.resize(change(image.convert("RGB")).size, 0)
            changed.save(folder / f"{target}_{role}.png")


def divided(infos: tuple[PairInfo, ...], seed: int, **options: Any) -> Split:
    return split(infos, ecoregions=("etf", "nad"), seed=seed, **({"test_pairs": 3} | options))


def sides(parts: Split, infos: tuple[PairInfo, ...], *names: str) -> set[str]:
    """The sets that pairs, "ecoregion/id", are in."""
    found = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    wanted = {index for index, info in enumerate(infos) if f"{info.ecoregion}/{info.id}" in names}
    return {name for name, part in found.items() for indices in part.values() if wanted & set(indices)}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_told_and_stay_on_one_side(folder: Path, kind: str) -> None:
    add(folder, "etf/0003", "etf/another", COPIES[kind])
    infos = infos_of(folder)
    names = ("etf/0003", "etf/another")
    assert copies.groups(infos) == (copies.Copies(names, exact=kind == "the same"),)
    for validation in ("disjoint", "paper"):
        for seed in range(12):
            found = sides(divided(infos, seed, kind="paper", validation=validation), infos, *names)
            assert len(found) == 1 or found == {"train", "validation"} and validation == "paper"


def test_copies_in_two_ecoregions_are_trained_on(folder: Path) -> None:
    add(folder, "etf/0003", "nad/other", jpeg)
    infos = infos_of(folder)
    for seed in range(6):
        assert sides(divided(infos, seed), infos, "etf/0003", "nad/other") == {"train"}


def test_a_copy_of_one_of_two_images_counts_and_one_colour_does_not(folder: Path) -> None:
    shutil.copy(folder / "etf" / "0001_post.png", folder / "etf" / "0002_post.png")
    for name in ("0005_pre.png", "0006_pre.png"):
        Image.new("RGB", (96, 96)).save(folder / "etf" / name)
    assert copies.groups(infos_of(folder)) == (copies.Copies(("etf/0001", "etf/0002"), exact=False),)


def test_without_copies_the_split_is_the_one_that_knows_no_content(folder: Path, synthetic: SyntheticSource) -> None:
    infos = infos_of(folder)
    assert copies.groups(infos) == ()
    assert copies.groups(synthetic.infos) is None
    assert all(info.sketches for info in infos)
    unaware = tuple(dataclasses.replace(info, sketches=None) for info in infos)
    for seed in range(5):
        assert divided(infos, seed) == divided(unaware, seed)


def test_chains_and_many_copies_are_one_group(folder: Path) -> None:
    for number in range(3):
        add(folder, "etf/0000", f"nad/c{number}", COPIES["the same"])
    add(folder, "etf/0000", "etf/small", COPIES["half the size"])
    assert copies.groups(infos_of(folder)) == (
        copies.Copies(("etf/0000", "etf/small", "nad/c0", "nad/c1", "nad/c2"), exact=False),
    )


def test_tiles_of_copies_stay_together(folder: Path) -> None:
    add(folder, "etf/0003", "etf/copy", jpeg)
    infos = FolderSource(folder, require_pre=True, tile=48).infos
    tiles = [f"etf/{scene}_r{row}c{column}" for scene in ("0003", "copy") for row in (0, 1) for column in (0, 1)]
    assert {f"{info.ecoregion}/{info.id}" for info in infos} >= set(tiles)
    for seed in range(8):
        assert len(sides(divided(infos, seed), infos, *tiles)) == 1


def test_a_split_that_copies_prevent_names_them_and_removing_them_helps(folder: Path) -> None:
    for number in range(12):
        add(folder, "etf/0000", f"nad/{number:04d}", COPIES["the same"])
    with pytest.raises(UserError, match="remove copies of one picture, such as etf/0000 and nad/0000, or use "):
        divided(infos_of(folder), 0)
    for path in (folder / "etf").glob("0000_*"):
        path.unlink()
    with pytest.raises(UserError, match="such as nad/0000 and nad/0001"):
        divided(infos_of(folder), 0)


def test_a_prepared_dataset_keeps_what_tells_copies(folder: Path, tmp_path: Path) -> None:
    add(folder, "etf/0003", "nad/other", jpeg)
    source = FolderSource(folder, require_pre=True)
    prepared.write(source, tmp_path / "out")
    back = prepared.PreparedSource(tmp_path / "out", require_pre=True)
    assert back.infos == source.infos
    description = describe.describe(back, divided(back.infos, 0), {})
    assert "(1):\n  - etf/0003, nad/other (nearly the same)" in describe.as_markdown(description)
    assert describe.as_json(description)["copies"] == [{"scenes": ("etf/0003", "nad/other"), "exact": False}]

    index = tmp_path / "out" / "landslide_pairs" / "index.json"
    content = json.loads(index.read_text())
    del content["digest"], content["files"]
    for entry in (entry for entries in content["ecoregions"].values() for entry in entries):
        del entry["sketches"]
    index.write_text(json.dumps(content | {"schema": 4}))  # of the release before
    back = prepared.PreparedSource(tmp_path / "out", require_pre=True)
    assert "Copies were not looked for" in describe.as_markdown(describe.describe(back, divided(back.infos, 0), {}))
    prepared.write(source, tmp_path / "out")  # still the same images

    entry["sketches"] = [["", "xyz"]]
    index.write_text(json.dumps(content))
    with pytest.raises(UserError, match="index.json: damaged"):
        prepared.PreparedSource(tmp_path / "out", require_pre=True)


def test_real_and_synthetic_pictures_are_no_copies_of_one_another(shared_data: Path) -> None:
    paths = sorted((shared_data / "landslides").glob("*/*_post.png"))
    source = SyntheticSource({"etf": 27, "nad": 39}, height=128, width=128, seed=0)
    listed = [copies.sketches([images.decode_rgb(path.read_bytes(), path.name)]) for path in paths]
    listed += [copies.sketches(source[index][:2]) for index in range(len(source))]
    assert len(listed) > 900
    assert copies.links(listed) == []
