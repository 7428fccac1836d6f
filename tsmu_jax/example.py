"""Draws a georeferenced scene of a synthetic ecoregion, to try maps and inventories on.

    python -m tsmu_jax.example --output=DIR
    python -m tsmu_jax.example --output=DIR --ecoregion=mwcf --side=1000 --seed=1 --place=1
    python -m tsmu_jax.example --review=tiles --truth=DIR/truth.tif

Writes before.tif, after.tif and truth.tif (1 landslide, 0 none), and says their dates. Ground and place are invented: a
patchwork of synthetic pairs, with pixels of 10 m, that lies in the open sea. docs/tutorial.md maps such a scene.

--review plays the person of docs/circle.md: an invented reviewer, who knows the truth, corrects the polygons of the
LabelMe tiles that tsmu_jax.review export made of the map of such a scene.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tsmu_jax import cli
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

_OUTPUT = flags.DEFINE_string("output", None, "A new directory for the scene.")
_ECOREGION = flags.DEFINE_string("ecoregion", "mwcf", "etf, mwcf, nad or nwfm.")
_SIDE = flags.DEFINE_integer("side", 1000, "Height and width in px, 64 or more.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed is another scene.")
_PLACE = flags.DEFINE_integer("place", 0, "Another number lies elsewhere: scenes of one inventory need several.")
_REVIEW = flags.DEFINE_string("review", None, "A directory that tsmu_jax.review export made; nothing is drawn then.")
_TRUTH = flags.DEFINE_string("truth", None, "--review: the truth.tif of the scene.")


def main(argv: Sequence[str]) -> None:
    """Draws, and says what the next command needs."""
    del argv  # flags only
    if sum(map(bool, (_OUTPUT.value, _REVIEW.value))) != 1:
        raise UserError("--output is missing; name a new directory for a scene, or tiles to --review, not both")
    if bool(_REVIEW.value) != bool(_TRUTH.value):
        raise UserError("--review and --truth belong together; name the tiles and the truth.tif of their scene")
    if _REVIEW.value:
        _review(Path(_REVIEW.value), Path(_TRUTH.value or ""))
        return
    from tsmu_jax.scenes import example  # SciPy and rasterio: not for `--help`

    output = Path(_OUTPUT.value or "")
    scene = example.draw(_ECOREGION.value, side=_SIDE.value, seed=_SEED.value, output=output, place=_PLACE.value)
    print(example.described(scene, output))


def _review(tiles: Path, truth: Path) -> None:
    from tsmu_jax.reviewing import invented

    done = invented.review(tiles, truth)
    print(
        f"{counted(done.tiles, 'tile')} reviewed: {done.kept} polygons kept, {done.reshaped} reshaped, "
        f"{done.removed} removed, {done.drawn} drawn: {tiles}"
    )


if __name__ == "__main__":
    cli.run(main, __doc__ or "")
