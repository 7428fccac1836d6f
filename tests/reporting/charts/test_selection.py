from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tsmu_jax.reporting.charts.canvas import save
from tsmu_jax.reporting.charts.selection import selection_figure

BLUE, VERMILLION = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def drawn(path: Path, confusion: dict[str, dict[str, int]], tests: dict[str, Any], threshold: float) -> np.ndarray:
    save(selection_figure({"confusion": confusion, "margin": {"threshold": threshold}}, tests), path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def area(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(image - colour).max(axis=-1) <= 2).sum())


def test_wrong_choices_stand_out_in_the_margins(tmp_path: Path) -> None:
    confusion = {"etf": {"etf": 3, "na$d": 1}, "na$d": {"etf": 0, "na$d": 4}}  # `$` starts no formula
    right = {"chosen": ["etf"] * 4, "margin": [0.1, 0.3, 0.5, 0.7]}
    tests = {"etf": right, "na$d": {"chosen": ["etf", *["na$d"] * 3], "margin": [0.1, 0.3, 0.5, 0.7]}}
    wrong = area(drawn(tmp_path / "one.png", confusion, tests, 0.2), VERMILLION)
    tests["na$d"]["chosen"][1] = "etf"
    image = drawn(tmp_path / "two.png", confusion, tests, 0.2)
    assert area(image, VERMILLION) > 1.5 * wrong > 0
    assert area(image, BLUE) > area(image, VERMILLION)


@pytest.mark.parametrize("names", [("a",), tuple("abcdefgh")])
def test_any_number_of_ecoregions(tmp_path: Path, names: tuple[str, ...]) -> None:
    confusion = {name: dict.fromkeys(names, 1) for name in (*names, "x" * 60)}  # one has not arrived
    tests = {name: {"chosen": list(names), "margin": [1.0] * len(names)} for name in confusion}
    assert drawn(tmp_path / "figure.png", confusion, tests, 0.0).std() > 5
