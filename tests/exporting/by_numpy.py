"""The network rebuilt in NumPy from the files of an export alone: no JAX, and nothing of tsmu_jax."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def _conv(x, arrays, groups):
    kernel = arrays["kernel"]
    kernel = kernel[None, None] if kernel.ndim == 2 else kernel
    side = len(kernel)
    _, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
    result = 0
    for i in range(side):
        for j in range(side):
            seen, tap = padded[:, i : i + height, j : j + width], kernel[i, j]
            result = result + (seen @ tap if groups == 1 else seen * tap[0])
    return result + arrays.get("bias", 0)


def _conv_transpose(x, arrays, groups):
    """With three taps an even output sees tap 2 here and tap 0 before, an odd one tap 1; with two, tap 1 and tap 0."""
    kernel = arrays["kernel"]
    side = len(kernel)
    batch, height, width, _ = x.shape
    result = np.zeros((batch, 2 * height + 1, 2 * width + 1, kernel.shape[-1]), np.float32)
    for i in range(side):
        for j in range(side):
            result[:, i : i + 2 * height : 2, j : j + 2 * width : 2] += x @ kernel[side - 1 - i, side - 1 - j]
    return result[:, :-1, :-1] + arrays["bias"]


def answer(directory: Path, decoder: str, images: np.ndarray) -> np.ndarray:
    """Probabilities f32[b, h, w]. Args: images: f32[b, h, w, c] in [0, 1]."""
    network = json.loads((directory / "network.json").read_text())
    stored = load_file(directory / "parameters.safetensors")
    values = {"images": images}
    for step in network["encoder"] + network["decoders"][decoder]["operations"]:
        x = [values[name] for name in step["inputs"]]
        own = {role: stored[name] for role, name in step["arrays"].items()}
        match step["kind"]:
            case "conv":
                y = _conv(*x, own, step["groups"])
            case "conv_transpose":
                y = _conv_transpose(*x, own, step["groups"])
            case "normalize":
                y = (x[0] - own["mean"]) / np.sqrt(own["var"] + network["epsilon"]) * own["scale"] + own["bias"]
            case "relu":
                y = np.maximum(x[0], 0)
            case "add":
                y = x[0] + x[1]
            case "max_pool":
                batch, height, width, channels = x[0].shape
                y = x[0].reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
            case "concatenate":
                y = np.concatenate(x, axis=-1)
        values[step["output"]] = y
    return 1 / (1 + np.exp(-values["logits"][..., 0] / network["decoders"][decoder]["temperature"]))
