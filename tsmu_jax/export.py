"""Exports a saved model for other programs and runtimes, or makes the layer on which QGIS runs it.

    python -m tsmu_jax.export --model=RUN_OR_MODEL --output=DIR --format=safetensors,stablehlo,onnx
    python -m tsmu_jax.export --model=RUN_OR_MODEL --pre=A.tif --post=B.tif --output=pair.vrt

The first writes a directory with a model card (card.md), a STAC item (item.json) and, for each decoder, a program that
answers images with calibrated probabilities of landslide:

safetensors  all arrays and what is computed with them, for any framework; does not expire
stablehlo    for JAX on CPUs and NVIDIA GPUs, any size of images; tsmu_jax.predict --model=DIR takes it, too
onnx         for onnxruntime and others; with the metadata of the QGIS plugin Deepness. Checked before it is kept

The second writes a virtual raster of the bands of both images, on the grid of the later one, in 8 bits: what the ONNX
file takes within QGIS. Needs pip install 'tsmu_jax[export]'.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tsmu_jax import cli
from tsmu_jax.errors import UserError

_MODEL = flags.DEFINE_string("model", None, "A run's directory, or a saved model's.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "A new directory, or that of an export; with --post a file that ends in .vrt.", required=True
)
_FORMAT = flags.DEFINE_list("format", ["safetensors", "stablehlo", "onnx"], "Which formats.")
_DECODER = flags.DEFINE_string("decoder", "all", "all, or an ecoregion, or a decoder.")
_SIDE = flags.DEFINE_integer("side", 0, "onnx: height and width of the images that it takes, in px; 0 for 512.", 0)
_LICENCE = flags.DEFINE_multi_string(
    "licence", [], "For the card: TEXT, of the model, or ECOREGION=TEXT, of its images; may be repeated."
)
_PRE = flags.DEFINE_string("pre", None, "Layer for QGIS: the scene before the event.")
_POST = flags.DEFINE_string("post", None, "Layer for QGIS: the scene after the event.")


def main(argv: Sequence[str]) -> None:
    """Exports, or makes the layer, and says what came out."""
    del argv  # flags only
    if _POST.value:
        _layer(Path(_POST.value))
    elif _PRE.value:
        raise UserError("--post is missing; --pre belongs to it")
    else:
        _export(Path(_OUTPUT.value or ""))


def _export(output: Path) -> None:
    from tsmu_jax.exporting import run  # JAX: not for `--help`

    done = run.export_model(
        _MODEL.value or "",
        output,
        formats=_FORMAT.value,
        decoder=_DECODER.value,
        side=_SIDE.value,
        licences=_licences(_LICENCE.value),
    )
    for name in sorted(done["files"]):
        print(output / name)
    if "stablehlo" in done["formats"]:
        print(f"StableHLO expires on {done['formats']['stablehlo']['expires']}; the card says why")
    if "onnx" in done["formats"]:
        difference = max(done["formats"]["onnx"]["difference"].values())
        print(f"ONNX answers as the model does, up to {difference:.1g} of a probability")


def _layer(post: Path) -> None:
    from tsmu_jax.exporting import pair  # rasterio: not for `--help`

    pre = Path(_PRE.value) if _PRE.value else None
    for path in pair.write(_MODEL.value or "", pre, post, Path(_OUTPUT.value or ""), decoder=_DECODER.value):
        print(path)


def _licences(stated: Sequence[str]) -> dict[str, str]:
    """{"": of the model, ecoregion: of its images}."""
    found = {}
    for one in stated:
        name, equals, text = one.partition("=")
        found[name if equals else ""] = (text if equals else one).strip()
    if wrong := [name for name, text in found.items() if not text]:
        raise UserError(f"--licence={wrong[0]}=: no text; write --licence={wrong[0] or 'ECOREGION'}=CC-BY-4.0")
    return found


if __name__ == "__main__":
    cli.run(main, __doc__ or "")
