"""Exports, matches and summarises an inventory of landslides.

    python -m tsmu_jax.inventory export --inventory=landslides.gpkg --output=landslides.geojson
    python -m tsmu_jax.inventory match --inventory=landslides.gpkg --other=events.csv --distance_m=200
    python -m tsmu_jax.inventory summary --inventory=landslides.gpkg --output=summary

export  writes GeoJSON (RFC 7946), GeoParquet or CSV by the suffix of --output (.geojson, .parquet, .csv).
        Flags: --columns, --which, --overwrite
match   compares with a list of events (CSV with coordinates and dates) or another inventory (points or polygons
        in .gpkg, .shp, .geojson, .fgb, .gdb or .parquet), both ways.
        Flags: --other, --layer, --id_column, --date_column, --distance_m, --which, --write, --output, --overwrite
summary writes a page with a map, the frequency-area distribution, counts, completeness and the quality of the
        sources, its figures and its tables into the directory --output.

Needs pip install 'tsmu_jax[geo]'.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tsmu_jax import cli
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

_INVENTORY = flags.DEFINE_string("inventory", None, "The GeoPackage that tsmu_jax.predict --inventory made.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "export: a file. summary: a directory. match: a CSV file, NAME_matches.csv by default."
)
_COLUMNS = flags.DEFINE_enum(
    "columns",
    None,
    ["usgs", "coolr", "coolr_events", "all"],
    "export: whose columns; usgs in CSV files, all in others by default.",
)
_WHICH = flags.DEFINE_enum(
    "which",
    "current",
    ["current", "reviewed", "all"],
    "export, match: landslides that are accepted, edited, or neither superseded nor rejected; the first two; or all.",
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "export, match: replace a file that is there.")
_OTHER = flags.DEFINE_string("other", None, "match: a list of events, or another inventory.")
_LAYER = flags.DEFINE_string("layer", "", "match: of --other, where it has several.")
_ID_COLUMN = flags.DEFINE_string("id_column", "", "match: column of --other that names its landslides.")
_DATE_COLUMN = flags.DEFINE_string("date_column", "", "match: column of --other with the date of the event.")
_DISTANCE = flags.DEFINE_float("distance_m", 100.0, "match: how far apart a pair may lie, metres.", 0.0)
_WRITE = flags.DEFINE_bool("write", False, "match: keep the nearest matches in the inventory.")

_SHARED = {"inventory", "output"}
_FLAGS_OF = {
    "export": _SHARED | {"columns", "which", "overwrite"},
    "match": _SHARED | {"which", "overwrite", "other", "layer", "id_column", "date_column", "distance_m", "write"},
    "summary": _SHARED,
}


def main(argv: Sequence[str]) -> None:
    """Does what the first word says."""
    command = argv[1]
    own = {name for names in _FLAGS_OF.values() for name in names}
    for name in sorted(own - _FLAGS_OF[command]):
        if flags.FLAGS[name].present:
            raise UserError(f"--{name}: is no flag of {command}; leave it out")
    if not _INVENTORY.value:
        raise UserError("--inventory is missing; name the GeoPackage that tsmu_jax.predict --inventory made")
    try:
        import geopandas  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UserError(f"{command} needs {error.name}: pip install 'tsmu_jax[geo]'") from error
    {"export": _export, "match": _match, "summary": _summary}[command](Path(_INVENTORY.value))


def _export(inventory: Path) -> None:
    from tsmu_jax.inventory import exporting
    from tsmu_jax.inventory.reading import Which

    output = _output("name a file that ends in .geojson, .parquet or .csv")
    done = exporting.export(
        inventory, output, form=_COLUMNS.value, which=Which(_WHICH.value), overwrite=_OVERWRITE.value
    )
    print(f"{counted(done.landslides, 'landslide')}: {output}")
    if done.without_geometry:
        print(f"left out, without geometry: {counted(done.without_geometry, 'row')}", file=sys.stderr)
    if done.unrecorded:
        print(f"the form of the columns was not kept in the inventory: {done.unrecorded}", file=sys.stderr)


def _match(inventory: Path) -> None:
    from rich.console import Console

    from tsmu_jax.inventory import comparing, match_output, writing
    from tsmu_jax.inventory.others import Columns
    from tsmu_jax.inventory.reading import Which

    if not _OTHER.value:
        raise UserError("--other is missing; name a list of events, or another inventory")
    output = Path(_OUTPUT.value) if _OUTPUT.value else inventory.with_name(f"{inventory.stem}_matches.csv")
    if output.suffix.lower() != ".csv":
        raise UserError(f"--output={output}: name a file that ends in .csv")
    named = Columns(_ID_COLUMN.value, _DATE_COLUMN.value, _LAYER.value)
    writing.refuse(output, overwrite=_OVERWRITE.value)
    found = comparing.compare(
        inventory, Path(_OTHER.value), named, which=Which(_WHICH.value), distance_m=_DISTANCE.value
    )
    match_output.write(found, output, overwrite=_OVERWRITE.value)
    Console().print(match_output.table(found))
    for sentence in match_output.sentences(found):
        print(sentence)
    print(f"pairs within {_DISTANCE.value:g} m, and landslides without a match: {output}")
    if _WRITE.value:
        print(f"kept in the inventory: the matches of {counted(comparing.keep(found, inventory), 'landslide')}")


def _summary(inventory: Path) -> None:
    from tsmu_jax.reporting.inventory import writing  # this entry point stands above both

    output = _output("name a directory")
    print(writing.write(inventory, output))


def _output(remedy: str) -> Path:
    if not _OUTPUT.value:
        raise UserError(f"--output is missing; {remedy}")
    return Path(_OUTPUT.value)


if __name__ == "__main__":
    cli.run(main, __doc__ or "", commands=tuple(_FLAGS_OF))
