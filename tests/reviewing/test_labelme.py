"""To LabelMe and back: what nobody touches stays as it is to the byte, what somebody does is a decision."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from rasterio.features import rasterize, shapes
from scipy import ndimage

from tests.inventory.test_adding import table
from tests.reviewing.conftest import make
from tsmu_jax.data import labelme
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, measures
from tsmu_jax.reviewing import candidates, labelme_export, labelme_import, pixels, scene_files

TILE = 64


def export(inventory: Path, output: Path) -> Path:
    queue = candidates.read(inventory, all_current=True)
    images = scene_files.find(queue.scenes, named=(), folder=inventory.parent / "images", likely=queue.files)
    labelme_export.write(queue, images, output, tile=TILE)
    return output


def change(folder: Path, landslide: str, **changes: Any) -> Path:
    """Changes the shape of a landslide as LabelMe does, which writes the file anew; None for `points` removes it."""
    for path in folder.glob("*_post.json"):
        content = json.loads(path.read_text())
        own = [shape for shape in content["shapes"] if shape["description"] == landslide]
        for shape in own:
            shape |= changes
            if changes.get("points", 1) is None:
                content["shapes"].remove(shape)
        path.write_text(json.dumps(content, indent=4))
    return folder


def test_masks_come_back_as_they_went() -> None:
    """Of blobs with holes, and lines one pixel wide, as everybody draws LabelMe's polygons."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        mask = (ndimage.gaussian_filter(rng.normal(size=(60, 60)), 1.5) > 0.1).astype(np.uint8)
        for geometry, value in shapes(mask, connectivity=4):
            if value == 1:
                outline = shapely.geometry.shape(geometry)
                drawn = [
                    labelme.Shape("polygon", tuple((x, y) for x, y in points), int(label == pixels.LANDSLIDE))
                    for label, points in pixels.rings(outline)
                ]
                assert (labelme.rasterise(drawn, 60, 60) == rasterize([outline], out_shape=(60, 60))).all()


def test_ten_rounds_without_a_change_change_no_byte(inventory: Path, tmp_path: Path) -> None:
    candidates.read(inventory)
    before = inventory.read_bytes()
    for number in range(10):
        folder = export(inventory, tmp_path / f"tiles{number}")
        for path in folder.glob("*.json"):  # LabelMe writes what it has read
            path.write_text(json.dumps(json.loads(path.read_text())))
        assert labelme_import.bring_in(inventory, folder, "ada").new == {}
    assert inventory.read_bytes() == before


ACROSS = ((10, 20, 56, 70), (30, 40, 80, 84))  # each reaches into the tile of the other


@pytest.fixture
def across(tmp_path: Path) -> Path:
    """An inventory of two tiles; the first landslide has a hole."""
    inventory = make(tmp_path, ACROSS, shape=(60, 128))
    with geopackage.transaction(inventory) as database:
        (blob,) = database.execute("SELECT geometry FROM landslides WHERE OBJECTID = 1").fetchone()
        west, south, east, north = geopackage.decoded(blob).bounds
        column, row = (east - west) / 14, (north - south) / 10
        hole = shapely.box(west + 9 * column, south + 2 * row, west + 12 * column, north - 2 * row)
        outline = geopackage.encoded(geopackage.decoded(blob).difference(hole))
        database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", (outline,))
        measures.complete(database)
    return inventory


