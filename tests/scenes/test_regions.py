"""Layers of ecoregions: what they may call an ecoregion, and which of them name no decoder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from tests.scenes.conftest import WriteRaster, write_polygons
from tests.scenes.test_layers import HEIGHT, PLACE, WIDTH, box
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import regions
from tsmu_jax.scenes.area import EVERYWHERE


class Known:
    """Stands for a saved model: its ecoregions."""

    def __init__(self, *names: str) -> None:
        self.ecoregions, self.decoders = names, ("union",)
        self.route = dict.fromkeys(names, "union")


def test_what_layers_may_call_ecoregions(tmp_path: Path) -> None:
    whole = box(0, HEIGHT, 0, WIDTH)
    model: Any = Known("etf", "nad", "alps")

    def chosen(name: str, column: str = "", **columns: Any) -> str:
        path = write_polygons(tmp_path / name, [whole, shapely.box(0, 0, 1, 1)], **columns)
        found = regions.choose(f"{path}:{column}" if column else str(path), model, PLACE, EVERYWHERE)
        assert found and found.shares == pytest.approx({found.ecoregion: 1.0})
        return found.ecoregion

    assert chosen("a.gpkg", other=["x", "y"], region=["ALPS", "Jura"]) == "alps"
    name, key = ["EASTERN TEMPERATE  FORESTS", "TUNDRA"], ["8  EASTERN TEMPERATE FORESTS", "2  TUNDRA"]
    assert chosen("b.shp", NA_L1NAME=name, NA_L1KEY=key, NA_L1CODE=["8", "2"]) == "etf"
    assert chosen("c.gpkg", "is", was=["nad", "etf"], **{"is": ["etf", "nad"]}) == "etf"
    for plain in ("auto", "etf", "union", "elsewhere"):
        assert regions.choose(plain, model, PLACE, EVERYWHERE) is None


def test_layers_that_name_no_decoder(tmp_path: Path, write_raster: WriteRaster) -> None:
    whole, beside = box(0, HEIGHT, 0, WIDTH), shapely.box(0, 0, 1, 1)

    def refused(words: str, asked: str) -> None:
        model: Any = Known("etf", "nad")
        with pytest.raises(UserError, match=words) as caught:
            regions.choose(asked, model, PLACE, EVERYWHERE)
        assert str(caught.value).startswith("--decoder=") and "\n" not in str(caught.value)

    refused("no such file", str(tmp_path / "none.gpkg"))
    numbers = write_polygons(tmp_path / "numbers.gpkg", [whole], area=[1.0])
    refused("has no column of texts", str(numbers))
    tundra = write_polygons(tmp_path / "tundra.gpkg", [whole, beside], region=["Tundra", "etf"], land=["CA", "US"])
    refused(r"100 % of the scene's ground, the largest share, is 'Tundra', which the model does not know", str(tundra))
    refused(r"none of its polygons has ground in common", str(write_polygons(tmp_path / "b.gpkg", [beside], r=["etf"])))
    other = write_polygons(tmp_path / "other.gpkg", [whole], land=["CA"], unit=["x"])
    refused(r"none of its columns of texts \(land, unit\) names an ecoregion of the model; it knows", str(other))
    two = write_polygons(tmp_path / "two.gpkg", [whole, beside], was=["nad", "etf"], now=["etf", "nad"])
    refused(
        r"several columns name ecoregions \(was, now\); name the one that is meant: --decoder=.*two.gpkg:was", str(two)
    )
    refused(r"has no column 'then'; it has was, now", f"{two}:then")
    refused("cannot be read as polygons", str(write_raster(tmp_path / "r.tif", np.ones((9, 9, 1), np.uint8))))
    damaged = write_polygons(tmp_path / "damaged.fgb", [whole] * 300, r=["etf"] * 300)
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    refused("its shapes cannot be read", str(damaged))
