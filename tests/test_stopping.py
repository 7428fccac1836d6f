"""SIGTERM and Ctrl-C in real processes: a phase that trains is saved, all else ends, a second signal ends anything."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from tests.runs.circle import configuration, write_images
from tests.runs.trained import trained
from tsmu_jax.learning.periodic import interrupted_at
from tsmu_jax.runs.directory import RunDirectory

ROOT = Path(__file__).parents[1]
SHORT = {"method": "leave_one_out", "epochs__initial": 4, "selection__epochs": 0, "reuse": False}

TRAINING = """
import os, signal, sys
from pathlib import Path
from tests.runs.circle import configuration
from tests.test_stopping import SHORT
from tsmu_jax import cli, train
from tsmu_jax.learning import fit

look_up = fit._Run._look_up

def asked(run):
    if run.done == 7:
        os.kill(os.getpid(), signal.SIGTERM)
    look_up(run)

fit._Run._look_up = asked
sys.argv = ["training"]
cli.run(lambda argv: train.train_and_evaluate(configuration(Path({images!r}), old="etf", new="nad", **SHORT),
                                              Path({workdir!r})), "")
"""

GOING_ON = """
import sys
from pathlib import Path
from tests.runs.circle import configuration
from tests.runs.trained import trained
from tests.test_stopping import SHORT

sys.argv = ["training"]
trained(configuration(Path({images!r}), old="etf", new="nad", **SHORT), Path({workdir!r}))
"""

WAITING = """
import hashlib, sys, time
from tsmu_jax import cli, stopping

def main(argv):
    if {hold}:
        stopping.hold()
    print("ready", flush=True)
    while True:
        if {compiling}:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # as a compiler: no instruction of Python for minutes
        time.sleep(0.01)

sys.argv = ["waiting"]
cli.run(main, "")
"""


def start(program: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def waiting(*, hold: bool = False, compiling: bool = False) -> subprocess.Popen[str]:
    process = start(WAITING.format(hold=hold, compiling=compiling))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


class Runs(NamedTuple):
    """A run that was stopped after its seventh step, which nothing may change, and one that was not."""

    config: dict[str, Any]
    images: Path
    stopped: Path
    whole: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    place = tmp_path_factory.mktemp("runs")
    images, stopped, whole = write_images(place / "images", ("etf", "nad")), place / "stopped", place / "whole"
    process = start(TRAINING.format(images=str(images), workdir=str(stopped)))
    _, said = process.communicate(timeout=300)
    assert process.returncode == 143, said
    unfinished = RunDirectory(stopped).phase("01_initial").periodic
    last = f"stopped by SIGTERM; {unfinished} keeps 7 steps of the phase, and the same command goes on from there"
    assert said.splitlines()[-1] == last
    config = configuration(images, old="etf", new="nad", **SHORT)
    trained(config, whole)
    return Runs(config, images, stopped, whole)


def test_a_stopped_run_goes_on_and_equals_an_uninterrupted_one(runs: Runs, tmp_path: Path) -> None:
    going_on = shutil.copytree(runs.stopped, tmp_path / "stopped")
    unfinished = RunDirectory(going_on).phase("01_initial").periodic
    found = interrupted_at(unfinished)
    assert found is not None and found[0] == 7
    trained(runs.config, going_on)
    for phase in RunDirectory(runs.whole).finished():
        one, two = (RunDirectory(run).phase(phase) for run in (going_on, runs.whole))
        trees = [jax.tree.leaves(each.load()) for each in (one, two)]
        assert all(np.array_equal(a, b) for a, b in zip(*trees, strict=True)) and trees[0]
        records = [each.record() or {} for each in (one, two)]
        assert records[0]["tests"] == records[1]["tests"]
    assert not unfinished.exists()


def test_a_run_stopped_on_two_devices_goes_on_with_one(runs: Runs, tmp_path: Path) -> None:
    going_on = shutil.copytree(runs.stopped, tmp_path / "stopped")
    assert jax.local_device_count() == 2  # of the process that was stopped, whose flags are this one's
    one = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1"  # the last one counts
    process = start(GOING_ON.format(images=str(runs.images), workdir=str(going_on)), XLA_FLAGS=one)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert set(re.findall(r"initial +(\d+)/8 ", said)) == {"8"}, said  # the last step alone
    trees = [RunDirectory(run).phase("01_initial").load() for run in (going_on, runs.whole)]
    leaves = zip(jax.tree.leaves_with_path(trees[0]), jax.tree.leaves(trees[1]), strict=True)
    others = [(found, expected) for (path, found), expected in leaves if path[-1].key != "bias"]
    assert len(others) > 20  # the gradient of a bias before BatchNorm is rounding alone, and Adam enlarges it
    for found, expected in others:
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_need_not_be_saved_ends_in_good_order(number: signal.Signals, code: int) -> None:
    process = waiting()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert said == f"stopped by {number.name}; the same command goes on from what is finished\n"
    assert process.returncode == code


def test_a_compiler_does_not_keep_a_process_from_ending() -> None:
    process = waiting(compiling=True)
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert said == "stopped by SIGTERM; the same command goes on from what is finished\n"
    assert process.returncode == 143 and time.monotonic() - started < 10


@pytest.mark.parametrize("compiling", [False, True])
def test_a_second_signal_ends_at_once(compiling: bool) -> None:
    process = waiting(hold=True, compiling=compiling)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "SIGINT: saving after this step; a second one ends at once\n"
    while process.poll() is None:  # one within a second is the same request, sent to the process and to its group
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert process.returncode == 130
    assert process.stderr.read() == "ended at once; the same command goes on from the last checkpoint\n"
    process.communicate()
