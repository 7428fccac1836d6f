"""Chooses the decoder of a scene by a layer of ecoregions: polygons with a text that names the ecoregion of each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.errors import UserError
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.predictor import AUTO
from tsmu_jax.scenes import shapes
from tsmu_jax.scenes.area import Area
from tsmu_jax.scenes.grid import Grid

FLAG = "--decoder"
_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".gml", ".kml", ".gdb", ".zip")
_CODE = re.compile(r"^\d+(\.\d+)*\s+")  # in front of a name, as in "6  NORTHWESTERN FORESTED MOUNTAINS"


class Regions(NamedTuple):
    """What a layer says of a scene.

    Attributes:
      ecoregion: of the model, that of the largest share of the ground.
      shares: of the ground, in [0, 1], the largest first; by the model's names, or the layer's where it knows none.
      digest: of the polygons near the scene, and of their names.
    """

    ecoregion: str
    shares: dict[str, float]
    digest: str


def _layer_of(decoder: str, model: SavedModel) -> tuple[Path, str] | None:
    """The file and the column ("" where none is named) that --decoder names; None where it is no file."""
    if decoder == AUTO or decoder in model.route or decoder in model.decoders:
        return None
    path, _, column = decoder.rpartition(":")
    for file, named in ((decoder, ""), (path, column)):
        if file and (Path(file).suffix.lower() in _SUFFIXES or Path(file).is_file()):
            return Path(file), named
    return None


def choose(decoder: str, model: SavedModel, near: Grid, area: Area) -> Regions | None:
    """The ecoregion that the largest share of a scene's ground belongs to; None where no layer is named.

    Args:
      decoder: what --decoder says. A layer is a vector file of polygons, perhaps with ":" and the column that names
        ecoregions; by default that is the one whose texts name ecoregions of the model.
      near: the scene's own grid.
      area: of interest: only its ground counts.

    Raises:
      UserError: the file cannot be read, no column or several name ecoregions of the model, or the largest share is of
        none that the model knows.
    """
    if not (named := _layer_of(decoder, model)):
        return None
    path, column = named
    said, known = f"{FLAG}={path}", _known(model)
    column = _column(path, column, known, said)
    layer = shapes.read(path, near, flag=FLAG, columns=[column])
    names = [known.get(_folded(each)) or str(each) for each in layer.values[column]]
    shares = _shares(layer.polygons, names, area.outline(near))
    if not shares:
        raise UserError(f"{said}: none of its polygons has ground in common with the scene; name a decoder")
    largest = next(iter(shares))
    if largest not in model.ecoregions:
        held = f"{100 * shares[largest]:.0f} % of the scene's ground, the largest share, is {largest!r:.100}"
        raise UserError(
            f"{said}: {held}, which the model does not know; name a decoder of {', '.join(model.ecoregions)}"
        )
    return Regions(largest, shares, layer.digest)


def _known(model: SavedModel) -> dict[str, str]:
    """Ecoregions of the model by what a layer may call them: their names in the model, those of the CEC's Level I."""
    known = {_folded(ECOREGIONS[name].name): name for name in model.ecoregions if name in ECOREGIONS}
    return known | {_folded(name): name for name in model.ecoregions}


def _folded(text: Any) -> str:
    """A name without its case, a number in front and doubled spaces."""
    return _CODE.sub("", " ".join(str(text).split())).casefold()


def _column(path: Path, wanted: str, known: Mapping[str, str], said: str) -> str:
    """The column that names ecoregions. Raises UserError where there is none, or several say different things."""
    name, info = shapes.only_layer(path, said)
    texts = [str(one) for one, kind in zip(info["fields"], info["dtypes"], strict=True) if kind == "object"]
    if wanted and wanted not in info["fields"]:
        raise UserError(f"{said}: has no column {wanted!r:.100}; it has {', '.join(info['fields']) or 'none'}")
    asked = [wanted] if wanted else texts
    if not asked:
        raise UserError(f"{said}: has no column of texts, which would name ecoregions; give a layer that has")
    values = shapes.columns_of(path, name, asked, said)
    means = {column: [known.get(_folded(each)) for each in held] for column, held in values.items()}
    meeting = [column for column in asked if any(means[column])]
    if not meeting:
        among = f"column {wanted}" if wanted else f"none of its columns of texts ({', '.join(texts)})"
        verb = "does not name" if wanted else "names"
        raise UserError(f"{said}: {among} {verb} an ecoregion of the model; it knows {', '.join(known)}")
    if any(means[column] != means[meeting[0]] for column in meeting):
        remedy = f"name the one that is meant: {FLAG}={path}:{meeting[0]}"
        raise UserError(f"{said}: several columns name ecoregions ({', '.join(meeting)}); {remedy}")
    return meeting[0]


def _shares(polygons: Sequence[Any] | np.ndarray, names: Sequence[str], ground: Any) -> dict[str, float]:
    """Share of the ground of each name, the largest first; of equal ones the first in the alphabet."""
    areas: dict[str, float] = {}
    for polygon, name in zip(polygons, names, strict=True):
        if (part := polygon.intersection(ground).area) > 0:
            areas[name] = areas.get(name, 0.0) + part
    return {name: areas[name] / ground.area for name in sorted(areas, key=lambda each: (-areas[each], each))}
