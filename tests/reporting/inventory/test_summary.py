"""The summary of an inventory: numbers that are known beforehand, and a page that runs and loads nothing."""

import csv
import html
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from tests.inventory.test_adding import DATES, ONE, write_map
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, schema
from tsmu_jax.inventory.adding import add
from tsmu_jax.inventory.rows import Dates
from tsmu_jax.reporting.charts.landslide_map import areas
from tsmu_jax.reporting.inventory import contents, figures, numbers, page, tables, writing
from tsmu_jax.reporting.inventory.distribution import FEWEST, distribution

BOXES = ((10, 20, 10, 22), (40, 44, 50, 70), (2, 6, 2, 8), (50, 54, 2, 8), (30, 33, 60, 66))
LATER = Dates("2024-05-20T00:00:00+00:00", "2024-07-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes that share 40 of their 60 lines. Of five landslides one is rejected and one superseded."""
    folder = tmp_path_factory.mktemp("made")
    path = folder / "x<b>.gpkg"
    add(path, write_map(folder / "first", BOXES), ONE, dates=DATES)
    with geopackage.transaction(path) as database:
        for area_m2, change in (
            (320, "review_status = 'accepted', Confidence = 8, ecoregion = '<script>alert(1)</script>'"),
            (72, "review_status = 'rejected'"),
        ):
            done = database.execute(f"UPDATE landslides SET {change} WHERE abs(area_m2 - ?) < 1", (area_m2,))
            assert done.rowcount == 1
        database.execute("UPDATE landslides SET superseded_by = 'x' WHERE OBJECTID = 1")
        for reviewer in ("ada", "bob"):  # the same ground twice
            database.execute("INSERT INTO reviewed (geometry, reviewer) SELECT geometry, ? FROM observed", (reviewer,))
    second = write_map(folder / "second", [(5, 9, 10, 14)], at=(20, 0), seed=1)
    add(path, second, ONE, dates=LATER)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def status(**counts: int) -> dict[str, int]:
    return dict.fromkeys((*numbers.STATUSES, "rejected", "superseded"), 0) | counts


def test_numbers(inventory: Path) -> None:
    found = contents.read(inventory)
    assert found.area_m2 == pytest.approx([96, 480, 72, 320, 96, 64], rel=2e-3)
    assert list(found.state) == ["superseded", "current", "rejected", "current", "current", "current"]
    one = numbers.completeness(found)
    assert one.observed_km2 == pytest.approx(80 * 80 * 4e-6, rel=2e-3)  # 60 + 60 - 40 lines of 80 pixels
    assert one.landslide_km2 == pytest.approx((480 + 320 + 96 + 64) * 1e-6, rel=2e-3)
    assert one.reviewed_km2 == pytest.approx(60 * 80 * 4e-6, rel=2e-3)
    assert one.landslides == 4 and one.a_km2 == pytest.approx(4 / 0.0256, rel=2e-3)
    assert one.share == pytest.approx(960 / 25600, rel=5e-3)
    assert numbers.by_status(found) == status(unreviewed=3, accepted=1, rejected=1, superseded=1)
    confidence = numbers.by_confidence(found)
    assert confidence == {"1 possible": 0, "2 probable": 3, "3 likely": 0, "5 confident": 0, "8 high confidence": 1}
    assert numbers.by_ecoregion(found) == {"alps": 3, "<script>alert(1)</script>": 1}
    assert [(str(bracket.first), str(bracket.last), count) for bracket, count in numbers.dates(found).items()] == [
        ("2024-05-01", "2024-06-01", 3),
        ("2024-05-20", "2024-07-01", 1),
    ]


def test_the_smallest_area_of_a_map_is_told(inventory: Path, tmp_path: Path) -> None:
    assert "Left out" not in page.completeness(contents.read(inventory))
    inventory = Path(shutil.copy(inventory, tmp_path))
    for number, least in enumerate((1600.0, 900.0)):
        add(inventory, write_map(tmp_path / f"more{number}", [(2, 5, 2, 8)], seed=number + 7), ONE, min_area_m2=least)
    said = page.completeness(contents.read(inventory))["Left out"]
    assert said == "landslides under 900 m² on some maps, under 1,600 m² on others"


def test_scenes(inventory: Path) -> None:
    every = numbers.scenes(contents.read(inventory))
    assert sorted(one.landslides for one in every) == [1, 3] and {one.image for one in every} == {"after.tif"}
    for one in every:
        assert (one.overlap, one.shift_m, one.margin) == (1, 5, 0.4) and one.shift_px == pytest.approx(2.5, rel=1e-3)
        assert one.observed_km2 == pytest.approx(60 * 80 * 4e-6, rel=2e-3)


def test_the_table_of_scenes_says_what_they_were_mapped_from(inventory: Path, tmp_path: Path) -> None:
    path = tmp_path / "told.gpkg"
    said = "pre_sensor = 'Landsat 8', post_sensor = '=UAV', pre_gsd_m = 30, post_gsd_m = 2.5"
    one = changed(inventory, path, f"UPDATE scenes SET {said} WHERE OBJECTID = 1")
    shown = tables.all_tables(one, distribution(one.area_m2[one.current]))[-1]
    names = [column.name for column in shown.columns]
    place = slice(names.index("sensor before"), names.index("pixel (m)"))
    held = sorted((row[place] for row in shown.rows), key=str)
    assert held == [("Landsat 8", "=UAV", 30.0, 2.5), ("unknown", "unknown", None, None)]


def test_edited_shapes_count_as_they_are_now(inventory: Path, tmp_path: Path) -> None:
    path = tmp_path / "edited.gpkg"
    path.write_bytes(inventory.read_bytes())
    before = contents.read(path)
    with geopackage.transaction(path) as database:
        west, south, east, north = before.shapes[1].bounds
        half = shapely.box(west, south, (west + east) / 2, north)
        database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = 2", (geopackage.encoded(half),))
    after = contents.read(path)
    assert after.area_m2[1] == pytest.approx(240, rel=0.05)
    assert numbers.by_status(after)["edited"] == 1


def changed(inventory: Path, path: Path, *statements: str, **values: object) -> contents.Contents:
    path.write_bytes(inventory.read_bytes())
    with geopackage.transaction(path) as database:
        for statement in statements:
            database.execute(statement, values)
    return contents.read(path)


def test_what_a_person_accepted_counts_whatever_superseded_it(inventory: Path, tmp_path: Path) -> None:
    statement = "UPDATE landslides SET review_status = 'accepted' WHERE OBJECTID = 1"
    found = changed(inventory, tmp_path / "x.gpkg", statement)
    assert list(found.state[:3]) == ["current", "current", "rejected"]
    assert numbers.by_status(found) == status(unreviewed=3, accepted=2, rejected=1)


def test_an_outline_that_crosses_itself_has_the_area_that_it_shows(inventory: Path, tmp_path: Path) -> None:
    west, south, east, north = contents.read(inventory).shapes[1].bounds
    bowtie = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    statement = "UPDATE landslides SET geometry = :shape WHERE OBJECTID = 2"
    found = changed(inventory, tmp_path / "x.gpkg", statement, shape=geopackage.encoded(bowtie))
    assert found.area_m2[1] == pytest.approx(240, rel=0.05)


def test_the_date_that_somebody_gave_comes_before_that_of_the_images(inventory: Path, tmp_path: Path) -> None:
    statements = (
        "UPDATE landslides SET Date = '5/12/2024' WHERE OBJECTID = 2",
        "UPDATE landslides SET Date = 'in spring' WHERE OBJECTID = 4",  # says nothing
    )
    found = numbers.dates(changed(inventory, tmp_path / "x.gpkg", *statements))
    assert [(str(bracket.first), str(bracket.last), count) for bracket, count in found.items()] == [
        ("2024-05-01", "2024-06-01", 2),
        ("2024-05-12", "2024-05-12", 1),
        ("2024-05-20", "2024-07-01", 1),
    ]


def test_halves_of_a_scene_count_together(tmp_path: Path) -> None:
    """Mapped one after the other, by --aoi; a second model's look at one of them adds no ground."""
    path = tmp_path / "x.gpkg"
    add(path, write_map(tmp_path / "first", BOXES), ONE, dates=DATES)
    with geopackage.transaction(path) as database:
        (row,) = list(geopackage.rows(database, schema.OBSERVED))
        west, south, east, north = geopackage.decoded(row["geometry"]).bounds
        middle = (west + east) / 2
        left, right = shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)
        database.execute("DELETE FROM observed")
        for shape, more in ((left, {}), (right, {"config_digest": "half"}), (left, {"model_id": "other"})):
            half = {name: row[name] for name in ("scene", "model_id", "config_digest")} | more
            geopackage.upsert(database, schema.OBSERVED, half | {"geometry": geopackage.encoded(shape)})
    (one,) = numbers.scenes(contents.read(path))
    assert one.observed_km2 == pytest.approx(60 * 80 * 4e-6, rel=0.02)


