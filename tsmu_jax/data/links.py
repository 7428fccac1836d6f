"""Links that lead nowhere, as where a disk is not mounted, and other files that cannot be read."""

from pathlib import Path

from tsmu_jax.errors import UserError


def why_unread(path: Path, error: OSError) -> str:
    """Says why a file could not be read, and what to do."""
    if _is_broken(path):
        return f"cannot be read: {_target(path)}; mend the link, or put the file in its place"
    remedies = {FileNotFoundError: "put it back, and begin again", PermissionError: "check its permissions"}
    return f"cannot be read ({error.strerror}); {remedies.get(type(error), 'check the disk, or copy it anew')}"


def check_folders(directory: Path) -> None:
    """Refuses links to folders that are not there, whose images would be left out in silence.

    Raises:
      UserError: a link in `directory` leads nowhere.
    """
    for path in sorted(directory.iterdir()):
        if not path.name.startswith(".") and _is_broken(path):
            raise UserError(f"{path}: {_target(path)}; mend the link, mount its disk, or remove it")


def _is_broken(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _target(path: Path) -> str:
    return f"a link to {str(path.readlink())!r}, which is not there"
