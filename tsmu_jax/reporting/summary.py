"""The pictures at the end of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tsmu_jax import digests
from tsmu_jax.data.pair_lists import PairList
from tsmu_jax.evaluation import metrics
from tsmu_jax.mask import LANDSLIDE
from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.charts.learning_curves import learning_curves
from tsmu_jax.reporting.charts.phase_bars import phase_bars
from tsmu_jax.reporting.charts.selection import selection_figure
from tsmu_jax.reporting.panels import PanelRow, overview, panels
from tsmu_jax.reporting.thumbnails import write_thumbnails
from tsmu_jax.runs import metrics_log

_AGAIN = "remove it and run the same command again"


def write_figures(
    tests: Mapping[str, PairList],
    results: Mapping[str, Any],
    *,
    workdir: Path,
    phases: Sequence[str],
) -> None:
    """Writes `figures/`: Fig. 8's panels for each ecoregion, the overview, curves and bars by phase, chosen decoders.

    Also `tests/`: what a report shows of the test images.

    Args:
      tests: test pairs of each ecoregion.
      results: as in `results.json`.
      phases: directories of the phases, first to last.
    """
    folder = workdir / "figures"
    folder.mkdir(exist_ok=True)
    old_ecoregions, new_ecoregions = ([name for name in results[part] if name in tests] for part in ("old", "new"))
    regions = [*old_ecoregions, *new_ecoregions]
    for name in regions:
        rows = _rows(tests[name], workdir, phases[-1], name, range(len(tests[name])))
        if rows:
            panels(rows, folder / f"panels_{name}.png")
    # Of an old ecoregion the test image with the most landslide, where there is something to see; of a new one those
    # that the update helped most and least.
    shown = {name: [_fullest(tests[name])] for name in old_ecoregions}
    for name in new_ecoregions:
        updated = len(phases) > 1
        shown[name] = _best_and_worst(workdir, phases, name) if updated else [_fullest(tests[name])]
    first, last = (
        [row for name in regions for row in _rows(tests[name], workdir, phase, name, shown[name])]
        for phase in (phases[0], phases[-1])
    )
    drawn = {row.title for row in first} & {row.title for row in last}  # predictions may have been cleaned up since
    first, last = ([row for row in rows if row.title in drawn] for rows in (first, last))
    if last:
        overview(last, first if len(phases) > 1 else [], results, folder / "overview.png")
    canvas.save(phase_bars(results), folder / "phases.png")
    canvas.save(learning_curves({workdir.name: metrics_log.read(workdir)}), folder / "learning_curves.png")
    if "selection" in results:
        chosen = digests.read_or_refuse(workdir / "selection" / "selection.json", remedy=_AGAIN)["tests"]
        canvas.save(selection_figure(results["selection"], chosen), folder / "selection.png")
    write_thumbnails(tests, workdir)


def _rows(pairs: PairList, workdir: Path, phase: str, ecoregion: str, chosen: Sequence[int]) -> list[PanelRow]:
    tests = _tests(workdir, phase, ecoregion)
    rows = []
    for position in chosen:
        pair, name = pairs[position], tests["id"][position]
        path = workdir / "predictions" / phase / ecoregion / f"{name}.png"
        if not path.exists():  # cleaned up since
            continue
        prediction = np.asarray(Image.open(path, formats=("PNG",))) > 0
        iou = float(_iou(tests)[position])
        title = f"{ecoregion}\n{name}"
        rows.append(PanelRow(title, pair.pre, pair.post, pair.mask, prediction.astype(np.uint8), iou))
    return rows


def _tests(workdir: Path, phase: str, ecoregion: str) -> dict[str, Any]:
    """The counted test images of an ecoregion after a phase."""
    record: dict[str, Any] = digests.read_or_refuse(workdir / "phases" / phase / "phase.json", remedy=_AGAIN)
    return record["tests"][ecoregion]


def _iou(tests: Mapping[str, Any]) -> np.ndarray:
    """f64[n], of each test image."""
    return metrics.scores(metrics.Counts.from_record(tests)).iou


def _best_and_worst(workdir: Path, phases: Sequence[str], ecoregion: str) -> list[int]:
    """The test images whose IoU rose most, and least, from the first phase to the last."""
    first, last = (_iou(_tests(workdir, phase, ecoregion)) for phase in (phases[0], phases[-1]))
    order = np.argsort(last - first, kind="stable")
    return list(dict.fromkeys([int(order[-1]), int(order[0])]))


def _fullest(pairs: PairList) -> int:
    return int(np.argmax([(pairs[position].mask == LANDSLIDE).mean() for position in range(len(pairs))]))
