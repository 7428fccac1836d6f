"""Compares an export that a CPU machine made with the saved model, on this machine's GPU.

    python -m tests.gpu.export --model=RUN_OR_MODEL --export=DIR

Needs jax with CUDA, flax, numpy, safetensors and flatbuffers; nothing else of what tsmu_jax needs. Exit code 1: the
probabilities differ by more than .001. NVIDIA_TF32_OVERRIDE=0 lets the GPU multiply in full float32.
"""

import argparse
import sys
from pathlib import Path

import jax
import numpy as np

from tsmu_jax.models.exported import open_model
from tsmu_jax.models.saved import load_model

MOST_DIFFERENCE = 1e-3
SIZES = ((1, 1.0), (3, 2.0))  # number of images, sides in units of the training's


def differences(model: Path, export: Path) -> dict[str, float]:
    """The largest difference of probabilities by decoder and size of the images, on the default device."""
    saved, exported = load_model(model), open_model(export)
    found, random = {}, np.random.default_rng(0)
    for decoder in exported.decoders:
        for number, times in SIZES:
            side = round(times * saved.side)
            images = random.integers(0, 256, (number, side, side, saved.network.channels), np.uint8)
            exam = saved.exam(saved.description["decoders"][decoder]["ecoregions"][0])
            if exam is not None and times == 1:
                images = exam[0][:number]
            answers = [one.predict(images, decoder) for one in (saved, exported)]
            found[f"{decoder}, {number} x {side} px"] = float(np.abs(answers[0] - answers[1]).max())
    return found


def main() -> int:
    """Prints the differences; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    asked = parser.parse_args()
    if jax.default_backend() != "gpu":
        print(f"error: jax sees no GPU here, it runs on {jax.default_backend()}", file=sys.stderr)
        return 2
    found = differences(asked.model, asked.export)
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
    for name, difference in found.items():
        print(f"{name}: {difference:.2g}")
    return int(not max(found.values()) <= MOST_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
