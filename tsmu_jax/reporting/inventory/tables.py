"""Tables of an inventory's summary."""

from tsmu_jax.inventory.brackets import Bracket
from tsmu_jax.inventory.deciding import VERDICTS
from tsmu_jax.reporting.inventory import numbers, reviews
from tsmu_jax.reporting.inventory.contents import Contents
from tsmu_jax.reporting.inventory.distribution import BINS_A_DECADE, Distribution
from tsmu_jax.reporting.table import Cell, Column, Table


def all_tables(contents: Contents, known: Distribution) -> tuple[Table, ...]:
    """Every table, also those without rows: their files say that there is nothing."""
    return (
        _counts("ecoregions", "Landslides by ecoregion of the model", "ecoregion", numbers.by_ecoregion(contents)),
        _counts("confidence", "Landslides by confidence", "confidence", numbers.by_confidence(contents)),
        _status(contents),
        _reviewers(contents),
        _agreement(contents),
        _precision(contents),
        _models(contents),
        _dates(contents),
        _distribution(known),
        _scenes(contents),
    )


def _counts(name: str, title: str, first: str, counts: dict[str, int]) -> Table:
    total = sum(counts.values())
    rows = tuple((key, count, count / total if total else None) for key, count in counts.items())
    columns = (Column(first), Column("landslides", digits=None), Column("share"))
    return Table(name, title, columns, rows)


def _status(contents: Contents) -> Table:
    rows = tuple(numbers.by_status(contents).items())
    note = "Rejected and superseded rows count nowhere else on this page."
    return Table(
        "review", "Rows by state of their review", (Column("state"), Column("rows", digits=None)), rows, (note,)
    )


def _reviewers(contents: Contents) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *counts.values()) for name, counts in reviews.by_reviewer(contents).items()
    )
    columns = (Column("reviewer"), *(Column(verdict, digits=None) for verdict in VERDICTS))
    return Table("reviewers", "Decisions by reviewer", columns, rows)


def _agreement(contents: Contents) -> Table:
    rows = tuple(
        (one.first, one.second, one.landslides, one.same / one.landslides, one.kappa)
        for one in reviews.agreements(contents)
    )
    columns = (
        Column("reviewer"),
        Column("and"),
        Column("landslides", digits=None),
        Column("same"),
        Column("kappa"),
    )
    note = (
        "Whether it is a landslide, by the last judgement of each about rows that both judged, without those that "
        "settle a dispute. Kappa is Cohen's: 0 as by chance, 1 always the same; a dash where both always say one thing."
    )
    return Table("agreement", "How far reviewers agree", columns, rows, (note,))


def _precision(contents: Contents) -> Table:
    every = reviews.precisions(contents)
    rows = tuple(
        (one.confidence, one.reviewed, one.landslides, one.landslides / one.reviewed if one.reviewed else None)
        for one in (every if any(one.reviewed for one in every) else ())
    )
    columns = (
        Column("model's confidence"),
        Column("reviewed", digits=None),
        Column("landslides", digits=None),
        Column("share"),
    )
    note = (
        "Reviewed: accepted, edited or rejected by people. They look first at what is doubtful: these shares are no "
        "estimate for the rows that nobody has reviewed."
    )
    return Table("precision", "How far the model was right", columns, rows, (note,))


def _models(contents: Contents) -> Table:
    every = [one for one in reviews.by_model(contents) if one.landslides or one.rejected]
    rows = tuple(
        (
            f"{one.model:.12}",
            one.landslides,
            one.landslides_found,
            one.landslides_found / one.landslides if one.landslides else None,
            one.rejected,
            one.rejected_found,
        )
        for one in every
    )
    columns = (
        Column("model"),
        Column("landslides", digits=None),
        Column("found", digits=None),
        Column("share"),
        Column("rejected", digits=None),
        Column("of these shown", digits=None),
    )
    note = (
        "Of what people judged on the ground that each model looked at, unless dates exclude it or it was too small to "
        "enter. Found: what it mostly shows. Rows from a model's own maps always count as found by it: compare models "
        "by what others found or people drew. What was rejected to merge it with another row is left out."
    )
    return Table("models", "What each model finds of what people judged", columns, rows, (note,))


def _dates(contents: Contents) -> Table:
    rows = tuple(
        (str(bracket.first or numbers.UNKNOWN), str(bracket.last or numbers.UNKNOWN), _days(bracket), count)
        for bracket, count in numbers.dates(contents).items()
    )
    columns = (
        Column("not earlier than"),
        Column("not later than"),
        Column("days", digits=None),
        Column("landslides", digits=None),
    )
    return Table("dates", "Landslides by the dates between which they happened", columns, rows)


def _days(bracket: Bracket) -> int | None:
    return (bracket.last - bracket.first).days if bracket.first and bracket.last else None


def _distribution(known: Distribution) -> Table:
    values = zip(known.low_m2, known.high_m2, known.count, known.density, strict=True)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (float(low), float(high), int(count), f"{density:.3e}") for low, high, count, density in values
    )
    columns = (
        Column("from (m²)", digits=1),
        Column("below (m²)", digits=1),
        Column("landslides", digits=None),
        Column("density (1/m²)"),
    )
    note = f"{BINS_A_DECADE} bins of equal width a decade of area; those without landslides are left out."
    return Table("frequency_area", "Frequency-area distribution", columns, rows, (note,))


def _scenes(contents: Contents) -> Table:
    rows = tuple(
        (
            one.name,
            one.image or numbers.UNKNOWN,
            (one.pre_date or numbers.UNKNOWN)[:10],
            (one.post_date or numbers.UNKNOWN)[:10],
            one.pre_sensor or numbers.UNKNOWN,
            one.post_sensor or numbers.UNKNOWN,
            one.pre_gsd_m,
            one.post_gsd_m,
            one.gsd_m,
            one.overlap,
            one.shift_m,
            one.margin,
            one.observed_km2,
            one.landslides,
            one.landslides / one.observed_km2 if one.observed_km2 else None,
        )
        for one in numbers.scenes(contents)
    )
    columns = (
        Column("scene"),
        Column("image"),
        Column("before"),
        Column("after"),
        Column("sensor before"),
        Column("sensor after"),
        Column("pixel before (m)", digits=2),
        Column("pixel after (m)", digits=2),
        Column("pixel (m)", digits=2),
        Column("overlap"),
        Column("shift (m)", digits=2),
        Column("margin"),
        Column("observed (km²)"),
        Column("landslides", digits=None),
        Column("landslides a km²", digits=2),
    )
    notes = (
        "Overlap: share of the ground that both dates show. Shift: by which one date lies off the other; a dash where "
        "it cannot be told. Pixels: of each image as it is on disk, and of the map. Margin: of the decoder's choice "
        "for the landslides that were first found in the scene; a dash where somebody named the decoder, or none was "
        "found.",
        "A landslide that several scenes show counts in each of them.",
    )
    return Table("scenes", "Scenes, those whose dates fit worst first", columns, rows, notes)
