r"""What ten rounds of mapping, review and update do to the scores of old and new ground, and to the reviewer's work.

    python -m benchmarks.rounds --workdir=runs/rounds --picture=docs/rounds.png
    python -m benchmarks.rounds --workdir=... --quick --first=RUN     two rounds in a minute; their scores say nothing

Each round draws a new scene of the ecoregion mwcf, maps it with the model that it has, lets the invented reviewer of
`tsmu_jax.example` correct the tiles, and updates the model with the reviewed ground. The first model knows etf, nad and
nwfm. A model does not continue a decoder, so there are two ways (--ways):

chain   each round's ground is an ecoregion with a decoder of its own; the update begins with the last model
anew    all ground reviewed so far is one ecoregion; the update begins with the first model

An update that is rejected leaves the model as it was; its ground is learnt in the next round. Rounds that are finished
are kept in --workdir: the same command goes on where it was stopped.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.circle import FRESH, WAYS, Circle, Sizes
from benchmarks.runs import configuration
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.intervals import Interval, Sample, paired_interval

NETWORK: Mapping[str, Any] = {"model.width": 0.25, "model.depth": 4}
FIRST: Mapping[str, Any] = {**NETWORK, "old": "etf,nad", "new": "nwfm", "selection.epochs": 40}
UPDATES: Mapping[str, Any] = {
    **NETWORK,
    "data.test_pairs": 20,
    "data.subsample": 64,  # an epoch is as long however much ground there is
    "data.draws": 2,
    "selection.epochs": 40,
    "epochs.freeze": 20,
    "epochs.joint_fine_tuning": 10,
    "rates.joint_fine_tuning": 2e-4,  # so narrow an encoder forgets more than the demo's
}
QUICK: Mapping[str, Any] = {
    **UPDATES,
    "data.test_pairs": 6,
    "epochs.freeze": 2,
    "epochs.joint_fine_tuning": 1,
    "selection.epochs": 2,
    "update.max_forgetting": 1.0,  # so few pixels decide nothing
}
QUICK_SIZES = Sizes(side=160, tile=96, fresh=4)

Rounds = Sequence[Mapping[str, Any]]
Results = Mapping[tuple[str, int], Rounds]  # (way, seed) -> what `Circle.rounds` returns


def main(argv: Sequence[str] | None = None) -> int:
    """Goes round as often as was not done yet, prints the table and draws. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, required=True, help="where models, maps and scores are kept")
    parser.add_argument("--rounds", type=int, default=10, help="of mapping, review and update")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of updating, some of {', '.join(WAYS)}")
    parser.add_argument("--seeds", type=int, default=1, help="of the first model, the scenes and the updates")
    parser.add_argument("--first", type=Path, help="a saved model, or a run that has one, to begin with; else trained")
    parser.add_argument("--quick", action="store_true", help="two rounds, small scenes, few epochs")
    parser.add_argument("--picture", type=Path, help="where to draw")
    asked = parser.parse_args(argv)
    try:
        results = go_round(asked)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(results))
    if asked.picture:
        from benchmarks.rounds_picture import draw  # Matplotlib

        draw(results, asked.picture)
    return 0


def go_round(asked: argparse.Namespace) -> Results:
    """The rounds of all ways and seeds. Raises UserError where the flags are wrong."""
    from tsmu_jax.compilation import keep_compiled

    ways = asked.ways.split(",")
    if wrong := [way for way in ways if way not in WAYS]:
        raise UserError(f"--ways={wrong[0]}: is no way; choose from {', '.join(WAYS)}")
    for flag, most in (("rounds", 20), ("seeds", 20)):
        if not 1 <= getattr(asked, flag) <= most:
            raise UserError(f"--{flag}={getattr(asked, flag)}: must be 1 to {most}")
    keep_compiled()
    number, settings, sizes = (2, QUICK, QUICK_SIZES) if asked.quick else (asked.rounds, UPDATES, Sizes())
    found: dict[tuple[str, int], Rounds] = {}
    for seed in range(asked.seeds):
        first = asked.first or _first(asked.workdir / f"first_{seed}", seed)
        for way in ways:
            workdir = asked.workdir / f"{way}_{seed}"
            circle = Circle(workdir, first, WAYS[way], seed=seed, settings=settings, sizes=sizes)
            found[way, seed] = circle.rounds(number)
    return found


def _first(workdir: Path, seed: int) -> Path:
    """Trains the first model, or what of it is not trained yet."""
    from tsmu_jax.runs.train import train

    train(configuration({**FIRST, "seed": seed}, "demo"), workdir)
    return workdir


def table(results: Results) -> str:
    """A table for each way and seed: a row for each round."""
    return "\n\n".join(f"{way}, seed {seed}:\n{_table(rounds)}" for (way, seed), rounds in results.items())


def _table(rounds: Rounds) -> str:
    lines = [
        "| round | decoder chosen | map | map, last decoder | kept | reshaped | removed | drawn | pairs | old | to the "
        "first model's | fresh pairs | to the first model's | update | s |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|---|---|---:|",
    ]
    for number, one in enumerate(rounds):
        scores = []
        for names in (old_ecoregions(one), [FRESH]):
            scores += [f"{mean(one, names):.3f}", _signed(change([one], rounds[:1], names)) if number else ""]
        if number == 0:
            lines.append(f"| before | {' | ' * 7} | {' | '.join(scores)} | | |")
            continue
        shown = [f"{one['map'][how]:.3f}" if one["map"][how] is not None else "" for how in ("auto", "latest")]
        work = [str(one["review"][done]) for done in ("kept", "reshaped", "removed", "drawn")]
        said = "accepted" if one["accepted"] else "REJECTED"
        cells = [str(number), one["decoder"], *shown, *work, str(one["pairs"]), *scores, said, f"{one['seconds']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def old_ecoregions(one: Mapping[str, Any]) -> list[str]:
    """Those of the first model."""
    return [name for name in one["ious"] if name != FRESH]


def mean(one: Mapping[str, Any], names: Sequence[str]) -> float:
    """Mean IoU over the test pairs of some ecoregions."""
    return float(np.mean([iou for name in names for iou in one["ious"][name]]))


def change(
    ones: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Interval:
    """The paired difference to earlier models on the same pairs, with its 95 % interval over them and the seeds.

    Args: ones, references: of each seed.
    """
    both = [
        {
            Sample(seed, name, f"{seed}/{pair}", seed): iou
            for seed, one in enumerate(each)
            for name in names
            for pair, iou in enumerate(one["ious"][name])
        }
        for each in (ones, references)
    ]
    found = paired_interval(both[0], both[1], np.random.default_rng(0))
    assert found is not None  # the same pairs
    return found


def _signed(found: Interval) -> str:
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


if __name__ == "__main__":
    from tsmu_jax import large_pages

    large_pages.restart()
    sys.exit(main())
