"""Mapping whole scenes: seconds and peak memory, beside PyTorch in a plain loop, TorchGeo and Raster Vision.

python -m benchmarks.scenes --sides=2000,6000 --memory_gib=1
python -m benchmarks.scenes --sides=2000 --peers=              ours alone

The network is the demo's. A scene is a pair of GeoTIFF files, 8-bit RGB in tiles; sides must be divisible by 16. Each
run has a process of its own, and memory is the most that this process held, libraries included. The time is that from
the files to the map, without imports. A first run in a cache of its own says how long compiling takes. Windows differ
in shape from scene to scene, so those of each scene are compiled before it is measured. PyTorch's windows are as large
as ours and cropped as ours; it compiles before its time begins.
"""

import dataclasses
import itertools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import command
from benchmarks.measure import Candidate, Measured, interleaved
from benchmarks.rows import Row, beside
from tsmu_jax import large_pages
from tsmu_jax.errors import UserError

TARGET = 1.0  # of the better peer
FLAT = 1.1  # peak memory of any side, relative to that of the smallest
MOST_GIB = 3.0
GIB = 2**30
NETWORK = {"channels": 6, "width": 0.5, "depth": 5}  # the demo's
SIDE = 48  # of its training images
GSD_M = 2.0
CRS, LEFT_M, TOP_M = "EPSG:32633", 500_000.0, 5_000_000.0  # where all scenes lie
PEERS = {
    "pytorch": "PyTorch eager",
    "compile": "torch.compile",
    "torchgeo": "TorchGeo",
    "rastervision": "Raster Vision",
}
_BLOCK = 512


def rows(
    *, sides: str = "2000,6000", memory_gib: float = 1.0, peers: str = "pytorch,compile,torchgeo,rastervision"
) -> Sequence[Row]:
    """The comparison. Args: memory_gib: as of `tsmu_jax.predict`, 0 for its default; peers: which of PEERS."""
    lengths, chosen = _numbers(sides), [name for name in peers.split(",") if name]
    if unknown := {*chosen} - {*PEERS}:
        raise UserError(f"--peers: unknown {', '.join(sorted(unknown))}; known: {', '.join(PEERS)}")
    with tempfile.TemporaryDirectory() as scratch:
        job = Mapped(Path(scratch), memory_gib)
        cold, found = None, {}
        for side in lengths:
            job.write(side)
            cold = cold or job.measured(job.ours("ours, cold"))
            job.measured(job.ours("ours, one window", aoi=job.corner))
            found[side] = [job.measured(one) for one in (job.ours("ours"), *(job.peer(name) for name in chosen))]
    *made, last = table(f"memory_gib {memory_gib:g}", cold or Measured("ours, cold"), found)
    return [*made, dataclasses.replace(last, note=last.note or f"windows of {job.window} x {job.window} px at most")]


def _numbers(sides: str) -> list[int]:
    try:
        found = [int(word) for word in sides.split(",")]
    except ValueError:
        found = []
    if not found or any(side <= 0 or side % 16 for side in found):
        raise UserError(f"--sides={sides}: whole numbers divisible by 16, as 2000,6000")
    return found


