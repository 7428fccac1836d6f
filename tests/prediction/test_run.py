"""Predicting a folder: what runs beside what."""

from typing import Any

import numpy as np

from tsmu_jax.prediction import run
from tsmu_jax.prediction.pairs import LoadedPair
from tsmu_jax.prediction.predictor import Choice
from tsmu_jax.prediction.sizes import Size

SIDE, BATCH = 4, 3


def pair(number: int) -> LoadedPair:
    return LoadedPair(str(number), "", None, np.full((SIDE, SIDE, 3), number, np.uint8), None)


def decoder_of(number: int) -> str:
    return "b" if number % 7 == 6 else "a"


class Answers:
    """Stands for an array on the devices: reading it waits for it."""

    def __init__(self, number: int, squares: list[np.ndarray], said: list[str]):
        self.number, self.squares, self.said = number, squares, said

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self.said.append(f"waited for {self.number}")
        filled = [*self.squares, *[np.zeros_like(self.squares[0])] * (BATCH - len(self.squares))]
        return np.stack(filled)[..., 0].astype(np.float32)


class Devices:
    """Stands for a predictor: each pair's answer is its number."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.batches = 0

    def choices(self, squares: list[np.ndarray]) -> list[Choice]:
        return [Choice(None, decoder_of(int(square[0, 0, 0])), None) for square in squares]

    def size(self, pair: LoadedPair, choice: Choice) -> Size:
        return Size(SIDE, SIDE)

    def begin(self, squares: list[np.ndarray], decoder: str) -> Answers:
        self.batches += 1
        self.said.append(f"began {self.batches}")
        return Answers(self.batches, squares, self.said)


def test_a_batch_begins_before_the_one_before_it_is_waited_for() -> None:
    devices: Any = Devices()
    loaded = iter([(pair(number), pair(number).post) for number in range(14)])
    answered = list(run._answers(devices, loaded, BATCH))
    assert sorted(int(one.name) for one, _, _ in answered) == list(range(14))
    for one, choice, probability in answered:
        assert (probability == int(one.name)).all()
        assert choice.decoder == decoder_of(int(one.name))
    assert devices.said == [
        *("began 1", "began 2", "waited for 1", "began 3", "waited for 2", "began 4", "waited for 3"),
        *("began 5", "waited for 4", "waited for 5"),  # the two of the other decoder, at the end
    ]
