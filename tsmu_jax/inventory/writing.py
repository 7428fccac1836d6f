"""Files and directories that are written whole or not at all, and never in place of somebody else's."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tsmu_jax.errors import UserError


def refuse(output: Path, *, overwrite: bool) -> None:
    """Raises UserError where `whole` would not write: before the work."""
    if output.is_dir():
        raise UserError(f"--output={output}: is a directory; name a file")
    if not output.parent.is_dir():
        raise UserError(f"--output={output}: there is no directory {output.parent}; make it")
    if output.is_symlink():
        raise UserError(f"--output={output}: is a link; name a file")
    if output.exists() and not overwrite:
        raise UserError(f"--output={output}: is there already; name another file, or add --overwrite")


@contextlib.contextmanager
def whole(output: Path, *, overwrite: bool) -> Iterator[Path]:
    """Gives the path of a file to write, which takes the name of `output` once all is written.

    Raises:
      UserError: the output is there and may not be replaced, or cannot be written.
    """
    refuse(output, overwrite=overwrite)
    partial = output.with_name(f".{output.stem}.partial{output.suffix}")
    try:
        partial.unlink(missing_ok=True)
        yield partial
        partial.replace(output)
    except (OSError, RuntimeError) as error:  # the latter is GDAL's
        said = getattr(error, "strerror", None) or str(error)
        raise UserError(f"--output={output}: cannot be written ({said}); name another file") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def refuse_directory(output: Path) -> None:
    """Raises UserError where `whole_directory` would not write: before the work."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"--output={output}: is there already; name a new directory")


@contextlib.contextmanager
def whole_directory(output: Path) -> Iterator[Path]:
    """Gives the path of a directory to fill, which takes the name of `output` once all is written.

    Raises:
      UserError: the output holds something, or cannot be written.
    """
    refuse_directory(output)
    partial = output.with_name(f".{output.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if output.exists():
            output.rmdir()
        partial.rename(output)
    except OSError as error:
        raise UserError(f"--output={output}: cannot be written ({error.strerror}); name another") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
