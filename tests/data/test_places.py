"""Images that lie elsewhere, or have names that only look right: the message's remedy, followed, works."""

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absl import logging

from tsmu_jax.configuration import arrivals
from tsmu_jax.data import places, prepared
from tsmu_jax.data.open import open_source, outlines
from tsmu_jax.data.source import PairSource
from tsmu_jax.errors import UserError
from tsmu_jax.prediction import pairs

Write = Callable[..., Any]
Follow = Callable[[str, Path], Path]
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "süd") for form in ("NFC", "NFD"))


def opened(directory: Path, ecoregions: list[str] | None = None) -> PairSource:
    outlines(directory)
    return open_source(directory, ecoregions=ecoregions, require_pre=True)


def given(message: str, _: Path) -> Path:
    """The directory that the message says to give."""
    return Path(re.split(r"give --config\.data\.dir=", message)[1].split(", whose ")[0].split(" to use it")[0])


def renamed_folder(message: str, directory: Path) -> Path:
    found = re.fullmatch(r"(.*): .*; rename the folder, for example to '(.*)'", message)
    assert found
    Path(found[1]).rename(Path(found[1]).with_name(found[2]))
    return directory


def renamed_file(message: str, directory: Path) -> Path:
    found = re.search(r"rename (\S+) to (\S+?)[ ;]", message)
    assert found
    (directory / "etf" / found[1]).rename(directory / "etf" / found[2])
    return directory


def moved_up(message: str, directory: Path) -> Path:
    target = Path(message.split("move them into ")[1])
    for path in list(target.rglob("*.png")):
        path.rename(target / path.name)
    for path in [path for path in target.iterdir() if path.is_dir()]:
        path.rmdir()
    return directory


def moved_down(message: str, directory: Path) -> Path:
    assert "make a folder in it, named like the ecoregion, and move them there" in message
    (directory / "etf").mkdir()
    for path in directory.glob("*.png"):
        path.rename(directory / "etf" / path.name)
    return directory


def removed(message: str, directory: Path) -> Path:
    assert "or the folder may go" in message
    (directory / "nad").rmdir()
    return directory


def into_roles(folder: Path) -> None:
    for role in ("pre", "post", "mask"):
        (folder / role).mkdir()
        for path in list(folder.glob(f"*_{role}.png")):
            path.rename(folder / role / path.name)


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda images: (images / old).rename(images / new)


# What is done to a folder with etf/a and etf/b; the folder that is opened; what is said; how to follow it.
PLACES: dict[str, tuple[Callable[[Path], object], str, str, Follow]] = {
    "one level too deep": (lambda images: None, "etf", "the images lie in it, not in <dir>/<ecoregion>/", given),
    "one level too deep, beside others": (
        lambda images: (images / "figures").mkdir(),
        "etf",
        "the images lie in it, .*; make a folder in it",
        moved_down,
    ),
    "one level too high": (lambda images: None, "..", "'images' holds no images itself, but .*etf does", given),
    "two levels too high": (lambda images: None, "../..", "holds no images itself, but .*etf does", given),
    "images and masks apart": (
        lambda images: into_roles(images / "etf"),
        "",
        "'etf' is empty, its files lie in etf/mask and etf/post and etf/pre",
        moved_up,
    ),
    "one ecoregion deeper than another": (
        lambda images: (
            shutil.copytree(images / "etf", images / "nad" / "deep"),
            shutil.copytree(images / "etf", images / "nwfm"),
        ),
        "",
        "'nad' is empty, its files lie in nad/deep; .* move them into",
        moved_up,
    ),
    "an empty ecoregion": (lambda images: (images / "nad").mkdir(), "", "'nad' is empty; it needs", removed),
    "a comma": (rename("etf", "etf, old"), "", "a comma parts the names of ecoregions", renamed_folder),
    "a space": (rename("etf", "etf "), "", "spaces around a name are dropped", renamed_folder),
    "other case before": (rename("etf/a_pre.png", "etf/A_pre.png"), "", "without its post-event image", renamed_file),
    "other case after": (
        rename("etf/b_post.png", "etf/B_post.png"),
        "",
        "rename b_mask.png to B_mask.png",
        renamed_file,
    ),
    "other case of the mask": (
        rename("etf/b_mask.png", "etf/B_mask.png"),
        "",
        "etf/B_mask.png: a mask without its post-event image; b_post.png differs by upper and lower case",
        renamed_file,
    ),
}


