"""Reviewed ground becomes pairs that `prepare` reads: what the network saw, what people said, unknown elsewhere."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely

from tests.inventory.test_adding import DATES, TWO, table, write_map
from tests.reviewing.conftest import BOXES, make, write_images
from tests.reviewing.test_labelme import export
from tests.scenes.conftest import moved, write_polygons
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.source import Pair
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.adding import add
from tsmu_jax.mask import BACKGROUND, LANDSLIDE, UNKNOWN
from tsmu_jax.reviewing import dataset, judged, labelme_import, learner, scene_files
from tsmu_jax.reviewing.dataset import Asked, Written
from tsmu_jax.scenes.grid import resampled
from tsmu_jax.scenes.image import SceneImage

SIDE = 32
ASKED = Asked("alps", SIDE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def inventory(made: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test."""
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / made.name


def decide(inventory: Path, *statuses: str) -> None:
    """Sets what somebody thinks of the first rows."""
    with geopackage.transaction(inventory) as database:
        for row, status in enumerate(statuses, 1):
            database.execute("UPDATE landslides SET review_status = ? WHERE OBJECTID = ?", (status, row))


def write(inventory: Path, output: Path, asked: Asked = ASKED, **more: Any) -> Written:
    found = judged.read(inventory)
    images = scene_files.find(found.scenes, named=(), folder=inventory.parent / "images", likely=found.files)
    return dataset.write(found, images, output, asked, **more)


def whole(output: Path, shape: tuple[int, int] = (60, 80)) -> tuple[np.ndarray, np.ndarray]:
    """The masks and the later images of all tiles, put together; unknown where no tile lies."""
    rows, columns = (-(-side // SIDE) * SIDE for side in shape)
    mask, post = np.full((rows, columns), UNKNOWN, np.uint8), np.zeros((rows, columns, 3), np.uint8)
    for name, pair in pairs(output).items():
        top, left = (SIDE * int(number) for number in name.split("_")[1:])
        mask[top : top + SIDE, left : left + SIDE] = pair.mask
        post[top : top + SIDE, left : left + SIDE] = pair.post
    return mask[: shape[0], : shape[1]], post[: shape[0], : shape[1]]


def pairs(output: Path) -> Mapping[str, Pair]:
    source = FolderSource(output, require_pre=True)
    return {info.id: source[index] for index, info in enumerate(source.infos)}


def everywhere(folder: Path) -> Path:
    """A file with the outline of the scene."""
    return write_polygons(folder / "area.geojson", [shapely.box(500_000, 4_999_880, 500_160, 5_000_000)])


def box(part: tuple[int, int, int, int]) -> tuple[slice, slice]:
    return slice(*part[:2]), slice(*part[2:])


def test_masks_are_what_people_said_and_unknown_where_nobody_looked(inventory: Path, tmp_path: Path) -> None:
    decide(inventory, "accepted", "rejected")
    done = write(inventory, tmp_path / "out")
    assert (done.landslides, done.rejected, done.missing, done.damaged) == (1, 1, 0, 0)
    mask, post = whole(tmp_path / "out")
    order = [box(each) for each in sorted(BOXES)]  # of the rows: from the top
    expected = np.full((60, 80), UNKNOWN, np.uint8)
    for rows, columns in order[:2]:
        around = max(24, 0.6 * (columns.stop - columns.start), 0.6 * (rows.stop - rows.start))
        north, west = (max(int(part.start - around), 0) for part in (rows, columns))
        expected[north : int(np.ceil(rows.stop + around)), west : int(np.ceil(columns.stop + around))] = BACKGROUND
    expected[order[0]] = LANDSLIDE
    expected[order[2]] = UNKNOWN  # it waits
    assert (mask == expected).all()
    with rasterio.open(tmp_path / "images" / "deep" / "after.tif") as file:
        assert (post == np.moveaxis(file.read(), 0, -1))[mask != UNKNOWN].all()
    source = FolderSource(tmp_path / "out", require_pre=True)
    assert all(info.gsd_m == pytest.approx((2, 2), rel=1e-3) for info in source.infos)
    drawn = {info.id[-9:]: info.draws for info in source.infos}
    rows, columns = order[1]
    hard = {
        f"{y // SIDE:04d}_{x // SIDE:04d}"
        for y in (rows.start, rows.stop - 1)
        for x in range(columns.start, columns.stop)
    }
    assert {name for name, draws in drawn.items() if draws == 2} == hard and set(drawn.values()) == {1, 2}
    masks = [pair.mask for pair in pairs(tmp_path / "out").values()]
    assert done.pairs == len(masks) and done.unknown == pytest.approx(np.mean([mask == UNKNOWN for mask in masks]))


def test_the_same_inventory_gives_the_same_bytes(inventory: Path, tmp_path: Path) -> None:
    decide(inventory, "accepted", "rejected")
    before = inventory.read_bytes()
    contents = []
    for name in ("one", "two"):
        write(inventory, tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name / "alps").iterdir()})
    assert contents[0] == contents[1] and inventory.read_bytes() == before
    with pytest.raises(UserError, match="is there already; name a new directory"):
        write(inventory, tmp_path / "one")