def contexts(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """By tile, the shapes that belong to another one."""
    found = {}
    for path in sorted(folder.glob("*_post.json")):
        shapes = json.loads(path.read_text())["shapes"]
        found[path.name.removesuffix("_post.json")] = [one for one in shapes if "belongs" in one["description"]]
    return found


def test_what_another_tile_holds_is_shown_and_says_nothing(across: Path, tmp_path: Path) -> None:
    before, rounds = across.read_bytes(), []
    for number in range(10):
        folder = export(across, tmp_path / f"tiles{number}")
        for path in folder.glob("*.json"):  # LabelMe writes what it has read
            path.write_text(json.dumps(json.loads(path.read_text())))
        done = labelme_import.bring_in(across, folder, "ada")
        assert (done.new, done.notes) == ({}, ())
        rounds.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert across.read_bytes() == before and all(one == rounds[0] for one in rounds)
    first, second = table(across)
    (west, one), (east, other) = contexts(folder).items()
    assert [shape["label"] for shape in one] == ["context"]
    assert {shape["description"] for shape in one} == {f"{second['uuid']} belongs to tile {east}"}
    assert [shape["label"] for shape in other] == ["context", "background"]
    assert {shape["description"] for shape in other} == {f"{first['uuid']} belongs to tile {west}"}


def test_context_ends_at_the_tile_and_masks_know_its_ground(across: Path, tmp_path: Path) -> None:
    folder = export(across, tmp_path / "tiles")
    queue = candidates.read(across, all_current=True)
    (grid,) = map(pixels.scene_grid, queue.scenes.values())
    truth = rasterize([pixels.in_pixels(one.outline, grid) for one in queue.candidates], out_shape=(60, 128))
    for name, tile in json.loads((folder / "tiles.json").read_text())["tiles"].items():
        found = labelme.read((folder / f"{name}_post.json").read_bytes(), path=name, labels=["landslide", "context"])
        height, width = found.height or 0, found.width or 0
        assert all(0 <= x <= width and 0 <= y <= height for shape in found.shapes for x, y in shape.points)
        part = truth[tile["top"] : tile["top"] + height, tile["left"] : tile["left"] + width]
        assert part.any() and (labelme.rasterise(found.shapes, height, width) == part).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda shapes, own: shapes.remove(own),
        lambda shapes, own: own.update(points=[[x + 3, y] for x, y in own["points"]]),
        lambda shapes, own: own.update(label="landslide"),
        lambda shapes, own: own.update(label="unknown"),
        lambda shapes, own: shapes.append(dict(own)),
        lambda shapes, own: shapes.append(
            {"label": "background", "points": [[x + 1, y + 1] for x, y in own["points"]], "shape_type": "polygon"}
        ),
    ],
    ids=["removed", "moved", "called landslide", "called unknown", "twice", "cut"],
)
def test_what_somebody_does_to_context_is_told_and_changes_nothing(across: Path, tmp_path: Path, change: Any) -> None:
    folder = export(across, tmp_path / "tiles")
    before = across.read_bytes()
    west, east = contexts(folder)
    path = folder / f"{west}_post.json"
    content = json.loads(path.read_text())
    change(content["shapes"], next(one for one in content["shapes"] if one["label"] == "context"))
    path.write_text(json.dumps(content))
    done = labelme_import.bring_in(across, folder, "ada")
    second = table(across)[1]["uuid"]
    said = f"{path}: left out is what was done to context: landslide {second} belongs to tile {east}; change it there"
    assert (done.new, done.notes) == ({}, (said,)) and across.read_bytes() == before


def test_context_of_no_other_tile_is_refused(across: Path, tmp_path: Path) -> None:
    folder = export(across, tmp_path / "tiles")
    change(folder, table(across)[1]["uuid"], label=" Context ")
    with pytest.raises(UserError, match=r"_001_post.json: shape 3 is labelled context .*; label it landslide, or rem"):
        labelme_import.bring_in(across, folder, "ada")


def test_tiles_of_an_older_release_come_back(across: Path, tmp_path: Path) -> None:
    folder = export(across, tmp_path / "tiles")
    manifest = json.loads((folder / "tiles.json").read_text())
    older = {name: {key: tile[key] for key in tile if key != "context"} for name, tile in manifest["tiles"].items()}
    (folder / "tiles.json").write_text(json.dumps(manifest | {"schema": 1, "tiles": older}))
    for path in folder.glob("*_post.json"):
        content = json.loads(path.read_text())
        own = [shape for shape in content["shapes"] if "belongs" not in shape["description"]]
        path.write_text(json.dumps(content | {"shapes": own, "flags": {"reviewed": True}}))
    assert dict(labelme_import.bring_in(across, folder, "ada").new) == {"accepted": 2}


def test_tiles_are_pairs_with_a_labelme_file(inventory: Path, tmp_path: Path) -> None:
    folder = export(inventory, tmp_path / "tiles")
    names = {path.name.partition("_")[2] for path in folder.iterdir() if path.name != "tiles.json"}
    assert {name.rpartition("_")[2] for name in names} == {"pre.png", "post.png", "post.json"}
    for path in folder.glob("*_post.json"):
        found = labelme.read(path.read_bytes(), path=path.name, labels=["landslide"])
        assert found.image_name == path.with_suffix(".png").name and found.shapes
        assert all(
            -0.5 <= x <= (found.width or 0) and -0.5 <= y <= (found.height or 0)
            for shape in found.shapes
            for x, y in shape.points
        )


