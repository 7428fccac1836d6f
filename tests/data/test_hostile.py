"""Images, labels and prepared sets that somebody made to do harm: each is one bad file, and nothing else happens."""

import base64
import contextlib
import io
import json
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import EpsImagePlugin, Image

from tests.stress.scene import prepared_dataset
from tsmu_jax import digests
from tsmu_jax.data import images, labelme, rasters
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.describe import as_markdown, describe
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.layout import index_path
from tsmu_jax.data.splits import Split
from tsmu_jax.data.stated import Stated
from tsmu_jax.errors import UserError

Write = Callable[..., Any]


def png_of(width: int, height: int, mode: int = 2) -> bytes:
    """A PNG whose header claims a size, with a few bytes of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = struct.pack(">IIBBBBB", width, height, 8, mode, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", ["b_pre.png", "b_post.png", "b_mask.png"])
def test_a_header_that_claims_a_huge_image(tmp_path: Path, write_pair: Write, name: str) -> None:
    write_pair(tmp_path / "etf", "a")
    write_pair(tmp_path / "etf", "b")
    (tmp_path / "etf" / name).write_bytes(png_of(100_000, 100_000))
    with pytest.raises(UserError, match=f"^etf/{name}: claims more than the 179 million pixels"):
        FolderSource(tmp_path, require_pre=True)


def test_a_file_of_a_terabyte_is_not_read(tmp_path: Path, write_pair: Write) -> None:
    write_pair(tmp_path / "etf", "a")
    with (tmp_path / "etf" / "a_post.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match=r"^etf/a_post.png: holds more than the 8 GiB that are read"):
        FolderSource(tmp_path, require_pre=True)


def test_postscript_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    eps = io.BytesIO()
    Image.new("RGB", (8, 8)).save(eps, "EPS")
    with pytest.raises(BadFile, match=r"a.png: does not decode \(not an image that can be read\)"):
        images.decode(eps.getvalue(), "a.png")


@pytest.mark.parametrize("source", ["FILE", "/vsicurl/http://127.0.0.1:9/x.tif"])
def test_a_virtual_raster_reads_no_other_file(tmp_path: Path, source: str) -> None:
    shape = {"driver": "GTiff", "width": 2, "height": 2, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "secret.tif", "w", transform=rasterio.Affine.scale(2), **shape) as file:
        file.write(np.ones((3, 2, 2), np.uint8))
    name = source.replace("FILE", str(tmp_path / "secret.tif"))
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="0">{name}'
        f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in (1, 2, 3)
    )
    data = f'<VRTDataset rasterXSize="2" rasterYSize="2">{bands}</VRTDataset>'.encode()
    with pytest.raises(BadFile, match=r"a.tif: does not decode; replace the file"):
        rasters.decode(data, "a.tif", Stated((1, 2, 3), ((0.0, 255.0),) * 3))
    assert rasters.kind(data) is None


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "..", "a/..", "", ".", "\0", "x" * 5000])
def test_an_image_path_that_leads_elsewhere(tmp_path: Path, write_image: Write, write_labels: Write, path: str) -> None:
    write_image(tmp_path / "etf" / "a_post.png")
    write_labels(tmp_path / "etf" / "a_post.json", imagePath=path)
    with pytest.raises(UserError, match=r"^etf/a_post.json: imagePath names the missing image .*: mend imagePath"):
        FolderSource(tmp_path, require_pre=False)


def test_folders_before_the_image_s_name_are_not_followed(
    tmp_path: Path, write_image: Write, write_labels: Write
) -> None:
    write_image(tmp_path / "etf" / "a_post.png")
    write_labels(tmp_path / "etf" / "a_post.json", imagePath="../../somewhere/a_post.png")
    assert len(FolderSource(tmp_path, require_pre=False)) == 1


def test_masks_of_labelme_that_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelme, "_MOST_PAINTED", 1000)
    file = io.BytesIO()
    Image.new("L", (20, 20)).save(file, "PNG")
    one = {"label": "landslide", "shape_type": "mask", "points": [[0, 0], [19, 19]]}
    one["mask"] = base64.b64encode(file.getvalue()).decode()

    def read(shapes: int) -> labelme.Annotation:
        content = {"imagePath": "a", "shapes": [one] * shapes}
        return labelme.read(json.dumps(content).encode(), path="a", labels=("landslide",))

    assert len(read(2).shapes) == 2
    with pytest.raises(BadFile, match="a: its masks hold more than 0 million pixels; draw polygons instead"):
        read(3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of one ecoregion."""
    return prepared_dataset(tmp_path_factory.mktemp("made"))


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Path:
    """A copy of a prepared set; its index is without digests, as whoever changes its files could write it."""
    shutil.copytree(made, tmp_path / "set")
    index = index_path(tmp_path / "set")
    index.write_text(json.dumps(digests.read(index)[0]))
    return tmp_path / "set"


