"""What counts as growth of a process."""

from collections import Counter

from tests.stress.endurance import MIB_AN_UPDATE, WARM, Held, growth


def series(memory: float, threads: int, updates: int = 60) -> list[Held]:
    """Counts that begin to grow after the updates that do not count; threads once, in the middle."""
    counts = []
    for update in range(WARM + updates):
        more = threads if update >= WARM + updates // 2 else 0
        names = Counter({"python": 20, "pool": 1 + more})
        counts.append(Held(800 + memory * max(update - WARM, 0), names.total(), 10, names))
    return counts


def test_what_stays_is_no_growth() -> None:
    assert growth(series(0.5 * MIB_AN_UPDATE, 0)) == []


def test_growth_is_named() -> None:
    memory, threads = growth(series(2 * MIB_AN_UPDATE, 3))
    assert memory == "memory grows by 0.60 MiB an update"
    assert threads == "threads grow from 21 to 24 (more at the end: {'pool': 3})"
