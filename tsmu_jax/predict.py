"""Applies a saved model to a folder of images: a mask and probabilities for each, a table, a contact sheet.

    python -m tsmu_jax.predict --model=RUN_OR_MODEL --input=DIR --output=DIR

--input holds <id>_pre and <id>_post images (models of 3 channels: <id>_post alone), or folders of such; an <id>_mask
is compared with the prediction. The same command goes on where it stopped. Exit code 1: an image could not be read.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tsmu_jax import cli, machine

_MODEL = flags.DEFINE_string("model", None, "A run's directory, or a saved model's.", required=True)
_INPUT = flags.DEFINE_string("input", None, "Folder of images.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Where masks, probabilities and the table are written.", required=True)
_DECODER = flags.DEFINE_string("decoder", "auto", "auto: chosen for every image. Or an ecoregion, or a decoder.")
_LABELS = flags.DEFINE_list("labels", ["landslide"], "LabelMe labels that mean landslide.")
_GSD = flags.DEFINE_float("gsd", 0.0, "Metres of ground a pixel; 0: as names and coordinates of the files say.", 0.0)
_MEMORY = flags.DEFINE_float("memory_gib", 0.0, "For activations, on each device; 0 for a part of what is free.", 0.0)


def main(argv: Sequence[str]) -> None:
    """Predicts, and says what came out."""
    del argv  # flags only
    from tsmu_jax.compilation import keep_compiled  # JAX: not for `--help`
    from tsmu_jax.prediction.folder import predict_folder

    machine.find_devices()
    keep_compiled()
    good = predict_folder(
        _MODEL.value,
        Path(_INPUT.value),
        Path(_OUTPUT.value),
        decoder=_DECODER.value,
        labels=_LABELS.value,
        memory_gib=_MEMORY.value,
        gsd_m=_GSD.value,
    )
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main, __doc__ or "")
