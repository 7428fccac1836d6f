"""An inventory is compared with other catalogues, both ways, with ties named; the matches are kept."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest
import shapely

from tests.inventory.test_adding import table
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import comparing, exporting, geopackage, match_output, others, schema
from tsmu_jax.inventory.brackets import OPEN, parse
from tsmu_jax.inventory.comparing import Comparison, compare
from tsmu_jax.inventory.others import Columns
from tsmu_jax.inventory.reading import Which

GEOD = pyproj.Geod(ellps="WGS84")
NAMED = Columns()


def place(longitude: float, latitude: float, east_m: float = 0, north_m: float = 0) -> tuple[float, float]:
    """A point so many metres away."""
    longitude, latitude, _ = GEOD.fwd(longitude, latitude, 90, east_m)
    longitude, latitude, _ = GEOD.fwd(longitude, latitude, 0, north_m)
    return longitude, latitude


def square(longitude: float, latitude: float, side_m: float = 40, turn: float = 0) -> Any:
    """A square around a point; longitudes go on beyond 180 degrees where `turn` is 360."""
    corners = [
        place(longitude, latitude, x * side_m / 2, y * side_m / 2) for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1))
    ]
    return shapely.Polygon([(x + turn if x < 0 and turn else x, y) for x, y in corners])


# An inventory of three landslides on observed ground of 2 km, and catalogues to compare it with.
CENTRES = [(15.0, 47.0), place(15.0, 47.0, 300), place(15.0, 47.0, 0, 600)]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "landslides.gpkg"
    geopackage.create(path)
    with geopackage.transaction(path) as database:
        for number, centre in enumerate(CENTRES):
            row = {"uuid": f"slide-{number}", "geometry": geopackage.encoded(square(*centre))}
            row |= {"date_min": "2024-05-01T00:00:00+00:00", "date_max": "2024-06-01T00:00:00+00:00"}
            row |= {"review_status": ["unreviewed", "accepted", "unreviewed"][number], "matched_usgs_id": "old"}
            geopackage.upsert(database, schema.LANDSLIDES, row)
        ground = {"scene": "s", "model_id": "m", "config_digest": "c"}
        ground["geometry"] = geopackage.encoded(square(15.0, 47.0, 2000))
        geopackage.upsert(database, schema.OBSERVED, ground)
    return path


HEAD = "event_id,Latitude,Longitude,Date\n"


def events(path: Path, rows: Sequence[tuple[str, tuple[float, float], str]], head: str = HEAD) -> Path:
    path.write_text(head + "".join(f"{name},{y},{x},{date}\n" for name, (x, y), date in rows))
    return path


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    far = place(15.0, 47.0, 5000)
    return events(
        tmp_path / "events.csv",
        [
            ("e1", place(*CENTRES[0], 50), "5/12/2024"),
            ("e2", place(*CENTRES[0], 0, 60), "unknown"),
            ("e3", CENTRES[1], "1997"),
            ("e4", place(15.0, 47.0, -700), "05/2024"),
            ("e5", far, "circa 2024"),
            ("'=e6", place(*CENTRES[2], 10), ""),
        ],
    )


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def compared(inventory: Path, other: Path, distance_m: float = 100.0, named: Columns = NAMED) -> Comparison:
    return compare(inventory, other, named, which=Which.CURRENT, distance_m=distance_m)


def test_a_list_of_events(inventory: Path, listed: Path, tmp_path: Path) -> None:
    found = compared(inventory, listed)
    match_output.write(found, tmp_path / "m.csv", overwrite=False)
    rows = read(tmp_path / "m.csv")
    told = [(row["what"], row["uuid"], row["other_id"], row["dates"], row["tie"]) for row in rows]
    assert told == [
        ("match", "slide-0", "e1", "meet", "1"),
        ("match", "slide-0", "e2", "unknown", "1"),
        ("dates apart", "slide-1", "e3", "apart", "0"),
        ("match", "slide-2", "'=e6", "unknown", "0"),
        ("unmatched of ours", "slide-1", "", "", ""),
        ("unmatched of theirs", "", "e3", "", ""),
        ("unmatched of theirs", "", "e4", "", ""),
        ("not observed", "", "e5", "", ""),
    ]
    assert float(rows[0]["distance_m"]) == pytest.approx(30, abs=0.1) and float(rows[3]["distance_m"]) == 0
    assert (rows[0]["nearest_of_ours"], rows[1]["nearest_of_ours"]) == ("1", "0")
    assert rows[1]["nearest_of_theirs"] == "1" and rows[6]["other_date_max"] == "2024-05-31"
    said = " ".join(match_output.sentences(found))
    assert "whose dates exclude each other: 1." in said
    assert "Without a known date in the other: 3, of which 1 have one that cannot be read" in said


def test_the_table_counts_both_ways(inventory: Path, listed: Path) -> None:
    shown = match_output.table(compared(inventory, listed))
    columns = {str(column.header): list(column.cells) for column in shown.columns}
    assert columns["number"] == ["3", "6"] and columns["matched"] == ["2", "3"]
    assert columns["share"] == ["66.7%", "50.0%"] and columns["ties"] == ["1", "0"]
    assert columns["unmatched"] == ["1", "2"] and columns["unobserved"] == ["0", "1"]


def test_what_the_inventory_keeps(inventory: Path, listed: Path) -> None:
    before = table(inventory)
    assert comparing.keep(compared(inventory, listed), inventory) == 2
    rows = table(inventory)
    assert [row["matched_usgs_id"] for row in rows] == ["e1", None, "=e6"]
    assert [row["match_distance_m"] for row in rows] == [pytest.approx(30, abs=0.1), None, 0]
    for old, new in zip(before, rows, strict=True):  # also of the reviewed row nothing else changes
        assert {name for name in old if old[name] != new[name]} <= {"matched_usgs_id", "match_distance_m"}


def test_landslides_that_people_drew(inventory: Path, listed: Path) -> None:
    """A trigger gives them a uuid; an inventory of an older release has none for them."""
    with geopackage.transaction(inventory) as database:
        shape = geopackage.encoded(square(*place(15.0, 47.0, -700)))
        database.execute("INSERT INTO landslides (geometry) VALUES (?)", (shape,))
        database.execute("DROP TRIGGER landslides_named")
        assert len(database.execute("SELECT uuid FROM landslides WHERE OBJECTID = 4").fetchone()[0]) == 36
        database.execute("UPDATE landslides SET uuid = NULL WHERE OBJECTID = 4")
    assert comparing.keep(compared(inventory, listed), inventory) == 3
    assert [row["matched_usgs_id"] for row in table(inventory)] == ["e1", None, "=e6", "e4"]


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson", ".fgb", ".gdb", ".parquet"])
def test_polygons_in_other_formats_and_coordinates(inventory: Path, tmp_path: Path, suffix: str) -> None:
    shapes = [square(*place(*CENTRES[0], 20)), square(*place(15.0, 47.0, 0, -400))]
    path = tmp_path / f"other{suffix}"
    frame = geopandas.GeoDataFrame(
        {"LS_ID": np.array([7, 8], np.int32), "Date": ["2024", "2024"]}, geometry=shapes, crs=4326
    )
    frame = frame if suffix == ".geojson" else frame.to_crs("ESRI:102008")
    drivers = {".gdb": "OpenFileGDB"}
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_file(path, driver=drivers.get(suffix))
    found = compared(inventory, path)
    assert sorted(found.other.ids) == ["7", "8"] and found.matches.our_best.keys() == {0}
    assert found.matches.our_best[0].distance_m == 0 and found.matches.our_best[0].dates == "meet"
    assert found.area is not None and found.area.shared_m2 == pytest.approx(800, rel=0.02)
    assert "Degree of matching by area (intersection over union): 11.1%" in " ".join(match_output.sentences(found))


def test_another_inventory_of_ours(inventory: Path, tmp_path: Path) -> None:
    """Superseded and rejected rows of the other inventory are left out; it may be the same file."""
    second = tmp_path / "second.gpkg"
    second.write_bytes(inventory.read_bytes())
    with geopackage.transaction(second) as database:
        database.execute("UPDATE landslides SET review_status = 'rejected' WHERE uuid = 'slide-0'")
    found = compared(inventory, second)
    assert found.other.ids == ("slide-1", "slide-2") and found.matches.our_best.keys() == {1, 2}
    assert {pair.dates for pair in found.matches.our_best.values()} == {"meet"}
    assert len(compared(inventory, inventory).matches.our_best) == 3


def test_our_own_export_with_empty_cells(inventory: Path, tmp_path: Path) -> None:
    """Columns of whole numbers with gaps; a row that a person accepted counts although another model superseded it."""
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET Fatalities = 3 WHERE uuid = 'slide-0'")
        database.execute("UPDATE landslides SET superseded_by = 'x' WHERE uuid != 'slide-0'")
        database.execute("UPDATE landslides SET review_status = 'unreviewed' WHERE uuid = 'slide-2'")
    exporting.export(inventory, tmp_path / "x.parquet", form="all", which=Which.ALL)
    for path in (tmp_path / "x.parquet", inventory):
        found = compared(inventory, path)
        assert found.uuids == found.other.ids == ("slide-0", "slide-1") and found.matches.our_best.keys() == {0, 1}


def test_cells_that_hold_lists(inventory: Path, tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": CENTRES[0]}
    properties = {"LS_ID": 7, "tags": ["a", "b"], "sizes": [1, 2], "more": {"x": None}}
    feature = {"type": "Feature", "geometry": point, "properties": properties}
    (tmp_path / "x.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert compared(inventory, tmp_path / "x.geojson").other.ids == ("7",)


def test_an_outline_that_encloses_nothing_matches_nothing(inventory: Path, listed: Path) -> None:
    flat = shapely.Polygon([CENTRES[0], CENTRES[1], CENTRES[0]])
    with geopackage.transaction(inventory) as database:
        values = (geopackage.encoded(flat),)
        database.execute("UPDATE landslides SET geometry = ? WHERE uuid = 'slide-0'", values)
    found = compared(inventory, listed)
    assert [found.uuids[index] for index in found.matches.our_best] == ["slide-2"]


def test_columns_by_name_and_by_flag(tmp_path: Path) -> None:
    rows = "lon;lat;when;no\n15;47;1997;a\n375;47,5;1998;b\n-345;47.5;1999;c\n15;95;1999;d\n"
    (tmp_path / "semicolons.csv").write_text("\ufeff" + rows, encoding="utf-8")
    found = others.read(tmp_path / "semicolons.csv", Columns(id="no", date="when"))
    assert found.ids == ("a", "c") and found.left_out == 2  # a decimal comma, a latitude of 95
    assert [bracket.first.year for bracket in found.dates if bracket.first] == [1997, 1999]
    assert [point.x for point in found.geometries] == [15, 15]
    plain = others.read(tmp_path / "semicolons.csv", NAMED)
    assert plain.ids == ("row 1", "row 3") and plain.dates == (OPEN, OPEN) and plain.unreadable_dates == 0


def test_date_min_and_date_max(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Lat_N,Lon_W,Date,Date_Min,Date_Max\n47,-120,,1/1/1998,2/1/1998\n47,-120,3/5/1998,1/1/1990,\n")
    found = others.read(path, NAMED)
    assert found.dates == (parse("1998-01-01/1998-02-01"), parse("1998-03-05"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "there is no such file"),
        ("x.txt", "hello", "name a file that ends in .csv, .gpkg"),
        ("x.csv", "a,b\n1,2\n", "has no columns Latitude and Longitude in its first line"),
        ("x.csv", "", "has no columns Latitude and Longitude"),
        ("x.csv", "Latitude,Longitude\n", "has no landslide with usable coordinates"),
        ("x.csv", "Latitude,Longitude\nnan,5\n,\n", "has no landslide with usable coordinates"),
        ("x.geojson", "{", "cannot be read"),
        ("x.shp", "hello", "cannot be read"),
        ("x.parquet", "hello", "cannot be read"),
        ("x.geojson", "<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "its shapes from elsewhere"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=said) as caught:
        others.read(tmp_path / name, NAMED)
    assert str(caught.value).startswith(f"--other={tmp_path / name}: ")


def test_files_that_need_a_word_more(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(15, 47)])
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        frame.to_file(tmp_path / "nowhere.shp")
    with pytest.raises(UserError, match="has no coordinate system"):
        others.read(tmp_path / "nowhere.shp", NAMED)
    for layer in ("one", "two"):
        frame.set_crs(4326).to_file(tmp_path / "two.gpkg", layer=layer)
    with pytest.raises(UserError, match="has several layers with geometry; choose by --layer: one, two"):
        others.read(tmp_path / "two.gpkg", NAMED)
    with pytest.raises(UserError, match="--layer=three: .* has no such layer"):
        others.read(tmp_path / "two.gpkg", Columns(layer="three"))
    assert len(others.read(tmp_path / "two.gpkg", Columns(layer="two")).ids) == 1
    events(tmp_path / "x.csv", [("a", (15.0, 47.0), "1997")])
    for named, said in (
        (Columns(id="name"), "--id_column=name: .* has no such column; it has event_id, Latitude"),
        (Columns(date="day"), "--date_column=day: .* has no such column"),
    ):
        with pytest.raises(UserError, match=said):
            others.read(tmp_path / "x.csv", named)
