"""Images that show the same picture, told by their content: exact copies, and copies re-encoded, resized or brightened.

Each image is drawn in 8 x 8 grey values. Compression and scaling hardly change their pattern, so copies correlate.
`splits.py` keeps copies of one picture on one side. Copies that are cropped, turned or mirrored are not found.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image
from scipy import sparse
from scipy.sparse import csgraph

from tsmu_jax.data.source import PairInfo, Sketch

SIDE = 8
# Measured on 1,230 real and synthetic images: no two of different pairs correlate by more than .970; of copies (JPEG
# of quality 50, three quarters or half the size, another brightness), about 95 in 100 do by more than .989.
LEAST_CORRELATION = 0.989
_LEAST_CONTRAST = 2.0  # grey levels; the pattern of a flatter picture is mostly rounding
_CHUNK = 1024  # rows of the all-against-all table held at once

Links = list[tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class Copies:
    """Scenes that share a picture.

    Attributes:
      scenes: "ecoregion/scene", sorted.
      exact: whether all of them hold the same pixels.
    """

    scenes: tuple[str, ...]
    exact: bool

    def __str__(self) -> str:
        return f"{', '.join(self.scenes)} ({'the same pixels' if self.exact else 'nearly the same'})"


def sketches(images: Iterable[np.ndarray | None]) -> tuple[Sketch, ...]:
    """Sketches of those images, u8[h, w, 3], that are there and have more than one colour."""
    return tuple(_sketch(image) for image in images if image is not None and not _is_of_one_colour(image))


def scenes(infos: Sequence[PairInfo]) -> dict[tuple[str, str], tuple[Sketch, ...]]:
    """The sketches of each (ecoregion, scene), in order; of none where the source knows none."""
    found = {(info.ecoregion, info.scene): info.sketches or () for info in infos}
    return dict(sorted(found.items()))


def links(listed: Sequence[Sequence[Sketch]]) -> Links:
    """Pairs of positions, the smaller first, whose scenes share a picture, before or after the event.

    Chains are enough: of many exact copies each is linked to the first.
    """
    found: set[tuple[int, int]] = set()
    first: dict[str, int] = {}
    rows, owners = [], []
    for position, own in enumerate(listed):
        for one in own:
            owner = first.setdefault(one.pixels, position)
            if owner != position:
                found.add((owner, position))
            elif one.small:
                rows.append(np.frombuffer(bytes.fromhex(one.small), np.uint8))
                owners.append(position)
    patterns = np.array(rows, np.float32).reshape(-1, SIDE**2)
    patterns -= patterns.mean(1, keepdims=True)
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    for start in range(0, len(rows), _CHUNK):
        alike = patterns[start : start + _CHUNK] @ patterns.T > LEAST_CORRELATION
        near = ((owners[start + one], owners[other]) for one, other in np.argwhere(alike))
        found.update((one, other) for one, other in near if one < other)
    return sorted(found)


def joined(roots: np.ndarray, linked: Links) -> np.ndarray:
    """Joins components that links connect.

    Args:
      roots: i64[n], for each scene the smallest position in its component.
      linked: of `links`.

    Returns:
      i64[n] of the same meaning; `roots` itself where there are no links.
    """
    if not linked:
        return roots
    ends = np.concatenate([np.array(linked), np.stack([roots, np.arange(len(roots))], 1)])
    graph = sparse.coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(len(roots),) * 2)
    _, labels = csgraph.connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    return first[labels]


def groups(infos: Sequence[PairInfo]) -> tuple[Copies, ...] | None:
    """Scenes that share pictures; None where no sketches are known."""
    if all(info.sketches is None for info in infos):
        return None
    known = scenes(infos)
    names, listed = list(known), list(known.values())
    roots = joined(np.arange(len(names)), links(listed))
    together: dict[int, list[int]] = {}
    for position, root in enumerate(roots):
        together.setdefault(int(root), []).append(position)
    return tuple(
        Copies(
            tuple("/".join(names[position]) for position in members),
            exact=len({frozenset(one.pixels for one in listed[position]) for position in members}) == 1,
        )
        for members in together.values()
        if len(members) > 1
    )


def _is_of_one_colour(rgb: np.ndarray) -> bool:
    height, width, _ = rgb.shape
    return rgb.tobytes() == rgb[:1, :1].tobytes() * (height * width)  # many times faster than NumPy's comparison


def _sketch(rgb: np.ndarray) -> Sketch:
    digest = hashlib.sha256(repr(rgb.shape).encode())
    digest.update(np.ascontiguousarray(rgb).data)
    pixels = digest.hexdigest()[:32]
    grey = np.asarray(Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
    return Sketch(pixels, grey.tobytes().hex() if grey.std() >= _LEAST_CONTRAST else "")