def test_the_distribution_is_a_density() -> None:
    """Of an inverse gamma distribution, whose density is greatest at a / (shape + 1)."""
    rng = np.random.default_rng(0)
    shape, scale = 1.4, 1200.0
    found = distribution(scale / rng.gamma(shape, size=20_000))
    assert (found.density * (found.high_m2 - found.low_m2)).sum() == pytest.approx(1)
    assert found.number == found.count.sum() == 20_000 and found.rollover is not None
    assert found.low_m2[found.rollover] <= scale / (shape + 1) <= found.high_m2[found.rollover]
    assert (np.diff(found.low_m2) > 0).all() and found.high_m2[0] / found.low_m2[0] == pytest.approx(10**0.2)


def test_no_rollover_is_told_without_reason() -> None:
    assert distribution(np.geomspace(10, 1000, FEWEST - 1)).rollover is None
    assert distribution(10 / np.random.default_rng(0).uniform(0.001, 1, 500)).rollover is None  # falls from the start
    empty = distribution(np.zeros(3))
    assert empty.number == 0 and empty.rollover is None and len(empty.density) == 0


def test_the_map_has_a_panel_for_each_area() -> None:
    ground = np.array(
        [shapely.box(15, 47, 15.1, 47.1), shapely.box(15.11, 47, 15.2, 47.1), shapely.box(80, 20, 80.1, 20.1)]
    )
    slides = np.array([shapely.box(x, 47.05, x + 1e-4, 47.0501) for x in (15.01, 15.15, -60.0)])
    found = areas(ground, slides)
    assert [(list(one.observed), list(one.landslides)) for one in found] == [([0, 1], [0, 1]), ([], [2]), ([2], [])]