@pytest.fixture
def images(tmp_path: Path, write_pair: Write) -> Path:
    for name in ("a", "b"):
        write_pair(tmp_path / "outer" / "images" / "etf", name)
    return tmp_path / "outer" / "images"


@pytest.mark.parametrize("case", PLACES)
def test_following_the_remedy_works(images: Path, case: str) -> None:
    arrange, where, said, follow = PLACES[case]
    arrange(images)
    directory = (images / where).resolve()
    with pytest.raises(UserError, match=said) as caught:
        opened(directory)
    assert "\n" not in str(caught.value)
    directory = follow(str(caught.value), directory)
    if case == "other case after":  # two files of the pair have the other case
        with pytest.raises(UserError, match="rename b_pre.png to B_pre.png") as caught:
            opened(directory)
        follow(str(caught.value), directory)
    found = [info.id.lower() for info in opened(directory).infos]
    assert {"a", "b"} <= set(found)


def test_a_case_that_differs_is_named_from_the_side_of_the_lonely_image(images: Path) -> None:
    for role in ("mask", "labels", "pre"):
        stray = images / "etf" / ("b_post.json" if role == "labels" else f"b_{role}.png")
        if stray.exists():
            stray.rename(stray.with_name(f"B{stray.name[1:]}"))
    with pytest.raises(UserError, match=r"etf/B_mask.png: .*rename B_mask.png to b_mask.png \(and 1 more"):
        opened(images)
    (images / "etf" / "B_mask.png").rename(images / "etf" / "b_mask.png")
    with pytest.raises(UserError, match=r"etf/B_pre.png: .*rename B_pre.png to b_pre.png \(and 1 more"):
        opened(images)


@pytest.mark.parametrize("name", ["__MACOSX", "@eaDir", ".thumbnails"])
def test_folders_that_other_programs_leave_are_ignored(images: Path, name: str) -> None:
    shutil.copytree(images / "etf", images / name)
    (images / name / "._a_post.png").write_bytes(b"\0\5\x16\7")
    assert {info.ecoregion for info in opened(images).infos} == {"etf"}
    assert list(outlines(images)) == ["etf"]
    assert {files.ecoregion for files in pairs.find(images, require_pre=True)[0]} == {"etf"}


def test_accents_coded_otherwise_are_the_same_name(images: Path, write_pair: Write, write_labels: Write) -> None:
    write_pair(images / "etf", COMPOSED)
    expected = opened(images)[2]
    (images / "etf" / f"{COMPOSED}_pre.png").rename(images / "etf" / f"{DECOMPOSED}_pre.png")
    source = opened(images)
    assert [info.id for info in source.infos] == ["a", "b", COMPOSED]
    np.testing.assert_array_equal(source[2].pre, expected.pre)
    (images / "etf" / f"{COMPOSED}_mask.png").unlink()
    write_labels(images / "etf" / f"{COMPOSED}_post.json", imagePath=f"{DECOMPOSED}_post.png")
    assert len(opened(images)) == 3


def test_two_names_that_look_alike_are_told_apart(images: Path, write_pair: Write) -> None:
    write_pair(images / "etf", COMPOSED)
    write_pair(images / "etf", DECOMPOSED)
    with pytest.raises(UserError, match="looks like 's.+', and is 's.+'; give one of them another name") as caught:
        opened(images)
    said = re.findall(r"'([^']+)'", str(caught.value))
    other = said[1].encode().decode("unicode_escape").split("_")[0]
    for role in ("pre", "post", "mask"):
        (images / "etf" / f"{other}_{role}.png").rename(images / "etf" / f"south_{role}.png")
    assert len(opened(images)) == 4


