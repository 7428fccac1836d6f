"""What a machine lacks ends in one line with a remedy."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tsmu_jax import machine
from tsmu_jax.learning import responses

ROOT = Path(__file__).parents[1]
CONFIG = {"batch_size": 8, "data": {"size": 512}, "model": {"rematerialise": False}}


def caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "path"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/runs/mine/phase.json"), "/runs/mine/phase.json"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "--workdir=/runs/mine"),
        (
            ValueError('RESOURCE_EXHAUSTED: Error writing local file "/runs/x/d": No space left on device [28]'),
            "/runs/x/d",
        ),
        (caused(RuntimeError("saving failed"), OSError(errno.ENOSPC, "full", "/runs/y")), "/runs/y"),
    ],
)
def test_a_full_disk_is_named_by_a_path(error: Exception, path: str) -> None:
    said = machine.explained(error, place="--workdir=/runs/mine", config=CONFIG)
    kept = "what was finished is kept: make room and run the same command again"
    assert said == f"{path}: there is no room left on its disk; {kept}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/runs/a"), "/runs/a: its file system is read-only"),
        (OSError(errno.EACCES, os.strerror(errno.EACCES), "/runs/a"), "/runs/a: permission denied"),
        (ValueError("PERMISSION_DENIED: 'open(\"/runs/b\")': Permission denied [13]"), "/runs/b: permission denied"),
        (OSError(errno.EIO, os.strerror(errno.EIO), "/runs/a"), "/runs/a: its disk reports an error"),
    ],
)
def test_what_a_disk_refuses_is_named_with_its_path(error: Exception, words: str) -> None:
    said = machine.explained(error, place="--workdir=/runs/mine", config=CONFIG) or ""
    assert said.startswith(f"{words}; what was finished is kept: ") and said.endswith(" and run the same command again")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes."), MemoryError()],
)
def test_what_does_not_fit_into_memory_says_which_size_and_what_to_lower(error: Exception) -> None:
    assert machine.explained(error, config=CONFIG) == (
        "--config.batch_size=8 --config.data.size=512: the memory does not hold a step of 8 pairs of 512 x 512 pixels; "
        "lower --config.batch_size or --config.data.size, or set --config.model.rematerialise=true; "
        "what was finished is kept"
    )
    saving = {**CONFIG, "model": {"rematerialise": True}}
    assert "rematerialise" not in (machine.explained(error, config=saving) or "")
    assert (machine.explained(error) or "").startswith("the memory does not hold this")
    assert "lower --memory_gib=50" in (machine.explained(error, memory_gib=50.0) or "")
    assert "add --memory_gib=1," in (machine.explained(error, memory_gib=0.0) or "")


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), OSError(errno.EACCES, "no"), KeyError("size")])
def test_faults_of_the_program_are_not_explained_away(error: Exception) -> None:
    assert machine.explained(error, config=CONFIG) is None


def test_names_that_are_not_utf8() -> None:
    name = b"g\xfcnzburg".decode("utf-8", "surrogateescape")
    assert not machine.is_utf8(name) and machine.is_utf8("günzburg 山")
    with pytest.raises(UnicodeEncodeError) as caught:
        name.encode()
    assert machine.explained(caught.value) == (
        "'g\\udcfcnzburg': holds a name that is not UTF-8; rename the file or directory"
    )


@pytest.mark.parametrize("platform", ["cuda", "tpu", "nonsense"])
def test_a_device_that_is_not_there_ends_in_one_line(tmp_path: Path, platform: str) -> None:
    program = "import sys\nfrom tsmu_jax import cli, machine\ncli.run(lambda argv: machine.find_devices(), '')"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": platform},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if found.returncode == 0:
        pytest.skip(f"there is {platform} here")
    line = f"error: JAX_PLATFORMS={platform}: {machine.NO_DEVICE.removeprefix('{}: ')}"
    assert found.returncode == 2 and found.stderr.splitlines()[-1] == line


def test_responses_take_their_room_before_they_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    logits = responses._new(tmp_path, (2, 8, 1, 32, 32))
    assert os.stat(tmp_path / responses.ARRAY).st_blocks * 512 >= logits.nbytes  # no hole in it
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="responses.npy") as caught:
        responses._new(tmp_path, (2, 8, 1, 32, 32))
    assert caught.value.errno == errno.ENOSPC and not (tmp_path / responses.ARRAY).exists()
