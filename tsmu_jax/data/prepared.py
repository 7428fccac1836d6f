"""Prepared datasets: pairs in ArrayRecord files, built and read through TFDS, without TensorFlow.

The only file that names TFDS. Importing it registers `landslide_pairs` (what `write` makes of any source) and
`synthetic_landslides` (the embedded ecoregions), one builder configuration for each ecoregion. Layout:

    <data_dir>/landslide_pairs/index.json             what is known of every pair, and the fingerprints
    <data_dir>/landslide_pairs/<ecoregion>/1.0.0/     a TFDS dataset
"""

import concurrent.futures
import contextlib
import dataclasses
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tsmu_jax import digests, untrusted
from tsmu_jax.data import images, masks, prepared_index
from tsmu_jax.data.choose import chosen_ecoregions
from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.layout import DATASET, is_prepared
from tsmu_jax.data.progress import reported
from tsmu_jax.data.source import Pair, PairInfo, PairSource
from tsmu_jax.data.splits import names
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.errors import UserError

__all__ = [
    "LandslidePairs",
    "PreparedSource",
    "SyntheticConfig",
    "SyntheticLandslides",
    "is_prepared",
    "write",
]

_SPLIT = "pairs"  # which of them are tested on is decided when they are read: see splits.py
_VERSION = "1.0.0"
_IMAGES = ("pre", "post", "mask")
_LARGE = 2**20  # bytes
_AGAIN = "remove the dataset and prepare it again"
_BATCH = 16  # rows encoded at once, and held in memory


def write(source: PairSource, data_dir: str | os.PathLike[str]) -> None:
    """Writes all pairs of a source as a prepared dataset; leaves a finished one of equal content alone.

    The dataset is built beside its place and moved there when it is complete, so that an interrupted run
    leaves nothing that looks finished.

    Raises:
      UserError: `data_dir` holds a dataset of other content, or cannot be written.
    """
    data_dir = Path(data_dir)
    if is_prepared(data_dir):
        if prepared_index.describes(prepared_index.read(data_dir), source):
            logging.info("%s: already prepared from the same images", data_dir)
            return
        raise UserError(f"{data_dir}: holds a dataset of other images or options; remove it or go elsewhere")
    staging = data_dir / f".{DATASET}.incomplete"
    try:
        shutil.rmtree(staging, ignore_errors=True)  # of an interrupted run
        staging.mkdir(parents=True)
        prepared_index.write(source, {name: _build(source, name, staging) for name in names(source.infos)}, staging)
        (staging / DATASET).rename(data_dir / DATASET)
        shutil.rmtree(staging)
    except OSError as error:
        raise UserError(f"{data_dir}: cannot be written ({error.strerror}); use another directory") from error


class PreparedSource:
    """The pairs of a prepared dataset, read at random."""

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        *,
        ecoregions: Sequence[str] | None = None,
        require_pre: bool,
    ) -> None:
        """Opens a dataset of `write`.

        Args:
          data_dir: where it was written to.
          ecoregions: which of them to read; all by default.
          require_pre: whether a pair without a pre-event image is an error (6 input channels) or not (3).

        Raises:
          UserError: no dataset or ecoregion, files lost or changed, or a pre-event image is missing.
        """
        if not is_prepared(data_dir):
            raise UserError(f"{data_dir}: no prepared dataset; write one with python -m tsmu_jax.prepare")
        index = prepared_index.read(Path(data_dir))
        chosen = chosen_ecoregions(index.entries, ecoregions, where=str(data_dir))
        self._data_dir = Path(data_dir)
        self._rows: list[tuple[Any, int]] = []  # TFDS data source, position in it
        infos: list[PairInfo] = []
        for name in chosen:
            entries = index.entries[name]
            rows = _open(Path(data_dir), name, index.files, expected=len(entries))
            for position, entry in enumerate(entries):
                if require_pre and not entry.has_pre:
                    raise UserError(
                        f"{data_dir}: pair {entry.info.id} of ecoregion {name!r} has no pre-event image; "
                        "train for post-event images only: --config.data.channels=3"
                    )
                infos.append(entry.info)
                self._rows.append((rows, position))
        self.infos: tuple[PairInfo, ...] = tuple(infos)
        self.skipped = tuple(skip for skip in index.skipped if skip.ecoregion in chosen)
        self.fingerprints: dict[str, str] = {name: index.fingerprints[name] for name in chosen}

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> Pair:
        """Decodes one pair at its original size, the very bits that were written."""
        rows, position = self._rows[index]
        info = self.infos[index]
        try:
            row = rows[position]
        except Exception as error:  # as in `_open`
            raise _unreadable(self._data_dir, info.ecoregion, error) from error
        where = f"{info.ecoregion}/{info.id}"
        return Pair(
            pre=images.decode_rgb(row["pre"], f"{where} (pre)") if row["has_pre"] else None,
            post=images.decode_rgb(row["post"], f"{where} (post)"),
            mask=masks.decode(row["mask"], f"{where} (mask)", unknown=True),
        )


