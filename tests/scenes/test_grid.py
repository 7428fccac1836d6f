"""Grids whose pixels coincide count the network's strides from the same rows and columns."""

import pytest
import rasterio

from tsmu_jax.scenes.grid import grid

Affine = rasterio.Affine


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000)),
        ("EPSG:32610", Affine(30, 0, 322_485, 0, -30, 4_105_515)),  # Landsat's corners lie at half pixels
        ("EPSG:32610", Affine(30, 0, 322_485, 0, -30, 4_105_500)),
        ("EPSG:4326", Affine(1 / 3600, 0, -70 - 0.5 / 3600, 0, -1 / 3600, -17 + 0.5 / 3600)),
        ("EPSG:4326", Affine(8.983e-6, 0, 12_345_678 * 8.983e-6, 0, -8.983e-6, 1_234_567 * 8.983e-6)),
    ],
)
@pytest.mark.parametrize("stride", [2, 64])
def test_grids_whose_pixels_coincide_have_the_same_multiples(crs: str, place: Affine, stride: int) -> None:
    first = grid(rasterio.CRS.from_user_input(crs), place, 300, 400, path="").phase(stride)
    for down, right in ((1, 1), (2, 3), (37, 101), (-64, 0), (640, -333)):
        moved = Affine(place.a, 0, place.c + right * place.a, 0, place.e, place.f + down * place.e)
        found = grid(rasterio.CRS.from_user_input(crs), moved, 200, 200, path="").phase(stride)
        assert found == ((first[0] + down) % stride, (first[1] + right) % stride)
