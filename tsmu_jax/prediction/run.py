"""Predicts the pairs of a folder: reads and prepares ahead, answers in batches, writes behind."""

import collections
import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from PIL import Image

from tsmu_jax.data import masks, pair_files
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import PairFiles
from tsmu_jax.data.progress import reported
from tsmu_jax.evaluation import metrics
from tsmu_jax.evaluation.evaluate import THRESHOLD
from tsmu_jax.prediction import pairs
from tsmu_jax.prediction.output import Output, Row
from tsmu_jax.prediction.pairs import LoadedPair
from tsmu_jax.prediction.predictor import Choice, Predictor

_THREADS = min(32, (os.cpu_count() or 1) + 4)  # of readers, and as many of writers: they decode and encode PNG

Item = TypeVar("Item")
Result = TypeVar("Result")
Read = tuple[LoadedPair, np.ndarray | None] | Row | None  # decoded and prepared, bad, or done before
Answered = tuple[LoadedPair, Choice, np.ndarray]


def predict(
    predictor: Predictor,
    found: Sequence[PairFiles],
    bad: Sequence[BadFile],
    output: Output,
    labels: Sequence[str],
    *,
    gsd_m: float = 0.0,
) -> None:
    """Predicts all pairs that `output` does not hold yet; a bad file is listed there and stops nothing.

    Args:
      found, bad: as `pairs.find` returns them.
      output: entered.
      labels: those of LabelMe that mean landslide.
      gsd_m: metres of ground that a pixel covers, as stated; 0 to ask names and coordinates.
    """
    for error in bad:
        output.add(Row(error.path, error=error.reason))

    blurred: list[str] = []

    def read(files: PairFiles) -> Read:
        name, digest = pairs.name_of(files), ""
        try:
            contents = pair_files.read(files)
            digest = pairs.digest(contents)
            if output.is_done(name, digest):
                return None
            pair = pairs.load(files, contents, labels, predictor.intensities, digest=digest, gsd_m=gsd_m)
            blurred.extend(pair.blurred)
            return pair, predictor.prepared(pair)
        except BadFile as error:
            return Row(name, error=str(error), digest=digest)

    def finish(item: Row | Answered) -> Row:
        return item if isinstance(item, Row) else _finished(output, predictor, *item)

    with (
        concurrent.futures.ThreadPoolExecutor(_THREADS) as readers,
        concurrent.futures.ThreadPoolExecutor(_THREADS) as writers,
    ):
        batch = min(predictor.images_at_once, max(len(found), 1))
        loaded = reported(_ahead(readers, read, found, 2 * batch), total=len(found), what="predicting")
        answered = _answers(predictor, loaded, batch)
        for row in _ahead(writers, finish, answered, 2 * batch):
            output.add(row)
    output.finish()
    masks.warn_of_blurred(sorted(blurred))


def _answers(predictor: Predictor, loaded: Iterator[Read], batch: int) -> Iterator[Row | Answered]:
    """Yields bad pairs as they are, and all others with their probabilities at the network's size.

    While the devices answer a batch, the next one is assembled and sent: so one answer is waited for at a time.
    """
    waiting: dict[str, list[tuple[LoadedPair, np.ndarray, Choice]]] = collections.defaultdict(
        list
    )  # squares, by decoder
    begun: collections.deque[tuple[list[tuple[LoadedPair, Choice]], jax.Array]] = collections.deque()

    def begin(decoder: str) -> None:
        asked = waiting.pop(decoder)
        answers = predictor.begin([square for _, square, _ in asked], decoder)
        begun.append(([(pair, choice) for pair, _, choice in asked], answers))

    def ended(most: int) -> Iterator[Answered]:
        """Waits for the oldest answers, until at most so many batches are under way."""
        while len(begun) > most:
            asked, answers = begun.popleft()
            for (pair, choice), probability in zip(asked, np.asarray(answers), strict=False):
                yield pair, choice, probability

    while chunk := list(itertools.islice(loaded, batch)):
        yield from (item for item in chunk if isinstance(item, Row))
        here = [item for item in chunk if isinstance(item, tuple)]
        choices = predictor.choices([square for _, square in here]) if here else []
        for (pair, square), choice in zip(here, choices, strict=True):
            try:
                size = predictor.size(pair, choice)
            except BadFile as error:
                yield Row(pair.name, error=str(error), digest=pair.digest)
                continue
            if square is None or size != square.shape[:2]:
                yield pair, choice, predictor.answer_by_windows(pair, size, choice.decoder)
                continue
            waiting[choice.decoder].append((pair, square, choice))
            if len(waiting[choice.decoder]) == batch:
                begin(choice.decoder)
                yield from ended(most=1)
    for decoder in list(waiting):
        begin(decoder)
        yield from ended(most=1)
    yield from ended(most=0)


def _finished(output: Output, predictor: Predictor, pair: LoadedPair, choice: Choice, probability: np.ndarray) -> Row:
    """Writes the files of a pair at its own size and returns its row."""
    height, width = pair.post.shape[:2]
    network_height, network_width = probability.shape
    if probability.shape != (height, width):
        resized = Image.fromarray(probability).resize((width, height), Image.Resampling.BILINEAR)
        probability = np.clip(np.asarray(resized), 0.0, 1.0)
    observed = np.ones(probability.shape, bool) if pair.observed is None else pair.observed
    mask = (probability > THRESHOLD) & observed
    output.write_images(pair.name, probability, mask, observed)
    scores: dict[str, Any] = {}
    if pair.mask is not None:
        counts = metrics.count(mask[None], pair.mask[None])
        scores = {name: int(values[0]) for name, values in counts._asdict().items()}
        if metrics.is_known(pair.mask[None])[0]:
            scores["iou"] = round(float(metrics.scores(counts).iou[0]), 6)
    unsure = choice.margin is not None and choice.margin < predictor.model.description["margin"]
    return Row(
        image=pair.name,
        decoder=choice.decoder,
        ecoregion=choice.ecoregion or "",
        margin=None if choice.margin is None else round(choice.margin, 6),
        landslide_share=round(float(mask.sum() / observed.sum()), 6),
        observed_share=round(float(observed.mean()), 6),
        look="yes" if unsure else "no",
        network_height=network_height,
        network_width=network_width,
        **scores,
        digest=pair.digest,
    )


def _ahead(
    pool: concurrent.futures.Executor, work: Callable[[Item], Result], items: Iterable[Item], number: int
) -> Iterator[Result]:
    """Like `map`, in order, with at most `number` items begun before they are asked for."""
    pending: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    for item in items:
        pending.append(pool.submit(work, item))
        if len(pending) >= number:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