def version(dataset: Path) -> Path:
    return index_path(dataset).parent / "etf" / "1.0.0"


def opened(dataset: Path) -> Any:
    from tsmu_jax.data.prepared import PreparedSource

    return PreparedSource(dataset, ecoregions=["etf"], require_pre=True)[0]


FEATURE = "hostile_module.Feature"


@pytest.mark.parametrize("columns", [{"pythonClassName": FEATURE}, {"type": FEATURE, "content": {}}])
def test_a_prepared_set_imports_nothing(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any]
) -> None:
    expected = opened(dataset)
    (tmp_path / "hostile_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    monkeypatch.syspath_prepend(str(tmp_path))
    (version(dataset) / "features.json").write_text(json.dumps(columns))
    np.testing.assert_array_equal(opened(dataset).post, expected.post)  # its own columns are not asked for
    assert not (tmp_path / "ran").exists()
    import tensorflow_datasets as tfds

    with contextlib.suppress(Exception):
        tfds.builder_from_directory(version(dataset))
    assert (tmp_path / "ran").exists()  # TFDS would have
    sys.modules.pop("hostile_module", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": [{"filepathTemplate": "../../x-{SHARD_X_OF_Y}", "name": "pairs", "shardLengths": ["2"]}]},
        {"splits": [{"filepathTemplate": "/tmp/x-{SHARD_X_OF_Y}", "name": "pairs", "shardLengths": ["2"]}]},
        {"splits": [{"name": "pairs", "shardLengths": [str(2**62)]}]},
        {"splits": [{"name": "pairs", "shardLengths": ["-1"]}]},
        {"splits": []},
        {"fileFormat": "tfrecord"},
        {"fileFormat": "../x"},
        {"name": "../../../etc/x"},
        {"version": "../1"},
    ],
)
def test_a_description_that_leads_elsewhere(dataset: Path, changes: dict[str, Any]) -> None:
    file = version(dataset) / "dataset_info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    try:
        opened(dataset)  # TFDS takes what its code says, not the file, for some of these
    except UserError as error:
        assert "landslide_pairs/etf: cannot be read" in str(error) and "prepare it again" in str(error)


def test_a_prepared_set_with_a_link_out(dataset: Path, tmp_path: Path) -> None:
    version(dataset).rename(tmp_path / "elsewhere")
    version(dataset).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"etf/1.0.0: a link that leads out of"):
        opened(dataset)


def test_a_description_holds_names_as_text(tmp_path: Path, write_pair: Write) -> None:
    for name in ("[x](javascript:1)", "![y](z)", "<svg onload=1>"):
        write_pair(tmp_path / "<b>|etf", name)
    (tmp_path / "<b>|etf" / "<i>_post.png").write_bytes(b"")
    source = FolderSource(tmp_path, require_pre=False, on_bad_file="skip")
    (name,) = source.fingerprints
    divided = Split(train={name: (0,)}, validation={name: ()}, test={name: (1, 2)})
    text = as_markdown(describe(source, divided, {}))
    assert not re.search(r"<\w", text) and not re.search(r"[^\\]\]\(", text)
    assert text.count("| &lt;b>\\|etf | ") == 3 and "- &lt;b>\\|etf/&lt;i>_post.png: " in text
