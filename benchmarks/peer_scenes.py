"""Whole scenes mapped with PyTorch: a plain loop over windows, TorchGeo's samplers, and Raster Vision.

All have our network with our parameters, crop windows by as much as ours are cropped, and write one GeoTIFF of
probabilities. They write no mask, no overviews and no digests, and do not register the dates.
"""

import concurrent.futures
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from benchmarks import peer
from benchmarks.worker import Job
from tsmu_jax.errors import UserError
from tsmu_jax.models import archive
from tsmu_jax.models.layout import MANIFEST, PARAMETERS

FULL = 250  # stands for a probability of 1, as in our maps
TILES = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "bigtiff": "if_safer"}
Answer = Callable[[torch.Tensor], torch.Tensor]
Kept = tuple[int, int, np.ndarray]  # row, column and probabilities f32[h, w] of the part of a window that is kept


Spans = Sequence[Sequence[int]]


def loop(model: str, pre: str, post: str, output: str, down: Spans, across: Spans, compiled: bool = False) -> Job:
    """A plain loop: a thread reads the next window while this one is answered.

    Args:
      down, across: start, stop, first and last pixel kept of the windows along either side of a scene.
      compiled: by `torch.compile`, before the time begins.
    """
    answer = _answer(model)
    if compiled:
        answer = torch.compile(answer)
        height, width = (spans[0][1] - spans[0][0] for spans in (down, across))
        with torch.inference_mode():
            answer(torch.zeros(1, 6, height, width, dtype=torch.uint8))

    def kept() -> Iterator[Kept]:
        places = list(itertools.product(down, across))
        with rasterio.open(pre) as before, rasterio.open(post) as after, _reader() as reader:

            def read(place: Sequence[Sequence[int]]) -> np.ndarray:
                (top, bottom, *_), (left, right, *_) = place
                window = Window(left, top, right - left, bottom - top)
                return np.concatenate([date.read(window=window) for date in (before, after)])

            waiting = reader.submit(read, places[0])
            for place, following in itertools.zip_longest(places, places[1:]):
                image = waiting.result()
                if following:
                    waiting = reader.submit(read, following)
                (top, _, *rows), (left, _, *columns) = place
                found = answer(torch.from_numpy(image)[None])[0].numpy()
                yield rows[0], columns[0], found[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]

    return Job(lambda: _write(kept(), post, output), warmup=0)


def torchgeo(model: str, pre: str, post: str, output: str, side: int, margins: Sequence[int]) -> Job:
    """TorchGeo's grid of windows over the intersection of the two dates.

    Args:
      side: of a window, in pixels.
      margins: cropped above and to the left, and below and to the right.
    """
    try:
        from torchgeo.datasets import RasterDataset, stack_samples
        from torchgeo.samplers import GridGeoSampler
    except ModuleNotFoundError as error:
        raise UserError(f"{error}; pip install torchgeo") from error
    answer, (before, after) = _answer(model), margins

    def kept() -> Iterator[Kept]:
        dataset = RasterDataset([pre]) & RasterDataset([post])
        sampler = GridGeoSampler(dataset, size=side, stride=side - before - after)
        loader = torch.utils.data.DataLoader(dataset, sampler=sampler, collate_fn=stack_samples)
        with rasterio.open(post) as file:
            height, width, transform = file.height, file.width, file.transform
        # The grid begins at the lower left corner; beyond the scene's edges windows are filled with zeros.
        for query, batch in zip(sampler, loader, strict=True):
            left, top = (round(value) for value in ~transform * (query[0].start, query[1].stop))
            rows, columns = _kept(top, side, margins, height), _kept(left, side, margins, width)
            found = answer(batch["image"])[0].numpy()
            yield rows[0], columns[0], found[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]

    return Job(lambda: _write(kept(), post, output), warmup=0)


def rastervision(model: str, pre: str, post: str, output: str, side: int, margins: Sequence[int]) -> Job:
    """Raster Vision's sliding windows over both dates, and its labels, which hold the scores of the whole scene.

    It crops all sides of a window alike, also at the edges of the scene, which stay without an answer.

    Args:
      output: a directory.
      side, margins: as of `torchgeo`; the larger margin is cropped.
    """
    try:
        from rastervision.core.data import (
            ClassConfig,
            MultiRasterSource,
            RasterioSource,
            Scene,
            SemanticSegmentationLabels,
            SemanticSegmentationLabelStore,
        )
        from rastervision.pytorch_learner import SemanticSegmentationSlidingWindowGeoDataset
    except ModuleNotFoundError as error:
        raise UserError(f"{error}; pip install rastervision_pytorch_learner") from error
    answer, crop = _answer(model), max(margins)

    def run() -> None:
        source = MultiRasterSource([RasterioSource(date) for date in (pre, post)])
        scene = Scene(id="scene", raster_source=source)
        dataset = SemanticSegmentationSlidingWindowGeoDataset(scene, size=side, stride=side - 2 * crop, normalize=False)
        loader = torch.utils.data.DataLoader(dataset)
        with torch.inference_mode():
            found = (answer(images).numpy() for images, _ in loader)
            labels = SemanticSegmentationLabels.from_predictions(
                dataset.windows, found, source.extent, num_classes=1, smooth=True, crop_sz=crop
            )
        kind = {"discrete_output": False, "smooth_output": True, "smooth_as_uint8": True}
        store = SemanticSegmentationLabelStore(output, source.crs_transformer, ClassConfig(names=["landslide"]), **kind)
        with np.errstate(invalid="ignore"):  # nothing by nothing, at the scene's edges
            store.save(labels)

    return Job(run, warmup=0)


def _kept(start: int, side: int, margins: Sequence[int], length: int) -> tuple[int, int]:
    """First and last pixel that a window answers for: up to the scene's edge, where it lies there."""
    first = 0 if start <= 0 else start + margins[0]
    return first, length if start + side >= length else start + side - margins[1]


def _reader() -> concurrent.futures.Executor:
    return concurrent.futures.ThreadPoolExecutor(1)


def _write(kept: Iterator[Kept], like: str, output: str) -> None:
    """Writes probabilities as our map stores them."""
    with rasterio.open(like) as file:
        profile = {**file.profile, "count": 1, "photometric": None, **TILES}
    with torch.inference_mode(), rasterio.open(output, "w", **profile) as target:
        for row, column, probability in kept:
            levels = np.round(FULL * probability).astype(np.uint8)
            target.write(levels, 1, window=Window(column, row, *levels.shape[::-1]))


def _answer(path: str) -> Answer:
    """A saved model's only decoder: images u8[b, c, h, w], or f32 in [0, 255], to probabilities f32[b, h, w]."""
    description = archive.read_description(Path(path), MANIFEST, schema=1)
    asked, (decoder,) = description["network"], description["decoders"]
    network = peer.Network(**{name: asked[name] for name in ("channels", "width", "depth") if name in asked}).eval()
    tree = archive.nested(archive.read_arrays(Path(path), PARAMETERS))
    params, stats = (
        {"shared": tree[kind]["shared"], "decoder": tree[kind]["old"][decoder]} for kind in ("params", "batch_stats")
    )
    peer.copy_parameters(network, params, stats)
    network.to(memory_format=torch.channels_last)

    def answer(images: torch.Tensor) -> torch.Tensor:
        scaled = (images.float() / 255).contiguous(memory_format=torch.channels_last)
        return torch.sigmoid(network(scaled))

    return answer