def test_what_somebody_does_is_a_decision(inventory: Path, tmp_path: Path) -> None:
    folder = export(inventory, tmp_path / "tiles")
    first, second, third = table(inventory)
    (path,) = [one for one in folder.glob("*_post.json") if first["uuid"] in one.read_text()]
    shape = next(one for one in json.loads(path.read_text())["shapes"] if one["description"] == first["uuid"])
    longer = [[x, y + 2 * (y > 12)] for x, y in shape["points"]]  # two rows of pixels
    change(folder, first["uuid"], points=longer)
    change(folder, second["uuid"], points=None)
    change(folder, third["uuid"], label="unknown")
    content = json.loads(path.read_text())
    new = {"label": "landslide", "points": [[40, 2], [48, 2], [48, 9], [40, 9]], "shape_type": "polygon"}
    content["shapes"] += 2 * [new | {"group_id": None, "flags": {}}]  # pasted twice it is one
    path.write_text(json.dumps(content))
    done = labelme_import.bring_in(inventory, folder, "ada")
    assert dict(done.new) == {"edited": 1, "rejected": 1, "unsure": 1, "drawn": 1}
    after = {row["uuid"]: row for row in table(inventory)}
    edited = after[first["uuid"]]
    assert edited["review_status"] == "edited" and edited["original_geometry"] == first["geometry"]
    assert edited["area_m2"] == pytest.approx(12 * 12 * 4, rel=5e-3)  # of 10 rows and 12 columns
    assert [after[row["uuid"]]["review_status"] for row in (second, third)] == ["rejected", "unsure"]
    (drawn,) = [row for row in after.values() if row["found_by"] == "people"]
    assert drawn["area_m2"] == pytest.approx(9 * 8 * 4, rel=1e-2) and drawn["review_status"] == "accepted"
    assert drawn["date_min"] == first["date_min"] and {row["source"] for row in table(inventory, "decisions")} == {
        "labelme"
    }
    before = inventory.read_bytes()
    for one in folder.glob("*.json"):
        os.utime(one, (2e9 / 2, 2e9 / 2))
    assert dict(labelme_import.bring_in(inventory, folder, "ada").new) == {} and inventory.read_bytes() == before
    again = export(inventory, tmp_path / "again")
    assert dict(labelme_import.bring_in(inventory, again, "ada").new) == {} and inventory.read_bytes() == before


