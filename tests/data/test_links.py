"""Links that lead nowhere are named, with what they lead to; those that lead somewhere are files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tsmu_jax.data import links
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.errors import UserError
from tsmu_jax.prediction import pairs

Write = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, write_pair: Write) -> Path:
    write_pair(tmp_path / "in" / "etf", "a")
    write_pair(tmp_path / "in" / "etf", "b")
    return tmp_path / "in"


@pytest.mark.parametrize("name", ["b_pre.png", "b_post.png", "b_mask.png"])
@pytest.mark.parametrize("target", ["/nowhere/x.png", None], ids=["nowhere", "itself"])
def test_a_link_to_a_file_that_is_not_there(folder: Path, name: str, target: str | None) -> None:
    path = folder / "etf" / name
    kept = path.rename(folder / "kept.png")
    path.symlink_to(target or path)
    message = f"^etf/{name}: cannot be read: a link to '{target or path}', which is not there; mend the link"
    with pytest.raises(UserError, match=message):
        FolderSource(folder, require_pre=False)
    assert [info.id for info in FolderSource(folder, require_pre=False, on_bad_file="skip").infos] == ["a"]
    path.unlink()
    path.symlink_to(kept)
    assert len(FolderSource(folder, require_pre=False)) == 2


def test_a_link_to_a_folder_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    link = folder / "nad"
    link.symlink_to(tmp_path / "disk")
    message = f"^{link}: a link to '{tmp_path}/disk', which is not there; mend the link, mount its disk, or remove it"
    with pytest.raises(UserError, match=message):
        FolderSource(folder, require_pre=False)
    with pytest.raises(UserError, match=message):
        pairs.find(folder, require_pre=False)
    (folder / "etf").rename(tmp_path / "disk")
    assert [info.ecoregion for info in FolderSource(folder, require_pre=False).infos] == ["nad", "nad"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "Permission denied"), "(Permission denied); check its permissions"),
        (FileNotFoundError(2, "No such file"), "(No such file); put it back, and begin again"),
        (OSError(5, os.strerror(5)), "(Input/output error); check the disk, or copy it anew"),
    ],
)
def test_other_files_that_cannot_be_read(tmp_path: Path, error: OSError, reason: str) -> None:
    assert links.why_unread(tmp_path / "a_post.png", error) == f"cannot be read {reason}"
