"""A run whose training diverges says in which phase, at which step and on which images."""

import re
from pathlib import Path

import pytest

from tests.runs.circle import configuration, write_images
from tests.runs.trained import trained
from tsmu_jax.errors import UserError
from tsmu_jax.runs.experiment import prepare


def test_a_loss_that_is_no_number_names_phase_step_and_images(tmp_path: Path) -> None:
    """The rate is such that the second step has parameters too large for any loss."""
    images = write_images(tmp_path / "images", ("etf", "nad"))
    changes = {"epochs__initial": 3, "selection__epochs": 0, "rates__initial": 1e30, "reuse": False}
    config = configuration(images, old="etf", new="nad", **changes)
    with pytest.raises(UserError) as refused:
        trained(config, tmp_path / "run")
    said = re.fullmatch(
        r"the loss of step (\d+) of initial \(epoch (\d+); images (.+)\) is no number: training has diverged; .*",
        str(refused.value),
    )
    assert said, refused.value
    experiment = prepare(config)
    draws, infos = experiment.data.draws(experiment.stages[0]), experiment.data.source.infos
    step = int(said[1]) - 1
    assert step > 0 and int(said[2]) == step // draws.steps_per_epoch + 1
    named = set(said[3].split(", "))
    assert named == {f"etf/{infos[pair].id}" for pair, _ in draws.batch(step)}
    assert named != {f"etf/{infos[pair].id}" for pair, _ in draws.batch(step - 1)}
