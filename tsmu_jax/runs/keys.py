"""Keys of phases, digests of all that decides their outcome: equal keys, equal bits on a CPU.

Keys are chained. A phase's key is the digest of

- the key of the phase before it,
- the phase, its decoders, and which decoder learns from which ecoregion,
- the settings that concern it (their scope says which),
- the fingerprints of the images that it trains and validates on,
- the code that trains (`code`).

Nothing else makes a finished phase another one. So an update has the same key whether the old images are there or not,
and a comment, a report or the place of the images changes no key. Phases with the same key are shared: between the
runs of a directory, and between the points of a sweep. A run goes on where it stopped while its keys are the same.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tsmu_jax.configuration import flatten
from tsmu_jax.declaration import Scope
from tsmu_jax.runs.plan import Stage
from tsmu_jax.settings import SETTINGS, Config

PACKAGE = Path(__file__).parents[1]
# What a model's bits and its scores depend on; not reports, pictures, entry points, and what only looks at runs.
RUNS = ("dataset", "experiment", "feed", "phase", "plan", "stage_step", "start")
TRAINING = (
    "batch.py",
    "mask.py",
    "methods.py",
    "data",
    "evaluation",
    "learning",
    "models",
    *(f"runs/{name}.py" for name in RUNS),
)


def phase_keys(
    config: Config, plan: Sequence[Stage], images: Mapping[str, str], *, parent: str = ""
) -> tuple[str, ...]:
    """The key of each stage of a plan.

    Args:
      images: fingerprint of each ecoregion's training and validation images.
      parent: key of the last phase that trained the saved model which the plan starts from.
    """
    values, keys = flatten(asdict(config)), []
    for stage in plan:
        own = {key: value for key, value in values.items() if SETTINGS[key].concerns(stage.phase)}
        learns = {name: [stage.route[name], images[name]] for name in stage.ecoregions}
        parent = digest(
            [parent, code(), asdict(stage.phase), stage.old_decoders, stage.new_decoders, stage.arrived, learns, own]
        )
        keys.append(parent)
    return tuple(keys)


def autoencoder_key(config: Config, ecoregion: str, images: str) -> str:
    """The key of an ecoregion's autoencoder, which sees no other ecoregion's images."""
    values = flatten(asdict(config))
    own = {key: value for key, value in values.items() if SETTINGS[key].scope is Scope.AUTOENCODERS}
    return digest([code(), ecoregion, images, config.seed, config.data.size, config.data.subsample, own])


def digest(parts: Any) -> str:
    """Digest of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@functools.cache
def code() -> str:
    """Digest of the code that trains, without comments, docstrings and layout."""
    found = hashlib.sha256()
    for file in training_files():
        found.update(f"{file.relative_to(PACKAGE).as_posix()}\n{meaning(file.read_text())}\n".encode())
    return found.hexdigest()


def training_files() -> list[Path]:
    """The files with the code that trains."""
    paths = [PACKAGE / name for name in TRAINING]
    return [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))]


def meaning(source: str) -> str:
    """A Python source without comments, docstrings and layout: the same for every release of Python."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            node.body = node.body[1:] if documented else node.body
    return json.dumps(_plain(tree))


def _plain(node: Any) -> Any:
    """A syntax tree as lists and texts. Newer releases know more fields of a node, which are empty in older code."""
    if isinstance(node, ast.AST):
        fields = [[name, _plain(value)] for name, value in ast.iter_fields(node) if value is not None and value != []]
        return [type(node).__name__, *fields]
    return [_plain(each) for each in node] if isinstance(node, list) else repr(node)