@pytest.mark.parametrize("status", ["unreviewed", "unsure", "disputed", "superseded"])
def test_what_is_open_is_unknown_and_what_is_superseded_says_nothing(
    inventory: Path, tmp_path: Path, status: str
) -> None:
    decide(inventory, "accepted")
    with geopackage.transaction(inventory) as database:
        if status == "disputed":
            database.execute("DROP TRIGGER landslides_disputed")
        if status == "superseded":
            database.execute("UPDATE landslides SET superseded_by = 'x' WHERE OBJECTID = 2")
        else:
            database.execute("UPDATE landslides SET review_status = ? WHERE OBJECTID = 2", (status,))
    write(inventory, tmp_path / "out", areas=[everywhere(tmp_path)])
    mask, _ = whole(tmp_path / "out")
    (corner,) = (pair.mask for name, pair in pairs(tmp_path / "out").items() if name.endswith("0001_0002"))
    assert (corner[:28, :16] != UNKNOWN).any() and (corner[28:] == UNKNOWN).all() and (corner[:, 16:] == UNKNOWN).all()
    second = box(sorted(BOXES)[1])
    assert (mask[second] == (BACKGROUND if status == "superseded" else UNKNOWN)).all()
    others = mask.copy()
    others[second] = UNKNOWN
    others[box(sorted(BOXES)[2])] = BACKGROUND  # it waits
    assert ((others == UNKNOWN).sum(), (others == LANDSLIDE).sum()) == (60, 120)


def test_edited_and_drawn_outlines_count_and_what_was_cut_off_is_background(inventory: Path, tmp_path: Path) -> None:
    first = table(inventory)[0]
    west, south, east, north = geopackage.decoded(first["geometry"]).bounds
    half = geopackage.encoded(shapely.box(west, south, (west + east) / 2, north))
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", (half,))
        moved_east = geopackage.encoded(shapely.box(east + (east - west), south, east + 2 * (east - west), north))
        database.execute("INSERT INTO landslides (geometry, review_status) VALUES (?, 'accepted')", (moved_east,))
    done = write(inventory, tmp_path / "out")
    mask, _ = whole(tmp_path / "out")
    assert done.landslides == 2 and (mask[11:19, 11:15] == LANDSLIDE).all() and (mask[11:19, 17:30] == BACKGROUND).all()
    assert (mask[11:19, 35:45] == LANDSLIDE).all()


def test_ground_without_data_or_under_clouds_is_unknown(tmp_path: Path) -> None:
    def hide(folder: Path) -> None:
        with rasterio.open(folder / "before.tif", "r+") as file:
            file.nodata = 0
            values = file.read()
            values[:, 12:14] = 0
            file.write(values)

    inventory = make(tmp_path, before_mapping=hide)
    decide(inventory, "accepted")
    cloud = shapely.box(500_000, 4_999_880, 500_018, 5_000_000)  # left of the landslide
    with geopackage.transaction(inventory) as database:
        (blob,) = database.execute("SELECT geometry FROM observed").fetchone()
        degrees = rasterio.warp.transform_geom("EPSG:32633", "EPSG:4326", shapely.geometry.mapping(cloud))
        clear = geopackage.decoded(blob).difference(shapely.geometry.shape(degrees))
        database.execute("UPDATE observed SET geometry = ?", (geopackage.encoded(clear),))
    write(inventory, tmp_path / "out")
    mask, _ = whole(tmp_path / "out")
    assert (mask[12:14] == UNKNOWN).all() and (mask[:, :9] == UNKNOWN).all()
    assert (mask[14:20, 10:22] == LANDSLIDE).all() and (mask[0:9, 9:40] == BACKGROUND).all()


