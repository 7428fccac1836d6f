"""Lets people review an inventory, in one page that works from a disk or in LabelMe, and brings back what they decided.

    python -m tsmu_jax.review gallery --inventory=landslides.gpkg --scenes=images --output=queue.html
    python -m tsmu_jax.review import --inventory=landslides.gpkg --decisions=decisions.json
    python -m tsmu_jax.review export --inventory=landslides.gpkg --scenes=images --output=tiles
    python -m tsmu_jax.review import --inventory=landslides.gpkg --labelme=tiles --reviewer="Ada Lovelace"

gallery writes the page: for each candidate the images before and after with the outline, those first that most need a
        look. Images are found by their content, in --scenes or as --pre and --post, which may be repeated.
        Flags: --output, --scenes, --pre, --post, --bands, --limit, --size, --overwrite
export  writes tiles with the polygons of all landslides that count for LabelMe: a new directory.
        Flags: --output, --format, --scenes, --pre, --post, --bands, --tile
import  writes the decisions that the page saved, or what somebody changed in LabelMe, into the inventory, each once, in
        one transaction. Flags: --decisions; --labelme, --reviewer; --skip_gone

Needs pip install 'tsmu_jax[geo]'. docs/review.md says more; QGIS is another way to review.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tsmu_jax import cli
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

if TYPE_CHECKING:
    from tsmu_jax.reviewing.candidates import Queue
    from tsmu_jax.reviewing.scene_files import Images

_INVENTORY = flags.DEFINE_string("inventory", None, "The GeoPackage that tsmu_jax.predict --inventory made.")
_OUTPUT = flags.DEFINE_string("output", None, "gallery: the page, a file that ends in .html. export: a new directory.")
_SCENES = flags.DEFINE_string("scenes", None, "gallery, export: a directory with the scenes' images, anywhere in it.")
_PRE = flags.DEFINE_multi_string("pre", [], "gallery, export: an image before the event; may be repeated.")
_POST = flags.DEFINE_multi_string("post", [], "gallery, export: an image after the event; may be repeated.")
_BANDS = flags.DEFINE_list("bands", None, "gallery, export: red, green and blue, as 3,2,1; if images do not say it.")
_LIMIT = flags.DEFINE_integer("limit", 500, "gallery: candidates at most, 0 for all.", lower_bound=0)
_SIZE = flags.DEFINE_integer("size", 256, "gallery: px, the longer side of a picture at most.", 32, 2048)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "gallery: replace a file that is there.")
_FORMAT = flags.DEFINE_enum("format", "labelme", ["labelme"], "export: whose files are written.")
_TILE = flags.DEFINE_integer("tile", 512, "export: px of the map, a side of a tile.", 64, 4096)
_LABELME = flags.DEFINE_string("labelme", None, "import: a directory that export wrote, after somebody's work.")
_REVIEWER = flags.DEFINE_string("reviewer", None, "import: who worked on --labelme.")
_SKIP_GONE = flags.DEFINE_bool("skip_gone", False, "import: leave out landslides that people have deleted since.")
_DECISIONS = flags.DEFINE_string("decisions", None, "import: a file that the page saved.")

_FLAGS_OF = {
    "gallery": {"inventory", "output", "scenes", "pre", "post", "bands", "limit", "size", "overwrite"},
    "export": {"inventory", "output", "format", "scenes", "pre", "post", "bands", "tile"},
    "import": {"inventory", "decisions", "labelme", "reviewer", "skip_gone"},
}


def main(argv: Sequence[str]) -> None:
    """Does what the first word says."""
    command = argv[1]
    own = {name for names in _FLAGS_OF.values() for name in names}
    for name in sorted(own - _FLAGS_OF[command]):
        if flags.FLAGS[name].present:
            raise UserError(f"--{name}: is no flag of {command}; leave it out")
    if not _INVENTORY.value:
        raise UserError("--inventory is missing; name the GeoPackage that tsmu_jax.predict --inventory made")
    try:
        import pyproj  # noqa: F401
        import shapely  # noqa: F401
    except ImportError as error:
        raise UserError(f"{command} needs {error.name}: pip install 'tsmu_jax[geo]'") from error
    {"gallery": _gallery, "export": _export, "import": _import}[command](Path(_INVENTORY.value))


def _gallery(inventory: Path) -> None:
    output = Path(_OUTPUT.value or "")
    if output.suffix.lower() != ".html":
        raise UserError(f"--output={_OUTPUT.value or ''}: name a file that ends in .html")
    _name_images()
    bands = _bands()
    from tsmu_jax.inventory import writing
    from tsmu_jax.reviewing import candidates, page  # Matplotlib: not for what ends before

    writing.refuse(output, overwrite=_OVERWRITE.value)
    queue = candidates.read(inventory, limit=_LIMIT.value)
    images = _found(queue)
    shown = list(page.pictured(queue, images, size=_SIZE.value, bands=bands))
    missing = len(queue.candidates) - len(shown)
    if not shown:
        raise UserError("none of the candidates' images was found; name their directory as --scenes")
    with writing.whole(output, overwrite=_OVERWRITE.value) as partial:
        partial.write_text(page.page(queue, shown, inventory.name), encoding="utf-8")
    waiting = f" of {queue.waiting} that wait" if queue.waiting > len(shown) else ""
    print(f"{counted(len(shown), 'candidate')}{waiting}: {output} ({output.stat().st_size / 1e6:.1f} MB)")
    if missing:
        print(f"left out, without images: {counted(missing, 'candidate')}", file=sys.stderr)


def _export(inventory: Path) -> None:
    if not _OUTPUT.value:
        raise UserError("--output is missing; name a new directory")
    _name_images()
    bands = _bands()
    from tsmu_jax.reviewing import candidates, labelme_export

    queue = candidates.read(inventory, all_current=True)
    output = Path(_OUTPUT.value)
    done = labelme_export.write(queue, _found(queue), output, tile=_TILE.value, bands=bands)
    print(f"{counted(done.landslides, 'landslide')} in {counted(done.tiles, 'tile')}: {output}")
    if done.missing:
        print(f"left out, without images: {counted(done.missing, 'landslide')}", file=sys.stderr)


def _name_images() -> None:
    if not (_SCENES.value or _POST.value):
        raise UserError("--scenes is missing; name the directory of the images, or the images as --pre and --post")


def _found(queue: "Queue") -> Mapping[str, "Images"]:
    """The images of the scenes."""
    from tsmu_jax.reviewing import scene_files

    named = [("--pre", Path(path)) for path in _PRE.value] + [("--post", Path(path)) for path in _POST.value]
    folder = Path(_SCENES.value) if _SCENES.value else None
    return scene_files.find(queue.scenes, named=named, folder=folder, likely=queue.files)


def _bands() -> tuple[int, int, int] | None:
    if _BANDS.value is None:
        return None
    numbers = [int(word) for word in _BANDS.value if word.strip().isdecimal()]
    if len(numbers) != len(_BANDS.value) or len(numbers) != 3 or min(numbers) < 1:
        raise UserError(f"--bands={','.join(_BANDS.value)}: name three bands, counted from 1, as 3,2,1")
    return numbers[0], numbers[1], numbers[2]


def _import(inventory: Path) -> None:
    if bool(_DECISIONS.value) == bool(_LABELME.value):
        raise UserError("--decisions is missing; name a file that the page saved, or else a directory as --labelme")
    reviewer = " ".join((_REVIEWER.value or "").split())
    if bool(_LABELME.value) != bool(reviewer):
        raise UserError("--labelme and --reviewer belong together; say who worked there")
    if not inventory.is_file():
        raise UserError(f"--inventory={inventory}: there is no such file; name the inventory of the decisions")
    from tsmu_jax.reviewing import decision_file, labelme_import

    if _LABELME.value:
        done = labelme_import.bring_in(inventory, Path(_LABELME.value), reviewer, skip_gone=_SKIP_GONE.value)
    else:
        done = decision_file.bring_in(inventory, Path(_DECISIONS.value or ""), skip_gone=_SKIP_GONE.value)
    for landslide in done.gone:
        print(f"left out: landslide {landslide} is no longer in the inventory", file=sys.stderr)
    words = [counted(sum(done.new.values()), "new decision")]
    words += [f"{number} {verdict}" for verdict, number in sorted(done.new.items())]
    words += [f"{done.known} known already"] if done.known else []
    words += [f"{counted(done.disputed, 'landslide')} disputed by two reviewers"] if done.disputed else []
    print(f"{', '.join(words)}: {inventory}")


if __name__ == "__main__":
    cli.run(main, __doc__ or "", commands=tuple(_FLAGS_OF))
