"""Choosing the decoder (section V-E): one autoencoder for each ecoregion that arrives, and what they choose."""

import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax import digests
from tsmu_jax.batch import FLIPS
from tsmu_jax.data.draws import Draws
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation import metrics
from tsmu_jax.evaluation.selection import Selected, answers, choice_scores, choose
from tsmu_jax.learning import processes
from tsmu_jax.learning.autoencoders import BATCH, downsample, fit, reconstruction_errors
from tsmu_jax.learning.state import Model
from tsmu_jax.learning.steps import to_unit
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.models.tsmu import Tree, count
from tsmu_jax.runs.directory import AutoencoderDirectory, RunDirectory
from tsmu_jax.runs.experiment import Experiment
from tsmu_jax.runs.files import write_record
from tsmu_jax.runs.keys import digest
from tsmu_jax.runs.plan import Stage
from tsmu_jax.runs.progress import PhaseProgress

LOWER = "lower --config.selection.rate, in a new --workdir"


def arrive(experiment: Experiment, run: RunDirectory, ecoregions: Sequence[str]) -> None:
    """Trains the autoencoders of ecoregions that arrive, unless they are finished; no other one is touched.

    Like a phase, one is looked for in this run first, then in the runs beside it, and else it is trained.
    """
    for name in ecoregions if experiment.config.selection.epochs else ():
        own = run.autoencoder(name)
        found = processes.agreed(_find(experiment, run, name))
        if found is None:  # several processes train it alike, and the first one's is kept
            own.finish(*_train(experiment, name))
        elif found != str(own.path):
            other = AutoencoderDirectory(Path(found))
            own.finish(other.params(), other.record() or {})


def take_over(experiment: Experiment, run: RunDirectory, model: SavedModel) -> None:
    """Takes the autoencoders of a saved model into the run, unless there are to be none."""
    for name, params in model.autoencoders().items() if experiment.config.selection.epochs else ():
        if run.autoencoder(name).record() is None:
            result = {"pairs": model.description["ecoregions"][name]["pairs"], "parameters": count(params)}
            run.autoencoder(name).finish(params, {"key": digest([model.digest, name]), "result": result})


def _find(experiment: Experiment, run: RunDirectory, ecoregion: str) -> str | None:
    """The directory of the finished autoencoder: this run's, or one beside it that the same code has trained."""
    key = experiment.autoencoder_key(ecoregion)
    own = run.autoencoder(ecoregion)
    if own.key() == key:
        return str(own.path)
    for other in run.siblings() if experiment.config.reuse else ():
        finished = other.autoencoder(ecoregion)
        if finished.key() == key and finished.damage() is None:
            return str(finished.path)
    return None


def _train(experiment: Experiment, ecoregion: str) -> tuple[Tree, dict[str, Any]]:
    started = time.perf_counter()
    settings, seed = experiment.config.selection, experiment.config.seed
    pairs, purpose = experiment.data.split.train[ecoregion], f"autoencoder/{ecoregion}"
    images = _inputs(experiment, (experiment.data.examples[pair].image for pair in pairs))
    draws = Draws(
        groups={ecoregion: range(len(pairs))},
        subsample=experiment.config.data.subsample,  # as for the network: large ecoregions train no longer
        draws=FLIPS,
        batch_size=BATCH,
        seed=(seed, zlib.crc32(purpose.encode())),
    )
    steps = settings.epochs * draws.steps_per_epoch
    console = processes.console()
    with PhaseProgress(f"autoencoder {ecoregion}", steps, images_per_step=BATCH, console=console) as progress:
        params, losses = fit(
            images,
            draws.batch,
            steps=steps,
            hidden=settings.hidden,
            rate=settings.rate,
            key=experiment.random_key(purpose),
            progress=lambda done, loss: progress.update(done, loss=loss),
        )
    if not np.isfinite(losses).all():
        step = int(np.isfinite(losses).argmin()) + 1
        raise UserError(f"the loss of step {step} of the autoencoder of {ecoregion} is no number; {LOWER}")
    result = {
        "pairs": len(pairs),
        "parameters": count(params),
        "loss": float(losses[-draws.steps_per_epoch :].mean()),
        "seconds": round(time.perf_counter() - started, 3),
    }
    return params, {"key": experiment.autoencoder_key(ecoregion), "result": result}


