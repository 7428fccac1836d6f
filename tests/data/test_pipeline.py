"""From draws to batches: every image once, any start, any number of workers, answers beside their image."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from tsmu_jax.batch import DECODER, FLIP, FLIPS, IMAGE, MASK, RESPONSES, ROW, WEIGHT
from tsmu_jax.data.draws import Draws
from tsmu_jax.data.examples import Example
from tsmu_jax.data.pipeline import Arrays, Prefetch, StoredFeatures, train_batches

SIDE, CHANNELS = 4, 3
GROUPS = {"etf": range(1, 8), "nad": range(8, 12)}  # from 1 on, so that no image looks like padding
DECODERS = {pair: int(pair >= 8) for pair in range(1, 12)}


class Numbered:
    """Stands for `Examples`: a pair's image and mask are filled with its number."""

    size, channels = SIDE, CHANNELS

    def __init__(self, *, broken: int | None = None):
        self.broken = broken

    def stack(self, indices: Iterable[int]) -> Example:
        pairs = np.asarray(list(indices), np.uint8)
        if self.broken in pairs:
            raise RuntimeError(f"pair {self.broken} is broken")
        time.sleep(0.001 * (pairs[0] % 3))  # workers finish out of order
        shape = (len(pairs), SIDE, SIDE)
        return Example(
            np.broadcast_to(pairs[:, None, None, None], (*shape, CHANNELS)).copy(),
            np.broadcast_to(pairs[:, None, None] % 2, shape).copy(),
        )


class Stored:
    """Stored responses of two decoders that tell pair and flip; f16, to see that they become f32."""

    def read(self, pair: int, flip: int) -> np.ndarray:
        return np.stack([np.full((SIDE, SIDE), code, np.float16) for code in (pair, -10 - flip)])


def make_draws(batch_size: int = 4) -> Draws:
    return Draws(GROUPS, subsample=5, draws=3, batch_size=batch_size, seed=(0, 1))


def read(draws: Draws, start: int = 0, stop: int | None = None, **options: Any) -> list[Arrays]:
    slots = options.pop("slots", draws.batch_size)
    stop = draws.steps_per_epoch if stop is None else stop
    given = {"examples": Numbered(), "decoder": DECODERS} | options
    return list(train_batches(draws=draws, slots=slots, start=start, stop=stop, **given))


def assert_equal(left: list[Arrays], right: list[Arrays]) -> None:
    assert len(left) == len(right)
    for one, two in zip(left, right, strict=True):
        assert one.keys() == two.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], two[key], strict=True)


@pytest.mark.parametrize(("batch_size", "slots"), [(4, 4), (5, 6), (1, 2), (40, 40), (2, 8)])
def test_every_image_of_an_epoch_appears_once_and_padding_weighs_nothing(batch_size: int, slots: int) -> None:
    draws = make_draws(batch_size)
    batches = read(draws, slots=slots)
    assert [len(batch[IMAGE]) for batch in batches] == [slots] * draws.steps_per_epoch
    drawn = []
    for batch in batches:
        real = batch[WEIGHT] == 1
        assert set(batch[WEIGHT]) <= {0, 1}
        assert (np.diff(batch[WEIGHT]) <= 0).all()  # padding comes last
        assert all(not array[~real].any() for array in batch.values())
        drawn += list(zip(batch[IMAGE][real, 0, 0, 0].tolist(), batch[FLIP][real].tolist(), strict=True))
    assert drawn == [tuple(row) for row in draws.epoch(0).tolist()]
    assert len(drawn) == draws.images_per_epoch == 3 * (5 + 4)


def test_keys_shapes_and_types() -> None:
    batch = read(make_draws(), slots=6, stop=1, responses=Stored())[0]
    assert {key: (array.shape, array.dtype.name) for key, array in batch.items()} == {
        IMAGE: ((6, SIDE, SIDE, CHANNELS), "uint8"),
        MASK: ((6, SIDE, SIDE), "uint8"),
        FLIP: ((6,), "int32"),
        WEIGHT: ((6,), "float32"),
        DECODER: ((6,), "int32"),
        RESPONSES: ((6, 2, SIDE, SIDE), "float32"),
    }
    assert RESPONSES not in read(make_draws(), stop=1)[0]


def test_masks_and_decoders_belong_to_their_image() -> None:
    seen = set()
    for batch in read(make_draws()):
        real = batch[WEIGHT] == 1
        pairs = batch[IMAGE][real, 0, 0, 0]
        np.testing.assert_array_equal(batch[MASK][real, 0, 0], pairs % 2)
        np.testing.assert_array_equal(batch[DECODER][real], pairs >= 8)
        seen |= set(batch[DECODER][real].tolist())
    assert seen == {0, 1}


