"""Forms of export: which columns another catalogue has, and how they are made of an inventory's.

Each form is a file of `column_maps/`, with a version of its own. An entry of its list `columns` has

    name, kind    of the column; text, integer or real
    from          columns of `landslides`, or such of `scenes` as OF_SCENE names, of the scene in which it was first
                  found; the first that is not empty gives the value
    otherwise     a text with {columns} where those are empty; it is left out if one that it names is empty, too
    day           as strftime writes a day; the value is left out unless it is one day
"""

import dataclasses
import importlib.resources
import string
from collections.abc import Iterator, Mapping
from typing import Any

from tsmu_jax import untrusted
from tsmu_jax.inventory import brackets
from tsmu_jax.inventory.reading import FID
from tsmu_jax.inventory.schema import LANDSLIDES, SCENES

ALL = "all"  # every column of ours, under its own name
NAMES = ("usgs", "coolr", "coolr_events")
OF_SCENE = frozenset(one.name for one in SCENES.columns) - {one.name for one in LANDSLIDES.columns}


@dataclasses.dataclass(frozen=True)
class Field:
    """A column of a form; attributes as above."""

    name: str
    kind: str
    sources: tuple[str, ...]
    otherwise: str = ""
    day: str = ""

    @property
    def needed(self) -> set[str]:
        """Columns of `landslides`, or of OF_SCENE, that the value is made of."""
        return {*self.sources, *(name for _, name, _, _ in string.Formatter().parse(self.otherwise) if name)}

    def value(self, row: Mapping[str, Any]) -> Any:
        """Args: row: of the columns that are needed; None where empty."""
        found = next((row[name] for name in self.sources if row[name] not in (None, "")), None)
        if self.day and found is not None:
            known = brackets.parse(str(found))
            return known.first.strftime(self.day) if known and known.first and known.first == known.last else None
        if found is not None or not self.otherwise:
            return found
        if any(row[name] in (None, "") for name in self.needed - set(self.sources)):
            return None
        return self.otherwise.format_map(row)


@dataclasses.dataclass(frozen=True)
class Form:
    """A form. Attributes: plain: the file's content, as the inventory keeps it."""

    name: str
    version: str
    fields: tuple[Field, ...]
    plain: Mapping[str, Any]

    @property
    def needed(self) -> list[str]:
        """Columns of `landslides`, or of OF_SCENE, each once."""
        return sorted({name for field in self.fields for name in field.needed})

    def rows(self, columns: Mapping[str, list[Any]]) -> Iterator[list[Any]]:
        """Values of each row, in the order of the fields. Args: columns: those that are needed."""
        names = list(columns)
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(names, values, strict=True))
            yield [field.value(row) for field in self.fields]


def load(name: str) -> Form:
    """A form by its name: one of NAMES, or ALL."""
    if name == ALL:
        kept = [column for column in LANDSLIDES.columns if column.kind != "blob"]
        fields = [Field(FID, "integer", (FID,)), *(Field(one.name, one.kind, (one.name,)) for one in kept)]
        return Form(ALL, "", tuple(fields), {})
    text = (importlib.resources.files("tsmu_jax.inventory") / "column_maps" / f"{name}.json").read_text("utf-8")
    plain = untrusted.parse(text)
    fields = [
        Field(one["name"], one["kind"], tuple(one["from"]), one.get("otherwise", ""), one.get("day", ""))
        for one in plain["columns"]
    ]
    return Form(plain["name"], plain["version"], tuple(fields), plain)
