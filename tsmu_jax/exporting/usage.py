"""How each file of an export is used: short programs for its card. The tests run them."""

import shlex

from tsmu_jax.exporting.layout import NETWORK, ONNX, STABLEHLO, Export
from tsmu_jax.models import archive
from tsmu_jax.models.layout import PARAMETERS


def stablehlo(export: Export) -> str:
    """Runs a StableHLO program."""
    decoder, file = next(iter(export.formats[STABLEHLO]["files"].items()))
    command = f"python -m tsmu_jax.predict --model=. --decoder={shlex.quote(decoder)} --input=IMAGES --output=MAPS"
    return (
        _python(
            "import numpy as np",
            "from jax import export  # pip install jax flatbuffers",
            f"program = export.deserialize(bytearray(open({file!r}, 'rb').read()))",
            f"images = np.zeros((1, {_side(export)}, {_side(export)}, {_channels(export)}), np.float32)  # from 0 to 1",
            "probability = program.call(images)  # f32[batch, height, width]",
        )
        + f"\n\n```\n{command}\n```"
    )


def onnx(export: Export) -> str:
    """Runs an ONNX file."""
    about = export.formats[ONNX]
    side, file = about["side"], next(iter(about["files"].values()))
    return _python(
        "import numpy as np",
        "import onnxruntime  # pip install onnxruntime",
        f"session = onnxruntime.InferenceSession({file!r})",
        f"images = np.zeros((1, {_channels(export)}, {side}, {side}), np.float32)  # from 0 to 1",
        "(probability,) = session.run(None, {'images': images})  # f32[batch, 1, height, width]",
    )


def pair(export: Export) -> str:
    """Makes the layer that the QGIS plugin takes."""
    pre = "--pre=before.tif " if _channels(export) == 6 else ""
    return f"```\npython -m tsmu_jax.export --model=RUN_OR_MODEL {pre}--post=after.tif --output=pair.vrt\n```"


def arrays(export: Export) -> str:
    """Reads the arrays and the order of the operations."""
    del export
    return _python(
        "import json",
        "from safetensors.numpy import load_file  # pip install safetensors",
        f"arrays = load_file({PARAMETERS + archive.SUFFIX!r})",
        f"network = json.load(open({NETWORK!r}))",
        "first = {role: arrays[name] for role, name in network['encoder'][0]['arrays'].items()}",
    )


def _python(*lines: str) -> str:
    return "\n".join(("```python", *lines, "```"))


def _channels(export: Export) -> int:
    return int(export.model.network.channels)


def _side(export: Export) -> int:
    return int(export.model.side)