def test_another_scenes_landslide_is_unknown_here(inventory: Path, tmp_path: Path) -> None:
    """The second scene shows the same ground at another time, and a landslide of its own."""
    write_images(tmp_path / "images" / "later", [(50, 55, 5, 9)], (60, 80), seed=3)
    second = write_map(tmp_path / "second", [(50, 55, 5, 9)], seed=1, model=TWO)
    record = json.loads((second / "scene.json").read_text())
    images = {
        name: tmp_path / "images" / "later" / f"{file}.tif" for name, file in (("pre", "before"), ("post", "after"))
    }
    record["images"] = {name: scene_files.opening.file_digest(path, "") for name, path in images.items()}
    (second / "scene.json").write_text(json.dumps(record))
    add(inventory, second, TWO, dates=DATES)
    decide(inventory, "accepted", "accepted", "rejected", "accepted")
    write(inventory, tmp_path / "out", areas=[everywhere(tmp_path)])
    scenes: dict[str, dict[str, np.ndarray]] = {}
    for name, pair in pairs(tmp_path / "out").items():
        scenes.setdefault(name[:8], {})[name[-9:]] = pair.mask
    own = {row["scene"][:8]: row for row in table(inventory, "scenes")}
    assert len(scenes) == 2 and scenes.keys() == own.keys()
    first, later = (np.concatenate([scenes[name][f"0001_000{at}"] for at in range(2)], axis=1) for name in own)
    assert (first[18:23, 5:9] == UNKNOWN).all() and (later[18:23, 5:9] == LANDSLIDE).all()
    assert (later[2:4, 20:30] == UNKNOWN).all() and (first[2:4, 20:30] == LANDSLIDE).all()
    assert (later[8:12, 50:64] == BACKGROUND).all()  # rejected elsewhere, and seen here


def test_reviewed_tiles_are_known_wholly_when_they_are_gone(inventory: Path, tmp_path: Path) -> None:
    folder = export(inventory, tmp_path / "tiles")
    (path,) = folder.glob("*_000_000_post.json")  # grown to the whole scene
    path.write_text(json.dumps(json.loads(path.read_text()) | {"flags": {"reviewed": True}}))
    assert labelme_import.bring_in(inventory, folder, "ada").ground == 1
    shutil.rmtree(folder)
    write(inventory, tmp_path / "out")
    mask, _ = whole(tmp_path / "out")
    assert (mask != UNKNOWN).all() and (mask == LANDSLIDE).sum() == 120 + 80 + 60
    with geopackage.transaction(inventory) as database:
        database.execute("DELETE FROM reviewed")
    write(inventory, tmp_path / "less")
    assert (whole(tmp_path / "less")[0] == UNKNOWN).any()


def test_reviewed_ground_without_a_landslide_is_enough(inventory: Path, tmp_path: Path) -> None:
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET superseded_by = 'x'")
        database.execute("INSERT INTO reviewed (geometry, scene) SELECT geometry, scene FROM observed")
    write(inventory, tmp_path / "out")
    assert (whole(tmp_path / "out")[0] == BACKGROUND).all()


@pytest.mark.parametrize(("scene", "known"), [(None, True), ("", True), ("another", False)])
def test_ground_that_somebody_draws_in_qgis_counts_in_its_scene(
    inventory: Path, tmp_path: Path, scene: str | None, known: bool
) -> None:
    """Without a scene in every scene that it meets."""
    decide(inventory, "accepted", "accepted", "accepted")
    (looked,) = table(inventory, "observed")
    far = geopackage.encoded(shapely.box(-170, -40, -169, -39))
    with geopackage.transaction(inventory) as database:
        for outline in (looked["geometry"], far):
            database.execute("INSERT INTO reviewed (geometry, scene, reviewer) VALUES (?, ?, 'ada')", (outline, scene))
    write(inventory, tmp_path / "out")
    mask, _ = whole(tmp_path / "out")
    assert (mask != UNKNOWN).all() == known
    for row in table(inventory, "reviewed"):
        assert len(row["uuid"]) == 36 and row["reviewed_at"].endswith("Z") and row["source"] == "qgis"


