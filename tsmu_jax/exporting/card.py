"""`card.md`: what a person has to know before using an exported model, in Markdown."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from tsmu_jax.data.contract import Contract
from tsmu_jax.data.source import Intensities
from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.exporting import usage
from tsmu_jax.exporting.layout import NOT_STATED, ONNX, SAFETENSORS, STABLEHLO, Export
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.words import escaped_markdown

_UNKNOWN = "not known"


def card(export: Export) -> str:
    """The text of the file."""
    parts = [_head(export), _lineage(export.model), _scores(export), _inputs(export), _limits(export)]
    parts += [_licences(export), *(_USED[name](export) for name in export.formats)]
    return "\n".join(f"{part.strip()}\n" for part in parts)


def _head(export: Export) -> str:
    decoders = "; ".join(
        f"{_code(name)} for {', '.join(map(escaped_markdown, known['ecoregions']))}"
        for name, known in export.description["decoders"].items()
    )
    network = export.description["network"]
    return f"""
# {export.name}

Finds landslides in satellite images of {network["channels"]} channels: a shared encoder and one U-Net decoder for each
ecoregion or group of ecoregions ({escaped_markdown(network["variant"])}, width {network["width"]:g}, depth \
{network["depth"]}). It answers each pixel with a calibrated probability of landslide. {export.description["created"]}.

- model: {export.model.digest}
- decoders: {decoders}
"""


def _lineage(model: SavedModel) -> str:
    rows = [
        (
            one["created"],
            one["run"],
            one["method"],
            ", ".join(one["ecoregions"]),
            (one["parent"] or "none")[:12],
            one["versions"]["jax"],
        )
        for one in model.description.get("lineage", [])
    ]
    table = _table(("made", "run", "method", "trained on", "updated from", "jax"), rows) if rows else _UNKNOWN
    return f"## Where it comes from\n\n{table}"


def _scores(export: Export) -> str:
    rows = []
    for name, known in export.description["ecoregions"].items():
        scores = known.get("scores") or {}
        interval = export.intervals.get(name)
        each = [_number(scores.get(key)) for key in ("precision", "recall", "f1", "micro_iou")]
        iou = _with_interval(scores.get("iou"), interval)
        rows.append((name, export.model.route[name], scores.get("images", _UNKNOWN), iou, *each))
    header = ("ecoregion", "decoder", "test images", "IoU", "precision", "recall", "F1", "IoU of all pixels")
    return f"""
## Scores

{_table(header, rows)}

Means over test images at a threshold of .5, at the network's size, each ecoregion answered by its own decoder. In
brackets: 95 % bootstrap intervals over the test images; they say nothing about other seeds. Ecoregions whose exam the
model does not carry have none.
"""


def _with_interval(iou: float | None, interval: Interval | None) -> str:
    if interval is None:
        return f"{_number(iou)}, no interval"
    bounds = "too few images" if math.isnan(interval.low) else f"{interval.low:.3f} to {interval.high:.3f}"
    return f"{interval.difference:.3f} [{bounds}]"


def _inputs(export: Export) -> str:
    rows = [
        (name, _ground(one), f"{one.side} x {one.side}", _pixels(one), _values(one.intensities))
        for name, one in export.contracts.items()
    ]
    header = ("ecoregion", "metres a pixel, down x across", "trained at, px", "images of, px", "stored values")
    return f"""
## Input

Channels: {", ".join(next(iter(export.contracts.values())).channels)}. Both images lie on one grid.

{_table(header, rows)}

