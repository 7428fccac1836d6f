"""Where a scene is transparent by its labels: what GDAL would take for something else is refused."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from tests.scenes.conftest import WriteRaster, texture
from tests.scenes.test_reading import whole
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.errors import UserError
from tsmu_jax.scenes.image import SceneImage
from tsmu_jax.scenes.opening import Stated

KINDS = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]


@pytest.mark.parametrize(("at", "order"), [(0, "-b 2 -b 3 -b 4 -b 1"), (1, "-b 1 -b 3 -b 4 -b 2")])
def test_transparency_that_is_not_the_last_band_is_refused(
    tmp_path: Path, write_raster: WriteRaster, at: int, order: str
) -> None:
    values, alpha = texture(20, 30), np.full((20, 30), 255, np.uint8)
    alpha[:5] = 0
    path = write_raster(tmp_path / "a.tif", np.insert(values, at, alpha, axis=2))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [*KINDS[:at], ColorInterp.alpha, *KINDS[at:]]
    for stated in (Stated(), Stated((3, 2, 4))):
        with pytest.raises(UserError, match=rf"band {at + 1} is its transparency; .* as gdal_translate {order} does"):
            SceneImage(path, PLAIN, flag="--post", stated=stated)
    with rasterio.open(path) as file:
        ordered = np.moveaxis(file.read([int(number) for number in order.split()[1::2]]), 0, -1)
    path = write_raster(tmp_path / "b.tif", ordered[..., :3], alpha=ordered[..., 3])
    with SceneImage(path, PLAIN, flag="--post") as image:
        rgb, observed = whole(image, image.grid)
    np.testing.assert_array_equal(observed, alpha > 0)
    np.testing.assert_array_equal(rgb[5:], values[5:])


def fourth(path: Path, kind: ColorInterp) -> None:
    """Calls the fourth band so, as `gdal_translate -colorinterp_4` does."""
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [*KINDS, kind]


def test_near_infrared_that_is_called_transparency_is_refused(tmp_path: Path, write_raster: WriteRaster) -> None:
    values, infrared = texture(200, 300), texture(200, 300)[..., 0] // 2
    infrared[:9] = 0  # as water is
    path = write_raster(tmp_path / "a.tif", values, alpha=infrared)
    said = r"holds many values, as near infrared .* gdal_translate -colorinterp_4 undefined .* make it 0 and 255$"
    with pytest.raises(UserError, match=said):
        SceneImage(path, PLAIN, flag="--post")
    with pytest.raises(UserError, match=r"band 4 is called its transparency and is asked for as a colour; if it is a"):
        SceneImage(path, PLAIN, flag="--post", stated=Stated((4, 1, 2)))
    fourth(path, ColorInterp.undefined)
    for stated, expected in ((Stated(), values), (Stated((4, 1, 2)), np.dstack([infrared, values[..., :2]]))):
        with SceneImage(path, PLAIN, flag="--post", stated=stated) as image:
            rgb, observed = whole(image, image.grid)
        assert observed.all()
        np.testing.assert_array_equal(rgb, expected)


def test_transparency_has_soft_edges(tmp_path: Path, write_raster: WriteRaster) -> None:
    alpha = np.full((200, 300), 255, np.uint8)
    alpha[:20] = np.arange(20)[:, None] * 12
    with SceneImage(write_raster(tmp_path / "a.tif", texture(200, 300), alpha=alpha), PLAIN, flag="--post") as image:
        np.testing.assert_array_equal(whole(image, image.grid)[1], alpha > 0)


def test_transparency_that_is_not_called_so_is_refused(tmp_path: Path, write_raster: WriteRaster) -> None:
    values, alpha = texture(200, 300), np.full((200, 300), 255, np.uint8)
    alpha[:, :7], alpha[:, 7] = 0, 90  # with a soft edge
    path = write_raster(tmp_path / "a.tif", values, alpha=alpha)
    fourth(path, ColorInterp.undefined)
    said = r"band 4 looks like transparency, mostly 0 and 255; .*_4 alpha says so; if not, .* -b 1 -b 2 -b 3$"
    for stated in (Stated(), Stated((3, 2, 1))):
        with pytest.raises(UserError, match=said):
            SceneImage(path, PLAIN, flag="--post", stated=stated)
    fourth(path, ColorInterp.alpha)
    with SceneImage(path, PLAIN, flag="--post") as image:
        np.testing.assert_array_equal(whole(image, image.grid)[1], alpha > 0)
