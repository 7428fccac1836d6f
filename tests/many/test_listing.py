"""Lists of scenes: what a row means, and one line for whatever is wrong, before anything is mapped."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.many import listing

Items = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory of images and layers, whose content nobody reads here; beside it a file that is nobody's business."""
    (tmp_path / "secret.tif").touch()
    folder = tmp_path / "scenes"
    (folder / "deep").mkdir(parents=True)
    for name in ("a_pre.tif", "a_post.tif", "b1.tif", "b2.tif", "deep/c1.tif", "deep/c2.tif", "aoi.gpkg", "cloud.tif"):
        (folder / name).touch()
    (folder / "link.tif").symlink_to(tmp_path / "secret.tif")
    (folder / "inner.tif").symlink_to(folder / "b1.tif")
    return folder


def csv(root: Path, *lines: str) -> Path:
    (root / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "list.csv"


def stac(root: Path, *items: Any, whole: bool = True) -> Path:
    document = {"type": "FeatureCollection", "features": list(items)} if whole else list(items)
    (root / "items.json").write_text(json.dumps(document))
    return root / "items.json"


def item(name: Any = "a", pre: str = "a_pre.tif", post: str = "a_post.tif", **more: Any) -> dict[str, Any]:
    assets = {"pre": {"href": pre}, "post": {"href": post}}
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "assets": assets, "properties": {}} | more


def refusal(path: Path, **days: str) -> str:
    with pytest.raises(UserError) as caught:
        listing.read(path, **days)
    said = str(caught.value)
    assert said.startswith(f"--scenes={path}: ") and "\n" not in said and len(said) < 500
    return said.removeprefix(f"--scenes={path}: ")


def test_rows_of_csv(root: Path) -> None:
    header = "name, pre, post, pre_date, post_date, crs, decoder, aoi, mask"
    one = 'north,b1.tif,b2.tif,2024-05-01,2024-06-01T10:30+02:00,EPSG:32633,"aoi.gpkg:name",aoi.gpkg,cloud.tif'
    first, second, third = listing.read(
        csv(root, header, one, "", ",a_pre.tif,a_post.tif,,,,b,,", f" deep c ,deep/c1.tif,{root}/deep/c2.tif,,,,,,"),
        post_date="2024-07-01",
    )
    assert first[:2] == ("north", root / "b1.tif") and first.post == root / "b2.tif"
    assert (first.aoi, first.mask, first.crs) == (root / "aoi.gpkg", root / "cloud.tif", "EPSG:32633")
    assert first.decoder == f"{root / 'aoi.gpkg'}:name" and first.where == "line 2"
    assert first.dates == ("2024-05-01T00:00:00+00:00", "2024-06-01T08:30:00+00:00")
    assert (second.name, second.decoder, second.aoi, second.crs) == ("a", "b", None, None)
    assert second.dates == (None, "2024-07-01T00:00:00+00:00")
    assert third.name == "deep c" and third.pre == root / "deep" / "c1.tif" and third.where == "line 5"


def test_models_of_one_date_need_no_column_pre(root: Path) -> None:
    (only,) = listing.read(csv(root, "\ufeffpost", "inner.tif"))
    assert (only.name, only.pre, only.post) == ("inner", None, root / "inner.tif")


@pytest.mark.parametrize("whole", [True, False])
def test_items_of_stac(root: Path, whole: bool) -> None:
    days = {"start_datetime": "2024-05-01T00:00:00Z", "end_datetime": "2024-06-01T00:00:00Z", "tsmu:decoder": "b"}
    second = item("b", properties={"datetime": None})
    second["assets"] = {
        "before": {"href": "b1.tif", "roles": ["pre", "data"], "datetime": "2024-01-01T00:00:00Z"},
        "after": {"href": (root / "b2.tif").as_uri(), "roles": ["post"]},
        "mask": {"href": "cloud.tif"},
        "thumbnail": {"href": "https://example.org/a.png"},
    }
    one, two = listing.read(stac(root, item("a", properties=days), second, whole=whole))
    assert (one.name, one.pre, one.post, one.decoder) == ("a", root / "a_pre.tif", root / "a_post.tif", "b")
    assert one.dates == ("2024-05-01T00:00:00+00:00", "2024-06-01T00:00:00+00:00") and one.where == "item 1 (a)"
    assert (two.pre, two.post, two.mask) == (root / "b1.tif", root / "b2.tif", root / "cloud.tif")
    assert two.dates == ("2024-01-01T00:00:00+00:00", None)


