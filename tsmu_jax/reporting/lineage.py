"""The models that runs have saved, as the tree of their updates."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmu_jax import untrusted
from tsmu_jax.models import layout
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import Cell, Column, Table

FOLDERS = (layout.FOLDER, layout.REJECTED)
SHOWN = 12  # characters of a digest
_COLUMNS = (
    Column("model"),
    Column("digest"),
    Column("run"),
    Column("method"),
    Column("new ecoregions"),
    Column("old, on their exams"),
    Column("update"),
    Column("time (s)", digits=None),
)


@dataclasses.dataclass(frozen=True)
class _Node:
    """A model. Of one whose run is not in the report only what its descendants say of it is known."""

    digest: str
    entry: Mapping[str, Any]  # of the lineage
    run: Run | None = None
    rejected: bool = False


def lineage_table(runs: Sequence[Run]) -> Table | None:
    """A line for each model, below the one that it was updated from. None where no run has updated a saved model.

    Models of runs that are not in the report stand in it if one that is comes from them.
    """
    nodes = _nodes(runs)
    if not any(node.entry["parent"] for node in nodes.values()):
        return None
    lines = [_line(node, depth) for node, depth in _walk(nodes, None, 0)]
    notes = (
        "A model stands below the one that it was updated from. Digests name models: tsmu_jax.load_model(RUN).digest.",
    )
    return Table("lineage", "Models and their updates", _COLUMNS, tuple(lines), notes)


def _nodes(runs: Sequence[Run]) -> dict[str, _Node]:
    nodes: dict[str, _Node] = {}
    for run in runs:
        for folder in FOLDERS:
            description = _description(run.path / folder / layout.MANIFEST)
            if description is None:
                continue
            lineage = description["lineage"]
            digests = [*(entry["parent"] for entry in lineage[1:]), description["digest"]]
            for digest, entry in zip(digests[:-1], lineage[:-1], strict=True):
                nodes.setdefault(digest, _Node(digest, entry))
            nodes[digests[-1]] = _Node(digests[-1], lineage[-1], run, folder != FOLDERS[0])
    return nodes


def _description(file: Path) -> Mapping[str, Any] | None:
    """None where there is no model, or one that another release wrote."""
    try:
        description = untrusted.read(file)
        return description if {"lineage", "digest"} <= description.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _walk(nodes: Mapping[str, _Node], parent: str | None, depth: int) -> Iterator[tuple[_Node, int]]:
    children = [node for node in nodes.values() if node.entry["parent"] == parent]
    for node in sorted(children, key=lambda node: (node.entry["created"], node.digest)):
        yield node, depth
        yield from _walk(nodes, node.digest, depth + 1)


def _line(node: _Node, depth: int) -> tuple[Cell, ...]:
    name = f"{'– ' * depth}{' + '.join(node.entry['ecoregions'])}"
    updated = node.entry["parent"] is not None
    outcome, change, seconds = None, None, None
    if node.run is not None and updated:
        outcome = "rejected" if node.rejected else "accepted"
        seconds = sum(phase.seconds for phase in node.run.updates)
        change = node.run.change("old")
    arrived = ", ".join(node.entry["ecoregions"]) if updated else None
    cells = (name, node.digest[:SHOWN], node.entry["run"], node.entry["method"], arrived)
    return (*cells, change, outcome, seconds)
