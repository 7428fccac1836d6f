"""Folders of images and labels, read directly: `<directory>/<ecoregion>/<files>`, see `names.py`."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from tsmu_jax import untrusted
from tsmu_jax.data import draws_file, labelme, links, masks, pair_files, places, tiles
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.choose import chosen_ecoregions
from tsmu_jax.data.index import PairFiles, collect, where
from tsmu_jax.data.look import Look, Looked
from tsmu_jax.data.progress import reported
from tsmu_jax.data.source import Pair, PairInfo, Skipped
from tsmu_jax.data.stated import NOTHING_STATED, Statements
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

_CACHED_PAIRS = 4  # neighbouring tiles are mostly read one after the other


class FolderSource:
    """Pairs of a folder; every file is read, decoded and checked when the source is made."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        ecoregions: Sequence[str] | None = None,
        labels: Sequence[str] = ("landslide",),
        tile: Mapping[str, int] | int | None = None,
        on_bad_file: str = "error",
        require_pre: bool,
        stated: Statements = NOTHING_STATED,
    ) -> None:
        """Indexes and checks the folder.

        Args:
          directory: holds one folder for each ecoregion.
          ecoregions: which of them to read; all by default.
          labels: LabelMe labels that mean landslide, any case.
          tile: side in pixels that images are cut to, for all or by ecoregion; None keeps them whole.
          on_bad_file: "error", or "skip" to leave bad pairs out and list them in `skipped`.
          require_pre: whether a pair without a pre-event image is bad (6 input channels) or not (3).
          stated: bands, ranges of values and ground resolution of the files.

        Raises:
          UserError: the directory, an ecoregion or an option is wrong, or a file is bad (the first one is
            named in full, the others are counted).
        """
        if on_bad_file not in ("error", "skip"):
            raise UserError(f"--config.data.on_bad_file={on_bad_file}: known are error, skip")
        self._labels = labelme.check_labels(labels)
        places.check_depth(Path(directory), set(ecoregions or ()))
        known = places.ecoregions(Path(directory))
        links.check_folders(Path(directory))
        if places.holds_images(Path(directory)):
            logging.warning("%s: images in it, not in a folder of an ecoregion, are ignored", directory)
        chosen = chosen_ecoregions(known, ecoregions, where=str(directory))
        tile_of = _tile_sizes(tile, known)
        stated.check(known)
        self._stated = stated
        look = Look(self._labels, tile_of, stated)
        checked, bad = _check_all(Path(directory), chosen, look, require_pre)
        if bad and on_bad_file == "error":
            more = f" (and {counted(len(bad) - 1, 'more bad file')})" if len(bad) > 1 else ""
            raise UserError(f"{bad[0][1]}{more}; to leave bad files out: --config.data.on_bad_file=skip")
        if bad:
            logging.warning("%s: %d bad files are left out, the first: %s", directory, len(bad), bad[0][1])
        _check_not_empty(directory, chosen, checked, bad)
        masks.warn_of_blurred([where(pair.files.ecoregion, path) for pair in checked for path in pair.blurred])
        draws = _draws(Path(directory), chosen, checked)
        pieces = sorted(_pieces(checked, draws), key=lambda piece: (piece[0].ecoregion, piece[0].id))
        self._pieces = [(files, window) for _, files, window in pieces]
        self.infos: tuple[PairInfo, ...] = tuple(info for info, _, _ in pieces)
        self.skipped = tuple(Skipped(name, error.path, error.reason) for name, error in bad)
        self.fingerprints = _fingerprints(checked, look, draws)
        if len({(info.ecoregion, info.id) for info in self.infos}) < len(self.infos):
            raise UserError(f"{directory}: an image is named like a tile of another (..._r0c0); rename it")
        self._decoded = functools.lru_cache(_CACHED_PAIRS)(self._decode)

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> Pair:
        """Decodes one pair, its mask at the image's original size."""
        files, window = self._pieces[index]
        part = window.part
        pre, post, mask = self._decoded(files)
        return Pair(None if pre is None else pre[part].copy(), post[part].copy(), mask[part].copy())

    def drawn_labels(self, ecoregion: str) -> dict[str, int]:
        """How many shapes of an ecoregion's LabelMe files have each label, as it is written there."""
        paths = {files.labels for files, _ in self._pieces if files.ecoregion == ecoregion and files.labels}
        found: collections.Counter[str] = collections.Counter()
        for path in paths:
            with contextlib.suppress(ValueError):  # another encoding
                found.update(
                    str(shape["label"]) for shape in untrusted.parse(path.read_bytes(), finite=False)["shapes"]
                )
        return dict(found)

    def _decode(self, files: PairFiles) -> Pair:
        return pair_files.decode(files, pair_files.read(files), self._labels, self._stated.of(files.ecoregion))


