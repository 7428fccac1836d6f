"""Prepared datasets: equal to their source bit for bit, whole or not there, and readable as TFDS datasets."""

import concurrent.futures
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tsmu_jax.data import describe, draws_file, prepared, prepared_index
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.open import open_source
from tsmu_jax.data.prepared import PreparedSource
from tsmu_jax.data.source import Footprint, Pair, PairInfo, PairSource, Skipped
from tsmu_jax.data.splits import Split, split
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.errors import UserError

Write = Callable[..., Any]


class Listed:
    """A source of the given pairs."""

    def __init__(self, infos: list[PairInfo], pairs: list[Pair], fingerprint: str = "f") -> None:
        self.infos = infos
        self.pairs = pairs
        self.fingerprints = {info.ecoregion: fingerprint + info.ecoregion for info in infos}
        self.skipped = (
            Skipped("nad", "nad/x.png", "does not decode"),
            Skipped("süd west", "süd west/y", "odd"),
        )

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]


def random_pair(seed: int, height: int, width: int, *, pre: bool = True) -> Pair:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    return Pair(images[0] if pre else None, images[1], rng.integers(0, 2, (height, width), dtype=np.uint8))


@pytest.fixture
def source() -> Listed:
    box = Footprint(-105.123456789012, 39.1, -105.1, 39.2)
    infos = [
        PairInfo("a_r0c0", "nad", "a", box, "20121007", "20131006"),
        PairInfo("a_r0c1", "nad", "a", None, None, "20131006"),
        PairInfo("b", "süd west", "b"),
    ]
    return Listed(infos, [random_pair(0, 7, 12), random_pair(1, 30, 5), random_pair(2, 9, 9, pre=False)])


