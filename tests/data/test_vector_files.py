"""Files that lead GDAL to other files or to addresses are refused before GDAL sees them."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyogrio
import pytest
import shapely

from tests.scenes.conftest import write_polygons
from tsmu_jax.data import vector_files
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import others
from tsmu_jax.inventory.others import Columns
from tsmu_jax.scenes import shapes

FEATURES = [
    {
        "type": "Feature",
        "properties": {"crs": "x", "url": "http://x"},
        "geometry": {"type": "Polygon", "coordinates": [[[15, 45], [16, 45], [16, 46], [15, 45]]]},
    }
]
POLYGON = (
    '<gml:Polygon srsName="EPSG:4326"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>0,0 1,0 1,1 0,0'
    "</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>"
)


def geojson(crs: object, key: str = '"crs"') -> str:
    whole = json.dumps({"type": "FeatureCollection", "crs": crs, "features": FEATURES})
    return whole.replace('"crs"', key, 1)


def virtual(target: str, between: str = "") -> str:
    source = f"<SrcDataSource>{target}</SrcDataSource>"
    return f'<OGRVRTDataSource{between}><OGRVRTLayer name="data">{source}</OGRVRTLayer></OGRVRTDataSource>'


def gml(url: str, word: str = "DescribeFeatureType") -> str:
    return (
        '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs" xmlns:gml="http://www.opengis.net/gml" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:a="http://a" xsi:schemaLocation="http://a '
        f'{url}?SERVICE=WFS&amp;VERSION=1.0.0&amp;REQUEST={word}&amp;TYPENAME=a:b"><gml:featureMember><a:b fid="1">'
        f"<a:geom>{POLYGON}</a:geom></a:b></gml:featureMember></wfs:FeatureCollection>"
    )


def capabilities(url: str) -> str:
    get = f'<ows:DCP><ows:HTTP><ows:Get xlink:href="{url}"/></ows:HTTP></ows:DCP>'
    return (
        '<wfs:WFS_Capabilities xmlns:wfs="http://www.opengis.net/wfs" version="1.1.0" '
        'xmlns:ows="http://www.opengis.net/ows" xmlns:xlink="http://www.w3.org/1999/xlink"><ows:OperationsMetadata>'
        f'<ows:Operation name="GetFeature">{get}</ows:Operation></ows:OperationsMetadata><FeatureTypeList><FeatureType>'
        "<Name>a</Name><DefaultSRS>EPSG:4326</DefaultSRS></FeatureType></FeatureTypeList></wfs:WFS_Capabilities>"
    )


LINK = {"type": "link", "properties": {"href": "ADDRESS", "type": "proj4"}}
BLUNT = 'made of /vsizip/a.zip, "crs" and more'
BLANKS = " " * 70_000
PIPELINES = (3, 11, 0)  # the release of GDAL with which files began to name commands
HOSTILE = {
    "virtual.geojson": virtual("SOURCE"),
    "attribute.gpkg": virtual("SOURCE", ' a="b"'),
    "blanks.gpkg": virtual("SOURCE", BLANKS),
    "letter.geojson": "x" + virtual("SOURCE"),
    "pipeline.json": json.dumps({"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read SOURCE"}),
    "service.gpkg": "<OGRWFSDataSource><URL>ADDRESS</URL></OGRWFSDataSource>",
    "service.json": "<ogrwfsdatasource><url>ADDRESS</url></ogrwfsdatasource>",
    "capabilities.gpkg": capabilities("ADDRESS"),
    "schema.json": gml("ADDRESS"),
    "escaped.json": gml("ADDRESS", "Describe&#70;eatureType"),
    "link.geojson": geojson(LINK),
    "escaped.geojson": geojson(LINK, r'"\u0063r\u0073"'),
    "upper.geojson": geojson({"TYPE": "url", "properties": {"url": "ADDRESS"}}, '"CRS"'),
    "long.geojson": geojson({"a": BLANKS, **LINK}),
    "call.geojson": f"loadGeoJSON({geojson(LINK)})",
    "late.geojson": json.dumps({"type": "FeatureCollection", "a": BLANKS, "features": FEATURES, "crs": LINK}),
    "archive.zip": virtual("SOURCE"),
    "shapefile.zip": virtual("SOURCE"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An address of this machine, and where it writes what it was asked for.

    A process of its own: GDAL may hold this one's Python while it waits for an answer.
    """
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(log.parent)]
    with log.open("wb") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True) as process:
        assert process.stdout
        port = re.search("port ([0-9]+)", process.stdout.readline())
        assert port
        yield f"http://127.0.0.1:{port[1]}", log
        process.terminate()


@pytest.fixture
def asked(server: tuple[str, Path], tmp_path: Path) -> tuple[str, Callable[[], bool]]:
    """An address, and whether anybody has asked for it."""
    address, log = server
    return f"{address}/{tmp_path.name}", lambda: f"/{tmp_path.name}" in log.read_text()


def written(folder: Path, name: str, url: str) -> Path:
    source = folder / "data.geojson"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": FEATURES}))
    content, path = HOSTILE[name].replace("ADDRESS", url).replace("SOURCE", str(source)), folder / name
    if path.suffix != ".zip":
        path.write_text(content)
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.shp" if name == "shapefile.zip" else "x.vrt", content)
    return path


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of GDAL
def test_what_gdal_would_follow_is_refused(tmp_path: Path, asked: tuple[str, Callable[[], bool]], name: str) -> None:
    url, found = asked
    path = written(tmp_path, name, url)
    for call, flag in (
        (lambda: shapes.only_layer(path, f"--aoi={path}"), "--aoi"),
        (lambda: others.read(path, Columns()), "--other"),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert str(caught.value).startswith(f"{flag}={path}: ") and "\n" not in str(caught.value)
    assert not found()
    try:  # the file does what this test says, or the test would prove nothing
        followed = bool(len(pyogrio.raw.read(path)[2]))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.FeatureError):
        followed = False
    assert found() or followed or name == "pipeline.json" and pyogrio.__gdal_version__ < PIPELINES


def test_files_that_hold_their_shapes(tmp_path: Path) -> None:
    polygons = [shapely.box(15, 45, 16, 46)]
    for name, note in (("a.gpkg", BLUNT), ("a.shp", BLUNT), ("a.fgb", BLUNT), ("a.geojson", '"crs"')):
        path = write_polygons(tmp_path / name, polygons, "EPSG:4326", notes=[note])
        assert shapes.only_layer(path, "")[0]
    for name, crs in (("named", {"type": "name", "properties": {"name": "EPSG:4326"}}), ("none", None)):
        path = tmp_path / f"{name}.geojson"
        path.write_text(geojson(crs))
        assert shapes.only_layer(path, "")[0]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in ("shp", "shx", "dbf", "prj"):
            archive.write(tmp_path / f"a.{part}", f"a.{part}")
    assert shapes.only_layer(tmp_path / "a.zip", "")[0] == "a"


def test_archives_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.geojson", geojson(None))
    with pytest.raises(UserError, match="holds neither a Shapefile nor a file geodatabase; unpack the file"):
        vector_files.check(path, "--decoder=a.zip")
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="cannot be read as a zip archive"):
        vector_files.check(path, "--decoder=a.zip")
