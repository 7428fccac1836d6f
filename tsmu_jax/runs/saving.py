"""Saves the model at the end of a run, with all that is needed to apply it and to update it without the data."""

import dataclasses
import functools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.special import expit

from tsmu_jax.data.contract import contract_of
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.calibration import fit_temperature
from tsmu_jax.learning import processes
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.state import Model
from tsmu_jax.models import archive, layout, saved
from tsmu_jax.models.tsmu import Tree, find_decoder
from tsmu_jax.prediction import halo
from tsmu_jax.prediction.windows import reach
from tsmu_jax.runs.directory import RunDirectory
from tsmu_jax.runs.experiment import Experiment, network_of
from tsmu_jax.runs.keys import digest
from tsmu_jax.runs.plan import named_for

_MOST_IMAGES = 32  # of an ecoregion, that the halo is measured on


def save_model(
    experiment: Experiment, run: RunDirectory, model: Model, record: Mapping[str, Any], *, accepted: bool = True
) -> Path:
    """Writes `WORKDIR/model/`, unless this very model is there. Returns its path.

    Args:
      model: after the last stage.
      record: of the last stage, with its scores.
      accepted: else the model goes to `WORKDIR/model.rejected/`.
    """
    stage = experiment.stages[-1]
    folder, other = (run.path / name for name in (layout.FOLDER, layout.REJECTED))
    folder, other = (folder, other) if accepted else (other, folder)
    contracts = _contracts(experiment)
    key, tests_key = experiment.stage_key(stage), experiment.tests_key(stage)
    made_from = digest([key, tests_key, experiment.config.exam, contracts])
    if processes.agreed(_stored(folder).get("made_from") == made_from):
        return folder
    names = decoder_names(experiment)
    decoders = _decoders(experiment, model, names)
    description = {
        "made_from": made_from,
        "key": key,
        "side": experiment.data.examples.size,
        "network": network_of(experiment.config),
        "decoders": decoders,
        "halo": _halo(experiment, model, names, decoders),
        "ecoregions": _ecoregions(experiment, record, contracts),
        "margin": experiment.config.selection.margin,
        "lineage": _lineage(experiment, run),
    }
    found = {name: run.autoencoder(name) for name in trained(experiment)}
    autoencoders = {name: one.params() for name, one in found.items() if one.record()}  # all processes read together
    if processes.first():
        shutil.rmtree(other, ignore_errors=True)
        _write(experiment, model, folder, description, names, autoencoders)
    processes.meet()
    return folder


def trained(experiment: Experiment) -> tuple[str, ...]:
    """The ecoregions that the model has learned, in the order of their arrival."""
    learned = {name for stage in experiment.stages for name in stage.ecoregions}
    known = experiment.start.ecoregions if experiment.start else ()
    return tuple(
        name for name in (*experiment.old_ecoregions, *experiment.new_ecoregions) if name in {*known, *learned}
    )


