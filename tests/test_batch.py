import numpy as np

from tsmu_jax.batch import IMAGE, WEIGHT, fill


def test_batches_are_filled_up_with_zeros_of_their_types() -> None:
    batch = {IMAGE: np.ones((2, 3), np.uint8), WEIGHT: np.ones(2, np.float32)}
    filled = fill(batch, 5)
    np.testing.assert_array_equal(filled[WEIGHT], np.array([1, 1, 0, 0, 0], np.float32), strict=True)
    np.testing.assert_array_equal(filled[IMAGE], np.array([[1] * 3] * 2 + [[0] * 3] * 3, np.uint8), strict=True)
    assert all(len(rows) == 2 for rows in batch.values())


def test_a_full_batch_is_not_copied() -> None:
    batch = {IMAGE: np.ones((2, 3), np.uint8)}
    assert fill(batch, 2)[IMAGE] is batch[IMAGE]
