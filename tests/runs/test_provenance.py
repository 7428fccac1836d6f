"""What a run's `config.json` says of the code and the command."""

import shlex
import subprocess
import sys
from typing import Any

import pytest

from tsmu_jax.runs import provenance


def test_the_command_can_be_pasted_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--config=configs/tsmu.py:demo", "--config.data.dir=/my images/a'b", "--config.data.labels=debris flow"]
    monkeypatch.setattr(sys, "argv", ["/x/main.py", *words])
    assert shlex.split(provenance.command_line()) == ["python", "-m", "tsmu_jax.main", *words]


@pytest.mark.parametrize(("status", "expected"), [("", "abc"), (" M tsmu_jax/main.py\n", "abc+changes")])
def test_revisions_tell_changed_files(monkeypatch: pytest.MonkeyPatch, status: str, expected: str) -> None:
    def git(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 0, {"rev-parse": "abc\n", "status": status}[words[1]])

    monkeypatch.setattr(subprocess, "run", git)
    assert provenance._git_revision() == expected


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 10)]
)
def test_without_git_there_is_no_revision(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def git(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", git)
    assert provenance._git_revision() is None