def test_responses_are_those_of_the_pair_and_its_flip() -> None:
    flips = set()
    for batch in read(make_draws(), responses=Stored()):
        real = batch[WEIGHT] == 1
        stored = batch[RESPONSES][real]
        assert (stored == stored[:, :, :1, :1]).all()
        np.testing.assert_array_equal(stored[:, 0, 0, 0], batch[IMAGE][real, 0, 0, 0])
        np.testing.assert_array_equal(stored[:, 1, 0, 0], -10.0 - batch[FLIP][real])
        flips |= set(batch[FLIP][real].tolist())
    assert flips == set(range(FLIPS))


@pytest.mark.parametrize("start", [1, 6, 7, 11, 20])
def test_a_start_in_the_middle_equals_the_tail_of_the_whole(start: int) -> None:
    draws = make_draws()  # 7 steps an epoch
    assert draws.steps_per_epoch == 7
    assert_equal(read(draws, start, 21), read(draws, 0, 21)[start:])


def test_nothing_is_left_where_the_end_is_reached() -> None:
    """A phase that was interrupted after its last step."""
    assert read(make_draws(), 14, 14) == []


def test_the_number_of_workers_changes_nothing() -> None:
    one = read(make_draws(), stop=21, workers=1, responses=Stored())
    assert_equal(read(make_draws(), stop=21, workers=7, responses=Stored()), one)


@pytest.mark.parametrize("workers", [1, 4])
def test_an_exception_reaches_the_caller(workers: int) -> None:
    with pytest.raises(RuntimeError, match="pair 9 is broken"):
        read(make_draws(), examples=Numbered(broken=9), workers=workers)
    batches = Prefetch(_then_raises(3), lambda batch: batch)
    with pytest.raises(RuntimeError, match="no more"):
        list(batches)


def _then_raises(count: int) -> Iterator[Any]:
    yield from range(count)
    raise RuntimeError("no more")


def test_stored_features_take_the_place_of_images() -> None:
    """A row and a mask for each pair: nothing is decoded, and no image is in the batch."""

    class Undecodable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name}: pairs whose features are stored are decoded")

    places = {pair: 20 - pair for pair in DECODERS}
    masks = {pair: np.full((SIDE, SIDE), pair % 2, np.uint8) for pair in DECODERS}
    draws = make_draws()
    on_features = read(draws, slots=6, examples=Undecodable(), features=StoredFeatures(places, masks))
    for batch, shown in zip(on_features, read(draws, slots=6), strict=True):
        real = batch[WEIGHT] == 1
        pairs = shown.pop(IMAGE)[real, 0, 0, 0].astype(int)
        rows = [places[pair] * FLIPS + code for pair, code in zip(pairs, batch[FLIP][real], strict=True)]
        np.testing.assert_array_equal(batch.pop(ROW)[real], np.array(rows, np.int32), strict=True)
        assert_equal([batch], [shown])


@pytest.mark.parametrize("count", [0, 1, 2, 7])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_prefetch_keeps_the_order_and_sends_each_batch_once(count: int, depth: int) -> None:
    sent = []

    def send(batch: Any) -> int:
        sent.append(batch)
        return 10 * batch

    batches = Prefetch(iter(range(count)), send, depth)
    assert sent == list(range(min(count, depth)))  # under way before anyone asks
    for position, batch in enumerate(batches):
        assert batch == 10 * position
        # While the consumer works on one batch, the next `depth - 1` are under way.
        assert sent == list(range(min(count, position + depth)))
    assert len(sent) == count


def test_prefetch_adds_up_the_wait_for_input_alone() -> None:
    def slow(count: int) -> Iterator[Any]:
        for number in range(count):
            time.sleep(0.02)
            yield number

    waited = Prefetch(slow(6), lambda batch: batch)
    assert len(list(waited)) == 6
    assert 4 * 0.02 <= waited.wait_seconds < 1  # the first two came before anyone waited

    quick = Prefetch(iter(range(6)), lambda batch: batch)
    for _ in quick:
        time.sleep(0.02)  # the caller's own work does not count
    assert quick.wait_seconds < 0.02


def test_reading_may_stop_early() -> None:
    """Early stopping leaves batches unread; their threads end and warn of nothing."""
    batches = iter(
        Prefetch(train_batches(Numbered(), make_draws(), slots=4, decoder=DECODERS, start=0, stop=10**6), dict)
    )
    assert next(batches)[IMAGE].shape == (4, SIDE, SIDE, CHANNELS)
    del batches


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_shares_of_several_processes_are_the_whole_batch(processes: int) -> None:
    draws = make_draws()
    slots = 6
    assert draws.images_per_epoch % draws.batch_size  # the last batch of an epoch is short
    wide = slots // processes
    whole = read(draws, slots=slots)
    shares = [read(draws, slots=slots, share=slice(p * wide, (p + 1) * wide)) for p in range(processes)]
    for step, batch in enumerate(whole):
        together = {name: np.concatenate([share[step][name] for share in shares]) for name in batch}
        counted = batch[WEIGHT] > 0
        assert np.array_equal(together[WEIGHT], batch[WEIGHT])
        for name, values in batch.items():
            assert np.array_equal(together[name][counted], values[counted]), name
