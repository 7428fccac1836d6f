"""Every bad file and folder: named, with a remedy, and left out where that is asked for."""

import os
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tsmu_jax.data.folder import FolderSource
from tsmu_jax.errors import UserError

Write = Callable[..., Any]
GE = "GE_40.0_-105.0_40.2_-104.6_LS_7_US_"


def open_folder(directory: Path, **options: Any) -> FolderSource:
    return FolderSource(directory, **({"require_pre": False} | options))


Break = Callable[[Path, Write, Write], object]


def _resave_16_bit(folder: Path, *_: Write) -> None:
    Image.fromarray(np.full((6, 8), 40_000, np.uint16)).save(folder / "b_post.png")


BAD: dict[str, tuple[Break, str]] = {
    "not an image": (
        lambda f, image, labels: (f / "b_post.png").write_bytes(b"text"),
        "etf/b_post.png: does not decode (not an image that can be read)",
    ),
    "cut off": (
        lambda f, image, labels: (f / "b_pre.png").write_bytes((f / "b_pre.png").read_bytes()[:-60]),
        "etf/b_pre.png: does not decode",
    ),
    "empty file": (
        lambda f, image, labels: (f / "b_mask.png").write_bytes(b""),
        "etf/b_mask.png: is empty; replace the file",
    ),
    "16 bits": (_resave_16_bit, "etf/b_post.png: holds more than 8 bits a channel"),
    "sizes of the images": (
        lambda f, image, labels: image(f / "b_pre.png", size=(6, 9)),
        "etf/b_pre.png: 9 x 6 px, but b_post.png is 8 x 6; resample",
    ),
    "size of the mask": (
        lambda f, image, labels: image(f / "b_mask.png", np.zeros((7, 8), np.uint8)),
        "etf/b_mask.png: 8 x 7 px, but b_post.png is 8 x 6; resample",
    ),
    "values of the mask": (
        lambda f, image, labels: image(f / "b_mask.png", np.full((6, 8), 7, np.uint8)),
        "etf/b_mask.png: a mask with values 7; only 0, 1 and 255 are allowed",
    ),
    "colours of the mask": (
        lambda f, image, labels: image(f / "b_mask.png", np.full((6, 8, 3), (255, 0, 0), np.uint8)),
        "etf/b_mask.png: a mask in colours",
    ),
    "no mask": (
        lambda f, image, labels: (f / "b_mask.png").unlink(),
        "etf/b_post.png: has neither a mask (b_mask.png) nor labels (b_post.json)",
    ),
    "mask and labels": (
        lambda f, image, labels: labels(f / "b_post.json"),
        "etf/b_post.png: has both a mask and",
    ),
    "no post": (
        lambda f, image, labels: (f / "b_post.png").unlink(),
        "etf/b_mask.png: a mask without its post-event image",
    ),
    "no pre": (
        lambda f, image, labels: (f / "b_pre.png").unlink(),
        "etf/b_post.png: has no pre-event image; add it, or train for post-event images only: --config.data.c",
    ),
    "second post": (
        lambda f, image, labels: image(f / "b_post.tif"),
        "etf/b_post.tif: pair b has a second post file beside b_post.png; keep one",
    ),
    "unknown label": (
        lambda f, image, labels: (
            (f / "b_mask.png").unlink(),
            labels(f / "b_post.json", ("polygon", "scarp", [[0, 0], [1, 1], [2, 0]])),
        ),
        "etf/b_post.json: polygon 1 has the unknown label 'scarp'",
    ),
    "broken polygon": (
        lambda f, image, labels: (
            (f / "b_mask.png").unlink(),
            labels(f / "b_post.json", ("polygon", "landslide", [[0, 0], [1, 1]])),
        ),
        "etf/b_post.json: polygon 1 has 2 points; a polygon needs 3",
    ),
    "missing image": (
        lambda f, image, labels: ((f / "b_mask.png").unlink(), labels(f / "b_post.json", imagePath="c.png")),
        "etf/b_post.json: imagePath names the missing image 'c.png'",
    ),
    "labels of another image": (
        lambda f, image, labels: (
            (f / "b_mask.png").unlink(),
            labels(f / "b_post.json", imagePath="a_post.png"),
        ),
        "etf/b_post.json: imagePath names another image 'a_post.png'; these labels belong to b_post.png",
    ),
    "labels of another size": (
        lambda f, image, labels: ((f / "b_mask.png").unlink(), labels(f / "b_post.json", size=(60, 80))),
        "etf/b_post.json: drawn on an image of 80 x 60 px, but b_post.png is 8 x 6",
    ),
    "broken name": (
        lambda f, image, labels: image(f / "GE_1_2_3_LS_4_US_20100101_POST.jpg"),
        "etf/GE_1_2_3_LS_4_US_20100101_POST.jpg: not GE_",
    ),
    "swapped latitudes": (
        lambda f, image, labels: (
            image(f / "GE_41_-105_40_-104_LS_9_US_20131006_POST_mask.png")
            and image(f / "GE_41_-105_40_-104_LS_9_US_20131006_POST.jpg")
        ),
        "etf/GE_41_-105_40_-104_LS_9_US_20131006_POST.jpg: ",
    ),
}


@pytest.fixture
def two_pairs(tmp_path: Path, write_pair: Write) -> Path:
    write_pair(tmp_path / "etf", "a")
    write_pair(tmp_path / "etf", "b")
    return tmp_path


