import json
from pathlib import Path

import jax
import numpy as np
import pytest

from tsmu_jax.batch import FLIPS, IMAGE
from tsmu_jax.learning import processes, responses
from tsmu_jax.learning.steps import to_unit
from tsmu_jax.models.tsmu import forward

SIDE = 4


@pytest.fixture(scope="module")
def direct(network_of_one_device, model):
    """The network itself, for four images at a time."""

    @jax.jit
    def run(images):
        logits, _ = forward(
            network_of_one_device,
            model.params,
            model.batch_stats,
            to_unit(images),
            {"a": np.ones(4), "new": np.ones(4)},
        )
        return logits

    return lambda images: jax.device_get(run(images))


def test_answers_are_the_networks_own_in_order(answer, direct, model, make_batch) -> None:
    images = make_batch(0, images=7)[IMAGE]  # the answerer takes four at a time: 4 + 3
    expected = {"a": [], "new": []}
    for chunk in (images[:4], images[3:]):
        for decoder, logits in direct(chunk).items():
            expected[decoder].append(logits)
    for decoder, (first, second) in expected.items():
        answers = answer(model, decoder, images)
        assert (answers.shape, answers.dtype) == ((7, 8, 8), np.float32)
        np.testing.assert_allclose(answers, np.concatenate([first, second[1:]]), rtol=1e-4, atol=1e-5)


def test_answers_do_not_depend_on_their_neighbours(answer, model, make_batch) -> None:
    images = make_batch(0, images=7)[IMAGE]
    whole = answer(model, "a", images)
    for index in (0, 3, 6):
        np.testing.assert_array_equal(answer(model, "a", images[index : index + 1])[0], whole[index])
    assert [len(chunk) for chunk in answer.batches(model, "a", images)] == [4, 3]


def test_flips_come_before_the_answer(answer, model, make_batch) -> None:
    image = make_batch(0, images=1)[IMAGE][0]
    flipped = np.stack([image, image[:, ::-1], image[::-1], image[::-1, ::-1]])
    codes = np.arange(FLIPS, dtype=np.int32)
    answers = answer(model, "b", np.stack([image] * 4), codes)
    np.testing.assert_array_equal(answers, answer(model, "b", flipped))
    assert not np.allclose(answers[0], answers[3][::-1, ::-1])  # the network is not symmetric: order matters


def test_answers_of_an_unknown_decoder(answer, model, make_batch) -> None:
    with pytest.raises(KeyError, match="no decoder called 'etf'"):
        answer(model, "etf", make_batch(0)[IMAGE])


class Teacher:
    """Answers with numbers that name their question, and counts the questions."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, model: float, decoder: str, images: np.ndarray, flips: np.ndarray) -> np.ndarray:
        self.calls += 1
        codes = model + images[..., 0].astype(np.float32) * 10 + flips[:, None, None]
        return codes + {"a": 0.25, "b": 0.5}[decoder]


def image(pair: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), pair, np.uint8)


PAIRS = [*range(30, 10, -1), 5]  # 21 of them, in no natural order


def store(directory: Path, teacher, *, model: float = 0.0, key: str = "k", **kwargs):
    return responses.store(directory, teacher, model, image, pairs=PAIRS, decoders=("b", "a"), key=key, **kwargs)


def test_every_pair_flip_and_decoder_is_stored(tmp_path: Path) -> None:
    seen: list[int] = []
    stored = store(tmp_path / "deep" / "er", Teacher(), progress=seen.append)
    assert stored.decoders == ("b", "a")
    for pair in PAIRS:
        for code in range(FLIPS):
            read = stored.read(pair, code)
            assert (read.shape, read.dtype) == ((2, SIDE, SIDE), np.float32)
            np.testing.assert_array_equal(read[0], pair * 10 + code + 0.5)
            np.testing.assert_array_equal(read[1], pair * 10 + code + 0.25)
    assert seen[-1] == len(PAIRS) and seen == sorted(seen)
    np.testing.assert_array_equal(stored.read(np.int64(5), np.int32(1)), stored.read(5, 1))
    assert isinstance(stored.read(5, 0), np.memmap)


def test_finished_responses_are_read_and_not_made_again(tmp_path: Path) -> None:
    store(tmp_path, Teacher())
    another = Teacher()
    again = store(tmp_path, another, model=1000.0)
    assert another.calls == 0
    np.testing.assert_array_equal(again.read(12, 2)[1], 122.25)


def test_the_first_process_says_whether_responses_are_there(tmp_path: Path, monkeypatch) -> None:
    store(tmp_path, Teacher())
    teacher = Teacher()
    monkeypatch.setattr(processes, "agreed", lambda value: False)  # it sees none
    store(tmp_path, teacher)
    assert teacher.calls > 0


def test_responses_by_other_weights_are_replaced(tmp_path: Path) -> None:
    store(tmp_path, Teacher())
    teacher = Teacher()
    again = store(tmp_path, teacher, model=1000.0, key="other")
    assert teacher.calls > 0
    np.testing.assert_array_equal(again.read(12, 2)[1], 1122.25)


@pytest.mark.parametrize("key", ["k", "other"])
def test_interrupted_responses_are_not_finished(tmp_path: Path, key: str) -> None:
    store(tmp_path, Teacher())  # an older one, which the interrupted one replaces

    class Interrupted(Teacher):
        def __call__(self, *args):
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().__call__(*args)

    with pytest.raises(KeyboardInterrupt):
        store(tmp_path, Interrupted(), model=500.0, key="interrupted")
    teacher = Teacher()
    finished = store(tmp_path, teacher, model=1000.0, key=key)
    assert teacher.calls > 0
    for pair in PAIRS:
        np.testing.assert_array_equal(finished.read(pair, 0)[1], 1000.25 + pair * 10)


def test_an_index_cut_short_is_not_finished(tmp_path: Path, monkeypatch) -> None:
    def cut_short(path: Path, text: str, *args, **kwargs) -> None:
        with path.open("w") as file:
            file.write(text[: len(text) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_text", cut_short)
        store(tmp_path, Teacher())
    np.testing.assert_array_equal(store(tmp_path, Teacher()).read(12, 2)[1], 122.25)
    assert json.loads((tmp_path / responses.INDEX).read_text())["key"] == "k"