def test_a_reviewed_tile_accepts_what_it_leaves(inventory: Path, tmp_path: Path) -> None:
    folder = export(inventory, tmp_path / "tiles")
    for path in folder.glob("*_post.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"flags": {"reviewed": True}}))
    before = [row["geometry"] for row in table(inventory)]
    assert dict(labelme_import.bring_in(inventory, folder, "ada").new) == {"accepted": 3}
    assert [row["geometry"] for row in table(inventory)] == before
    assert {row["review_status"] for row in table(inventory)} == {"accepted"}


def test_the_ground_of_a_reviewed_tile_is_written_down_once(across: Path, tmp_path: Path) -> None:
    folder = export(across, tmp_path / "tiles")
    first, second = sorted(folder.glob("*_post.json"))
    assert labelme_import.bring_in(across, folder, "ada").ground == 0 and table(across, "reviewed") == []
    second.write_text(json.dumps(json.loads(second.read_text()) | {"flags": {"reviewed": True}}))
    os.utime(second, (1e9, 1e9))
    assert labelme_import.bring_in(across, folder, "ada").ground == 1
    (row,) = table(across, "reviewed")
    (scene,) = table(across, "scenes")
    grid = pixels.scene_grid(scene)
    content = json.loads(second.read_text())
    tile = json.loads((folder / "tiles.json").read_text())["tiles"][second.name.removesuffix("_post.json")]
    expected = [tile["left"], tile["top"], tile["left"] + content["imageWidth"], tile["top"] + content["imageHeight"]]
    bounds = pixels.in_pixels(geopackage.decoded(row["geometry"]), grid).bounds
    assert np.round(bounds, 3).tolist() == expected and row["scene"] == scene["scene"]
    assert (row["reviewer"], row["source"], row["reviewed_at"]) == ("ada", "labelme", "2001-09-09T01:46:40.000Z")
    before = across.read_bytes()
    os.utime(second, (2e9, 2e9))  # the same again says nothing
    again = export(across, tmp_path / "again")  # whose flags are not set
    for each in (folder, again):
        assert labelme_import.bring_in(across, each, "ada").ground == 0
    assert across.read_bytes() == before
    assert labelme_import.bring_in(across, folder, "bob").ground == 1  # who looked, too
    second.write_text(json.dumps({**content, "imageHeight": 10**9, "imageWidth": None}))
    with pytest.raises(UserError, match="_post.json: says no size of its image; save it again"):
        labelme_import.bring_in(across, folder, "cleo")
    second.write_text(json.dumps({**content, "imageHeight": 10**9}))
    second.with_suffix(".png").unlink()  # which says another size
    assert labelme_import.bring_in(across, folder, "cleo").ground == 1
    rows = [geopackage.decoded(row["geometry"]) for row in table(across, "reviewed")]
    assert len(rows) == 3 and rows[0] == rows[1] == rows[2]  # a map ends where it ends


def test_a_new_hole_edits_the_landslide_under_it(inventory: Path, tmp_path: Path) -> None:
    folder = export(inventory, tmp_path / "tiles")
    first = table(inventory)[0]
    (path,) = [one for one in folder.glob("*_post.json") if first["uuid"] in one.read_text()]
    content = json.loads(path.read_text())
    hole = {"label": "background", "points": [[14, 14], [16, 14], [16, 16], [14, 16]], "shape_type": "polygon"}
    content["shapes"].append(hole)
    path.write_text(json.dumps(content))
    assert dict(labelme_import.bring_in(inventory, folder, "ada").new) == {"edited": 1}
    assert table(inventory)[0]["area_m2"] == pytest.approx((120 - 9) * 4, rel=5e-3)


def test_two_people_who_reshape_the_same_tile_are_shown(inventory: Path, tmp_path: Path) -> None:
    folder = export(inventory, tmp_path / "tiles")
    first = table(inventory)[0]
    for reviewer, shift in (("ada", 1), ("bob", 2)):
        (path,) = [one for one in folder.glob("*_post.json") if first["uuid"] in one.read_text()]
        shape = next(one for one in json.loads(path.read_text())["shapes"] if one["description"] == first["uuid"])
        change(folder, first["uuid"], points=[[x + shift, y] for x, y in shape["points"]])
        done = labelme_import.bring_in(inventory, folder, reviewer)
    assert done.disputed == 1 and table(inventory)[0]["review_status"] == "disputed"


def test_other_folders_are_refused_and_nothing_is_changed(inventory: Path, tmp_path: Path) -> None:
    folder = export(inventory, tmp_path / "tiles")
    before = inventory.read_bytes()
    with pytest.raises(UserError, match="name a new directory"):
        export(inventory, folder)
    (path,) = list(folder.glob("*_000_000_post.json"))
    held, manifest = path.read_text(), (folder / "tiles.json").read_text()
    for text, words in (("{", "post.json"), (held.replace('"landslide"', '"slide"'), "unknown label")):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            labelme_import.bring_in(inventory, folder, "ada")
    path.write_text(held)
    plain = json.loads(manifest)
    for content, words in (
        ("{}", "lists no tiles"),
        (json.dumps(plain | {"schema": 3}), "newer release"),
        (json.dumps(plain | {"inventory": "x"}), "another inventory"),
        (json.dumps(plain | {"tiles": {"../x": {}}}), "is damaged"),
        (json.dumps(plain | {"tiles": {"x": {}}}), "is damaged"),
        (json.dumps(plain | {"schema": "1"}), "is damaged"),
        (manifest.replace('"context": {}', '"context": {"x": {}}'), "is damaged"),
        (manifest.replace('"context": {}', '"context": {"x": {"tile": 1, "rings": []}}'), "is damaged"),
        (manifest.replace('"unreviewed"', '"new"'), "no state of a review"),
        (manifest.replace('"top": 0', '"top": 1000'), "in no scene"),
        (manifest.replace('"scene": "', '"scene": "x'), "in no scene"),
    ):
        (folder / "tiles.json").write_text(content)
        with pytest.raises(UserError, match=words) as caught:
            labelme_import.bring_in(inventory, folder, "ada")
        assert "\n" not in str(caught.value)
    (folder / "tiles.json").write_text(manifest)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UserError, match="leads out of"):
        labelme_import.bring_in(inventory, folder, "ada")
    assert inventory.read_bytes() == before
