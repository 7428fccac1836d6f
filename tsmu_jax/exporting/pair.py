"""The layer on which QGIS runs an exported model: a virtual raster (VRT) of both dates' bands, in 8 bits.

The post-event image's grid rules. The pre-event image is warped to it by a second virtual raster beside the first,
unless it has that grid already. Pixels are read when the layer is; nothing is copied.
"""

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.exporting.layout import contracts
from tsmu_jax.models.saved import load_model
from tsmu_jax.scenes import opening
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.image import native_grid
from tsmu_jax.scenes.opening import NOTHING
from tsmu_jax.scenes.raster_file import on_grid

_COLOURS = ("red", "green", "blue")
_WHITE = 255


def write(
    model: str | os.PathLike[str], pre: Path | None, post: Path, output: Path, *, decoder: str = "all"
) -> list[Path]:
    """Writes the layer. Returns its path, and that of the warped pre-event image where one is needed.

    Args:
      model: directory of a saved model, or of a run: it knows which bands and values its training images had.
      pre, post: rasters with coordinates; models of three channels take `post` alone.
      output: ends in .vrt, and does not exist.
      decoder: an ecoregion or a decoder, where ecoregions differ in their bands or values.

    Raises:
      UserError: the model, an image or the output is wrong; nothing is written then.
    """
    intensities, channels = _read_as(model, decoder)
    if (pre is None) != (channels == 3):
        remedy = "is missing; this model compares two dates" if pre is None else "belongs to models of two dates"
        raise UserError(f"--pre: {remedy}")
    warped = output.with_name(f"{output.stem}_pre.vrt")
    if output.suffix.lower() != ".vrt":
        raise UserError(f"--output={output}: name a file that ends in .vrt")
    for path in (output, warped):
        if path.exists():
            raise UserError(f"--output={output}: {path.name} exists; name another file, or remove it")
    grid = native_grid(post, flag="--post")
    _check_metric(grid, post)
    if pre is None:
        _write(output, grid, [(post, "post-event", _layer(post, intensities, "--post"))], intensities)
        return [output]
    before = native_grid(pre, flag="--pre")
    layers = [("pre-event", pre, "--pre"), ("post-event", post, "--post")]
    sources = [(path, date, _layer(path, intensities, flag)) for date, path, flag in layers]
    output.parent.mkdir(parents=True, exist_ok=True)
    if before[:4] == grid[:4]:
        _write(output, grid, sources, intensities)
        return [output]
    _warp(pre, before, grid, warped)
    _write(output, grid, [(warped, *sources[0][1:]), sources[1]], intensities)
    return [output, warped]


Layer = tuple[tuple[int, ...], float | None]  # bands, and the value that means no data


def _read_as(path: str | os.PathLike[str], decoder: str) -> tuple[Intensities, int]:
    """How stored values become intensities, and the number of channels."""
    try:
        model = load_model(path)
    except UserError as error:
        raise UserError(f"--model: {error}") from error
    name = None if decoder == "all" else model.route.get(decoder, decoder)
    if name is not None and name not in model.decoders:
        known = ", ".join(dict.fromkeys((*model.ecoregions, *model.decoders)))
        raise UserError(f"--decoder={decoder}: the model has no such ecoregion or decoder; known: {known}")
    found = {one.intensities: ecoregion for ecoregion, one in contracts(model.description, name).items()}
    if len(found) > 1:
        names = list(found.values())
        differ = f"stored values mean one thing in {names[0]} and another in {names[1]}"
        raise UserError(f"--model={path}: {differ}; name the ecoregion: --decoder={names[0]}")
    return next(iter(found)), model.network.channels


def _check_metric(grid: Grid, post: Path) -> None:
    """Raises UserError where the QGIS plugin would refuse the layer: it knows metres alone."""
    if not grid.crs.is_projected or grid.crs.linear_units_factor[1] != 1.0:
        longitude = f"the zone of your ground: gdalwarp -t_srs EPSG:32633 {post.name} {post.stem}_utm.tif"
        raise UserError(f"--post={post}: its coordinates are no metres, which Deepness needs; warp it to {longitude}")


def _layer(path: Path, intensities: Intensities, flag: str) -> Layer:
    import rasterio

    with rasterio.open(path) as dataset:
        return opening.bands(dataset, intensities, NOTHING, f"{flag}={path}"), dataset.nodata


def _warp(pre: Path, place: Grid, target: Grid, output: Path) -> None:
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.shutil import copy

    with (
        rasterio.open(pre.resolve()) as dataset,
        on_grid(dataset, (place.crs, place.transform), target, resampling=Resampling.bilinear) as warped,
    ):
        copy(warped, output, driver="VRT")


def _write(output: Path, grid: Grid, sources: list[tuple[Path, str, Layer]], intensities: Intensities) -> None:
    """Writes the virtual raster whole or not at all. Args: sources: on the grid, in the order of the channels."""
    root = ElementTree.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    ElementTree.SubElement(root, "SRS").text = grid.crs.to_wkt()
    a, b, c, d, e, f = grid.transform[:6]
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, (c, a, b, f, d, e)))
    for path, date, (bands, nodata) in sources:
        for number, band, limits in zip(range(3), bands, intensities.ranges, strict=True):
            child = ElementTree.SubElement(
                root, "VRTRasterBand", dataType="Byte", band=str(len(root.findall("VRTRasterBand")) + 1)
            )
            named = _COLOURS[number] if intensities.bands == (1, 2, 3) else f"band {band}"
            ElementTree.SubElement(child, "Description").text = f"{date} {named}"
            child.append(_source(path.resolve(), output.resolve().parent, grid, band, limits, nodata))
    ElementTree.indent(root)
    partial = output.with_name(output.name + ".partial")
    partial.write_bytes(ElementTree.tostring(root, encoding="utf-8"))
    partial.replace(output)


def _source(path: Path, folder: Path, grid: Grid, band: int, limits: tuple[float, float], nodata: float | None) -> Any:
    """A band of a file, its values scaled to 0 to 255; where it has no data the layer stays 0."""
    source = ElementTree.Element("ComplexSource")
    relative = path.is_relative_to(folder)
    named = ElementTree.SubElement(source, "SourceFilename", relativeToVRT=str(int(relative)))
    named.text = os.fspath(path.relative_to(folder) if relative else path)
    ElementTree.SubElement(source, "SourceBand").text = str(band)
    whole = {"xOff": "0", "yOff": "0", "xSize": str(grid.width), "ySize": str(grid.height)}
    ElementTree.SubElement(source, "SrcRect", whole)
    ElementTree.SubElement(source, "DstRect", whole)
    low, high = limits
    if limits != (0.0, _WHITE):
        ratio = _WHITE / (high - low)
        ElementTree.SubElement(source, "ScaleOffset").text = repr(-low * ratio)
        ElementTree.SubElement(source, "ScaleRatio").text = repr(ratio)
    if nodata is not None:
        ElementTree.SubElement(source, "NODATA").text = repr(nodata)
    return source
