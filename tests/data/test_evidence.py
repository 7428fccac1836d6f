"""Masks that say nothing: refused before training, whatever holds them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsmu_jax.data import evidence, prepared
from tsmu_jax.data.examples import Examples
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.source import PairSource
from tsmu_jax.data.splits import Split
from tsmu_jax.errors import UserError

Write = Callable[..., Any]
EMPTY, FULL = np.zeros((6, 8), np.uint8), np.full((6, 8), 255, np.uint8)
MIXED = np.uint8(255) * np.eye(6, 8, dtype=np.uint8)


@pytest.fixture(params=["folder", "prepared"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, write_image: Write) -> Callable[..., PairSource]:
    """Opens an ecoregion `etf` with the given masks, after an ecoregion `alps` that has landslides."""

    def make(*masks: np.ndarray) -> PairSource:
        for ecoregion, given in (("alps", (MIXED,)), ("etf", masks)):
            for number, mask in enumerate(given):
                write_image(tmp_path / "in" / ecoregion / f"{number}_post.png")
                write_image(tmp_path / "in" / ecoregion / f"{number}_mask.png", mask)
        source = FolderSource(tmp_path / "in", require_pre=False)
        if request.param == "folder":
            return source
        prepared.write(source, tmp_path / "out")
        return prepared.PreparedSource(tmp_path / "out", require_pre=False)

    return make


def check(source: PairSource, train: tuple[int, ...], test: tuple[int, ...]) -> None:
    """Args: train, test: of `etf`, whose first pair is pair 1."""
    split = Split({"alps": (0,), "etf": train}, {"alps": (), "etf": ()}, {"alps": (), "etf": test})
    evidence.check(source, split, where="DIR")


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ((EMPTY, EMPTY), "has no landslide in any of its 2 training pairs, so there is nothing to learn; draw its"),
        ((FULL, FULL), "has nothing but landslide in its 2 training pairs, as where black and white are swapped"),
    ],
    ids=["empty", "full"],
)
def test_masks_that_teach_nothing_are_refused(
    opened: Callable[..., PairSource], masks: tuple[np.ndarray, ...], message: str
) -> None:
    with pytest.raises(UserError, match=f"^DIR: ecoregion 'etf' {message}"):
        check(opened(*masks, MIXED), train=(1, 2), test=(3,))  # a landslide among the test pairs teaches nothing


@pytest.mark.parametrize("masks", [(MIXED,), (EMPTY, MIXED), (EMPTY, FULL)], ids=["mixed", "last", "one of each"])
def test_one_landslide_and_one_background_are_enough(
    opened: Callable[..., PairSource], caplog: pytest.LogCaptureFixture, masks: tuple[np.ndarray, ...]
) -> None:
    indices = tuple(range(1, len(masks) + 1))
    check(opened(*masks), train=indices, test=())
    assert not caplog.records


def test_test_masks_that_score_nothing_are_told(
    opened: Callable[..., PairSource], caplog: pytest.LogCaptureFixture
) -> None:
    check(opened(MIXED, EMPTY), train=(1,), test=(2,))
    assert "DIR: ecoregion 'etf' has no landslide in any of its 1 test pair, so its scores say little" in caplog.text


def test_the_labels_that_were_drawn_are_named_and_the_remedy_works(
    tmp_path: Path, write_image: Write, write_labels: Write
) -> None:
    write_image(tmp_path / "alps" / "0_post.png")
    write_image(tmp_path / "alps" / "0_mask.png", MIXED)
    for number, label in enumerate(("background", "Unknown")):
        write_image(tmp_path / "etf" / f"{number}_post.png")
        write_labels(tmp_path / "etf" / f"{number}_post.json", ("rectangle", label, [[0, 0], [3, 3]]))
    with pytest.raises(UserError) as caught:
        check(FolderSource(tmp_path, require_pre=False), train=(1, 2), test=())
    assert "labels Unknown (1), background (1): draw its landslides, or name those that mean it: " in str(caught.value)
    assert str(caught.value).endswith("--config.data.labels")
    path = tmp_path / "etf" / "0_post.json"
    content = json.loads(path.read_text())
    content["shapes"][0]["label"] = "scar"
    path.write_text(json.dumps(content))
    check(FolderSource(tmp_path, require_pre=False, labels=["landslide", "scar"]), train=(1, 2), test=())


def sparse(folder: Path, write_image: Write, known: dict[str, int]) -> Examples:
    """Single-date pairs of `etf` at 4 x 4 px, of 40 x 40 px each, whose known ground is one column."""
    for name, column in known.items():
        write_image(folder / "etf" / f"{name}_post.png", size=(40, 40))
        write_image(folder / "etf" / f"{name}_mask.png", np.zeros((40, 40), np.uint8))
        write_image(
            folder / "etf" / f"{name}_unknown.png", np.uint8(255) * (np.arange(40) != column)[None].repeat(40, 0)
        )
    return Examples(FolderSource(folder, require_pre=False), size=4, channels=3)


def test_a_test_pair_that_loses_its_known_ground_has_no_score(
    tmp_path: Path, write_image: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Resizing to a tenth keeps column 5 of each ten, and drops column 0."""
    examples = sparse(tmp_path, write_image, {"1": 5, "2": 0, "3": 0})
    split = Split({"etf": ()}, {"etf": ()}, {"etf": (0, 1, 2)})
    found, left_out = evidence.scored(examples, split, where="DIR")
    assert (found.test, left_out) == ({"etf": (0,)}, {"etf": (1, 2)})
    assert "DIR: 2 test pairs without known ground at 4 x 4 px, not scored: etf/2 the first" in caplog.text
    none = (
        "^DIR: ecoregion 'etf' has 1 test pair, and none of them keeps known ground at 4 x 4 px; .*larger --config.data"
    )
    with pytest.raises(UserError, match=none):
        evidence.scored(examples, Split({"etf": ()}, {"etf": ()}, {"etf": (1,)}), where="DIR")
    larger = Examples(examples.source, size=40, channels=3)
    assert evidence.scored(larger, split, where="DIR") == (split, {})  # the remedy works
