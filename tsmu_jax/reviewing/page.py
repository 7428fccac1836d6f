"""The page on which people review: one file with images and everything else in it, which works without a network."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from tsmu_jax.data.progress import reported
from tsmu_jax.reporting.page import document
from tsmu_jax.reporting.page.parts import data_address
from tsmu_jax.reviewing import decision_file
from tsmu_jax.reviewing.candidates import Candidate, Queue
from tsmu_jax.reviewing.crops import Crop, Scene
from tsmu_jax.reviewing.scene_files import Images


class Pictured(NamedTuple):
    """A candidate with its pictures. Attribute: place: in the queue, counted from 1."""

    candidate: Candidate
    crop: Crop
    place: int


def pictured(
    queue: Queue,
    images: Mapping[str, Images],
    *,
    size: int,
    bands: tuple[int, int, int] | None = None,
    limit: int = 0,
) -> Iterator[Pictured]:
    """Candidates whose images are there, in the order of the queue; each image is opened once.

    Args:
      images: of scenes, by their digests.
      size: px, the longer side of a picture at most.
      bands: red, green and blue, where the files do not say so.
      limit: how many candidates at most; 0 for all.
    """
    every = _every(queue, images, size, bands)
    most = min(limit or len(queue.candidates), len(queue.candidates))
    return reported(itertools.islice(every, most), total=most, what="pictures")


def _every(
    queue: Queue, images: Mapping[str, Images], size: int, bands: tuple[int, int, int] | None
) -> Iterator[Pictured]:
    with contextlib.ExitStack() as files:
        opened: dict[str, Scene] = {}
        for place, candidate in enumerate(queue.candidates, 1):
            for digest in candidate.scenes:
                if digest not in images:
                    continue
                if digest not in opened:
                    scene = Scene(queue.scenes[digest], images[digest], bands=bands)
                    opened[digest] = files.enter_context(scene)
                crop = opened[digest].crop(candidate, size)
                if crop:
                    yield Pictured(candidate, crop, place)
                    break


def page(queue: Queue, shown: Sequence[Pictured], name: str) -> str:
    """Renders the page; what comes from the inventory is text in it. Args: name: of the inventory's file."""
    loader = jinja2.ChoiceLoader(
        [jinja2.PackageLoader("tsmu_jax.reviewing"), jinja2.PackageLoader("tsmu_jax.reporting.page")]
    )
    found = document.environment(loader)
    sheet = found.get_template("style.css").render() + found.get_template("review.css").render()
    script = found.get_template("review.js").render()
    data = {
        "format": decision_file.FORMAT,
        "schema": decision_file.SCHEMA,
        "inventory": queue.inventory,
        "digest": queue._replace(candidates=tuple(one.candidate for one in shown)).digest,
        "candidates": [_told(one) for one in shown],
    }
    return found.get_template("review.html").render(
        name=name,
        policy=document.policy(sheet, script),
        style=Markup(sheet),
        script=Markup(script),
        data=htmlsafe_json_dumps(data),
    )


def _told(one: Pictured) -> dict[str, Any]:
    """What the page is told of a candidate."""
    row, crop = one.candidate.row, one.crop
    return {
        "landslide": row["uuid"],
        "seen": row["review_status"],
        "pre": data_address("image/webp", crop.pre) if crop.pre else None,
        "post": data_address("image/webp", crop.post),
        "width": crop.width,
        "height": crop.height,
        "path": crop.path,
        "facts": list(facts(one).items()),
    }


def facts(one: Pictured) -> dict[str, str]:
    """What a reviewer reads of a candidate."""
    row = one.candidate.row
    point = one.candidate.outline.representative_point()
    found = {"Why": row["why"] or "it waits"}
    if row["prob_mean"] is not None:
        threshold = "" if row["threshold"] is None else f" (threshold {row['threshold']:.2f})"
        found["Probability"] = f"{row['prob_mean']:.2f}{threshold}"
    if row["area_m2"] is not None:
        found["Area"] = f"{row['area_m2'] / 1e4:,.1f} ha" if row["area_m2"] >= 1e4 else f"{row['area_m2']:,.0f} m²"
    dates = [(row[name] or "?")[:10] for name in ("date_min", "date_max")]
    found["Between"] = "dates unknown" if dates == ["?", "?"] else f"{dates[0]} and {dates[1]}"
    found["Place"] = f"{point.y:.5f}, {(point.x + 180) % 360 - 180:.5f}"
    found["Picture"] = f"{one.crop.metres:,.0f} m across"
    found["Found by"] = f"model, decoder {row['decoder']}" if row["decoder"] else row["found_by"] or "model"
    return found
