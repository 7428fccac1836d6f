"""Two processes that train one model: the parameters of one process with two devices, and no one left behind."""

import functools
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
import pytest

import tsmu_jax
from tests.launch.conftest import ROOT, TINY, command, environment, run
from tsmu_jax.learning.periodic import interrupted_at
from tsmu_jax.runs.directory import RunDirectory

PHASES = ("initial", "freeze", "joint_fine_tuning")
LOST = "lost another process of this training and has ended; that one's own output says why it did"
GOES_ON = "the same commands go on from what is finished"
DIFFERENT = "the processes see different data, or were given different configurations; start all alike\n"
SLURM_PORTS = range(65536 - 4096, 65536)  # JAX takes one of them by the job's number

Processes = list[subprocess.Popen[str]]


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny configuration, whose epochs end with a batch of which the second process has no image."""
    assert 2 * 5 % TINY["batch_size"] == 2  # draws of each training pair
    file = tmp_path_factory.mktemp("hosts") / "tiny.py"
    file.write_text(
        "import runpy\n"
        "def get_config():\n"
        f"    config = runpy.run_path({str(ROOT / 'configs' / 'tsmu.py')!r})['get_config']('demo')\n"
        f"    config.update_from_flattened_dict({TINY!r})\n"
        "    return config\n"
    )
    return file


def free_port() -> int:
    for port in random.Random(time.time_ns()).sample(SLURM_PORTS, 50):
        with socket.socket() as candidate:
            try:
                candidate.bind(("localhost", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def keeping(programs: Path) -> dict[str, str]:
    """The environment of a user, whose compiled programs are kept from one run to the next."""
    cache = {"JAX_ENABLE_COMPILATION_CACHE": "true", "JAX_COMPILATION_CACHE_DIR": str(programs)}
    return environment(devices=1) | cache | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def start(config_file: Path, workdir: Path, *flags: str, slurm: bool = False, second: Sequence[str] = ()) -> Processes:
    """Two processes on this machine with a CPU device each, told of one another by flags or as SLURM does.

    Args:
      second: flags of the second process alone.
    """
    port, started = free_port(), []
    for process in range(2):
        words, cluster = ["launch.hosts"], {}
        if slurm:
            cluster = {"JOB_ID": port - SLURM_PORTS.start, "STEP_NODELIST": "localhost", "NTASKS": 2}
            cluster |= {"PROCID": process, "LOCALID": process}
        else:
            words += [f"--coordinator=localhost:{port}", "--num_processes=2", f"--process_id={process}"]
        words += ["--", f"--config={config_file}", f"--workdir={workdir}", *flags, *(second if process else ())]
        given = keeping(config_file.parent / "programs")
        given |= {f"SLURM_{name}": str(value) for name, value in cluster.items()}
        started.append(subprocess.Popen(command(*words), cwd=ROOT, env=given, stderr=subprocess.PIPE, text=True))
    return started


def member(launcher: subprocess.Popen[str]) -> int:
    """The process that a launcher has started, which trains."""
    (found,) = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    return int(found)


def end_one(
    processes: Processes, victim: Callable[[], int], number: signal.Signals, when: Callable[[], bool]
) -> list[str]:
    """Ends a process when something has happened, checks that the other one ends too; the last lines of both."""
    try:
        deadline = time.monotonic() + 600
        while not when():
            assert all(process.poll() is None for process in processes) and time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(victim(), number)
        sent = time.monotonic()
        said = [process.communicate(timeout=120)[1] for process in processes]
        assert time.monotonic() - sent < 60
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [(text.strip().splitlines() or [""])[-1] for text in said]


def compare(one: Path, two: Path) -> None:
    """Two finished runs are the same, but for the order of sums."""
    for phase in PHASES:
        models = [tsmu_jax.load_phase(path, phase) for path in (one, two)]
        for kind in ("params", "batch_stats"):
            leaves, others = (jax.tree.leaves_with_path(getattr(model, kind)) for model in models)
            assert len(leaves) == len(others) > 0
            for (path, leaf), (_, other) in zip(leaves, others, strict=True):
                name = f"{phase} {kind} {jax.tree_util.keystr(path)}"
                np.testing.assert_allclose(other, leaf, rtol=1e-4, atol=1e-5, err_msg=name)
    responses = [np.load(path / "phases" / "03_joint_fine_tuning" / "responses.npy") for path in (one, two)]
    np.testing.assert_allclose(*responses, rtol=1e-3, atol=1e-4)
    results = [json.loads((path / "results.json").read_text()) for path in (one, two)]
    for first, second in zip(*(result["phases"] for result in results), strict=True):
        for cost in ("epochs", "images", "trainable_parameters", "flops"):
            assert first[cost] == second[cost]
        assert second["peak_memory_bytes"] > 0
    assert results[0]["selection"]["confusion"] == results[1]["selection"]["confusion"]
    kinds = (".png", ".jpg", ".json", ".jsonl", ".md", ".npy")
    files = [{path.relative_to(each) for path in each.rglob("*") if path.suffix in kinds} for each in (one, two)]
    assert files[0] == files[1]
    epochs = [(each / "metrics.jsonl").read_text().count("\n") for each in (one, two)]
    assert epochs[0] == epochs[1] == sum(phase["epochs"] for phase in results[0]["phases"])


def test_two_processes_go_on_after_a_signal_and_end_as_one_process_with_two_devices(
    config_file: Path, tmp_path: Path
) -> None:
    flags = ("--config.epochs.initial=30", "--config.epochs.freeze=3", "--config.reuse=false")
    often = "--config.checkpoint_minutes=0.001"
    two = tmp_path / "two"
    unfinished = RunDirectory(two).phase("01_initial").periodic
    processes = start(config_file, two, *flags, often)
    last = end_one(
        processes, lambda: processes[1].pid, signal.SIGTERM, lambda: (interrupted_at(unfinished) or (0,))[0] > 0
    )  # it trains
    assert [process.returncode for process in processes] == [143, 143], last  # both save, whichever gets the signal
    found = interrupted_at(unfinished)
    assert found is not None  # inside of the phase
    kept = f"{unfinished} keeps {found[0]} steps of the phase, and the same command goes on from there"
    assert last == [f"stopped by SIGTERM; {kept}"] * 2

    processes = start(config_file, two, *flags, slurm=True)
    said = [process.communicate(timeout=900)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "\nresponses  5/5" in said[0]  # stored by both together, as are
    assert re.search(r"\nfeatures  (\d+)/\1 ", said[0])
    assert "results: " in said[0] and "initial" not in said[1]  # the first one speaks

    one = run("tsmu_jax.main", f"--config={config_file}", f"--workdir={tmp_path / 'one'}", *flags)
    assert one.returncode == 0, one.stderr
    compare(tmp_path / "one", two)


def test_the_loss_of_the_first_process_ends_the_others(config_file: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "runs" / "metrics.jsonl"
    processes = start(config_file, metrics.parent, "--config.epochs.initial=5000")
    training = functools.partial(member, processes[0])
    last = end_one(processes, training, signal.SIGKILL, lambda: metrics.exists() and bool(metrics.read_text()))
    assert [process.returncode for process in processes] == [1, 1], last
    assert last[0] == f"error: process 0 of 2 was ended by SIGKILL; the others end within a minute; {GOES_ON}"
    assert last[1] == f"error: process 1 of 2 {LOST}; {GOES_ON}"


def test_processes_that_were_started_differently_all_end_with_the_reason(config_file: Path, tmp_path: Path) -> None:
    processes = start(config_file, tmp_path / "runs", second=["--config.seed=1"])
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2], said
    for text in said:
        assert text == "error: " + DIFFERENT


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to train: put the flags of tsmu_jax.main after --"),
        (["--num_processes=2", "--", "--config=x"], "--coordinator, --num_processes and --process_id belong together"),
        (
            ["--coordinator=localhost:1", "--num_processes=2", "--process_id=2", "--", "--config=x"],
            "--process_id=2: of 2 processes the last one is 1",
        ),
        (
            ["--coordinator=localhost", "--num_processes=2", "--process_id=1", "--", "--config=x"],
            "--coordinator=localhost: must be HOST:PORT",
        ),
        (["--", "--config=x"], "found no cluster ("),
        (["--config=x"], "nknown command line flag 'config'"),
    ],
)
def test_wrong_flags_end_in_one_line(words: list[str], message: str) -> None:
    ended = run("launch.hosts", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1 and ended.stderr.startswith("error: ")
    assert message in ended.stderr
