"""Fig. 8: worst and best test images before and after the event, with truth and predictions over them."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tsmu_jax.errors import UserError
from tsmu_jax.reporting.comparison import REFERENCE, Comparison, Setting, Variant
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import number
from tsmu_jax.reporting.thumbnails import FOLDER, MARKED, SIDE

MOST = 40  # images of a page, which is to stay within a few MB
_MOST_SIDE = 20_000  # px of a stored image; those that runs write for the page are small, predictions as their images

# Red, green, blue, opacity; those of a prediction's pixels stand in the order of 2 * truth + prediction, unknown ground
# behind them.
_CLEAR = (0, 0, 0, 0)
ALARM, MISSED, FOUND = (0xE6, 0x9F, 0x00, 190), (0x56, 0xB4, 0xE9, 190), (255, 255, 255, 150)
_UNKNOWN = (0x80, 0x80, 0x80, 150)
_COLOURS = (_CLEAR, ALARM, MISSED, FOUND, _UNKNOWN)
_OUTLINE = (_CLEAR, (0xF0, 0xE4, 0x42, 255))


class Prediction(NamedTuple):
    """A variant's prediction for an image."""

    variant: Variant
    iou: float
    path: Path

    @property
    def label(self) -> str:
        """Its method and its IoU."""
        return f"{self.variant.label}, IoU {number(self.iou, 3)}"


class Case(NamedTuple):
    """A test image that is shown.

    Attributes:
      rank: "worst of 5", by the IoU of the first prediction.
      stem: of its files, up to "_post.jpg".
    """

    ecoregion: str
    identity: str
    rank: str
    stem: str
    predictions: tuple[Prediction, ...]


class Picture(NamedTuple):
    """A case as it is drawn: addresses of images that lie over one another, `width` by `height` pixels.

    Attributes:
      pre: None in ecoregions of a single date.
      layers: of the predictions, in their order.
    """

    case: Case
    width: int
    height: int
    pre: str | None
    post: str
    truth: str
    layers: list[str]

    @property
    def shape(self) -> str:
        """The name of its sides' ratio in the page's style sheet: "shape-256-171"."""
        return f"shape-{self.width}-{self.height}"


class Cases(NamedTuple):
    """The images of the page.

    Attributes:
      blocks: title of a setting -> its images.
      given, most: images that there are, and that are shown at most.
      complete: whether every setting has some.
    """

    blocks: dict[str, list[Picture]]
    given: int
    most: int
    complete: bool


def cases(comparison: Comparison) -> Cases:
    """Worst and best images of each ecoregion, by setting."""
    by_setting = {setting: list(_cases(comparison, setting)) for setting in parts.settings(comparison)}
    blocks = {
        parts.setting_title(setting): [_picture(case) for case in chosen]
        for setting, chosen in _within(by_setting).items()
    }
    return Cases(blocks, sum(map(len, by_setting.values())), MOST, all(by_setting.values()))


def _within(by_setting: dict[Setting, list[Case]]) -> dict[Setting, list[Case]]:
    """At most MOST: new ecoregions come first, settings take turns."""
    ordered = {
        setting: sorted(cases, key=lambda case: case.ecoregion not in setting.new_ecoregions)
        for setting, cases in by_setting.items()
    }
    longest = max(map(len, ordered.values()), default=0)
    turns = [(setting, rank) for rank in range(longest) for setting in ordered if rank < len(ordered[setting])]
    kept = set(turns[:MOST])
    chosen = {s: [case for rank, case in enumerate(cases) if (s, rank) in kept] for s, cases in ordered.items()}
    return {setting: cases for setting, cases in chosen.items() if cases}


def _cases(comparison: Comparison, setting: Setting) -> Iterator[Case]:
    """Of the first seed of the reference, or of the first variant where that was not run."""
    variants = parts.variants(comparison, setting)
    reference = comparison.reference(REFERENCE)
    first = reference if reference in variants else variants[0]
    assert first is not None
    seed, run = next(iter(sorted(comparison.runs_of(first, setting).items())))
    others = {one: comparison.runs_of(one, setting).get(seed) for one in variants}
    runs = {first: run, **{one: other for one, other in others.items() if other is not None}}
    for name, test in run.phases[-1].tests.items():
        order = np.argsort(test.iou, kind="stable")
        picked = {"worst": int(order[0]), "best": int(order[-1])} if len(order) > 1 else {"only": int(order[0])}
        for rank, position in picked.items():
            identity = test.ids[position]
            stem = f"{run.path / FOLDER / name / identity}_"
            predictions = tuple(_predictions(runs, name, identity))
            if Path(f"{stem}post.jpg").exists() and predictions:
                yield Case(
                    name, identity, f"{rank} of {len(order)}" if rank != "only" else "only one", stem, predictions
                )


def _predictions(runs: dict[Variant, Run], ecoregion: str, identity: str) -> Iterator[Prediction]:
    for variant, run in runs.items():
        phase = run.phases[-1]
        test, path = phase.tests[ecoregion], run.path / "predictions" / phase.directory / ecoregion / f"{identity}.png"
        if identity in test.ids and path.exists():
            yield Prediction(variant, float(test.iou[test.ids.index(identity)]), path)


def _picture(case: Case) -> Picture:
    post, pre = Path(f"{case.stem}post.jpg"), Path(f"{case.stem}pre.jpg")
    stored = _stored(Path(f"{case.stem}mask.png"))
    truth, unknown = (stored > MARKED).astype(np.uint8), stored == MARKED
    height, width = truth.shape
    predicted = [(_stored(one.path, (width, height)) > 0).astype(np.uint8) for one in case.predictions]
    return Picture(
        case,
        width,
        height,
        _jpeg(pre) if pre.exists() else None,
        _jpeg(post),
        _png(_outline(truth).astype(np.uint8), _OUTLINE),
        [_png(np.where(unknown, np.uint8(4), 2 * truth + one), _COLOURS) for one in predicted],
    )


def _jpeg(path: Path) -> str:
    _stored(path)
    return parts.data_address("image/jpeg", path.read_bytes())


def _stored(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """u8[h, w] of a mask's file; at least SIDE pixels long, so that outlines are thin. `size`: (w, h) instead."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if max(image.size) > _MOST_SIDE:
                raise OSError(f"{image.width} x {image.height} pixels")
            if size is None:
                scale = max(1, round(SIDE / max(image.size)))
                size = (scale * image.width, scale * image.height)
            return np.asarray(image.resize(size, Image.Resampling.NEAREST))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: is no image ({error}); remove it, and the report goes without") from error


def _outline(mask: np.ndarray) -> np.ndarray:
    """bool[h, w]: pixels of a mask that have background within two pixels above, below, left or right."""
    padded = np.pad(mask, 2, mode="edge")
    near = [np.roll(padded, shift, axis)[2:-2, 2:-2] for axis in (0, 1) for shift in (-2, -1, 1, 2)]
    return (mask > 0) & (np.min(near, axis=0) == 0)


def _png(classes: np.ndarray, colours: Sequence[tuple[int, int, int, int]]) -> str:
    """Address of a small PNG: u8[h, w] of indices into colours with opacity."""
    image = Image.fromarray(classes)
    image.putpalette([channel for colour in colours for channel in colour[:3]])
    file = io.BytesIO()
    image.save(file, "PNG", transparency=bytes(colour[3] for colour in colours), optimize=True)
    return parts.data_address("image/png", file.getvalue())