class Mapped:
    """The work of one memory setting, on one scene after the other.

    Attributes:
      window: side of a square with as many pixels as a window has at most.
      corner: a file with a polygon that the first window of each scene covers.
    """

    def __init__(self, scratch: Path, memory_gib: float, network: Mapping[str, Any] = NETWORK) -> None:
        """Saves the model. Args: scratch: a directory for all files; network: arguments of `make_network`."""
        from benchmarks import ours  # JAX: not for `--help`
        from tsmu_jax.data.source import PairInfo
        from tsmu_jax.models.saved import load_model
        from tsmu_jax.prediction.predictor import Predictor
        from tsmu_jax.prediction.windows import reach

        self._scratch, self._memory_gib, self._numbers = scratch, memory_gib, itertools.count()
        pair = PairInfo("0", "a", "0", size=(SIDE, SIDE), gsd_m=(GSD_M, GSD_M))
        ours.save_model(scratch / "model", pair, side=SIDE, **network)
        model = load_model(scratch / "model")
        self.window = Predictor(model, memory_gib=memory_gib).window_side
        self._reach, self._stride = reach("table_ix", network["depth"]), model.network.stride
        self._side, self.corner = 0, scratch / "corner.gpkg"
        write_corner(self.corner)

    def write(self, side: int) -> None:
        """Writes the scene that the following candidates map, in the place of the one before."""
        self._side = side
        for seed, name in enumerate(("pre", "post")):
            write_image(self._scratch / f"{name}.tif", side, seed)

    def ours(self, name: str, *, aoi: Path | None = None) -> Candidate:
        """Our side, with the programs that were compiled before. Args: aoi: maps the windows that it touches alone."""
        cache = {
            **large_pages.environment(),
            "JAX_COMPILATION_CACHE_DIR": str(self._scratch / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        setting = {**self._files(), "memory_gib": self._memory_gib, "aoi": aoi and str(aoi)}
        return Candidate(name, "benchmarks.ours:scene", setting, environment=cache)

    def peer(self, name: str) -> Candidate:
        """One of PEERS."""
        from tsmu_jax.prediction.windows import best_shape, spans

        window = min(self.window, self._side)
        if name in ("torchgeo", "rastervision"):
            margins = [-(-seen // self._stride) * self._stride for seen in self._reach]
            setting: dict[str, Any] = {"side": window, "margins": margins}
        else:
            shape = best_shape(self._side, self._side, self.window, self._reach, self._stride)
            found = [[list(span) for span in spans(self._side, each, self._reach, self._stride)] for each in shape]
            setting = {"down": found[0], "across": found[1], "compiled": name == "compile"}
        function = name if "margins" in setting else "loop"
        place = f"benchmarks.peer_scenes:{function}"
        return Candidate(PEERS[name], place, {**self._files(), **setting}, environment={})

    def measured(self, candidate: Candidate) -> Measured:
        """One run in a process of its own; together they might need more memory than there is."""
        return interleaved([candidate], repetitions=1)[candidate.name]

    def _files(self) -> dict[str, str]:
        names = {"model": "model", "pre": "pre.tif", "post": "post.tif", "output": f"map{next(self._numbers)}"}
        return {role: str(self._scratch / name) for role, name in names.items()}


def write_image(path: Path, side: int, seed: int) -> None:
    """Writes a square image by rows of tiles, so that memory does not grow with its area: one soft tile, repeated."""
    import rasterio
    from PIL import Image
    from rasterio.windows import Window

    coarse = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
    tile = np.asarray(Image.fromarray(coarse).resize((_BLOCK, _BLOCK), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    strip = np.tile(tile, -(-side // _BLOCK))[:, :, :side]
    profile: dict[str, Any] = {"height": side, "width": side, "count": 3, "dtype": "uint8", "crs": CRS}
    profile["transform"] = rasterio.Affine(GSD_M, 0.0, LEFT_M, 0.0, -GSD_M, TOP_M)
    tiles: dict[str, Any] = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", photometric="rgb", **profile, **tiles) as file:
        for top in range(0, side, _BLOCK):
            height = min(_BLOCK, side - top)
            file.write(strip[:, :height], window=Window(0, top, side, height))


def write_corner(path: Path) -> None:
    """Writes a polygon around the pixel in the upper left corner, which lies on the same ground in all scenes."""
    import geopandas
    import shapely

    pixel = shapely.box(LEFT_M, TOP_M - GSD_M, LEFT_M + GSD_M, TOP_M)
    geopandas.GeoSeries([pixel], crs=CRS).to_file(path)


def table(title: str, cold: Measured, found: Mapping[int, Sequence[Measured]]) -> list[Row]:
    """Seconds and memory of each side beside each peer, then whether memory is flat and small.

    Args:
      cold: our side with nothing compiled, on the first of the scenes.
      found: by the side of the scene, our side and then its peers.
    """
    made = [row for side, each in found.items() for row in _of_scene(side, title, *each)]
    present = [mine for mine, *_ in found.values() if not mine.missing]
    if not present:
        return made
    if not cold.missing:
        name, first, against = f"first map ever, {title}", present[0], "compiled before"
        made.append(Row(name, "s", cold.median, first.median, against))
        made.append(Row(f"peak memory, {name}", "GiB", cold.peak_bytes / GIB, first.peak_bytes / GIB, against))
    peaks = [mine.peak_bytes / GIB for mine in present]
    against = "the scene with the least"
    made.append(Row(f"peak memory, the most, {title}", "GiB", max(peaks), min(peaks), against, target=FLAT))
    made.append(Row(f"peak memory, the most in GiB, {title}", "GiB", max(peaks), limit=MOST_GIB))
    return made


def _of_scene(side: int, title: str, mine: Measured, *theirs: Measured) -> list[Row]:
    name = f"map {side} x {side}, {title}"
    if mine.missing:
        return [Row(name, "s", None, note=mine.missing)]
    alone = [Row(name, "s", mine.median, note=_speeds(side, mine)), Row(f"peak memory, {name}", "GiB", _peak(mine))]
    times = [
        row if peer.missing else dataclasses.replace(row, note=_speeds(side, mine, peer))
        for row, peer in zip(beside(name, mine, theirs, target=TARGET), theirs, strict=True)
    ]
    memory = [
        Row(f"peak memory, {name}, against {peer.name}", "GiB", _peak(mine), _peak(peer), peer.name, note=peer.missing)
        for peer in theirs
    ]
    return [*times, *memory] or alone


def _peak(measured: Measured) -> float | None:
    return None if measured.missing else measured.peak_bytes / GIB


def _speeds(side: int, *measured: Measured) -> str:
    """Pixels a second of each."""
    return ", ".join(f"{each.name} {side**2 / 1e6 / each.median:.3g} Mpx/s" for each in measured)


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
