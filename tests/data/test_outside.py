"""LabelMe shapes and the image's edges: what reaches into it is drawn, what does not is an error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsmu_jax.data import labelme, outside
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.errors import UserError

Write = Callable[..., Any]
HEIGHT, WIDTH = 20, 30
INSIDE = ("polygon", "landslide", [[1, 1], [5, 1], [5, 5]])
OUTSIDE = {
    "right": ("polygon", "landslide", [[40, 1], [50, 1], [50, 9]]),
    "below": ("rectangle", "landslide", [[1, 20.6], [5, 25]]),
    "left": ("rectangle", "landslide", [[-9, 1], [-1, 5]]),
    "above": ("circle", "landslide", [[10, -10], [15, -10]]),
    "past a corner, its box inside": ("polygon", "landslide", [[40, 10], [40, 25], [28, 25]]),
    "a circle past a corner, its box inside": ("circle", "landslide", [[-7, -7], [-7, 1]]),
    "a hole": ("polygon", "background", [[40, 1], [50, 1], [50, 9]]),
    "unknown ground": ("rectangle", "unknown", [[40, 1], [50, 9]]),
}
REACHING = {
    "over an edge": ("rectangle", "landslide", [[25, 1], [90, 5]]),
    "all around the image": ("polygon", "landslide", [[-10, -10], [100, -10], [100, 100], [-10, 100]]),
    "across, no corner inside": ("polygon", "landslide", [[-10, 10], [40, 10], [40, 12], [-10, 12]]),
    "the last pixel": ("rectangle", "landslide", [[29, 19], [60, 60]]),
    "a circle around the image": ("circle", "landslide", [[-5, 10], [60, 10]]),
    "a hole over an edge": ("rectangle", "background", [[25, 1], [90, 5]]),
}


def shape_of(drawn: tuple[str, str, Any]) -> labelme.Shape:
    kind, label, points = drawn
    content = {"imagePath": "a", "shapes": [{"shape_type": kind, "label": label, "points": points}]}
    (shape,) = labelme.read(json.dumps(content).encode(), path="a", labels=("landslide",)).shapes
    return shape


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_shape_outside_is_named_with_the_image_s_size(case: str) -> None:
    kind = OUTSIDE[case][0]
    message = f"^etf/a_post.json: {kind} 2 lies wholly outside of the image of 30 x 20 px; draw it again, or remove it$"
    with pytest.raises(BadFile, match=message):
        outside.check([shape_of(INSIDE), shape_of(OUTSIDE[case])], HEIGHT, WIDTH, "etf/a_post.json")


@pytest.mark.parametrize("case", REACHING)
def test_what_reaches_into_the_image_is_drawn(case: str) -> None:
    shape = shape_of(REACHING[case])
    outside.check([shape], HEIGHT, WIDTH, "etf/a_post.json")
    assert labelme.rasterise([shape._replace(value=1)], HEIGHT, WIDTH).any()


def test_a_pair_with_a_shape_outside_is_bad_and_the_remedy_works(
    tmp_path: Path, write_image: Write, write_labels: Write
) -> None:
    write_image(tmp_path / "etf" / "a_post.png", size=(HEIGHT, WIDTH))
    path = tmp_path / "etf" / "a_post.json"
    write_labels(path, OUTSIDE["right"], INSIDE, size=(HEIGHT, WIDTH))
    with pytest.raises(UserError, match=r"^etf/a_post.json: polygon 1 lies wholly outside .* or remove it"):
        FolderSource(tmp_path, require_pre=False)
    write_labels(path, INSIDE, size=(HEIGHT, WIDTH))
    np.testing.assert_array_equal(
        FolderSource(tmp_path, require_pre=False)[0].mask, labelme.rasterise([shape_of(INSIDE)], HEIGHT, WIDTH)
    )