def _tile_sizes(tile: Mapping[str, int] | int | None, known: Sequence[str]) -> dict[str, int | None]:
    """The tile's side for every ecoregion."""
    if isinstance(tile, Mapping):
        chosen_ecoregions(known, list(tile), where="--config.data.tile")
        sizes = {name: tile.get(name) for name in known}
    else:
        sizes = dict.fromkeys(known, tile)
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise UserError(f"--config.data.tile: {size} px for ecoregion {name!r}; it must be 1 or more")
    return sizes


def _check_all(
    directory: Path, ecoregions: Sequence[str], look: Look, require_pre: bool
) -> tuple[list[Looked], list[tuple[str, BadFile]]]:
    """Decodes every pair in a thread pool; returns the good ones, and the bad files with their ecoregion."""

    def check(files: PairFiles) -> Looked | BadFile:
        try:
            return look.check(files)
        except BadFile as error:
            return error

    found: list[PairFiles] = []
    bad: list[tuple[str, BadFile]] = []
    for name in ecoregions:
        files, broken = collect(directory, name, require_pre=require_pre)
        if not files and not broken:
            raise UserError(places.why_empty(directory, name))
        found += files
        bad += [(name, error) for error in broken]
    checked = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = reported(pool.map(check, found), total=len(found), what="checking images")
        for pair, result in zip(found, results, strict=True):
            if isinstance(result, BadFile):
                bad.append((pair.ecoregion, result))
            else:
                checked.append(result)
    _check_types(checked)
    return checked, sorted(bad, key=lambda item: item[1].path)


def _check_types(checked: Sequence[Looked]) -> None:
    """One range of values cannot fit files of several types. Raises UserError."""
    first: dict[str, Looked] = {}
    for pair in checked:
        other = first.setdefault(pair.files.ecoregion, pair)
        if pair.intensities != other.intensities:
            raise UserError(
                f"{pair.files.ecoregion}/{pair.files.post.name}: read as {pair_files.words(pair.intensities)}, but "
                f"{other.files.post.name} as {pair_files.words(other.intensities)}; convert one of them, state "
                "--bands, or make two ecoregions of them"
            )


def _check_not_empty(
    directory: str | os.PathLike[str],
    ecoregions: Sequence[str],
    checked: Sequence[Looked],
    bad: Sequence[tuple[str, BadFile]],
) -> None:
    for empty in sorted(set(ecoregions) - {pair.files.ecoregion for pair in checked}):
        first = next(error for name, error in bad if name == empty)
        raise UserError(f"{directory}: all pairs of ecoregion {empty!r} are bad, the first: {first}")


def _draws(directory: Path, ecoregions: Sequence[str], checked: Sequence[Looked]) -> dict[tuple[str, str], int]:
    """By ecoregion and id, the pairs that are drawn more often than others."""
    found: dict[tuple[str, str], int] = {}
    for name in ecoregions:
        stated = draws_file.read(directory / name)
        own = {pair.files.id for pair in checked if pair.files.ecoregion == name}
        draws_file.warn_of_strangers(directory / name, stated, own)
        found |= {(name, pair): times for pair, times in stated.items() if pair in own and times > 1}
    return found


def _pieces(
    checked: Sequence[Looked], draws: Mapping[tuple[str, str], int]
) -> list[tuple[PairInfo, PairFiles, tiles.Window]]:
    pieces = []
    for pair in checked:
        files = pair.files
        for number, window in enumerate(pair.tiles):
            info = PairInfo(
                id=files.id if pair.whole else f"{files.id}_r{window.row}c{window.col}",
                ecoregion=files.ecoregion,
                scene=files.id,
                footprint=pair.place.footprints[number] if pair.place.footprints else None,
                outline=pair.place.outlines[number] if pair.place.outlines else None,
                pre_date=files.pre_date,
                post_date=files.post_date,
                size=(window.height, window.width),
                gsd_m=pair.place.gsd_m,
                intensities=pair.intensities,
                sketches=pair.sketches,
                draws=draws.get((files.ecoregion, files.id), 1),
            )
            pieces.append((info, files, window))
    return pieces


def _fingerprints(checked: Sequence[Looked], look: Look, draws: Mapping[tuple[str, str], int]) -> dict[str, str]:
    digests: dict[str, Any] = {}
    for pair in checked:
        name = pair.files.ecoregion
        options: list[Any] = [name, sorted(look.labels), look.tile_of[name]]
        if pair.intensities:
            options.append(dataclasses.astuple(pair.intensities))
        digest = digests.setdefault(name, hashlib.sha256(repr(options).encode()))
        digest.update(f"{pair.files.id}\0{pair.digest}\n".encode())
        if times := draws.get((name, pair.files.id)):
            digest.update(f"drawn {times} times\n".encode())
    return {name: digest.hexdigest() for name, digest in digests.items()}