def test_sensors_of_csv(root: Path) -> None:
    lines = (
        "pre,post,pre_sensor,post_sensor",
        "a_pre.tif,a_post.tif, Landsat  8 ,",
        "b1.tif,b2.tif,,UAV",
        ",inner.tif,,",
    )
    flags = {"pre_sensor": "SPOT 6", "post_sensor": "Sentinel-2B MSI"}
    assert [one.sensors for one in listing.read(csv(root, *lines), **flags)] == [
        ("Landsat 8", "Sentinel-2B MSI"),
        ("SPOT 6", "UAV"),
        (None, "Sentinel-2B MSI"),  # there is no image before
    ]
    assert listing.read(csv(root, "pre,post", "b1.tif,b2.tif"))[0].sensors == (None, None)


def test_sensors_of_stac(root: Path) -> None:
    """An asset's own before those of its item; the program's own property before both."""
    one = item("a", properties={"platform": "sentinel-2b", "instruments": ["msi"]})
    two = item("b", "b1.tif", "b2.tif", properties={"platform": "landsat-8", "tsmu:post_sensor": "a drone"})
    two["assets"]["pre"] |= {"instruments": ["oli", "tirs"]}
    two["assets"]["post"] |= {"platform": "none of that"}
    three = item("c", "deep/c1.tif", "deep/c2.tif", properties={"platform": None, "instruments": []})
    three["assets"]["pre"] |= {"instruments": "hrv"}  # no list, as some write it
    assert [each.sensors for each in listing.read(stac(root, one, two, three), post_sensor="a flag")] == [
        ("sentinel-2b (msi)", "sentinel-2b (msi)"),
        ("landsat-8 (oli, tirs)", "a drone"),
        ("hrv", "a flag"),
    ]


HEADER = "name,pre,post"
GOOD = "x,b1.tif,b2.tif"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty; its first line names columns: name, pre, post"),
        ([HEADER], "lists no scene"),
        ([HEADER, " , , "], "lists no scene"),
        (["name,pre,pots", GOOD], "line 1: unknown column 'pots'; did you mean 'post'?"),
        (["name,pre,post,quality", f"{GOOD},5"], "line 1: unknown column 'quality'; known: name, pre, post"),
        (["pre,post,pre", "a,b,c"], "line 1: has the column 'pre' twice"),
        (["name,pre", "x,b1.tif"], "line 1: has no column 'post'"),
        ([HEADER, GOOD, "y,a_pre.tif"], "line 3: has 2 cells, and line 1 3"),
        ([HEADER, "x,b1.tif,"], "line 2: has no post"),
        ([HEADER, GOOD, "X,a_pre.tif,a_post.tif"], "line 3: has the name 'X', as line 2 has"),
        ([HEADER, GOOD, "y,b1.tif,b2.tif"], "line 3: has the images of 'y', as line 2 has; list each pair once"),
        ([HEADER, GOOD, "y,inner.tif,deep/../b2.tif"], "line 3: has the images of 'y', as line 2 has"),
        ([HEADER, "x,b1.tif,gone.tif"], "line 2: post 'gone.tif': no such file"),
        ([HEADER, "x,deep,b2.tif"], "line 2: pre 'deep': no such file"),
        ([HEADER, "x,b1.tif,../secret.tif"], "line 2: post '../secret.tif' leads out of the list's directory"),
        ([HEADER, "x,b1.tif,/etc/passwd"], "line 2: post '/etc/passwd' leads out of the list's directory"),
        ([HEADER, "x,b1.tif,link.tif"], "line 2: post 'link.tif' leads out of the list's directory"),
        ([HEADER, "x,b1.tif,https://example.org/b.tif"], "is no file of this machine; copy it here"),
        ([HEADER, "x,b1.tif,/vsicurl/x"], "is no file of this machine"),
        ([HEADER, f"x,b1.tif,{'a' * 300}.tif"], "is no name of a file|no such file"),
        ([HEADER, "../x,b1.tif,b2.tif"], "line 2: '../x' is no name for the directory of its map"),
        ([HEADER, "..,b1.tif,b2.tif"], "'..' is no name"),
        ([HEADER, "a:b,b1.tif,b2.tif"], "'a:b' is no name"),
        ([HEADER, ".hidden,b1.tif,b2.tif"], "'.hidden' is no name"),
        ([HEADER, "Scenes.csv,b1.tif,b2.tif"], "'Scenes.csv' is no name"),
        ([HEADER, f"{'n' * 101},b1.tif,b2.tif"], "is no name for the directory"),
        ([HEADER, "a\x1b[2J,b1.tif,b2.tif"], "is no name for the directory"),
        ([HEADER, "x,b1.tif,b2.tif\x00"], "cannot be read|is no name of a file"),
        ([HEADER, 'x,"b1.tif,b2.tif'], "cannot be read (unexpected end of data)"),
        ([f"{HEADER},post_date", f"{GOOD},June"], "line 2: post_date=June: is no date"),
        ([f"{HEADER},pre_sensor", f"{GOOD},{'s' * 201}"], "line 2: pre_sensor='ssss"),
        ([f"{HEADER},post_sensor", f"{GOOD},a\x1b[2J"], "is no name of a sensor; give up to 200 printable characters"),
        (["post,pre_sensor", "b2.tif,UAV"], "line 2: pre_sensor: there is no image before the event; leave it out"),
        ([f"{HEADER},aoi", f"{GOOD},no.gpkg"], "line 2: aoi 'no.gpkg': no such file"),
        ([f"{HEADER},decoder", f"{GOOD},../l.gpkg:name"], "line 2: decoder '../l.gpkg' leads out"),
    ],
)
def test_bad_lines_of_csv(root: Path, lines: list[str], said: str) -> None:
    found = refusal(csv(root, *lines) if lines else _empty(root))
    assert any(part in found for part in said.split("|"))


