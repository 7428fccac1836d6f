import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from tsmu_jax.data.pair_lists import SourcePairs
from tsmu_jax.data.source import Pair, PairInfo
from tsmu_jax.reporting.thumbnails import SIDE, write_thumbnails


class Source(list[Pair]):
    fingerprints: ClassVar[dict[str, str]] = {}
    skipped = ()
    infos = (PairInfo("first", "etf", "1"), PairInfo("sec<o>nd", "etf", "2"), PairInfo("only", "nad", "3"))


@pytest.fixture
def source() -> Source:
    rng = np.random.default_rng(0)

    def one(height: int, width: int, *, dated: bool = True) -> Pair:
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2] = 1
        return Pair(image if dated else None, image, mask)

    return Source([one(300, 600), one(20, 30), one(40, 40, dated=False)])


def test_small_copies_keep_their_shape(tmp_path: Path, source: Source) -> None:
    write_thumbnails({"etf": SourcePairs(source, [0, 1]), "nad": SourcePairs(source, [2])}, tmp_path)
    sizes = {}
    for path in sorted(tmp_path.glob("tests/*/*")):
        with Image.open(path) as image:
            sizes[str(path.relative_to(tmp_path / "tests"))] = image.size
    large, small = (SIDE, SIDE // 2), (30, 20)
    assert sizes == {
        **{f"etf/first_{kind}": large for kind in ("mask.png", "post.jpg", "pre.jpg")},
        **{f"etf/sec<o>nd_{kind}": small for kind in ("mask.png", "post.jpg", "pre.jpg")},
        **{f"nad/only_{kind}": (40, 40) for kind in ("mask.png", "post.jpg")},
    }
    with Image.open(tmp_path / "tests" / "etf" / "first_mask.png") as image:
        mask = np.asarray(image)
    assert (mask[:63] == 255).all() and (mask[65:] == 0).all()


def test_histograms_count_every_original_value(tmp_path: Path, source: Source) -> None:
    write_thumbnails({"etf": SourcePairs(source, [0, 1]), "nad": SourcePairs(source, [2])}, tmp_path)
    histograms = json.loads((tmp_path / "tests" / "histograms.json").read_text())
    assert histograms["etf"]["pairs"] == 2
    for kind, label in (("landslide", 1), ("background", 0)):
        values = np.concatenate([pair.post[pair.mask == label].ravel() for pair in source[:2]])
        assert histograms["etf"][kind] == np.bincount(values, minlength=256).tolist()
