"""All targets of a GPU, in one command: bfloat16 at 512 x 512 beside torch.compile, and the roofline of each part.

python -m benchmarks.gpu
"""

from collections.abc import Sequence

from benchmarks import command, memory, roofline
from benchmarks.measure import Candidate, Measured, interleaved
from benchmarks.rows import Row, beside
from tsmu_jax.errors import UserError

TARGET = 0.8


def rows(*, size: int = 512, dtype: str = "bfloat16", most: int = 32, repetitions: int = 21) -> Sequence[Row]:
    """A training step at batch 2, at each side's fastest batch of up to `most`, peak memory, and the roofline.

    Raises:
      UserError: there is no GPU.
    """
    if not roofline.on_accelerator():
        raise UserError("there is no GPU, or JAX does not see it; pip install -e '.[cuda]'")
    batches = [2**power for power in range(1, most.bit_length()) if 2**power <= most]
    measured = {batch: _both(size, batch, dtype, repetitions) for batch in batches}
    ours, theirs = measured[2]
    name = f"training step on a GPU, {dtype}, {size} x {size}"
    table = beside(f"{name}, batch 2", ours, [theirs], target=TARGET, per=2)
    return [
        *table,
        _fastest(name, measured),
        *memory.rows(size=size, batch=2, dtype=dtype),
        *roofline.rows(size=size, batch=2, dtype=dtype, repetitions=repetitions),
    ]


def _both(size: int, batch: int, dtype: str, repetitions: int) -> tuple[Measured, Measured]:
    setting = {"size": size, "batch": batch, "dtype": dtype}
    sides = [
        Candidate("ours", "benchmarks.ours:train_step", setting),
        Candidate("torch.compile", "benchmarks.peer:train_step", {**setting, "compiled": True}, environment={}),
    ]
    ours, theirs = interleaved(sides, repetitions=repetitions).values()
    return ours, theirs


def _fastest(name: str, measured: dict[int, tuple[Measured, Measured]]) -> Row:
    """Each side at the batch that suits it best; batches that do not fit are left out."""
    best = []
    for side in range(2):
        times = {batch: both[side].median / batch for batch, both in measured.items() if not both[side].missing}
        best.append(min(((seconds, batch) for batch, seconds in times.items()), default=(None, 0)))
    (ours, our_batch), (theirs, their_batch) = best
    note = f"batch {our_batch} beside {their_batch}"
    return Row(f"{name}, fastest batch", "s", ours, theirs, "torch.compile", target=TARGET, note=note)


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
