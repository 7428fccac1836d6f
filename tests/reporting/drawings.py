"""Helpers of the tests of charts and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        found = np.asarray(image.convert("RGB"))
    assert found.std() > 5, "blank"
    return found


def results(phases: int = 3, **iou: float | None) -> dict[str, Any]:
    scores = {"old": 0.638, "new": 0.392, "global": 0.591} | iou
    run = [{"name": name, "iou": scores} for name in ("initial", "freeze", "joint_fine_tuning")[:phases]]
    return {"method": "tsmu", "old": ["etf", "na$d"], "new": ["nw$fm"], "phases": run}
