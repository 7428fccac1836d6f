"""`item.json`: the export as a STAC item with the Machine Learning Model extension 1.4, for catalogues of models."""

from typing import Any

from tsmu_jax.data.contract import Contract
from tsmu_jax.exporting import operations
from tsmu_jax.exporting.layout import CARD, NETWORK, ONNX, SAFETENSORS, STABLEHLO, Export
from tsmu_jax.models import archive
from tsmu_jax.models.layout import PARAMETERS

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v1.1.0/schema.json"
TASK = "semantic-segmentation"
_ASSETS = {  # title, media type, what reads it
    STABLEHLO: ("StableHLO program", "application/octet-stream; framework=jax", "jax.export"),
    ONNX: ("ONNX graph", "application/octet-stream; framework=onnx; profile=onnx", "onnx"),
}


def item(export: Export) -> dict[str, Any]:
    """What the file holds; plain values. It says nothing about where on the ground the ecoregions lie."""
    description = export.description
    licence = export.licences.get("")
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, CLASSIFICATION],
        "id": export.name,
        "geometry": None,
        "properties": {
            "title": "Landslides in pairs of satellite images",
            "description": f"Decoders for {', '.join(description['ecoregions'])}; see {CARD}.",
            "datetime": description["created"],
            "license": licence or "other",
            **_model(export),
        },
        "links": [],
        "assets": _assets(export),
    }


def _model(export: Export) -> dict[str, Any]:
    description, network = export.description, export.description["network"]
    contracts = export.contracts
    channels = next(iter(contracts.values())).channels
    lineage = description.get("lineage")  # models made by hand have none
    numbers = lineage[-1]["versions"]["jax"].split(".")[:3] if lineage else []  # the extension permits three
    version = {"mlm:framework_version": ".".join(numbers)} if numbers else {}
    return {
        "bands": _bands(export),  # those of the models: an item may have none that no asset has
        "mlm:name": export.name,
        "mlm:architecture": "U-Net",
        "mlm:tasks": [TASK],
        "mlm:framework": "JAX",
        **version,
        "mlm:total_parameters": sum(one.size for one in operations.arrays(export.model, export.decoders).values()),
        "mlm:pretrained": True,
        "mlm:pretrained_source": ", ".join(description["ecoregions"]),
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:hyperparameters": {name: network[name] for name in ("variant", "width", "depth") if name in network},
        "mlm:input": [_input(export, list(channels), list(contracts.values()))],
        "mlm:output": [_output(export)],
    }


def _bands(export: Export) -> list[dict[str, str]]:
    return [{"name": name} for name in next(iter(export.contracts.values())).channels]


def _input(export: Export, bands: list[str], contracts: list[Contract]) -> dict[str, Any]:
    ranges = contracts[0].intensities.ranges
    agreed = all(one.intensities == contracts[0].intensities for one in contracts)
    dates = len(bands) // len(ranges)
    scaling = [{"type": "min-max", "minimum": low, "maximum": high} for low, high in ranges * dates]
    return {
        "name": "images",
        "description": "Pre-event and post-event images on one grid, each band scaled to 0 to 1 and clipped.",
        "bands": bands,
        "input": _structure(export, len(bands), "bands"),  # version 1.5 asks for this name beside `bands`
        "resize_type": None,
        **({"value_scaling": scaling} if agreed else {}),
    }


def _output(export: Export) -> dict[str, Any]:
    return {
        "name": "probability",
        "description": "Calibrated probability of landslide.",
        "tasks": [TASK],
        "result": _structure(export, 1, "class"),
        "classification:classes": [{"value": 1, "name": "landslide", "description": "Ground that a landslide moved"}],
    }


def _structure(export: Export, size: int, axis: str) -> dict[str, Any]:
    """The array as ONNX has it, or without ONNX as the other formats do; -1 stands for any size."""
    if ONNX in export.formats:
        side = export.formats[ONNX]["side"]
        shape, order = [-1, size, side, side], ["batch", axis, "height", "width"]
    else:
        shape, order = [-1, -1, -1, size], ["batch", "height", "width", axis]
    return {"shape": shape, "dim_order": order, "data_type": "float32"}


def _assets(export: Export) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bands = _bands(export)
    for kind, (title, media, artifact) in _ASSETS.items():
        for decoder, file in export.formats.get(kind, {}).get("files", {}).items():
            found[f"{kind}:{decoder}"] = {
                "href": f"./{file}",
                "title": f"{title} of decoder {decoder}",
                "type": media,
                "roles": ["mlm:model", "mlm:compiled" if kind == STABLEHLO else "mlm:weights"],
                "mlm:artifact_type": artifact,
                "bands": bands,
            }
    if SAFETENSORS in export.formats:
        found[SAFETENSORS] = {
            "href": f"./{PARAMETERS}{archive.SUFFIX}",
            "title": "Arrays of all decoders",
            "type": "application/octet-stream; framework=safetensors",
            "roles": ["mlm:model", "mlm:weights"],
            "mlm:artifact_type": "safetensors",
            "bands": bands,
        }
        found["network"] = {"href": f"./{NETWORK}", "type": "application/json", "roles": ["metadata"]}
    found["card"] = {"href": f"./{CARD}", "title": "Model card", "type": "text/markdown", "roles": ["metadata"]}
    return found