class LandslidePairs(tfds.core.GeneratorBasedBuilder):
    """Pre- and post-event images of landslides and their masks, at their original sizes."""

    VERSION = tfds.core.Version(_VERSION)
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = []  # ecoregions have any names
    code_path: ClassVar[None] = None  # no checksums of downloads lie beside this file; TFDS needs a package to look

    def __init__(self, *, source: PairSource | None = None, file_format: str = "array_record", **kwargs: Any) -> None:
        self._source = source
        self.entries: list[dict[str, Any]] = []  # of the index, one for each pair written
        super().__init__(file_format=file_format, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        image = {"shape": (None, None, 3), "encoding_format": "png"}
        columns = {
            "id": tfds.features.Text(),
            "scene": tfds.features.Text(),
            "has_pre": tfds.features.Scalar(np.bool_),
            "pre": tfds.features.Image(**image),  # one black pixel without a pre-event image
            "post": tfds.features.Image(**image),
            "mask": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),  # see mask.py
            "footprint": tfds.features.Tensor(shape=(4,), dtype=np.float64),  # WGS84 west, south, east, north; or NaN
            "pre_date": tfds.features.Text(),  # yyyymmdd, or empty
            "post_date": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(columns),
            disable_shuffling=True,  # row i is entry i of the index
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        del dl_manager  # nothing is downloaded
        return {_SPLIT: self._generate_examples()}

    def _pairs(self) -> PairSource:
        if self._source is None:
            raise UserError(f"{DATASET} is built from a folder: python -m tsmu_jax.prepare")
        return self._source

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        source, name = self._pairs(), self.builder_config.name
        indices = [index for index, info in enumerate(source.infos) if info.ecoregion == name]

        def encode(index: int) -> tuple[dict[str, Any], dict[str, Any]]:
            info, pair = source.infos[index], source[index]
            entry = dataclasses.asdict(info) | {"has_pre": pair.pre is not None}
            del entry["ecoregion"]
            if info.draws == 1:
                del entry["draws"]
            return entry, _row_of(info, pair)

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            batches = (indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH))
            encoded = (item for batch in batches for item in pool.map(encode, batch))
            for key, (entry, row) in enumerate(reported(encoded, total=len(indices), what=f"writing {name}")):
                self.entries.append(entry)
                yield key, row


@dataclasses.dataclass
class SyntheticConfig(tfds.core.BuilderConfig):
    """How many synthetic pairs of which size; the name is the ecoregion's."""

    pairs: int = 0
    height: int = 512
    width: int = 512
    seed: int = 0


class SyntheticLandslides(LandslidePairs):
    """Synthetic ecoregions with the paper's pixel statistics and numbers of pairs."""

    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        SyntheticConfig(name=region.key, description=f"synthetic {region.name}", pairs=region.pairs)
        for region in ECOREGIONS.values()
    ]

    def _pairs(self) -> PairSource:
        config = self.builder_config
        return SyntheticSource({config.name: config.pairs}, height=config.height, width=config.width, seed=config.seed)


def _row_of(info: PairInfo, pair: Pair) -> dict[str, Any]:
    pre = np.zeros((1, 1, 3), np.uint8) if pair.pre is None else pair.pre
    return {
        "id": info.id,
        "scene": info.scene,
        "has_pre": pair.pre is not None,
        "pre": io.BytesIO(images.encode_png(pre)),
        "post": io.BytesIO(images.encode_png(pair.post)),
        "mask": io.BytesIO(images.encode_png(pair.mask)),
        "footprint": np.array(info.footprint or (np.nan,) * 4, np.float64),
        "pre_date": info.pre_date or "",
        "post_date": info.post_date or "",
    }


def _build(source: PairSource, name: str, data_dir: Path) -> list[dict[str, Any]]:
    """Writes one ecoregion; returns its entries of the index."""
    config = tfds.core.BuilderConfig(name=name, description=f"ecoregion {name}")
    with _quiet(), contextlib.redirect_stdout(io.StringIO()):
        builder = LandslidePairs(source=source, config=config, data_dir=data_dir)
        tfds.disable_progress_bar()  # it knows no total; `reported` does
        try:
            builder.download_and_prepare()
        finally:
            tfds.enable_progress_bar()
    return builder.entries


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """TFDS logs every step, and warns of every configuration that is not part of its class: here, all."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _open(data_dir: Path, name: str, files: digests.Files, *, expected: int) -> Any:
    """Random access to the rows of one ecoregion, images left encoded.

    Of large files the size alone is looked at now: ArrayRecord checks what it reads.
    """
    own = {file: each for file, each in files.items() if file.startswith(f"{DATASET}/{name}/")}
    if wrong := digests.damage(data_dir, own, largest=_LARGE):
        raise UserError(f"{wrong}; {_AGAIN}")
    decoders = {key: tfds.decode.SkipDecoding() for key in _IMAGES}
    folder = data_dir / DATASET / name / _VERSION
    untrusted.refuse_links(data_dir / DATASET / name)
    try:
        with _quiet():  # the columns are those of this file: TFDS imports whatever a stored description names
            builder = LandslidePairs(config=tfds.core.BuilderConfig(name=name), data_dir=data_dir)
        for path in builder.info.splits[_SPLIT].filepaths:
            if Path(path).parent != folder or not untrusted.is_name(Path(path).name):
                raise ValueError(f"it names {path}, which is not in its directory")
        rows = builder.as_data_source(split=_SPLIT, decoders=decoders)
        found = len(rows)
        rows[found - 1]  # opens the file, which is lost or cut off if this fails
    except Exception as error:  # TFDS and ArrayRecord raise whatever their libraries do
        raise _unreadable(data_dir, name, error) from error
    if found != expected:
        raise UserError(f"{data_dir / DATASET / name}: has {found} of {expected} pairs; {_AGAIN}")
    return rows


def _unreadable(data_dir: Path, name: str, error: Exception) -> UserError:
    said = " ".join(str(error).split())
    return UserError(f"{data_dir / DATASET / name}: cannot be read ({said}); {_AGAIN}")
