"""Peak memory of a training step beside PyTorch's.

python -m benchmarks.memory --size=512 --batch=2

On the host it is the most that each process held, compilation and libraries included; on an accelerator the most that
was allocated there. What the compiler plans for a step alone is given without and with rematerialisation.
"""

import dataclasses
from collections.abc import Sequence

from benchmarks import command
from benchmarks.measure import interleaved
from benchmarks.rows import Row
from benchmarks.sides import candidates

TARGET = 1.0
SAVING = "ours, rematerialised"
GIB = 2**30


def rows(*, size: int = 512, batch: int = 2, dtype: str = "float32") -> Sequence[Row]:
    """Ours beside PyTorch's, eager and compiled; then what the compiler plans for our step alone, both ways."""
    sides = candidates("train_step", size=size, batch=batch, dtype=dtype)
    plain = sides[0]
    sides.append(dataclasses.replace(plain, name=SAVING, arguments={**plain.arguments, "rematerialise": True}))
    # One after the other: together they may need more than there is.
    ours, *peers, saving = [interleaved([side], repetitions=1)[side.name] for side in sides]
    least = min((peer.peak_bytes for peer in peers if not peer.missing), default=None)
    name = f"peak memory of a training step, {dtype}, {size} x {size}, batch {batch}"
    mine = None if ours.missing else ours.peak_bytes / GIB
    rows = [
        Row(
            f"{name}, against {peer.name}",
            "GiB",
            mine,
            None if peer.missing else peer.peak_bytes / GIB,
            peer.name,
            target=TARGET if peer.peak_bytes == least else None,
            note=peer.missing or ours.missing,
        )
        for peer in peers
    ]
    planned, less = (
        facts["planned_bytes"] / GIB if facts.get("planned_bytes") else None for facts in (ours.facts, saving.facts)
    )
    rows.append(Row(f"{name}, as the compiler plans it", "GiB", planned))
    note = saving.missing or ours.missing
    return [*rows, Row(f"{name}, as planned with rematerialisation", "GiB", less, planned, "without", note=note)]


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
