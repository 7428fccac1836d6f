"""Sums up finished predictions: the closing lines of the command, and a contact sheet."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from tsmu_jax.data import pair_files
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import PairFiles
from tsmu_jax.data.source import Intensities
from tsmu_jax.prediction.output import SHEET, TABLE, Output, Row
from tsmu_jax.prediction.pairs import images_of, name_of
from tsmu_jax.reporting.sheet import MOST, Picture, sheet
from tsmu_jax.words import counted


def text(output: Output) -> str:
    """Returns the closing lines: numbers of images and bad files, and the mean IoU of each decoder."""
    rows = list(output.rows.values())
    good, bad = [row for row in rows if not row.error], [row for row in rows if row.error]
    where = f": {output.path / SHEET}" if good else ""
    lines = [f"{counted(len(good), 'image')}, {sum(row.look == 'yes' for row in good)} of them to look at{where}"]
    for decoder in dict.fromkeys(row.decoder for row in good):
        own = [row for row in good if row.decoder == decoder]
        scored = [row.iou for row in own if row.iou is not None]
        iou = f", mean IoU {np.mean(scored):.3f} of {len(scored)} with masks" if scored else ""
        unscored = sum(row.tp is not None and row.iou is None for row in own)
        iou += f", {counted(unscored, 'mask')} without known ground and so without IoU" if unscored else ""
        share = np.mean([row.landslide_share for row in own])
        lines.append(f"  decoder {decoder}: {counted(len(own), 'image')}, {100 * share:.1f} % landslide{iou}")
    if bad:
        lines.append(f"{counted(len(bad), 'bad file')}, the first: {bad[0].image}: {bad[0].error}")
    return "\n".join([*lines, f"table: {output.path / TABLE}"])


def contact_sheet(output: Output, found: Sequence[PairFiles], intensities: Intensities) -> None:
    """Draws the images that a person should look at first, then those with most landslide.

    Args: intensities: how stored values become intensities.
    """
    files = {name_of(one): one for one in found}
    rows = [row for row in output.rows.values() if not row.error and row.image in files]
    rows.sort(key=lambda row: (row.look != "yes", -(row.landslide_share or 0), row.image))
    pictures = [picture for row in rows[:MOST] if (picture := _picture(output, row, files[row.image], intensities))]
    if pictures:
        left_out = len(rows) - len(pictures)
        sheet(pictures, output.path / SHEET, note=f"{counted(left_out, 'more image')} in {TABLE}" if left_out else "")


def _picture(output: Output, row: Row, files: PairFiles, intensities: Intensities) -> Picture | None:
    try:
        post = images_of(files, pair_files.read(files), intensities).post
        with Image.open(output.mask_path(row.image), formats=("PNG",)) as image:
            mask = np.asarray(image) > 0
    except (BadFile, OSError):  # it has changed since
        return None
    margin = "" if row.margin is None else f", margin {row.margin:.2f}"
    title = f"{row.image}\n{row.decoder}{margin}, {100 * (row.landslide_share or 0):.1f} %"
    return Picture(post, mask, title, marked=row.look == "yes")
