"""Lets people review an inventory, in a page or in LabelMe, brings back what they decided, and makes data of it.

    python -m tsmu_jax.review gallery --inventory=landslides.gpkg --scenes=images --output=queue.html
    python -m tsmu_jax.review import --inventory=landslides.gpkg --decisions=decisions.json
    python -m tsmu_jax.review export --inventory=landslides.gpkg --scenes=images --output=tiles
    python -m tsmu_jax.review import --inventory=landslides.gpkg --labelme=tiles --reviewer="Ada Lovelace"
    python -m tsmu_jax.review dataset --inventory=landslides.gpkg --scenes=images --model=M --output=reviewed

gallery writes the page: for each candidate the images before and after with the outline, those first that most need a
        look. Images are found by their content, in --scenes or as --pre and --post, which may be repeated.
        Flags: --output, --scenes, --pre, --post, --bands, --limit, --size, --overwrite
export  writes tiles with the polygons of all landslides that count for LabelMe: a new directory.
        Flags: --output, --format, --scenes, --pre, --post, --bands, --tile
import  writes the decisions that the page saved, or what somebody changed in LabelMe and which tiles were reviewed,
        into the inventory, each once, in one transaction. Flags: --decisions; --labelme, --reviewer; --skip_gone
dataset writes a new directory that tsmu_jax.prepare reads: tiles of the ground that people have reviewed, as an
        ecoregion. What nobody has looked at is unknown ground. Tiles with a rejected landslide are drawn more often.
        Flags: --output, --ecoregion, --model, --scenes, --pre, --post, --bands, --tile, --gsd, --reviewed,
        --hard_negatives

Needs pip install 'tsmu_jax[geo]'. docs/review.md says more; QGIS is another way to review.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from tsmu_jax import cli, untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

if TYPE_CHECKING:
    from tsmu_jax.reviewing.scene_files import Images

_INVENTORY = flags.DEFINE_string("inventory", None, "The GeoPackage that tsmu_jax.predict --inventory made.")
_OUTPUT = flags.DEFINE_string("output", None, "gallery: the page, a file that ends in .html. Else a new directory.")
_SCENES = flags.DEFINE_string("scenes", None, "All but import: a directory with the scenes' images, anywhere in it.")
_PRE = flags.DEFINE_multi_string("pre", [], "All but import: an image before the event; may be repeated.")
_POST = flags.DEFINE_multi_string("post", [], "All but import: an image after the event; may be repeated.")
_BANDS = flags.DEFINE_list("bands", None, "Red, green and blue, as 3,2,1; if images do not say it.")
_LIMIT = flags.DEFINE_integer("limit", 500, "gallery: candidates at most, 0 for all.", lower_bound=0)
_SIZE = flags.DEFINE_integer("size", 256, "gallery: px, the longer side of a picture at most.", 32, 2048)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "gallery: replace a file that is there.")
_FORMAT = flags.DEFINE_enum("format", "labelme", ["labelme"], "export: whose files are written.")
_TILE = flags.DEFINE_integer("tile", None, "export, dataset: px of the map, a side of a tile (512).", 16, 4096)
_LABELME = flags.DEFINE_string("labelme", None, "import: a directory that export wrote, after somebody's work.")
_MODEL = flags.DEFINE_string("model", None, "dataset: that will be updated; tiles are as large as its input.")
_ECOREGION = flags.DEFINE_string("ecoregion", "reviewed", "dataset: name of the ecoregion that is made.")
_GSD = flags.DEFINE_float("gsd", 0.0, "dataset: metres a pixel of the tiles; 0 for that of the maps.", 0.0)
_AREAS = flags.DEFINE_multi_string("reviewed", [], "dataset: polygons of ground that was looked at wholly; repeatable.")
_HARD = flags.DEFINE_integer("hard_negatives", 2, "dataset: draws of a tile with a rejected landslide.", 1, 100)
_REVIEWER = flags.DEFINE_string("reviewer", None, "import: who worked on --labelme.")
_SKIP_GONE = flags.DEFINE_bool("skip_gone", False, "import: leave out landslides that people have deleted since.")
_DECISIONS = flags.DEFINE_string("decisions", None, "import: a file that the page saved.")

_FLAGS_OF = {
    "gallery": {"inventory", "output", "scenes", "pre", "post", "bands", "limit", "size", "overwrite"},
    "export": {"inventory", "output", "format", "scenes", "pre", "post", "bands", "tile"},
    "import": {"inventory", "decisions", "labelme", "reviewer", "skip_gone"},
    "dataset": {
        "inventory",
        "output",
        "ecoregion",
        "model",
        "scenes",
        "pre",
        "post",
        "bands",
        "tile",
        "gsd",
        "reviewed",
        "hard_negatives",
    },
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
    {"gallery": _gallery, "export": _export, "import": _import, "dataset": _dataset}[command](Path(_INVENTORY.value))


def _gallery(inventory: Path) -> None:
    output = Path(_OUTPUT.value or "")
    if output.suffix.lower() != ".html":
        raise UserError(f"--output={_OUTPUT.value or ''}: name a file that ends in .html")
    _name_images()
    bands = _bands()
    from tsmu_jax.inventory import writing
    from tsmu_jax.reviewing import candidates, page  # Matplotlib: not for what ends before

    writing.refuse(output, overwrite=_OVERWRITE.value)
    queue = candidates.read(inventory)
    images = _found(queue.scenes, queue.files)
    shown = list(page.pictured(queue, images, size=_SIZE.value, bands=bands, limit=_LIMIT.value))
    if not shown:
        raise UserError("none of the candidates' images was found; name their directory as --scenes")
    with writing.whole(output, overwrite=_OVERWRITE.value) as partial:
        partial.write_text(page.page(queue, shown, inventory.name), encoding="utf-8")
    waiting = f" of {queue.waiting} that wait" if queue.waiting > len(shown) else ""
    print(f"{counted(len(shown), 'candidate')}{waiting}: {output} ({output.stat().st_size / 1e6:.1f} MB)")
    reached = shown[-1].place if len(shown) == _LIMIT.value else len(queue.candidates)
    _leave_out(reached - len(shown), "candidate")


def _export(inventory: Path) -> None:
    if not _OUTPUT.value:
        raise UserError("--output is missing; name a new directory")
    _name_images()
    bands = _bands()
    from tsmu_jax.reviewing import candidates, labelme_export

    queue = candidates.read(inventory, all_current=True)
    output = Path(_OUTPUT.value)
    done = labelme_export.write(queue, _found(queue.scenes, queue.files), output, tile=_TILE.value or 512, bands=bands)
    print(f"{counted(done.landslides, 'landslide')} in {counted(done.tiles, 'tile')}: {output}")
    _leave_out(done.missing, "landslide")


def _leave_out(missing: int, noun: str) -> None:
    if missing:
        print(f"left out, without images: {counted(missing, noun)}", file=sys.stderr)


def _dataset(inventory: Path) -> None:
    if not _OUTPUT.value:
        raise UserError("--output is missing; name a new directory")
    output, name = Path(_OUTPUT.value), _ECOREGION.value
    if not untrusted.is_name(name) or "," in name or name != name.strip() or name.startswith("."):
        raise UserError(f"--ecoregion={name}: is no name of a folder without commas; give another")
    _name_images()
    bands = _bands()
    from tsmu_jax.inventory import writing
    from tsmu_jax.reviewing import dataset, judged, learner

    writing.refuse_directory(output)
    learns = learner.read(_MODEL.value, name)
    judgements = judged.read(inventory)
    side = _TILE.value or learns.side
    asked = dataset.Asked(name, side, gsd_m=_GSD.value, bands=bands, hard=_HARD.value, learner=learns)
    images = _found(judgements.scenes, judgements.files)
    done = dataset.write(judgements, images, output, asked, areas=[Path(area) for area in _AREAS.value])
    pairs = f"{counted(done.pairs, 'pair')} of {side} x {side} px of {done.gsd_m:.3g} m"
    said = f"{counted(done.landslides, 'landslide')}, {done.rejected} rejected"
    print(f"{pairs}, {said}, {done.unknown:.0%} of the ground unknown: {output}")
    _leave_out(done.missing, "reviewed landslide")
    if done.small:
        print(f"left out, hardly any of it known: {counted(done.small, 'tile')}", file=sys.stderr)
    if done.damaged:
        print(f"unknown where files are damaged: {counted(done.damaged, 'tile')}", file=sys.stderr)
    if done.split is None:
        print(f"too few tiles to learn from and to test on ({done.pairs}); review more ground", file=sys.stderr)
    else:
        flags_ = [*learns.stated(done.dtype, done.bands), *done.split]
        print(
            f"next: {' '.join([f'python -m tsmu_jax.prepare --input={output} --data_dir={output}_prepared', *flags_])}"
        )


def _name_images() -> None:
    if not (_SCENES.value or _POST.value):
        raise UserError("--scenes is missing; name the directory of the images, or the images as --pre and --post")


def _found(scenes: Mapping[str, Mapping[str, Any]], likely: set[str]) -> Mapping[str, "Images"]:
    """The images of the scenes. Args: likely: names of their files."""
    from tsmu_jax.reviewing import scene_files

    named = [("--pre", Path(path)) for path in _PRE.value] + [("--post", Path(path)) for path in _POST.value]
    folder = Path(_SCENES.value) if _SCENES.value else None
    return scene_files.find(scenes, named=named, folder=folder, likely=likely)


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
    for note in done.notes:
        print(note, file=sys.stderr)
    for landslide in done.gone:
        print(f"left out: landslide {landslide} is no longer in the inventory", file=sys.stderr)
    words = [counted(sum(done.new.values()), "new decision")]
    words += [f"{number} {verdict}" for verdict, number in sorted(done.new.items())]
    words += [f"{done.known} known already"] if done.known else []
    words += [f"{counted(done.ground, 'tile')} of reviewed ground"] if done.ground else []
    words += [f"{counted(done.disputed, 'landslide')} disputed by two reviewers"] if done.disputed else []
    print(f"{', '.join(words)}: {inventory}")


if __name__ == "__main__":
    cli.run(main, __doc__ or "", commands=tuple(_FLAGS_OF))
