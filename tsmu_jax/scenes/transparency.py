"""Whether a file's transparency is what the file calls so: GDAL goes by the label alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tsmu_jax.data.images import is_cut_out
from tsmu_jax.errors import UserError
from tsmu_jax.scenes.raster_file import is_of_gdal

_SAMPLES = 8  # windows down and across: reading the whole band would take as long as reading the scene
_SIDE_PX = 64


def check(dataset: Any, used: Sequence[int], said: str) -> None:
    """Checks that a file says by its labels which pixels are transparent.

    Args:
      used: bands that are colours, counted from 1.
      said: the flag and the file, for errors.

    Raises:
      UserError: the transparency is not the last band, a colour is called transparency, or the one band beside the
        colours looks like transparency and is not called so.
    """
    from rasterio.enums import ColorInterp

    kinds = dataset.colorinterp
    called = [number for number, kind in enumerate(kinds, 1) if kind == ColorInterp.alpha]
    last = dataset.count
    if called and called[0] < last:  # GDAL would call all observed, or take a colour for it
        order = " ".join(f"-b {number}" for number in range(1, last + 1) if number != called[0])
        remedy = f"write it last, as gdal_translate {order} -b {called[0]} does"
        raise UserError(f"{said}: band {called[0]} is its transparency; {remedy}")
    if called and (last in used or not is_cut_out(_sampled(dataset, last))):
        held = "is asked for as a colour" if last in used else "holds many values, as near infrared does"
        remedy = f"if it is a colour, gdal_translate -colorinterp_{last} undefined says so"
        other = "" if last in used else "; if it is transparency, make it 0 and 255"
        raise UserError(f"{said}: band {last} is called its transparency and {held}; {remedy}{other}")
    if kinds[-1] == ColorInterp.undefined and last not in used and last == len(set(used)) + 1:
        values = _sampled(dataset, last)
        if 0 == values.min(initial=1) < values.max(initial=0) and is_cut_out(values):
            remedy = f"if it is, gdal_translate -colorinterp_{last} alpha says so; if not, leave it out with "
            remedy += " ".join(["gdal_translate", *(f"-b {number}" for number in range(1, last))])
            raise UserError(f"{said}: band {last} looks like transparency, mostly 0 and {values.max()}; {remedy}")


def _sampled(dataset: Any, band: int) -> np.ndarray:
    """Values [n, 1] of windows that lie evenly over a band; those that cannot be read are left out."""
    from rasterio.windows import Window

    rows, columns = (
        np.unique(np.linspace(0, max(length - _SIDE_PX, 0), _SAMPLES).astype(int))
        for length in (dataset.height, dataset.width)
    )
    found = [np.zeros((0, 1), dataset.dtypes[band - 1])]
    for row in rows:
        for column in columns:
            try:
                found.append(dataset.read(band, window=Window(column, row, _SIDE_PX, _SIDE_PX)).reshape(-1, 1))
            except Exception as error:
                if not is_of_gdal(error):
                    raise
    return np.concatenate(found)
