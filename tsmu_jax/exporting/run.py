"""Exports a saved model, from flags to the directory.

OUTPUT/export.json               the model's description, the formats, the SHA-256 of every file, the digest
OUTPUT/card.md, item.json        for people, for catalogues
OUTPUT/parameters.safetensors    and network.json: all arrays, and what is computed with them
OUTPUT/<decoder>.stablehlo       a program of JAX; autoencoders.safetensors choose among several
OUTPUT/<decoder>.onnx            for other runtimes, and QGIS
"""

import datetime
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax import __version__
from tsmu_jax.errors import UserError
from tsmu_jax.exporting import card, deepness, item, layout, network_file, onnx_file, operations, scores, stablehlo
from tsmu_jax.exporting.layout import FORMATS, NEEDS, ONNX, SAFETENSORS, STABLEHLO, Export
from tsmu_jax.models import archive, exported
from tsmu_jax.models.layout import AUTOENCODERS, EXPORT, PARAMETERS
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.runs.provenance import now
from tsmu_jax.words import guess

ALL = "all"
SIDE = 512  # of the images that ONNX takes, unless stated
_LEFT_OUT = ("schema", "files", "digest", "made_from", "key")  # of the saved model's description


def export_model(
    path: str | os.PathLike[str],
    target: Path,
    *,
    formats: Sequence[str] = FORMATS,
    decoder: str = ALL,
    side: int = 0,
    licences: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Writes an export whole or not at all, in the place of an earlier one.

    Args:
      path: directory of a saved model, or of a run.
      target: a new directory, or that of an export.
      formats: of FORMATS.
      decoder: "all", or the name of a decoder or of an ecoregion.
      side: of the images that ONNX takes, in pixels; 0 for SIDE.
      licences: of the images of ecoregions; "" for that of the model.

    Returns:
      What `export.json` holds.

    Raises:
      UserError: a format, the model, the decoder, a licence's ecoregion or the output is wrong, a package is missing,
        or ONNX answers otherwise than the model; nothing is written then.
    """
    _check_formats(formats)
    _check_target(target)
    try:
        model = load_model(path)
    except UserError as error:
        raise UserError(f"--model: {error}") from error
    decoders = _decoders(model, decoder)
    side = _side(model, side)
    described = _description(model, decoders)
    if wrong := [name for name in licences or {} if name and name not in described["ecoregions"]]:
        known = ", ".join(described["ecoregions"])
        raise UserError(f"--licence={wrong[0]}=...: no such ecoregion is exported; known: {known}")
    arrays, contents = _formats(model, described, formats, side)
    intervals = scores.iou_intervals(model, tuple(described["ecoregions"]))
    export = Export(model, described, intervals, licences or {})
    contents[layout.CARD] = card.card(export).encode()
    contents[layout.ITEM] = _json(item.item(export))
    target.parent.mkdir(parents=True, exist_ok=True)
    return archive.write(target, EXPORT, described, arrays, contents)


def _check_formats(formats: Sequence[str]) -> None:
    if not formats:
        raise UserError(f"--format is empty; known: {', '.join(FORMATS)}")
    for name in formats:
        if name not in FORMATS:
            meant = guess(name, FORMATS) or f"known: {', '.join(FORMATS)}"
            raise UserError(f"--format={name}: no such format; {meant}")
        missing = [package for package in NEEDS[name] if importlib.util.find_spec(package) is None]
        if missing:
            raise UserError(f"--format={name}: needs {missing[0]}: pip install 'tsmu_jax[export]'")


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(f"--output={target}: is a file; name a new directory")
    held = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if held and EXPORT not in held:
        raise UserError(f"--output={target}: holds {held[0]} and no export; name a new directory")


def _decoders(model: SavedModel, decoder: str) -> tuple[str, ...]:
    if decoder == ALL:
        return model.decoders
    name = model.route.get(decoder, decoder)
    if name not in model.decoders:
        known = ", ".join(dict.fromkeys((ALL, *model.ecoregions, *model.decoders)))
        raise UserError(f"--decoder={decoder}: the model has no such ecoregion or decoder; known: {known}")
    return (name,)


def _side(model: SavedModel, side: int) -> int:
    stride = model.network.stride
    if side % stride:
        raise UserError(f"--side={side}: sides are multiples of {stride} px; give {-(-side // stride) * stride}")
    return side or SIDE


def _description(model: SavedModel, decoders: tuple[str, ...]) -> dict[str, Any]:
    """What the saved model says of itself, of the exported decoders alone."""
    kept = {name: value for name, value in model.description.items() if name not in _LEFT_OUT}
    known = {
        name: {key: value for key, value in each.items() if key != "tests"}
        for name, each in kept["ecoregions"].items() if model.route[name] in decoders
    }  # fmt: skip
    return {
        "schema": exported.SCHEMA,
        "model": model.digest,
        "created": now().isoformat(timespec="seconds"),
        "tsmu_jax": __version__,
        **kept,
        "decoders": {name: kept["decoders"][name] for name in decoders},
        "ecoregions": known,
        "seen": max(deepness.halo(model)),
    }


def _formats(
    model: SavedModel, described: dict[str, Any], formats: Sequence[str], side: int
) -> tuple[dict[str, archive.Arrays], dict[str, bytes]]:
    """Makes the files of each format, and says in the description what they are. Returns arrays and other files."""
    decoders = tuple(described["decoders"])
    arrays: dict[str, archive.Arrays] = {}
    contents: dict[str, bytes] = {}
    said = described["formats"] = {}
    if SAFETENSORS in formats:
        stored = arrays[PARAMETERS] = operations.arrays(model, decoders)
        contents[layout.NETWORK] = _json(network_file.described(model, decoders, stored))
        said[SAFETENSORS] = {"files": [PARAMETERS + archive.SUFFIX, layout.NETWORK]}
    if STABLEHLO in formats:
        files = layout.files(decoders, ".stablehlo")
        contents |= {file: stablehlo.program(model, name) for name, file in files.items()}
        said[STABLEHLO] = {"files": files, **stablehlo.about(datetime.datetime.fromisoformat(described["created"]))}
        chosen = {name: tree for name, tree in model.autoencoders().items() if name in described["ecoregions"]}
        if chosen:
            arrays[AUTOENCODERS] = archive.flattened(chosen)
    if ONNX in formats:
        files = layout.files(decoders, ".onnx")
        reference = onnx_file.in_float32(model)
        made = {name: _onnx(reference, name, side) for name in decoders}
        contents |= {files[name]: data for name, (data, _) in made.items()}
        said[ONNX] = {
            "files": files,
            **_about_onnx(model, described, side),
            "difference": {name: difference for name, (_, difference) in made.items()},
        }
    return arrays, contents


def _onnx(model: SavedModel, decoder: str, side: int) -> tuple[bytes, float]:
    """The file of a decoder, and its largest difference to the saved model: on noise, and on a test image if any."""
    contracts = list(layout.contracts(model.description, decoder).values())
    channels = model.network.channels
    told = deepness.metadata(contracts, channels=channels, side=side, seen=deepness.halo(model))
    data = onnx_file.build(model, decoder, side=side, metadata={**told, "tsmu_model": model.digest, "decoder": decoder})
    images = np.random.default_rng(0).random((2, side, side, channels), np.float32)
    exam = model.exam(model.description["decoders"][decoder]["ecoregions"][0])
    if exam is not None:
        times = -(-side // exam[0].shape[1])
        images[1] = np.tile(exam[0][0].astype(np.float32) / 255, (times, times, 1))[:side, :side]
    return data, onnx_file.difference(data, model, decoder, images)


def _about_onnx(model: SavedModel, described: Mapping[str, Any], side: int) -> dict[str, Any]:
    seen = deepness.halo(model)
    return {
        "opset": onnx_file.OPSET,
        "side": side,
        "onnxruntime": importlib.metadata.version("onnxruntime"),
        "overlap": deepness.overlap(seen, side),
        "seamless": deepness.is_seamless(seen, side),
        "resolution_cm": deepness.resolution_cm(list(layout.contracts(described).values())),
    }


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()
