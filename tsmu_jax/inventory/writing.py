"""Files that are written whole or not at all, and never in place of somebody else's."""

import contextlib
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