def assert_equal(one: PairSource, other: PairSource) -> None:
    assert list(one.infos) == list(other.infos)
    for index in range(len(one)):
        for a, b in zip(one[index], other[index], strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


def test_round_trip_is_exact(tmp_path: Path, source: Listed) -> None:
    assert not prepared.is_prepared(tmp_path)
    prepared.write(source, tmp_path)
    assert prepared.is_prepared(tmp_path)
    back = PreparedSource(tmp_path, require_pre=False)
    assert_equal(back, source)
    assert len(back) == 3
    assert back.fingerprints == source.fingerprints
    assert back.skipped == source.skipped
    assert [path.name for path in tmp_path.iterdir()] == ["landslide_pairs"]  # nothing is left beside it


def test_folder_round_trip_and_threads(tmp_path: Path, write_pair: Write) -> None:
    for number in range(20):
        write_pair(tmp_path / "in" / "etf", f"{number:02d}", size=(20, 30))
    folder = FolderSource(tmp_path / "in", require_pre=True, tile=16)
    prepared.write(folder, tmp_path / "out")
    back = open_source(tmp_path / "out", require_pre=True)
    assert isinstance(back, PreparedSource)
    assert_equal(back, folder)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        posts = list(pool.map(lambda index: back[index].post, range(len(back))))
    for index, post in enumerate(posts):
        np.testing.assert_array_equal(post, folder[index].post)
    with pytest.raises(UserError, match="not tiled again"):
        open_source(tmp_path / "out", require_pre=True, tile=8)
    with pytest.raises(UserError, match="holds masks, no labels; give --labels to tsmu_jax.prepare"):
        open_source(tmp_path / "out", require_pre=True, labels=["scarp"])


def divided(source: PairSource) -> Split:
    return split(source.infos, ecoregions=["etf"], test_pairs=1, seed=0)


def test_how_often_pairs_are_drawn_travels_and_leaves_others_as_they_were(tmp_path: Path, write_pair: Write) -> None:
    for number in range(3):
        write_pair(tmp_path / "in" / "etf", f"{number}", size=(16, 32))
    plain = FolderSource(tmp_path / "in", require_pre=True, tile=16)
    prepared.write(plain, tmp_path / "plain")
    draws_file.write(tmp_path / "in" / "etf", {"1": 3, "gone": 2})
    source = FolderSource(tmp_path / "in", require_pre=True, tile=16)
    assert {info.id: info.draws for info in source.infos if info.draws > 1} == {"1_r0c0": 3, "1_r0c1": 3}
    assert source.fingerprints != plain.fingerprints
    prepared.write(source, tmp_path / "out")
    assert_equal(PreparedSource(tmp_path / "out", require_pre=True), source)
    described = [describe.as_markdown(describe.describe(each, divided(each), {})) for each in (plain, source)]
    assert ["more often than others: etf: 2." in text for text in described] == [False, True]
    indices = [prepared_index.index_path(tmp_path / name).read_text() for name in ("plain", "out")]
    assert ['"draws"' in text for text in indices] == [False, True]
    assert [json.loads(text)["schema"] for text in indices] == [6, 7]  # an older release reads the first one
    draws_file.write(tmp_path / "in" / "etf", {"1": 1})
    assert FolderSource(tmp_path / "in", require_pre=True, tile=16).fingerprints == plain.fingerprints


@pytest.mark.parametrize("text", ["{", "[]", '{"1": 0}', '{"1": true}', '{"1": 1e9}', '{"1": "2"}'])
def test_draws_that_make_no_sense_are_refused(tmp_path: Path, write_pair: Write, text: str) -> None:
    write_pair(tmp_path / "etf", "1")
    (tmp_path / "etf" / "draws.json").write_text(text)
    with pytest.raises(UserError, match=r"draws\.json: .*; mend or remove it"):
        FolderSource(tmp_path, require_pre=True)


def test_a_part_of_the_ecoregions(tmp_path: Path, source: Listed) -> None:
    prepared.write(source, tmp_path)
    part = PreparedSource(tmp_path, ecoregions=["nad"], require_pre=True)
    assert [info.id for info in part.infos] == ["a_r0c0", "a_r0c1"]
    assert [skip.path for skip in part.skipped] == ["nad/x.png"]
    assert part.fingerprints == {"nad": "fnad"}  # as if nothing lay beside it
    with pytest.raises(UserError, match=r"no ecoregion 'nat' \(did you mean 'nad'\?\); there are nad, süd west"):
        PreparedSource(tmp_path, ecoregions=["nat"], require_pre=False)
    with pytest.raises(UserError, match="pair b of ecoregion 'süd west' has no pre-event image; .*channels=3"):
        PreparedSource(tmp_path, require_pre=True)


def test_other_content_is_not_overwritten(tmp_path: Path, source: Listed) -> None:
    prepared.write(source, tmp_path)
    prepared.write(source, tmp_path)  # the same again is fine
    other = Listed(source.infos[:1], source.pairs[:1], fingerprint="g")
    with pytest.raises(UserError, match="a dataset of other images or options"):
        prepared.write(other, tmp_path)
    assert_equal(PreparedSource(tmp_path, require_pre=False), source)


def test_an_interrupted_run_leaves_nothing_that_looks_finished(tmp_path: Path, source: Listed) -> None:
    class Interrupted(Listed):
        def __getitem__(self, index: int) -> Pair:
            if index == 2:
                raise KeyboardInterrupt
            return self.pairs[index]

    with pytest.raises(KeyboardInterrupt):
        prepared.write(Interrupted(source.infos, source.pairs), tmp_path)
    assert not prepared.is_prepared(tmp_path)
    assert not (tmp_path / "landslide_pairs").exists()
    with pytest.raises(UserError, match="no prepared dataset"):
        PreparedSource(tmp_path, require_pre=False)
    prepared.write(source, tmp_path)
    assert_equal(PreparedSource(tmp_path, require_pre=False), source)


def array_records(data_dir: Path) -> Path:
    return next((data_dir / "landslide_pairs" / "nad").rglob("*.array_record*"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[150] ^= 1  # not of the padding
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: array_records(d).unlink(), r"/nad/.*array_record.*: cannot be read"),
        (lambda d: array_records(d).write_bytes(b""), r"/nad/.*array_record.*: 0 bytes instead of"),
        (
            lambda d: array_records(d).write_bytes(array_records(d).read_bytes()[:100]),
            r"/nad/.*array_record.*: 100 bytes instead of",
        ),
        (lambda d: (d / "landslide_pairs" / "index.json").write_text("{"), "damaged"),
        (lambda d: flip(array_records(d)), "has changed since it was written; remove the dataset and prepare it again"),
        (lambda d: flip(d / "landslide_pairs" / "index.json"), "damaged .*has changed since it was written"),
    ],
)
def test_damaged_files_are_named(
    tmp_path: Path, source: Listed, damage: Callable[[Path], object], message: str
) -> None:
    prepared.write(source, tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=message):
        PreparedSource(tmp_path, require_pre=False)


