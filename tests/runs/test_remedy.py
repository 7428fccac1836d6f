"""A remedy that an error names works when it is followed."""

import json
import re
import runpy
import shutil
from pathlib import Path

import jax
import pytest

from tests.runs.trained import trained
from tsmu_jax.errors import UserError
from tsmu_jax.runs.directory import RunDirectory

COSTS = {"seconds", "images_per_second", "input_wait"}


def lines(run: Path, phase: str) -> list[dict]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in line.keys() - COSTS} for line in found if line["phase"] == phase]


def test_a_damaged_phase_is_trained_anew_when_asked_and_the_finished_ones_stay(tiny_run, tmp_path: Path) -> None:
    config = runpy.run_path(str(Path(__file__).with_name("test_train.py")))["configuration"](reuse=False)
    run, whole = RunDirectory(tmp_path / "run"), RunDirectory(tiny_run[0])
    shutil.copytree(whole.path, run.path)
    phase = run.phase("02_freeze")
    damaged = max(phase.checkpoint.rglob("d/*"), key=lambda path: path.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    later = (run.phase("03_joint_fine_tuning").path / "phase.json").read_bytes()
    with pytest.raises(UserError, match=f"^{re.escape(str(damaged))}: has changed") as caught:
        trained(config, run.path)
    remedy = re.search(r"; remove (\S+) and run the same command again", str(caught.value))
    del caught  # its frames hold the lock of the run
    assert remedy is not None
    shutil.rmtree(remedy[1])
    for _ in range(2):
        results = trained(config, run.path)
    for name in whole.finished():
        one, two = (jax.tree.leaves(each.phase(name).load()) for each in (whole, run))
        assert [leaf.tobytes() for leaf in one] == [leaf.tobytes() for leaf in two]
        assert lines(run.path, name) == lines(whole.path, name) != []
    assert (run.phase("03_joint_fine_tuning").path / "phase.json").read_bytes() == later
    assert [each["iou"] for each in results["phases"]] == [each["iou"] for each in tiny_run[1]["phases"]]
