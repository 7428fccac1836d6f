"""Refuses vector files by which GDAL would open other files or addresses.

GDAL knows a format by the content of a file, whatever its name says, and pyogrio cannot restrict the formats: so a file
that is named x.geojson may be a list of other sources, a service or a pipeline.
"""

import html
import json
import mmap
import re
import zipfile
from pathlib import Path

from tsmu_jax.errors import UserError

_HEAD = 2**16  # bytes: more than GDAL looks at to know a format
# OGR's virtual layers and services, GDAL's pipelines, the capabilities of a service, a schema that GML would fetch.
_ELSEWHERE = re.compile(
    r"<\s*OGR\w*(?:DataSource|Layer)|gdal_streamed_alg|WFS_Capabilities|DescribeFeatureType", re.IGNORECASE
)
_VSI = re.compile(r"/vsi", re.IGNORECASE)
_PARTS = (".shp", ".gdbtable")  # of what a zip archive may hold: GDAL reads such an archive as a directory
# A text "crs" of JSON, however it is escaped.
_CRS = re.compile(rb"""["'](?:c|\\u00[46]3)(?:r|\\u00[57]2)(?:s|\\u00[57]3)["']""", re.IGNORECASE)
_KEY, _VALUE = re.compile(r"\s*:\s*"), re.compile(r"\s*[,}\]]")


def check(path: Path, said: str) -> None:
    """Raises UserError where there is no such file, or it leads GDAL to other files or addresses.

    Args: said: the flag and the file, for errors.
    """
    if path.is_dir() and path.suffix.lower() == ".gdb":
        return
    if not path.is_file():
        raise UserError(f"{said}: no such file")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    archived = _heads(path, said) if path.suffix.lower() == ".zip" else []
    if any(map(_leads, [head, *archived])) or _has_linked_crs(path, head):
        raise UserError(f"{said}: takes its shapes from elsewhere; save them as a GeoPackage file")


def _leads(head: bytes) -> bool:
    """Whether the beginning of a file is of a format that names other sources."""
    text = html.unescape(head.decode("latin-1"))
    return bool(_ELSEWHERE.search(text)) or (not _is_binary(head) and bool(_VSI.search(text)))


def _is_binary(head: bytes) -> bool:
    """Whether texts in a file are values: a format of text has no zero byte at its beginning."""
    return b"\0" in head[:64] or head.startswith(b"PAR1")


def _heads(path: Path, said: str) -> list[bytes]:
    """The beginnings of the files in a zip archive.

    Raises UserError where the archive is broken, or GDAL would not read it as a directory of a format without sources.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [one for one in archive.infolist() if not one.is_dir()]
            heads = []
            for one in files:
                with archive.open(one) as file:
                    heads.append(file.read(_HEAD))
    except Exception as error:  # zipfile and its decompressors raise whatever fits them
        raise UserError(f"{said}: cannot be read as a zip archive ({error!s:.100})") from error
    if len(files) < 2 or not any(one.filename.lower().endswith(_PARTS) for one in files):
        raise UserError(f"{said}: holds neither a Shapefile nor a file geodatabase; unpack the file that is meant")
    return heads


def _has_linked_crs(path: Path, head: bytes) -> bool:
    """Whether a GeoJSON file names a coordinate reference system by an address, which GDAL would ask."""
    if not head or _is_binary(head):
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(_links(content[found.end() : found.end() + _HEAD]) for found in _CRS.finditer(content))


def _links(after: bytes) -> bool:
    """Whether what follows a text "crs" is an object with a link, or none that Python can read."""
    text = after.decode("utf-8", "replace")
    if _VALUE.match(text):
        return False
    if not (colon := _KEY.match(text)):
        return True
    if text[colon.end() : colon.end() + 1] not in ("{", "/"):
        return False
    try:
        found, _ = json.JSONDecoder().raw_decode(text, colon.end())
    except (ValueError, RecursionError):
        return True
    return any(str(value).casefold() in ("link", "url") for value in found.values())
