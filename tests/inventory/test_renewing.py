"""Later maps narrow brackets of dates, join landslides that an edge cuts, and take over observations."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import rasterio
import shapely

from tests.inventory.test_adding import BOXES, DATES, ONE, TWO, Model, table, write_map
from tests.inventory.test_known import change
from tsmu_jax.inventory import geopackage, known
from tsmu_jax.inventory.adding import Added, add
from tsmu_jax.inventory.rows import UNDATED, Dates
from tsmu_jax.scenes import layers, words


def days(first: str, last: str) -> Dates:
    return Dates(f"{first}T00:00:00+00:00", f"{last}T00:00:00+00:00")


def brackets(path: Path) -> list[tuple[str, str]]:
    return [(row["date_min"][:10], row["date_max"][:10]) for row in table(path)]


def seen(path: Path, row: dict[str, Any]) -> int:
    return sum(each["uuid"] == row["uuid"] for each in table(path, "observations"))


def current(path: Path) -> list[dict[str, Any]]:
    return [row for row in table(path) if not row["superseded_by"]]


WIDE, NARROW, YEARS_LATER = (
    days("2020-05-01", "2020-07-01"),
    days("2020-05-20", "2020-06-01"),
    days("2022-05-01", "2022-06-01"),
)


@pytest.mark.parametrize("order", list(itertools.permutations([WIDE, NARROW, YEARS_LATER])))
def test_the_bracket_is_the_narrowest_in_any_order_of_scenes(tmp_path: Path, order: tuple[Dates, ...]) -> None:
    """Years later the landslide is still to be seen: it is not younger for that."""
    for number, dates in enumerate(order):
        add(tmp_path / "x.gpkg", write_map(tmp_path / str(number), BOXES[:1], seed=number), ONE, dates=dates)
    assert brackets(tmp_path / "x.gpkg") == [("2020-05-20", "2020-06-01")]


def test_a_newer_models_row_keeps_what_is_known(tmp_path: Path) -> None:
    """It takes over bracket and observations of the row that it supersedes; a reviewed row stays as it is."""
    path = tmp_path / "x.gpkg"
    add(path, write_map(tmp_path / "one", BOXES), ONE, dates=NARROW)
    change(path, "UPDATE landslides SET review_status = 'accepted' WHERE OBJECTID = 2")
    reviewed = table(path)[1]
    assert add(path, write_map(tmp_path / "two", BOXES, model=TWO, seed=1), TWO, dates=WIDE).new == 1
    first, second, third = table(path)
    assert (first["superseded_by"], second) == (TWO.digest, reviewed)
    assert (third["date_min"], third["date_max"]) == (NARROW.pre, NARROW.post)
    assert [seen(path, row) for row in (first, second, third)] == [1, 2, 2]
    models = {row["model_id"] for row in table(path, "observations") if row["uuid"] == third["uuid"]}
    assert models == {ONE.digest, TWO.digest}


def test_accepted_landslides_that_a_newer_model_does_not_find_are_kept_and_told(tmp_path: Path) -> None:
    """Of two neighbours that it finds as one, it has seen both; what lies off its ground it has not missed.

    Nor has it missed what is too small for the inventory, nor what happened at another time.
    """
    path, accepted = tmp_path / "x.gpkg", (*BOXES, (10, 20, 23, 30), (10, 20, 70, 78))
    add(path, write_map(tmp_path / "one", accepted), ONE)
    change(path, "UPDATE landslides SET review_status = 'accepted'")
    before = table(path)
    done = add(path, write_map(tmp_path / "two", [(10, 20, 10, 30)], model=TWO, shape=(60, 66)), TWO)
    assert done == Added(0, 1, 0, same=False, unseen=1) and table(path) == before
    assert "1 known ones found again" in words.added(path, done)
    assert ", 1 accepted one of which it shows less than half" in words.added(path, done)
    three = write_map(tmp_path / "three", [(10, 20, 10, 15), (10, 20, 16, 22)], model=TWO, seed=2)
    assert add(path, three, TWO, min_area_m2=1e6).unseen == 3


def test_what_happened_at_another_time_is_not_missed(tmp_path: Path) -> None:
    path, nothing = tmp_path / "x.gpkg", [(2, 5, 2, 8)]
    add(path, write_map(tmp_path / "one", BOXES), ONE, dates=days("2020-05-01", "2020-06-01"))
    change(path, "UPDATE landslides SET review_status = 'accepted'")
    for number, (first, last, unseen) in enumerate(
        (("2010-01-01", "2011-01-01", 0), ("2020-05-20", "2021-01-01", 2), ("2020-06-01", "2021-01-01", 0))
    ):
        directory = write_map(tmp_path / str(number), nothing, model=TWO, seed=number + 3)
        assert add(path, directory, TWO, dates=days(first, last)).unseen == unseen


QUEUE = "SELECT uuid, priority, why FROM review_queue"


def test_models_that_differ_come_forward_in_the_queue(tmp_path: Path) -> None:
    path = tmp_path / "x.gpkg"
    for number, model in enumerate((ONE, TWO)):
        add(path, write_map(tmp_path / str(number), BOXES, model=model), model, dates=DATES)
        change(path, "UPDATE observations SET prob_mean = 0.2 WHERE OBJECTID = 1")
    differing, agreeing = (row["uuid"] for row in current(path))
    with geopackage.transaction(path) as database:
        queue = {uuid: (priority, why) for uuid, priority, why in database.execute(QUEUE)}
    assert "models or scenes differ" in queue[differing][1] and "differ" not in queue[agreeing][1]
    assert queue[differing][0] > queue[agreeing][0] + 0.4


CUT = [(52, 60, 10, 20)]  # rows 52 to 72 of the ground, of which a scene of 60 rows shows eight
WHOLE = [(12, 32, 10, 20)]  # the same in a scene that begins 40 rows further down


def scenes(tmp_path: Path) -> tuple[Path, Path]:
    return write_map(tmp_path / "upper", CUT), write_map(tmp_path / "lower", WHOLE, at=(40, 0), seed=1)


def test_a_landslide_that_an_edge_cuts_is_one(tmp_path: Path) -> None:
    """The part is found first: the whole one is of record, with both observations, and nothing is deleted."""
    path, (upper, lower) = tmp_path / "x.gpkg", scenes(tmp_path)
    add(path, upper, ONE, dates=WIDE)
    assert table(path)[0]["touches_edge"] == 1
    assert add(path, lower, ONE, dates=NARROW) == Added(0, 1, 0, same=False)
    (whole,) = current(path)
    assert whole["area_m2"] == pytest.approx(20 * 10 * 4, rel=2e-3) and whole["touches_edge"] == 0
    assert seen(path, whole) == 2 and (whole["date_min"], whole["date_max"]) == tuple(NARROW)
    assert [row["superseded_by"] for row in table(path)] == [ONE.digest, None]
    held = path.read_bytes()
    for directory in (upper, lower):
        assert add(path, directory, ONE, dates=WIDE).same
    assert path.read_bytes() == held


def test_a_part_of_a_known_landslide_is_an_observation(tmp_path: Path) -> None:
    path, (upper, lower) = tmp_path / "x.gpkg", scenes(tmp_path)
    add(path, lower, ONE, dates=WIDE)
    before = table(path)
    assert add(path, upper, ONE, dates=WIDE) == Added(0, 1, 0, same=False)
    assert table(path) == before and seen(path, before[0]) == 2


def test_of_two_parts_the_larger_one_is_of_record(tmp_path: Path) -> None:
    path = tmp_path / "x.gpkg"
    add(path, write_map(tmp_path / "upper", CUT), ONE)
    add(path, write_map(tmp_path / "lower", [(12, 22, 10, 20)], at=(40, 0), seed=1, shape=(22, 80)), ONE)
    add(path, write_map(tmp_path / "left", [(12, 32, 10, 14)], at=(40, 0), seed=2, shape=(60, 14)), ONE)
    (row,) = current(path)
    assert row["area_m2"] == pytest.approx(400, rel=2e-3) and row["touches_edge"] == 1 and seen(path, row) == 3


@pytest.mark.parametrize("model", [ONE, TWO])
def test_what_people_said_of_a_part_holds_for_the_whole(tmp_path: Path, model: Model) -> None:
    path, (upper, _) = tmp_path / "x.gpkg", scenes(tmp_path)
    add(path, upper, ONE)
    change(path, "UPDATE landslides SET review_status = 'rejected'")
    before = table(path)
    lower = write_map(tmp_path / "later", WHOLE, at=(40, 0), seed=2, model=model)
    assert add(path, lower, model) == Added(0, 1, 0, same=False)
    assert table(path) == before and seen(path, before[0]) == 2


@pytest.mark.parametrize("order", ["UL", "LU", "ULU", "LUL", "ULUL"])
def test_scenes_that_cut_a_landslide_may_come_again(tmp_path: Path, order: str) -> None:
    """It spans rows 20 to 95, of which the upper scene shows 40 and the lower one 55; both show the same 20."""
    path, maps = tmp_path / "x.gpkg", {"U": ([(20, 60, 10, 20)], (0, 0)), "L": ([(0, 55, 10, 20)], (40, 0))}
    for seed, name in enumerate(order):
        boxes, at = maps[name]
        add(path, write_map(tmp_path / str(seed), boxes, at=at, seed=seed), ONE)
    (row,) = current(path)
    assert row["area_m2"] == pytest.approx(55 * 10 * 4, rel=2e-3) and seen(path, row) == len(order)
    change(path, "UPDATE landslides SET review_status = 'rejected' WHERE superseded_by IS NULL")
    later = write_map(tmp_path / "later", maps["U"][0], model=TWO, seed=9)
    done = add(path, later, TWO)
    assert (done.new, done.known) == (0, 1)


CLOUD = (slice(12, 16), slice(0, 80))  # of rows 4 to 24 of a landslide


def under_cloud(directory: Path) -> Path:
    """Takes the ground under a cloud out of a map."""
    for name, value in ((layers.PROBABILITY, 255), (layers.MASK, 255), (layers.OBSERVED, 0)):
        with rasterio.open(directory / name, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            band = file.read(1)
            band[CLOUD] = value
            file.write(band, 1)
    return directory


def test_a_cloud_cuts_a_landslide_in_two(tmp_path: Path) -> None:
    """Both parts are one landslide with the whole, whichever map comes first."""
    whole = [(4, 24, 10, 20)]
    clear, cloudy = write_map(tmp_path / "clear", whole), under_cloud(write_map(tmp_path / "c", whole, seed=1))
    add(tmp_path / "a.gpkg", clear, ONE)
    assert add(tmp_path / "a.gpkg", cloudy, ONE) == Added(0, 2, 0, same=False)
    assert add(tmp_path / "b.gpkg", cloudy, ONE) == Added(2, 0, 0, same=False)
    assert add(tmp_path / "b.gpkg", clear, ONE) == Added(0, 1, 0, same=False)
    for path in (tmp_path / "a.gpkg", tmp_path / "b.gpkg"):
        (row,) = current(path)
        assert row["area_m2"] == pytest.approx(800, rel=2e-3) and seen(path, row) == 2


def test_another_landslide_beside_the_edge_is_another_one(tmp_path: Path) -> None:
    """It shares ground with the part, but not most of what both scenes show."""
    path = tmp_path / "x.gpkg"
    add(path, write_map(tmp_path / "upper", CUT), ONE)
    other = write_map(tmp_path / "lower", [(18, 32, 16, 40)], at=(40, 0), seed=1)
    assert add(path, other, ONE) == Added(1, 0, 0, same=False)


def test_outlines_that_also_touch_have_an_area_in_common() -> None:
    """What they share is an area and a line at once, which GEOS would not intersect again."""
    scene, bent = shapely.box(0, 0, 4, 2), shapely.box(1, 1, 2, 3) | shapely.box(1, 2, 4, 3)
    assert bent.intersection(scene).geom_type == "GeometryCollection"
    shared = known.common(bent, scene)
    assert shared.geom_type == "MultiPolygon" and known.common(shared, scene).area == 1


def test_dates_may_come_later(tmp_path: Path) -> None:
    """The same map again, now with dates; a map of the same scene without them takes none away."""
    path = tmp_path / "x.gpkg"
    first = write_map(tmp_path / "first", BOXES)
    add(path, first, ONE, dates=UNDATED)
    done = add(path, first, ONE, dates=WIDE)
    assert (
        done == Added(0, 0, 0, same=True, scene=True, dated=2) and brackets(path) == [("2020-05-01", "2020-07-01")] * 2
    )
    assert words.added(path, done).endswith(
        "already; filled in dates, sensors or resolutions of the scene, narrowed the dates of 2 known landslides"
    )
    add(path, write_map(tmp_path / "two", BOXES, model=TWO), TWO, dates=UNDATED)
    (scene,) = table(path, "scenes")
    assert (scene["pre_date"], scene["post_date"]) == tuple(WIDE) and len(set(brackets(path))) == 1


def test_dates_hold_for_all_maps_of_a_scene(tmp_path: Path) -> None:
    """A map with another configuration says them, and does not find the second landslide."""
    path = tmp_path / "x.gpkg"
    add(path, write_map(tmp_path / "first", BOXES), ONE)
    other = write_map(tmp_path / "other", BOXES[:1])
    (other / "scene.json").write_text((other / "scene.json").read_text().replace("c" * 64, "d" * 64))
    add(path, other, ONE, dates=WIDE)
    assert brackets(path) == [("2020-05-01", "2020-07-01")] * 2


def test_tables_say_what_is_known_of_scenes_and_models(tmp_path: Path) -> None:
    path, directory = tmp_path / "x.gpkg", write_map(tmp_path / "map", BOXES)
    model = Model("3")
    scores = {"iou": 0.5}
    model.description |= {"ecoregions": {"alps": {"scores": scores}}, "lineage": [{"digest": "0"}]}
    record = json.loads((directory / "scene.json").read_text()) | {"model": model.digest}
    record["chosen"] |= {"ecoregion": "mwcf"}
    (directory / "scene.json").write_text(json.dumps(record))
    add(path, directory, model, dates=DATES)  # type: ignore[arg-type]
    (held,), (scene,) = table(path, "models"), table(path, "scenes")
    assert json.loads(held["scores"]) == {"alps": scores} and json.loads(held["lineage"]) == [{"digest": "0"}]
    assert json.loads(held["ecoregions"]) == {"alps": "alps"}
    assert (scene["pre_sha256"], scene["post_sha256"]) == (record["images"]["pre"], record["images"]["post"])
    assert (scene["pre_date"], scene["post_date"]) == tuple(DATES) and (scene["height"], scene["width"]) == (60, 80)
    assert scene["crs"] == record["grid"]["crs"] and json.loads(scene["transform"]) == record["grid"]["transform"]
    row = table(path)[0]
    assert (row["pre_image"], row["post_image"]) == ("before.tif", "after.tif")
    assert (row["na_l1key"], row["na_l1name"]) == (7, "Marine West Coast Forest")
