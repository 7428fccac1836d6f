"""What `tsmu_jax.predict` leaves, and those who read it again: a map of a scene, and predictions for a folder."""

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

IMAGES = 3  # of each folder

Readers = Mapping[str, Callable[[Path], Any]]


def outputs(root: Path) -> Iterator[tuple[str, Path, Readers]]:
    """Makes both in `root`, with a model of random values.

    Yields:
      Names, directories and readers; a reader that may write comes last.
    """
    from tests.runs.circle import write_images
    from tests.scenes.conftest import model_at
    from tests.stress.map_killed import write_pair

    model = model_at(root / "scene_model", 2.0)
    write_pair([root / "pre.tif", root / "post.tif"], 0, 0)
    write_images(root / "few", ("etf", "nad"))
    for path in (root / "few").rglob("*_*.png"):
        if int(path.name.split("_")[0]) >= IMAGES:
            path.unlink()

    def mapped(directory: Path) -> Any:
        from tsmu_jax.scenes.run import map_scene

        with contextlib.redirect_stdout(io.StringIO()):
            map_scene(model, root / "pre.tif", root / "post.tif", directory, decoder="a", uncertainty=4)
        return contents(directory)

    def predicted(directory: Path) -> Any:
        from tsmu_jax.prediction.folder import predict_folder

        said = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            predict_folder(model.path, root / "few", directory, decoder="a")
        return contents(directory)

    def added(directory: Path) -> Any:
        from tests.stress.map_killed import rows
        from tsmu_jax.inventory import adding

        (root / "landslides.gpkg").unlink(missing_ok=True)
        adding.add(root / "landslides.gpkg", directory, model)
        return rows(root / "landslides.gpkg")

    mapped(root / "map")
    predicted(root / "predicted")
    yield "map", root / "map", {"inventory": added, "the same command": mapped}
    yield "predictions", root / "predicted", {"the same command": predicted}


def contents(directory: Path) -> dict[str, str]:
    """{file: digest of its bytes}, of all that a command reads again."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    left_out = (".lock", "contact_sheet.png")
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in left_out
    }