def test_ecoregions_of_another_case_or_coding_are_guessed(images: Path) -> None:
    (images / "etf").rename(images / DECOMPOSED)
    shutil.copytree(images / DECOMPOSED, images / "nad")
    with pytest.raises(UserError, match=r"no ecoregion 'NAD' \(did you mean 'nad'\?\)"):
        opened(images, ["NAD"])
    with pytest.raises(UserError, match="--config.new: no ecoregion 'NAD'; did you mean 'nad'?"):
        arrivals("", "NAD", ["nad", "etf"])
    with pytest.raises(UserError, match="looks the same, its accents are coded otherwise") as caught:
        opened(images, [COMPOSED])
    old, new = re.findall(r"'([^']+)'", str(caught.value))[1:3]
    (images / old).rename(images / new)
    assert len(opened(images, [COMPOSED])) == 2


def test_wanted_ecoregions_that_lie_deeper(images: Path) -> None:
    with pytest.raises(UserError, match="the ecoregions lie deeper; give --config.data.dir=") as caught:
        open_source(images.parent, ecoregions=["etf"], require_pre=True)
    assert len(opened(given(str(caught.value), images), ["etf"])) == 2


def test_loose_images_are_said_to_be_ignored(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: said.append(text % values))
    shutil.copy(images / "etf" / "a_post.png", images / "c_post.png")
    assert len(opened(images)) == 2
    assert said == [f"{images}: images in it, not in a folder of an ecoregion, are ignored"]


def test_predicting_from_a_folder_of_folders_of_folders(images: Path) -> None:
    with pytest.raises(UserError, match="no images in it; they lie deeper, give --input=") as caught:
        pairs.find(images.parents[1], require_pre=True)
    given_input = Path(str(caught.value).split("give --input=")[1])
    assert len(pairs.find(given_input, require_pre=True)[0]) == 2


@pytest.mark.parametrize("part", ["", "etf", "etf/1.0.0"])
def test_a_part_of_a_prepared_dataset(images: Path, tmp_path: Path, part: str) -> None:
    prepared.write(opened(images), tmp_path / "out")
    with pytest.raises(UserError, match="lies inside of a prepared dataset; give") as caught:
        opened(tmp_path / "out" / "landslide_pairs" / part)
    assert len(opened(given(str(caught.value), images))) == 2
    (tmp_path / "out" / "landslide_pairs" / "index.json").unlink()
    with pytest.raises(UserError, match=r"without its index.json; remove the folder and prepare it again"):
        opened(tmp_path / "out")


@pytest.mark.parametrize("inside", [".", "prepared", "etf/deep", "../images/./out"])
def test_a_dataset_is_not_prepared_among_images(images: Path, inside: str) -> None:
    with pytest.raises(UserError, match="--data_dir=.*later edits of the images would be overlooked; .*") as caught:
        places.check_apart(images, images / inside)
    elsewhere = Path(str(caught.value).split("such as --data_dir=")[1])
    places.check_apart(images, elsewhere)
    prepared.write(opened(images), elsewhere)
    assert len(opened(elsewhere)) == 2


def test_a_dataset_is_not_prepared_among_other_images(images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "other")
    with pytest.raises(UserError, match="lies in a folder of images"):
        places.check_apart(tmp_path / "other", images)
    (tmp_path / "link").symlink_to(images)
    with pytest.raises(UserError, match="lies in a folder of images"):
        places.check_apart(tmp_path / "link", images / "new")


@pytest.mark.parametrize("way", ["remove", "move"])
def test_a_folder_with_images_and_a_dataset_is_not_guessed_about(images: Path, way: str) -> None:
    prepared.write(opened(images), images)  # as earlier releases allowed
    for look in (opened, outlines):
        with pytest.raises(UserError, match=r"holds both images \(etf\) and a dataset that was prepared") as caught:
            look(images)
    text = str(caught.value)
    if way == "remove":
        shutil.rmtree(text.split("remove ")[1].split(" to use")[0])
        assert len(opened(images)) == 2
    else:
        command, directory = text.split("use it elsewhere: ")[1].split(" and --config.data.dir=")
        subprocess.run(command, shell=True, check=True)
        assert isinstance(opened(Path(directory)), prepared.PreparedSource)
        assert len(opened(images)) == 2


def test_a_dataset_in_a_folder_of_the_images(images: Path) -> None:
    prepared.write(opened(images), images / "ready")
    with pytest.raises(UserError, match="ready: holds a prepared dataset, no images; give") as caught:
        opened(images)
    assert isinstance(opened(given(str(caught.value), images)), prepared.PreparedSource)