def _empty(root: Path) -> Path:
    (root / "list.csv").touch()
    return root / "list.csv"


def test_other_bad_files(root: Path) -> None:
    assert refusal(root / "no.csv").startswith("no such file; give a list")
    assert refusal(root / "deep").startswith("no such file")
    (root / "list.csv").write_bytes(b"name,pre,post\nx\xff,b1.tif,b2.tif\n")
    assert refusal(root / "list.csv").endswith("give a CSV file in UTF-8")
    late = csv(root, HEADER, GOOD)
    assert "line 2: pre_date=2024-05-01" in refusal(late, pre_date="2024-05-01", post_date="2024-04-01")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"type": "FeatureCollection"}, "holds no items"),
        ({"features": {"a": 1}}, "holds no items"),
        ([], "lists no scene"),
        ([5], "item 1: is no STAC item"),
        ([{"assets": {}}], "item 1: is no STAC item (has no id)"),
        ([{"id": 3, "assets": {}}], "item 1: is no STAC item (id is 3)"),
        ([{"id": "a"}], "item 1 (a): is no STAC item (has no assets)"),
        ([{"id": "a", "assets": []}], "item 1 (a): has no post"),
        ([{"id": "a", "assets": {"post": {}}}], "item 1 (a): is no STAC item (has no href)"),
        ([{"id": "a", "assets": {"post": "b2.tif"}}], "item 1 (a): is no STAC item"),
        ([item("a/b")], "item 1: 'a/b' is no name for the directory"),
        ([item(), item("b", "b1.tif", "b2.tif"), item("A", "deep/c1.tif", "deep/c2.tif")], "item 3 (A): has the name"),
        ([item(), item("b")], "item 2 (b): has the images of 'b', as item 1 (a) has"),
        ([item(post="s3://bucket/b.tif")], "item 1 (a): post 's3://bucket/b.tif' is no file of this machine"),
        ([item(post="file:///etc/passwd")], "item 1 (a): post '/etc/passwd' leads out"),
        ([item(properties={"tsmu:quality": "5"})], "item 1 (a): is no STAC item (unknown property 'tsmu:quality')"),
        ([item(properties={"platform": 5})], "item 1 (a): is no STAC item (platform is 5)"),
        ([item(properties={"instruments": 5})], "item 1 (a): is no STAC item (instruments is 5)"),
        ([item(properties={"instruments": [["msi"]]})], "item 1 (a): is no STAC item (instruments is ['msi'])"),
        ([item(properties={"end_datetime": 5})], "item 1 (a): is no STAC item (datetime is 5)"),
        (
            [item(assets={name: {"href": "b1.tif", "roles": ["post"]} for name in "xy"})],
            "2 assets have the role 'post'",
        ),
    ],
)
def test_bad_items_of_stac(root: Path, document: Any, said: str) -> None:
    (root / "items.json").write_text(json.dumps(document))
    assert said in refusal(root / "items.json")


def test_json_that_is_none(root: Path) -> None:
    for text in ("{", '{"features": [' + "[" * 100_000, "NaN"):
        (root / "items.json").write_text(text)
        assert refusal(root / "items.json").startswith("cannot be read") or "holds no items" in text


def test_a_list_may_be_a_link(root: Path, tmp_path: Path) -> None:
    """Its files lie where it is named, not where it leads."""
    os.symlink(csv(root, HEADER, GOOD), tmp_path / "other.csv")
    assert "no such file" in refusal(tmp_path / "other.csv")