def test_both_sides_of_180_degrees_are_drawn_together() -> None:
    ground = np.array(
        [shapely.box(179.9, 10, 180, 10.1), shapely.box(-180, 10, -179.9, 10.1), shapely.box(15, 10, 16, 11)]
    )
    (moved,) = figures._side_by_side(ground)
    assert moved[1].bounds == pytest.approx((180, 10, 180.1, 10.1)) and moved[2].bounds[0] == 15
    assert len(areas(moved[:2], np.array([], object))) == 1
    assert figures._side_by_side(ground[:1])[0][0] is ground[0]


@pytest.fixture(scope="module")
def summary(inventory: Path) -> Path:
    out = inventory.parent / "out"
    assert writing.write(inventory, out) == f"4 landslides: {out}/summary.html"
    return out


def test_the_page_is_text_that_loads_nothing(summary: Path) -> None:
    text = (summary / "summary.html").read_text()
    policy = html.unescape(text.split('content="')[1].split('"')[0])
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-") and "script" not in policy
    assert "<script" not in text and "&lt;script&gt;alert(1)" in text and "x&lt;b&gt;.gpkg" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert len(re.findall('src="data:image/svg', text)) == 5
    assert "1 rejected, 1 superseded" in text and "1 accepted, 0 edited" in text
    assert re.search(r"\b0\.025[56]\d? km²", text) and "3.75% of the observed ground" in text
    for name in ("map", "frequency_area", "counts", "dates", "sources"):
        with Image.open(summary / f"{name}.png") as image:
            assert image.format == "PNG" and image.width > 500
    rows = {row["ecoregion"]: row["landslides"] for row in read(summary / "ecoregions.csv")}
    assert rows == {"alps": "3", "<script>alert(1)</script>": "1"}
    assert len(read(summary / "scenes.csv")) == 2


def test_the_map_shows_ground_and_landslides(summary: Path) -> None:
    with Image.open(summary / "map.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    count = {}
    for name, hue in {**figures.KINDS, "ground": "#E4E4E4"}.items():
        count[name] = int((pixels == list(bytes.fromhex(hue[1:]))).all(1).sum())
    assert count["ground"] > 50_000
    assert count["accepted"] > 500 and count["unreviewed, probable"] > 1_000
    shown = count["unreviewed, probable"] / count["accepted"]
    assert shown == pytest.approx((480 + 96 + 64) / 320, rel=0.2)  # areas as on the ground


def test_again_it_is_the_same_and_nothing_else_is_replaced(inventory: Path, summary: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = inventory.read_bytes()
    shutil.copytree(summary, out)
    writing.write(inventory, out)
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (summary, out))
    assert first == second and inventory.read_bytes() == before
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds thesis.txt, which no report wrote"):
        writing.write(inventory, out)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="is a link"):
        writing.write(inventory, tmp_path / "link")


def test_an_empty_inventory(tmp_path: Path) -> None:
    geopackage.create(tmp_path / "empty.gpkg")
    assert writing.write(tmp_path / "empty.gpkg", tmp_path / "out").startswith("0 landslides")
    text = (tmp_path / "out" / "summary.html").read_text()
    assert "none: nothing was found, or all was rejected or superseded" in text and "<dd>0 km²" in text
    assert read(tmp_path / "out" / "scenes.csv") == []


def test_one_bare_row(tmp_path: Path) -> None:
    """Of another program: no status, no dates, no observed ground."""
    path = tmp_path / "one.gpkg"
    geopackage.create(path)
    with geopackage.transaction(path) as database:
        row = {"uuid": "a", "geometry": geopackage.encoded(shapely.box(15, 47, 15.001, 47.001))}
        geopackage.upsert(database, schema.LANDSLIDES, row)
        geopackage.upsert(database, schema.LANDSLIDES, {"uuid": "b"})
        database.execute("DROP TRIGGER landslides_confidence_updated")
        database.execute("UPDATE landslides SET Confidence = 'high', selection_margin = 'wide', area_m2 = x'00'")
        database.execute("INSERT INTO scenes (scene, gsd_m, overlap, shift_m) VALUES ('s', 'two', 'half', x'01')")
    assert writing.write(path, tmp_path / "out").startswith("1 landslide:")
    text = (tmp_path / "out" / "summary.html").read_text()
    assert "1 without geometry" in text
    assert read(tmp_path / "out" / "dates.csv")[0]["not earlier than"] == "unknown"
    assert read(tmp_path / "out" / "ecoregions.csv")[0]["ecoregion"] == "unknown"
