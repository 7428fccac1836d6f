"""Applies a saved model to a folder, from flags to the closing lines."""

import os
from collections.abc import Sequence
from pathlib import Path

from tsmu_jax.errors import UserError
from tsmu_jax.models.exported import open_model
from tsmu_jax.prediction import pairs, run, summary
from tsmu_jax.prediction.halo import MEASURED
from tsmu_jax.prediction.output import Output
from tsmu_jax.prediction.predictor import AUTO, Predictor


def predict_folder(
    model: str | os.PathLike[str],
    source: Path,
    target: Path,
    *,
    decoder: str = AUTO,
    labels: Sequence[str] = ("landslide",),
    memory_gib: float = 0.0,
    gsd_m: float = 0.0,
    halo: str = MEASURED,
) -> bool:
    """Predicts all pairs of a folder, draws the contact sheet and prints what came out.

    Args:
      model: directory of a saved model, of a run, or of an export with StableHLO.
      source: holds the pairs; see `pairs.find`.
      target: where the output goes; see `output.py`.
      decoder: "auto", or the name of an ecoregion or of a decoder.
      labels: those of LabelMe that mean landslide.
      memory_gib: that activations may take on each device; 0 for a part of what is free.
      gsd_m: metres of ground that a pixel of each image covers; 0 to ask names and coordinates.
      halo: what windows are cropped by, "measured" (where the model has it) or "exact".

    Returns:
      Whether every image could be read.

    Raises:
      UserError: the model, the decoder, the input or the output is wrong; nothing is written then.
    """
    if target.resolve().is_relative_to(source.resolve()):
        raise UserError(f"--output={target}: lies in --input, and would be read as input; name another directory")
    try:
        opened = open_model(model)
    except UserError as error:
        raise UserError(f"--model: {error}") from error
    predictor = Predictor(opened, decoder=decoder, memory_gib=memory_gib, halo=halo)
    found, bad = pairs.find(source, require_pre=opened.network.channels == 6)
    asked = {
        "model": opened.digest,
        "decoder": decoder,
        "labels": list(labels),
        "gsd": gsd_m,
        "halo": predictor.halo.kind,
    }
    with Output(target, asked) as output:
        run.predict(predictor, found, bad, output, labels, gsd_m=gsd_m)
        summary.contact_sheet(output, found, predictor.intensities)
    print(summary.text(output))
    return not any(row.error for row in output.rows.values())
