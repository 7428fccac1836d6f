"""Writes the summary of an inventory: a page, its figures, its tables."""

from pathlib import Path

from tsmu_jax.errors import UserError
from tsmu_jax.reporting import documents
from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.inventory import contents, figures, tables
from tsmu_jax.reporting.inventory.distribution import distribution
from tsmu_jax.reporting.inventory.page import page
from tsmu_jax.reporting.writers import comma_separated
from tsmu_jax.words import counted

PAGE = "summary.html"
MANIFEST = "summary.json"  # names the files of a summary; nothing else is replaced


def write(inventory: Path, output: Path) -> str:
    """Writes a summary. Returns what was written, in a line.

    Raises:
      UserError: the inventory cannot be read, or the directory holds anything else or cannot be written.
    """
    if output.is_symlink():
        raise UserError(f"--output={output}: is a link; name a directory")
    documents.refuse_foreign(output, MANIFEST)
    found = contents.read(inventory)
    known = distribution(found.area_m2[found.current])
    drawn, listed = figures.all_figures(found, known), tables.all_tables(found, known)
    files: dict[str, str | bytes] = {f"{one.name}.png": canvas.png(one.figure) for one in drawn}
    files |= {f"{one.name}.csv": comma_separated(one) for one in listed}
    files[PAGE] = page(found, known, drawn, listed)
    documents.write(files, output, MANIFEST)
    return f"{counted(len(found.current), 'landslide')}: {output / PAGE}"
