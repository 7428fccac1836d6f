"""Trains the tiny run in different circumstances, which must not change a bit of it.

    python -m tests.stress.same

Each run has a process of its own: the same again, without and with many reading threads, with the images copied in
another order, and continued after its phases were finished by an earlier process. The saved model must answer any
number of images alike but for the rounding of sums, whose order may depend on the number. The exit code is 1 where a
file differs, or an answer by more than ROUNDING.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROUNDING = 1e-6  # of probabilities
# They say where the images lie, and how many threads read them.
_TELL_APART = ("config.json", "model/model.json")


class Circumstances(NamedTuple):
    """What may be different.

    Attributes:
      images: name of their directory.
      changes: of the configuration.
      before: of the configuration of an earlier process, whose phases are taken over; None where there is none.
    """

    images: str = "images"
    changes: Mapping[str, Any] = {}
    before: Mapping[str, Any] | None = None


CIRCUMSTANCES = {
    "as it is": Circumstances(),
    "the same again": Circumstances(),
    "no thread reads ahead": Circumstances(changes={"data.workers": 0}),
    "sixteen threads read ahead": Circumstances(changes={"data.workers": 16, "data.cache_gib": 0.0}),
    "images copied in another order": Circumstances(images="turned"),
    "continued by another process": Circumstances(before={"method": "feature_extraction"}),
}


def turned(images: Path, target: Path) -> Path:
    """Copies images, the last ones first: file systems list files in the order in which they came, or in any other."""
    for path in sorted((path for path in images.rglob("*") if path.is_file()), reverse=True):
        copy = target / path.relative_to(images)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return target


def _train(root: Path, circumstances: Circumstances, workdir: Path) -> None:
    from ml_collections import config_dict

    from tests.stress.scene import tiny
    from tsmu_jax.runs.train import train

    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    config = config_dict.ConfigDict(tiny(root / circumstances.images))
    config.update_from_flattened_dict(dict(circumstances.changes))
    if circumstances.before is None:
        train(config.to_dict(), workdir)
        return
    config.reuse = True
    earlier = config.copy_and_resolve_references()
    earlier.update_from_flattened_dict(dict(circumstances.before))
    context = multiprocessing.get_context("spawn")
    for each, place in ((earlier, workdir.parent / "before"), (config, workdir)):
        process = context.Process(target=_train_as_it_is, args=(each.to_dict(), place))
        process.start()
        process.join()


def _train_as_it_is(config: dict[str, Any], workdir: Path) -> None:
    from tsmu_jax.runs.train import train

    train(config, workdir)


def outcomes(root: Path) -> dict[str, dict[str, str]]:
    """By circumstances: {file: digest}, see `killed.outcome_of`."""
    from tests.stress.killed import outcome_of

    context, found = multiprocessing.get_context("spawn"), {}
    for name, circumstances in CIRCUMSTANCES.items():
        workdir = root / name.replace(" ", "_") / "run"
        process = context.Process(target=_train, args=(root, circumstances, workdir))
        process.start()
        process.join()
        files = outcome_of(workdir)
        found[name] = {file: digest for file, digest in files.items() if file not in _TELL_APART}
        print(f"{name}: {len(found[name])} files", flush=True)
    return found


def answers(model: Path) -> dict[str, float]:
    """By decoder and number of images: how far a model, read anew, answers from what it says to one at a time."""
    import tsmu_jax

    whole = tsmu_jax.load_model(model)
    side, channels, differing = whole.side, whole.network.channels, {}
    images = np.random.default_rng(0).integers(0, 256, (12, side, side, channels), np.uint8)
    for decoder in whole.decoders:
        single = np.concatenate([whole.predict(images[each : each + 1], decoder) for each in range(len(images))])
        for count in (2, 3, 5, 12):
            parts = range(0, len(images), count)
            reloaded = tsmu_jax.load_model(model)
            together = np.concatenate([reloaded.predict(images[each : each + count], decoder) for each in parts])
            differing[f"{decoder}, {count} images at once"] = float(np.abs(together - single).max())
    return differing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    os.environ |= {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg", "SOURCE_DATE_EPOCH": "1750000000"}
    from tests.runs.circle import write_images

    wrong = []
    with tempfile.TemporaryDirectory(prefix="tsmu-same-") as directory:
        root = Path(directory)
        turned(write_images(root / "images", ("etf", "nad")), root / "turned")
        found = outcomes(root)
        expected = found["as it is"]
        for name, files in found.items():
            differing = [file for file in expected.keys() | files.keys() if expected.get(file) != files.get(file)]
            wrong += [f"{name}: {file} differs" for file in sorted(differing)]
        apart = answers(root / "as_it_is" / "run" / "model")
        wrong += [f"{what}: answers differ by {by:.1g}" for what, by in apart.items() if by > ROUNDING]
    print("\n".join(wrong) or f"all files the same to the bit, all answers within {max(apart.values()):.1g}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
