"""What the program reads, valid examples of each, and ways of spoiling them.

A target reads bytes and either succeeds or raises `UserError`; anything else is a fault.
"""

import contextlib
import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from hypothesis import strategies as st
from PIL import Image

from tests.runs.circle import configuration
from tests.stress import checkpoint_inputs
from tsmu_jax import configuration as configurations
from tsmu_jax.data import images, labelme, masks, prepared_index, rasters, tiles
from tsmu_jax.data.stated import Stated
from tsmu_jax.errors import UserError
from tsmu_jax.models import archive, saved
from tsmu_jax.reporting import reading
from tsmu_jax.runs import metrics_log

Read = Callable[[bytes], object]


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader and what it is given.

    Attributes:
      read: takes the bytes of a file.
      examples: valid files.
      structured: they are JSON, which is spoilt value by value, too.
    """

    name: str
    read: Read
    examples: tuple[bytes, ...]
    structured: bool = False

    def __call__(self, data: bytes) -> None:
        with contextlib.suppress(UserError):
            self.read(data)


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**31, 2**63, -(2**63), 1e308, 1e-320, 10**40, 10**400, 0.1]),
    st.floats(),
    st.sampled_from(["", "\x00", "\ud800", "é", "../../x", "=1+1", "<script>", "a" * 10_000, "1", "nan"]),
    st.sampled_from([[], {}, [[]], [None], {"": {}}, [[1, 2], [3]], [1] * 1000, json.loads("[" * 150 + "]" * 150)]),
)


@st.composite
def spoilt_bytes(draw: st.DrawFn, examples: tuple[bytes, ...]) -> bytes:
    """A valid file with bytes changed, cut out, repeated or cut off."""
    data = bytearray(draw(st.sampled_from(examples)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        at = draw(st.one_of(st.integers(0, min(len(data), 256) - 1), st.integers(0, len(data) - 1)))
        match draw(st.sampled_from(["change", "cut", "insert", "repeat", "end"])):
            case "change":
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 64))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 64))]
            case "end":
                del data[at:]
    return bytes(data)


@st.composite
def spoilt_values(draw: st.DrawFn, examples: tuple[bytes, ...]) -> bytes:
    """A valid JSON document of which values are replaced, left out or nested."""
    value = json.loads(draw(st.sampled_from(examples)))
    for _ in range(draw(st.integers(1, 3))):
        value = _spoilt(draw, value)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _spoilt(draw: st.DrawFn, value: Any) -> Any:
    """The value with one change at a random place in it."""
    places = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not places or draw(st.integers(0, 4)) == 0:
        return draw(st.one_of(ODD, st.just([value]), st.just({"x": value})))
    place = draw(st.sampled_from(places))
    changed = dict(value) if isinstance(value, dict) else list(value)
    if draw(st.integers(0, 5)) == 0:
        del changed[place]
    else:
        changed[place] = _spoilt(draw, value[place])
    return changed


def spoilt(target: Target) -> st.SearchStrategy[bytes]:
    """Spoilt files for a target."""
    by_bytes = spoilt_bytes(target.examples)
    return st.one_of(spoilt_values(target.examples), by_bytes) if target.structured else by_bytes


def targets(run: Path, prepared: Path, scratch: Path) -> Iterator[Target]:
    """All readers.

    Args:
      run: directory of a finished tiny run.
      prepared: directory of a small prepared data set.
      scratch: an empty directory; holds copies whose files are replaced.
    """
    pictures = tuple(_pictures())
    stated = (Stated(), Stated(bands=(1, 2, 3), ranges=((0.0, 1000.0),) * 3))
    yield Target("image", lambda data: images.decode(data, "a.png"), pictures)
    yield Target("mask", lambda data: masks.decode(data, "a.png", unknown=True), pictures)
    yield Target("raster", lambda data: [rasters.decode(data, "a.tif", one) for one in stated], pictures)
    yield Target("georeference", lambda data: rasters.georeference(data, "a.tif", tiles.windows(8, 8, 4)), pictures)
    yield Target("LabelMe", _labels, (_LABELS,), structured=True)
    flat = configuration(prepared, old="etf", new="nad")
    yield Target("configuration", _configured, (json.dumps(flat).encode(),), structured=True)
    yield _file("index", prepared, scratch, str(prepared_index.index_path(Path())), prepared_index.read)
    for name in ("config.json", "results.json", "metrics.jsonl", "selection/selection.json"):
        yield _file(f"run's {name}", run, scratch, name, lambda path: reading.find_runs([path]))
    yield _file("run's metrics", run, scratch, "metrics.jsonl", metrics_log.read)
    phase = sorted(run.glob("phases/*/phase.json"))[0].relative_to(run)
    yield _file("phase.json", run, scratch, str(phase), lambda path: reading.find_runs([path]))
    for name in ("model.json", "parameters.safetensors"):
        yield _file(f"model's {name}", run / "model", scratch, name, _opened)
    for name, read, example in checkpoint_inputs.readers(scratch):
        yield Target(name, read, (example,), structured=not name.endswith(".ocdbt"))
    yield _file("model's model.json, sealed again", run / "model", scratch, "model.json", _sealed)


def _file(name: str, directory: Path, scratch: Path, file: str, read: Callable[[Path], object]) -> Target:
    """The reader of one file in a copy of a directory."""
    copy = scratch / "".join(letter if letter.isalnum() else "_" for letter in name)
    leave_out = shutil.ignore_patterns(
        "checkpoint", "figures", "tensorboard", "predictions", "tests", "*.array_record*"
    )
    shutil.copytree(directory, copy, ignore=leave_out)

    def replaced(data: bytes) -> None:
        (copy / file).write_bytes(data)
        read(copy)

    return Target(name, replaced, ((directory / file).read_bytes(),), structured=file.endswith(".json"))


_NOT_READ = ("checkpoint", "figures", "tensorboard", "predictions", "tests", "*.array_record*")


def _labels(data: bytes) -> None:
    found = labelme.read(data, path="a.json", labels=("landslide",))
    labelme.rasterise(found.shapes, 32, 48)


def _configured(data: bytes) -> None:
    try:
        chosen = json.loads(data)
    except ValueError:
        return  # ml_collections reads no JSON
    if isinstance(chosen, Mapping):
        configurations.read(chosen)


def _opened(path: Path) -> None:
    model = saved.load_model(path)
    side = model.side
    model.predict(np.zeros((1, side, side, model.network.channels), np.uint8), decoder=model.decoders[0])


def _sealed(path: Path) -> None:
    """Opens a model whose description was changed by somebody who wrote its digest anew."""
    file = path / "model.json"
    try:
        description = json.loads(file.read_bytes())
        description["digest"] = archive._digest(description)
        file.write_text(archive._text(description), encoding="utf-8")
    except (ValueError, TypeError, KeyError, AttributeError):
        return
    _opened(path)


def _pictures() -> Iterator[bytes]:
    random = np.random.default_rng(0)
    colours, grey = random.integers(0, 256, (12, 17, 3), np.uint8), (random.random((12, 17)) > 0.5).astype(np.uint8)
    palette = Image.fromarray(255 * grey).convert("P")
    modes = [Image.fromarray(colours), Image.fromarray(255 * grey), palette, Image.fromarray(colours).convert("RGBA")]
    for image in modes:
        for form in ("PNG", "TIFF", "BMP"):
            yield _saved(image, form)
    yield _saved(modes[0], "JPEG")
    deep = random.integers(0, 1000, (3, 12, 17), np.uint16)
    yield _saved(Image.fromarray(deep[0]), "PNG")
    with rasterio.MemoryFile() as file:
        shape = {"driver": "GTiff", "count": 3, "height": 12, "width": 17, "dtype": "uint16"}
        place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
        with file.open(**shape, **place, nodata=0) as dataset:
            dataset.write(deep)
        yield file.read()


def _saved(image: Image.Image, form: str) -> bytes:
    data = io.BytesIO()
    image.save(data, form)
    return data.getvalue()


_LABELS = json.dumps(
    {
        "version": "5.4.1",
        "flags": {},
        "imagePath": "..\\a\\0001_post.png",
        "imageData": None,
        "imageHeight": 32,
        "imageWidth": 48,
        "shapes": [
            {"label": "landslide", "points": [[1, 1], [20.5, 3], [9, 30]], "shape_type": "polygon", "flags": {}},
            {"label": "Landslide", "points": [[2, 2], [8, 9]], "shape_type": "rectangle", "group_id": 1},
            {"label": "background", "points": [[5, 5], [6, 7]], "shape_type": "circle"},
            {"label": "unknown", "points": [[30, 1], [40, 3], [39, 30]], "shape_type": "polygon"},
        ],
    }
).encode()