def test_stored_values_of_all_bands_travel_and_the_model_says_how_to_read_them(tmp_path: Path) -> None:
    def deepen(folder: Path) -> None:
        for path in folder.glob("*.tif"):
            with rasterio.open(path) as file:
                values, profile = (
                    file.read().astype(np.uint16) * 10 + 300,
                    file.profile | {"dtype": "uint16", "count": 4},
                )
            with rasterio.open(path, "w", **profile | {"photometric": "minisblack"}) as file:
                file.write(np.concatenate([values, values[:1]]))

    inventory = make(tmp_path, before_mapping=deepen)
    decide(inventory, "accepted")
    done = write(inventory, tmp_path / "out")
    assert (done.dtype, done.bands) == ("uint16", 4)
    (path,) = (tmp_path / "out" / "alps").glob("*_0000_0000_post.tif")
    with rasterio.open(path) as tile, rasterio.open(tmp_path / "images" / "deep" / "after.tif") as file:
        assert (tile.read() == file.read()[:, :SIDE, :SIDE]).all() and tile.transform == moved(0, 0)
    kept = write(inventory, tmp_path / "three", ASKED._replace(bands=(4, 2, 1)))
    assert (kept.dtype, kept.bands) == ("uint16", 3)
    known = learner.Learner(32, (learner.Intensities("uint16", (4, 2, 1), ((300.0, 2850.0),) * 3), learner.PLAIN))
    ranges = "300:2850,300:2850,300:2850"
    assert known.stated("uint16", 4) == ["--bands=4,2,1", f"--range={ranges}"]
    assert known.stated("uint8", 3) == learner.Learner().stated("uint8", 3) == []
    assert learner.Learner().stated("uint16", 4) == ["--bands=R,G,B", "--range=LOW:HIGH"]


def test_another_resolution_is_resampled_as_mapping_does(inventory: Path, tmp_path: Path) -> None:
    decide(inventory, "accepted", "accepted", "accepted")
    done = write(inventory, tmp_path / "out", ASKED._replace(gsd_m=4.0))
    assert done.gsd_m == pytest.approx(4.0, rel=1e-2)
    (only,) = [pair for name, pair in pairs(tmp_path / "out").items() if name.endswith("0000_0000")]
    expected = np.zeros((60, 80), bool)
    for part in BOXES:
        expected[box(part)] = True
    centres = expected[1::2, 1::2]  # of pixels of 4 m: corners of those of 2 m
    assert ((only.mask == LANDSLIDE)[:30] == centres[:30, :SIDE]).mean() > 0.97
    target = resampled(dataset.pixels.scene_grid(table(inventory, "scenes")[0]), (4.0, 4.0), path="")
    with SceneImage(tmp_path / "images" / "deep" / "after.tif", learner.PLAIN, flag="") as image:
        seen = image.read(target, slice(0, target.height), slice(0, SIDE))
    assert (only.post[: target.height] == seen.rgb).all() and target.height == 30


def test_what_cannot_be_made_is_one_line_and_leaves_nothing(inventory: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nobody has accepted, edited, drawn or rejected"):
        write(inventory, tmp_path / "out")
    decide(inventory, "accepted")
    found = judged.read(inventory)
    with pytest.raises(UserError, match="images of no reviewed landslide were found"):
        dataset.write(found, {}, tmp_path / "out", ASKED)
    later = scene_files.Images(None, tmp_path / "images" / "deep" / "after.tif")
    with pytest.raises(UserError, match="images of no reviewed landslide were found"):
        dataset.write(found, dict.fromkeys(found.scenes, later), tmp_path / "out", ASKED)
    far = write_polygons(tmp_path / "far.geojson", [shapely.box(0, 0, 10, 10)])
    with pytest.raises(UserError, match="covers none of the scenes"):
        write(inventory, tmp_path / "out", areas=[far])
    with pytest.raises(UserError, match="less than 1% of each tile of 4096 px is known"):
        write(inventory, tmp_path / "out", ASKED._replace(side=4096))
    with pytest.raises(UserError, match=r"scenes were mapped at 2 to 4 m .*; state it: --gsd=2"):
        targets = {name: dataset.pixels.scene_grid(row) for name, row in found.scenes.items()}
        (grid,) = targets.values()
        dataset._check_metres(targets | {"x": resampled(grid, (4.0, 4.0), path="")})
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*partial"))


def test_a_split_that_is_possible_is_proposed(inventory: Path, tmp_path: Path) -> None:
    decide(inventory, "accepted", "rejected", "accepted")
    assert write(inventory, tmp_path / "few").split == ("--split=paper", "--test_pairs=1")
    assert write(inventory, tmp_path / "more", ASKED._replace(side=16)).split == ("--split=paper", "--test_pairs=4")
    assert write(inventory, tmp_path / "one", ASKED._replace(side=128)).split is None