Metres are medians (smallest to largest) of a pixel of the network's input. Values outside of a range count as its ends.
"""


def _ground(contract: Contract) -> str:
    if contract.gsd_m is None:
        return _UNKNOWN
    return " x ".join(
        f"{middle:.3g} ({low:.3g} to {high:.3g})"
        for low, middle, high in (contract.gsd_m["height"], contract.gsd_m["width"])
    )


def _pixels(contract: Contract) -> str:
    if contract.pixels is None:
        return _UNKNOWN
    return " x ".join(f"{contract.pixels[side][1]:g}" for side in ("height", "width"))


def _values(intensities: Intensities) -> str:
    ranges = ", ".join(f"{low:g} to {high:g}" for low, high in dict.fromkeys(intensities.ranges))
    return f"{intensities.dtype}, bands {', '.join(map(str, intensities.bands))}: {ranges} become 0 to 1"


def _limits(export: Export) -> str:
    return f"""
## Limits

- It knows the ecoregions above. What it answers for other ground, sensors, seasons and resolutions nobody has measured.
- Which decoder answers is for you to choose here; `tsmu_jax.predict` chooses by the image.
- Clouds, snow and ground without data are answered like ground. Mask them.
- Probabilities are calibrated on validation images of the ecoregions; where landslides are rarer they are too high.
- Sides are multiples of {export.model.network.stride} px. Within {export.description["seen"]} px of an image's border
  the answer lacks what lies beyond it.
- A map is no proof that there is a landslide, or that there is none. Have a person look before anybody relies on it.
"""


def _licences(export: Export) -> str:
    of_data = [(name, export.licences.get(name, NOT_STATED)) for name in export.description["ecoregions"]]
    of_model = export.licences.get("", NOT_STATED)
    stated = [f"`--licence={name}=TEXT`" for name, licence in of_data if licence == NOT_STATED]
    stated += ["`--licence=TEXT`, of the model"] if of_model == NOT_STATED else []
    remedy = f"To state what is not, export again with {'; '.join(stated)}." if stated else ""
    return f"""
## Licences

The model: {escaped_markdown(of_model)}. The images that it was trained on:

{_table(("ecoregion", "licence of the images"), of_data)}

{remedy}
"""


def _stablehlo(export: Export) -> str:
    about = export.formats[STABLEHLO]
    return f"""
## StableHLO

{_listed(about["files"])} for {" and ".join(about["platforms"])}, any number and any size of images. Written by jax \
{about["jax"]} with jaxlib {about["jaxlib"]}.

**Expires on {about["expires"]}.** Jax promises to read a program with releases up to six months newer than the jaxlib
that wrote it, counted from that jaxlib's release: earlier than this day where it was not the newest. Then export again
from the saved model, which does not expire.

{usage.stablehlo(export)}
"""


def _onnx(export: Export) -> str:
    about = export.formats[ONNX]
    seams = "as far as the network looks" if about["seamless"] else "less than the network looks: seams may show"
    furthest = max(about["difference"].values())
    return f"""
## ONNX

{_listed(about["files"])}: opset {about["opset"]}, float32, images of {about["side"]} x {about["side"]} px, any number
of them. onnxruntime {about["onnxruntime"]} answered as the saved model does, up to {furthest:.1g} of a probability.

{usage.onnx(export)}

**In QGIS**, with the plugin Deepness: the file's metadata fills in the plugin's fields{_resolution(about)}. Tiles
overlap by {about["overlap"]} %, {seams}. The layer is one 8-bit raster with all channels, in metres. This makes it:

{usage.pair(export)}
"""


def _resolution(about: dict[str, Any]) -> str:
    if about["resolution_cm"]:
        return ""
    return ", but for the resolution, which the model does not know: fill in the centimetres of a pixel yourself"


def _safetensors(export: Export) -> str:
    return f"""
## safetensors

`parameters.safetensors` holds all arrays, `network.json` names each with its shape and role, and the operations in
their order. Neither expires.

{usage.arrays(export)}
"""


_USED = {SAFETENSORS: _safetensors, STABLEHLO: _stablehlo, ONNX: _onnx}


def _listed(files: dict[str, str]) -> str:
    return ", ".join(map(_code, files.values()))


def _code(text: str) -> str:
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(escaped_markdown(str(cell)) for cell in line)} |" for line in lines)
