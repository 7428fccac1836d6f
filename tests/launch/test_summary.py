"""The closing table of a sweep, from run directories made by hand."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from launch import summary
from launch.points import Point
from tsmu_jax.runs.files import write_json


def point(directory: Path, name: str, overrides: dict, change: float | None) -> Point:
    """A point whose run is finished, or is not there where it changed nothing."""
    if change is not None:
        results = {
            "phases": [{"seconds": 60.0, "iou": {"old": 0.7, "new": 0.5, "global": 0.65}, "validation_micro_iou": {}}],
            "verdict": {"old": {"difference": -0.001}, "new": {"difference": change}},
        }
        write_json(directory / name / "results.json", results)
        (directory / name / "results.md").touch()
    return Point(name, overrides, {}, ())


def rows(points: list[Point], directory: Path) -> dict[str, list[str]]:
    """The cells of each row, by its name."""
    file = io.StringIO()
    Console(file=file, width=summary.WIDTH).print(summary.table(points, {}, directory))
    words = [line.split() for line in file.getvalue().splitlines() if line.split()]
    return {line[0]: line[1:] for line in words}


def test_every_point_has_its_name_its_scores_and_what_it_changed(tmp_path: Path) -> None:
    points = [point(tmp_path, f"seed={seed}", {"seed": seed}, change) for seed, change in enumerate((0.2, 0.4, None))]
    long = "method=feature_extraction,new=jinsha_uav,seed=0"
    points.append(point(tmp_path, long, {"seed": 3}, None))
    found = rows(points, tmp_path)
    assert found[long] == ["waiting"]
    assert found["seed=0"] == ["finished", "0.700", "0.500", "0.650", "–", "1:00", "-0.001", "+0.200", "–"]
    assert found["seed=2"] == ["waiting"]
    assert found["mean"] == ["-0.001", "+0.300", "–"]
    assert (found["least"][1], found["most"][1]) == ("+0.200", "+0.400")


@pytest.mark.parametrize(
    ("other", "summed"), [({"new": "etf", "seed": 0}, True), ({"rates.joint": 1e-4, "seed": 0}, False)]
)
def test_only_seeds_and_ecoregions_are_averaged_over(tmp_path: Path, other: dict, summed: bool) -> None:
    points = [point(tmp_path, "a", {"seed": 0}, 0.2), point(tmp_path, "b", other, 0.3)]
    assert ("mean" in rows(points, tmp_path)) == summed


def test_each_method_has_its_own_mean(tmp_path: Path) -> None:
    changes = {"tsmu": (0.2, 0.4), "feature_extraction": (0.1, 0.2)}
    points = [
        point(tmp_path, f"{method}{seed}", {"method": method, "seed": seed}, change)
        for method, each in changes.items()
        for seed, change in enumerate(each)
    ]
    file = io.StringIO()
    Console(file=file, width=summary.WIDTH).print(summary.table(points, {}, tmp_path))
    means = [line.split() for line in file.getvalue().splitlines() if ": mean" in line]
    assert [(words[0], words[3]) for words in means] == [
        ("method=tsmu:", "+0.300"),
        ("method=feature_extraction:", "+0.150"),
    ]