def _inputs(experiment: Experiment, images: Iterable[np.ndarray]) -> np.ndarray:
    """u8[s, s, c] each becomes f32[n, side, side, c] in [0, 1]: what the autoencoders see."""
    side = min(experiment.config.selection.side, experiment.data.examples.size)
    return np.concatenate([np.asarray(downsample(to_unit(jnp.asarray(image)[None]), side=side)) for image in images])


def evaluate_choice(experiment: Experiment, run: RunDirectory, stage: Stage, model: Model) -> dict[str, Any] | None:
    """Lets the autoencoders choose a decoder for each test image, and scores it beside the true ecoregion's.

    Args:
      stage: the last one, whose decoders answer.
      model: after that stage.

    Returns:
      "selection" of `results.json`; None where there are no autoencoders. What it was computed from lies in
      `selection/selection.json`, and is not computed again.
    """
    if not experiment.config.selection.epochs:
        return None
    arrived = [name for earlier in experiment.stages for name in earlier.arrived]
    candidates = tuple(dict.fromkeys((*experiment.old_ecoregions, *arrived)))
    threshold, path = experiment.config.selection.margin, run.selection / "selection.json"
    own = [experiment.stage_key(stage), experiment.tests_key(stage), threshold]
    key = digest([*own, *((run.autoencoder(name).record() or {})["key"] for name in candidates)])
    stored = processes.agreed(_stored(path))
    if stored.get("key") != key:
        params = jax.device_put([run.autoencoder(name).params() for name in candidates])
        selected, tests = {}, {}
        for name in experiment.data.tests:
            images = _inputs(experiment, experiment.data.tests[name].images)
            errors = np.stack([reconstruction_errors(tree, images) for tree in params], axis=1)
            selected[name] = _select(experiment, stage, model, name, candidates, errors, threshold)
            tests[name] = {
                "id": list(experiment.data.tests[name].ids),
                **_listed(selected[name], dict(zip(candidates, errors.T.tolist(), strict=True))),
            }
        result = choice_scores(selected, candidates, threshold=threshold)
        trained = {name: (run.autoencoder(name).record() or {})["result"] for name in candidates}
        stored = {"key": key, "tests": tests, "result": {**result, "autoencoders": trained}}
        write_record(path, stored, {})
    return stored["result"]


def _stored(path: Path) -> dict[str, Any]:
    """What an earlier process computed; nothing where it cannot be read, so that it is computed again."""
    try:
        stored, _ = digests.read(path)
    except ValueError:
        return {}
    return stored if isinstance(stored.get("result"), dict) else {}


def _select(
    experiment: Experiment,
    stage: Stage,
    model: Model,
    ecoregion: str,
    candidates: Sequence[str],
    errors: np.ndarray,
    threshold: float,
) -> Selected:
    test = experiment.data.tests[ecoregion]
    best, margin = choose(errors)
    chosen = tuple(candidates[column] for column in best)
    decoders, true = [stage.route[name] for name in chosen], stage.route[ecoregion]
    logits = {name: experiment.answer(model, name, test.images) for name in (*stage.old_decoders, *stage.new_decoders)}
    predicted = answers(logits, true=true, chosen=decoders, unsure=margin < threshold)
    counts = {way: metrics.count(mask, test.masks) for way, mask in predicted.items()}
    return Selected(chosen, np.array([decoder == true for decoder in decoders]), margin, counts)


def _listed(selected: Selected, errors: dict[str, list[float]]) -> dict[str, Any]:
    """One value for each test image, as it stands in `selection.json`."""
    return {
        "chosen": list(selected.chosen),
        "margin": selected.margin.tolist(),
        "errors": errors,
        "counts": {
            way: {field: values.tolist() for field, values in counts._asdict().items()}
            for way, counts in selected.counts.items()
        },
    }