def test_a_changed_byte_of_a_large_file_is_named_when_it_is_read(
    tmp_path: Path, source: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.write(source, tmp_path)
    flip(array_records(tmp_path))
    monkeypatch.setattr(prepared, "_LARGE", 0)
    with pytest.raises(UserError, match=r"/nad: cannot be read \(.*; remove the dataset and prepare it again"):
        list(PreparedSource(tmp_path, require_pre=False))


def test_a_place_that_cannot_be_written(tmp_path: Path, source: Listed) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be written"):
        prepared.write(source, tmp_path / "file")


def test_tfds_reads_it_by_name(tmp_path: Path, source: Listed) -> None:
    prepared.write(source, tmp_path)
    info = tfds.builder("landslide_pairs/nad", data_dir=tmp_path).info
    assert info.splits["pairs"].num_examples == 2
    assert info.features["footprint"].np_dtype == np.float64
    decoders = {key: tfds.decode.SkipDecoding() for key in ("pre", "post", "mask")}
    row = tfds.builder("landslide_pairs/nad", data_dir=tmp_path).as_data_source("pairs", decoders=decoders)[1]
    assert row["id"] == b"a_r0c1"
    assert row["has_pre"]
    assert np.isnan(row["footprint"]).all()
    entries = json.loads((tmp_path / "landslide_pairs" / "index.json").read_text())["ecoregions"]["nad"]
    assert [entry["id"] for entry in entries] == ["a_r0c0", "a_r0c1"]


@pytest.fixture
def small_synthetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for config in prepared.SyntheticLandslides.BUILDER_CONFIGS:
        for key, value in (("pairs", 3), ("height", 32), ("width", 40)):
            monkeypatch.setattr(config, key, value)
    yield


@pytest.mark.usefixtures("small_synthetic")
def test_synthetic_ecoregions_are_a_tfds_dataset(tmp_path: Path) -> None:
    assert {"nwfm", "mwcf", "etf", "nad"} == prepared.SyntheticLandslides.builder_configs.keys()
    builder = tfds.builder("synthetic_landslides/etf", data_dir=tmp_path)
    builder.download_and_prepare()
    decoders = {key: tfds.decode.SkipDecoding() for key in ("pre", "post", "mask")}
    found = builder.as_data_source("pairs", decoders=decoders)
    expected = SyntheticSource({"etf": 3}, height=32, width=40, seed=0)
    assert [row["id"].decode() for row in found] == [info.id for info in expected.infos]
    np.testing.assert_array_equal(prepared.images.decode_rgb(found[2]["post"], ""), expected[2].post)


def test_synthetic_configurations_are_the_papers() -> None:
    pairs = {config.name: config.pairs for config in prepared.SyntheticLandslides.BUILDER_CONFIGS}
    assert pairs == {"nwfm": 400, "mwcf": 30, "etf": 27, "nad": 39}


def test_no_tensorflow_is_imported_and_no_tfds_before_it_is_needed() -> None:
    code = (
        "import sys; import tsmu_jax.data.open; assert 'tensorflow_datasets' not in sys.modules; "
        "import tsmu_jax.data.prepared; assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
