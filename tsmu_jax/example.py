"""Draws a georeferenced scene of a synthetic ecoregion, to try maps and inventories on.

    python -m tsmu_jax.example --output=DIR
    python -m tsmu_jax.example --output=DIR --ecoregion=mwcf --side=1000 --seed=1

Writes before.tif, after.tif and truth.tif (1 landslide, 0 none), and says their dates. Ground and place are invented: a
patchwork of synthetic pairs, with pixels of 10 m, that lies in the open sea. docs/tutorial.md maps such a scene.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tsmu_jax import cli

_OUTPUT = flags.DEFINE_string("output", None, "A new directory for the scene.", required=True)
_ECOREGION = flags.DEFINE_string("ecoregion", "mwcf", "etf, mwcf, nad or nwfm.")
_SIDE = flags.DEFINE_integer("side", 1000, "Height and width in px, 64 or more.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed is another scene.")


def main(argv: Sequence[str]) -> None:
    """Draws, and says what the next command needs."""
    del argv  # flags only
    from tsmu_jax.scenes import example  # SciPy and rasterio: not for `--help`

    output = Path(_OUTPUT.value or "")
    scene = example.draw(_ECOREGION.value, side=_SIDE.value, seed=_SEED.value, output=output)
    print(example.described(scene, output))


if __name__ == "__main__":
    cli.run(main, __doc__ or "")