@pytest.mark.parametrize("case", BAD)
def test_bad_files(two_pairs: Path, write_image: Write, write_labels: Write, case: str) -> None:
    spoil, message = BAD[case]
    spoil(two_pairs / "etf", write_image, write_labels)
    with pytest.raises(UserError) as caught:
        open_folder(two_pairs, require_pre=True)
    assert str(caught.value).startswith(message)
    assert "--config.data.on_bad_file=skip" in str(caught.value)
    assert "\n" not in str(caught.value)

    source = open_folder(two_pairs, require_pre=True, on_bad_file="skip")
    assert "a" in [info.id for info in source.infos]
    assert [(skip.ecoregion, f"{skip.path}: {skip.reason}"[: len(message)]) for skip in source.skipped] == [
        ("etf", message)
    ]


def test_16_bit_colours_are_not_cut_to_8_in_silence(two_pairs: Path) -> None:
    header = Image.new("RGB", (8, 6))
    path = two_pairs / "etf" / "b_post.png"
    header.save(path)
    data = bytearray(path.read_bytes())
    data[24] = 16  # bit depth
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4)
    path.write_bytes(data)
    with pytest.raises(UserError, match="etf/b_post.png: holds more than 8 bits a channel"):
        open_folder(two_pairs)


@pytest.mark.parametrize(
    ("pre", "post", "message"),
    [
        (f"{GE}20131006_PRE", f"{GE}20131006_POST", "the same date"),
        (f"{GE}20121006_PRE", f"{GE.replace('40.2', '40.3')}20131006_POST", "corners are not those of"),
        (f"{GE.replace('40.0', '40.3')}20121006_PRE", f"{GE}20131006_POST", "swapped"),
    ],
)
def test_names_of_the_paper_that_cannot_be(
    two_pairs: Path, write_image: Write, pre: str, post: str, message: str
) -> None:
    write_image(two_pairs / "etf" / f"{pre}.jpg")
    write_image(two_pairs / "etf" / f"{post}.jpg")
    write_image(two_pairs / "etf" / f"{post}_mask.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(UserError, match=f"^etf/{post}.jpg: .*{message}"):
        open_folder(two_pairs)


def test_all_bad_files_are_counted(two_pairs: Path, write_pair: Write) -> None:
    write_pair(two_pairs / "nad", "c")
    for path in ("etf/a_mask.png", "nad/c_post.png"):
        (two_pairs / path).write_bytes(b"")
    (two_pairs / "etf" / "b_mask.png").unlink()
    with pytest.raises(UserError, match=r"^etf/a_mask.png: .* \(and 2 more bad files\)"):
        open_folder(two_pairs)
    with pytest.raises(UserError, match="all pairs of ecoregion 'etf' are bad, the first: etf/a_mask.png"):
        open_folder(two_pairs, on_bad_file="skip")


def test_directories_that_cannot_be(tmp_path: Path, write_pair: Write) -> None:
    with pytest.raises(UserError, match=r"--config.data.dir=.*nowhere: no such directory"):
        open_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no ecoregions in it"):
        open_folder(tmp_path)
    write_pair(tmp_path / "etf", "a")
    (tmp_path / "nad").mkdir()
    with pytest.raises(UserError, match="ecoregion 'nad' is empty"):
        open_folder(tmp_path)
    with pytest.raises(UserError, match=r"no ecoregion 'eft' \(did you mean 'etf'\?\); there are etf, nad"):
        open_folder(tmp_path, ecoregions=["eft"])
    with pytest.raises(UserError, match="on_bad_file=ignore: known are error, skip"):
        open_folder(tmp_path, on_bad_file="ignore")
    assert len(open_folder(tmp_path, ecoregions=["etf"])) == 1


def test_an_image_named_like_a_tile(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "etf", "a", size=(20, 20))
    write_pair(tmp_path / "etf", "a_r0c0", size=(10, 10))
    with pytest.raises(UserError, match="named like a tile"):
        open_folder(tmp_path, tile=10)


def test_a_file_that_breaks_later_is_still_named(two_pairs: Path) -> None:
    source = open_folder(two_pairs)
    (two_pairs / "etf" / "a_post.png").unlink()
    with pytest.raises(UserError, match="etf/a_post.png: cannot be read"):
        source[0]


def test_names_that_are_not_utf8_are_bad(two_pairs: Path) -> None:
    """As an archive of another system leaves them: bytes that no report, log or checkpoint can hold."""
    for role in ("mask", "pre", "post"):
        copy = os.fsdecode(f"g\xf0_{role}.png".encode("latin-1"))
        shutil.copy(two_pairs / "etf" / f"b_{role}.png", two_pairs / "etf" / copy)
    said = r"etf/g\udcf0_mask.png: its name is not UTF-8; rename it"
    with pytest.raises(UserError, match=re.escape(said)):
        open_folder(two_pairs)
    source = open_folder(two_pairs, on_bad_file="skip")
    assert [info.id for info in source.infos] == ["a", "b"] and source.fingerprints
    assert [f"{skipped.path}: {skipped.reason}" for skipped in source.skipped] == [said]
    said.encode()


def test_a_folder_whose_name_is_not_utf8_is_bad(two_pairs: Path, write_pair: Write) -> None:
    write_pair(two_pairs / os.fsdecode(b"g\xf0"), "1")
    with pytest.raises(UserError, match=re.escape(r"g\udcf0: the folder's name is not UTF-8; rename it")):
        open_folder(two_pairs)