def decoder_names(experiment: Experiment) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By a decoder's name in the run its name in the saved model, and the ecoregions that it answers for.

    "old" and "new" mean nothing outside of a run: decoders are named for their ecoregions. One that answers for no
    ecoregion is left out.
    """
    stage, names = experiment.stages[-1], {}
    for name in (*stage.old_decoders, *stage.new_decoders):
        ecoregions = tuple(one for one in trained(experiment) if stage.route[one] == name)
        if ecoregions:
            names[name] = (named_for(ecoregions), ecoregions)
    return names


def _decoders(
    experiment: Experiment, model: Model, names: Mapping[str, tuple[str, tuple[str, ...]]]
) -> dict[str, dict[str, Any]]:
    """Describes each decoder for `model.json`: its ecoregions, and its calibration on their validation images."""
    described = {}
    for name, (public, ecoregions) in names.items():
        here = [one for one in ecoregions if one in experiment.data.ecoregions]
        if here:
            held = [experiment.data.validation(one) for one in here]
            logits = [experiment.answer(model, name, one.images) for one in held]
            temperature = fit_temperature(np.concatenate(logits), np.concatenate([one.masks for one in held]))
            calibration: dict[str, Any] = {"temperature": temperature, "fitted_on": here}
        else:  # its images are gone: fitted before the encoder moved on
            assert experiment.start is not None
            parent = experiment.start.saved
            calibration = {"fitted_in": parent.digest, **parent.description["decoders"][public]["calibration"]}
        described[public] = {"ecoregions": list(ecoregions), "calibration": calibration}
    return described


def _halo(
    experiment: Experiment,
    model: Model,
    names: Mapping[str, tuple[str, tuple[str, ...]]],
    decoders: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any] | None:
    """Measures the halo of windows on validation images, and on the exam of ecoregions whose images are gone.

    None where a decoder has no image of its own, or nothing below the network's reach will do.
    """
    images = _looked_at(experiment)
    if any(not any(name in images for name in ecoregions) for _, ecoregions in names.values()):
        return None
    answerer = Answerer(experiment.network, batch_size=1)  # mosaics are large

    def probabilities(name: str, temperature: float, mosaics: np.ndarray) -> np.ndarray:
        return expit(answerer(model, name, mosaics) / temperature)

    answers = [
        functools.partial(probabilities, name, decoders[public]["calibration"]["temperature"])
        for name, (public, _) in names.items()
    ]
    exact = reach(experiment.config.model.variant, experiment.config.model.depth)
    return halo.measure(answers, images, exact=exact, stride=experiment.network.stride)


def _looked_at(experiment: Experiment) -> dict[str, np.ndarray]:
    """Images u8[n, s, s, c] of each ecoregion that has some here; of its validation pairs, spread over their list."""
    data, found = experiment.data, {}
    for name in trained(experiment):
        if name in data.ecoregions:
            pairs = data.split.validation[name]
            found[name] = data.examples.stack(pairs[:: -(-len(pairs) // _MOST_IMAGES)]).image
        elif name in data.exam:
            found[name] = data.exam[name].images
    return found


def _contracts(experiment: Experiment) -> dict[str, dict[str, Any]]:
    """The input contract of each ecoregion whose images are here."""
    data, channels = experiment.data, experiment.config.data.channels
    infos = {name: [one for one in data.source.infos if one.ecoregion == name] for name in data.ecoregions}
    return {
        name: dataclasses.asdict(contract_of(own, channels=channels, side=data.examples.size))
        for name, own in infos.items()
    }


def _ecoregions(
    experiment: Experiment, record: Mapping[str, Any], contracts: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Describes each ecoregion for `model.json`: its input contract, its images, its exam and its scores.

    "learnt" are the counts of its exam when the run ended that learnt it. Updates hand them on.
    """
    config, data = experiment.config, experiment.data
    scores, described = record["result"]["ecoregions"], {}
    for name in trained(experiment):
        if name in data.ecoregions:
            known = {
                "contract": contracts[name],
                "images": data.source.fingerprints[name],
                "outline": experiment.outlines[name],
                "pairs": sum(info.ecoregion == name for info in data.source.infos),
                "learnt": record["tests"].get(name) if config.exam else None,
            }
        else:
            assert experiment.start is not None
            known = dict(experiment.start.saved.description["ecoregions"][name])
        known["tests"] = list(data.tests[name].ids) if config.exam and name in data.tests else []
        described[name] = {**known, "scores": scores.get(name)}
    return described


def _lineage(experiment: Experiment, run: RunDirectory) -> list[dict[str, Any]]:
    """Where the model comes from: one entry for each run, the oldest first."""
    start, made = experiment.start, run.stored()
    entry = {
        "parent": start.saved.digest if start else None,
        "run": run.path.absolute().name,
        "created": made["created"],
        "method": experiment.config.method,
        "ecoregions": [name for name in trained(experiment) if name in experiment.data.ecoregions],
        "images": {name: experiment.data.source.fingerprints[name] for name in experiment.data.ecoregions},
        "seed": experiment.config.seed,
        "config": made["config"],
        "versions": made["versions"],
        "git_revision": made["git_revision"],
    }
    return [*(start.saved.description["lineage"] if start else []), entry]


def _write(
    experiment: Experiment,
    model: Model,
    folder: Path,
    description: Mapping[str, Any],
    names: Mapping[str, tuple[str, tuple[str, ...]]],
    autoencoders: Mapping[str, Tree],
) -> None:
    params, stats = jax.device_get((model.params, model.batch_stats))
    renamed = [
        {"shared": tree["shared"], "old": {public: find_decoder(tree, name)[1] for name, (public, _) in names.items()}}
        for tree in (params, stats)
    ]
    selection = experiment.config.selection
    form = {"autoencoders": {"side": selection.side, "hidden": selection.hidden}} if autoencoders else {}
    tests = experiment.data.tests
    exam = {
        name: (tests[name].images, tests[name].masks) for name, known in description["ecoregions"].items()
        if known["tests"]
    }  # fmt: skip
    saved.save(folder, {**description, **form}, *renamed, autoencoders=autoencoders, exam=exam)


def _stored(folder: Path) -> dict[str, Any]:
    """The description of a model saved before; empty where there is none, or it is damaged."""
    try:
        return archive.read_description(folder, layout.MANIFEST, schema=saved.SCHEMA)
    except UserError:
        return {}
