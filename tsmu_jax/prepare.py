"""Builds a dataset from a folder of images and labels, and describes it.

    python -m tsmu_jax.prepare --input=DIR --data_dir=DIR

--input holds one folder for each ecoregion, with <id>_pre, <id>_post and <id>_mask (or LabelMe) files; <id>_unknown
marks ground that nobody can judge. Images of 16 bits or of many bands need --range and --bands. Into --data_dir go
ArrayRecord files and their description. Train on them with --config.data.dir=DIR.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from tsmu_jax import cli, configuration
from tsmu_jax.errors import UserError

_INPUT = flags.DEFINE_string("input", None, "Folder of images, or synthetic.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the dataset is written.", required=True)
_ECOREGIONS = flags.DEFINE_list("ecoregions", [], "Which ecoregions; all by default.")
_LABELS = flags.DEFINE_list("labels", ["landslide"], "LabelMe labels that mean landslide.")
_TILE = flags.DEFINE_list("tile", [], "Cut images to tiles of this side in px: 200, or name=200,name=128.")
_BANDS = flags.DEFINE_multi_string("bands", [], "Which bands are red, green and blue: 3,2,1, or name=3,2,1.")
_RANGE = flags.DEFINE_multi_string("range", [], "Values that become black and white: 0:3000, or name=0:3000.")
_GSD = flags.DEFINE_multi_string("gsd", [], "Metres of ground a pixel, where files do not say: 0.5, or name=0.5.")
_ON_BAD_FILE = flags.DEFINE_enum("on_bad_file", "error", ["error", "skip"], "Stop, or leave bad files out.")
_SYNTHETIC_PAIRS = flags.DEFINE_integer("synthetic_pairs", 0, "Of each ecoregion; 0 for the paper's numbers.")
_SYNTHETIC_SIZE = flags.DEFINE_integer("synthetic_size", 512, "Side of synthetic images in px.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the split, and of synthetic images.")
_SPLIT = flags.DEFINE_enum("split", "auto", ["auto", "paper", "blocked"], "Blocked: neighbours together.")
_TEST_PAIRS = flags.DEFINE_integer("test_pairs", 5, "Test pairs of each ecoregion.")
_DISTANCE = flags.DEFINE_float("min_distance_m", 100.0, "Nearer images are neighbours.")
_VALIDATION = flags.DEFINE_enum("validation", "disjoint", ["disjoint", "paper"], "Paper: the training pairs.")
_FRACTION = flags.DEFINE_float("validation_fraction", 0.15, "Part of the training pairs that validates.")


def main(argv: Sequence[str]) -> None:
    """Prepares and describes."""
    del argv  # flags only
    try:
        _prepare(Path(_DATA_DIR.value))
    except UserError as error:  # the readers name the flags of tsmu_jax.main
        message = str(error).replace("--config.data.dir=", "--input=").replace("--config.data.", "--")
        raise UserError(message) from error


def _prepare(data_dir: Path) -> None:
    from tsmu_jax.data import (  # TFDS and matplotlib: not for `--help`
        describe,
        evidence,
        places,
        prepared,
        splits,
        stated,
    )
    from tsmu_jax.data.ecoregions import ECOREGIONS
    from tsmu_jax.data.open import open_source
    from tsmu_jax.reporting.charts import canvas
    from tsmu_jax.reporting.charts.pixel_histograms import pixel_histograms

    if _INPUT.value != "synthetic":
        places.check_apart(Path(_INPUT.value), data_dir)
    count = _SYNTHETIC_PAIRS.value
    source = open_source(
        None if _INPUT.value == "synthetic" else _INPUT.value,
        ecoregions=_ECOREGIONS.value or None,
        labels=_LABELS.value,
        tile=configuration.tiles(",".join(_TILE.value)),
        on_bad_file=_ON_BAD_FILE.value,
        require_pre=False,
        synthetic_pairs=dict.fromkeys(ECOREGIONS, count) if count else None,
        synthetic_size=(_SYNTHETIC_SIZE.value, _SYNTHETIC_SIZE.value),
        synthetic_seed=_SEED.value,
        stated=stated.read(_BANDS.value, _RANGE.value, _GSD.value),
    )
    options: dict[str, Any] = {
        "kind": splits.resolved_kind(source.infos, _SPLIT.value),
        "test_pairs": _TEST_PAIRS.value,
        "min_distance_m": _DISTANCE.value,
        "validation": _VALIDATION.value,
        "validation_fraction": _FRACTION.value,
        "seed": _SEED.value,
    }
    split = splits.split(source.infos, ecoregions=splits.names(source.infos), **options)  # may refuse: first
    evidence.check(source, split, where=_INPUT.value)
    prepared.write(source, data_dir)
    description = describe.describe(prepared.PreparedSource(data_dir, require_pre=False), split, options)
    describe.write(description, data_dir)
    canvas.save(pixel_histograms(description.statistics), data_dir / "pixel_histograms.png")
    print(describe.as_markdown(description))


if __name__ == "__main__":
    cli.run(main, __doc__ or "")
