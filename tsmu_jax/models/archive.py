"""A directory of arrays and one JSON file that describes them. A digest names it, and every changed byte is noticed.

DIRECTORY/<manifest>           the description: plain values, the SHA-256 of every file beside it, the digest
DIRECTORY/<name>.safetensors   arrays by name; no pickle
DIRECTORY/<name>               what else belongs to it
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors import numpy as tensors

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError

SUFFIX = ".safetensors"
PARTIAL, PREVIOUS = ".partial", ".previous"  # directories that an interrupted write may leave

Arrays = Mapping[str, np.ndarray]


def write(
    directory: Path,
    manifest: str,
    description: Mapping[str, Any],
    arrays: Mapping[str, Arrays],
    contents: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
    """Writes the directory whole or not at all, in the place of an earlier one.

    Args:
      manifest: name of the JSON file.
      description: plain values; "schema" among them.
      arrays: {name of the file, without its suffix: {name: array}}.
      contents: {name of a file of another kind: its bytes}.

    Returns:
      The description with "files" and "digest".
    """
    partial = directory.with_name(directory.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files = {}
    for name, content in arrays.items():
        path = partial / (name + SUFFIX)
        path.write_bytes(tensors.save({key: np.asarray(value, order="C") for key, value in content.items()}))
        files[path.name] = _sha256(path)
    for name, data in (contents or {}).items():
        (partial / name).write_bytes(data)
        files[name] = _sha256(partial / name)
    complete = {**description, "files": files}
    complete["digest"] = _digest(complete)
    (partial / manifest).write_text(_text(complete), encoding="utf-8")
    previous = directory.with_name(directory.name + PREVIOUS)
    if directory.exists():
        shutil.rmtree(previous, ignore_errors=True)
        directory.replace(previous)
    partial.replace(directory)
    shutil.rmtree(previous, ignore_errors=True)
    return complete


def read_description(directory: Path, manifest: str, *, schema: int) -> dict[str, Any]:
    """Reads the description and checks it and all files.

    Args:
      schema: the newest one that is understood.

    Raises:
      UserError: there is no such directory, it is of a newer schema, or a file is missing or has changed; names the
        file.
    """
    path = directory / manifest
    try:
        description = untrusted.read(path)
        text = path.read_text(encoding="utf-8")
        found, files = int(description["schema"]), dict(description["files"])
        unchanged = description["digest"] == _digest(description) and text == _text(description)
    except FileNotFoundError:
        raise UserError(f"{directory}: holds no {manifest}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error!r}); copy the directory again") from error
    if found > schema:
        raise UserError(f"{path}: written by a newer release (schema {found}, this one reads up to {schema}); update")
    if not unchanged:
        raise UserError(f"{path}: has changed since it was written; copy the directory again")
    untrusted.refuse_links(directory)
    for name, expected in files.items():
        if not untrusted.is_name(name):
            raise UserError(f"{path}: names the file {name!r:.100}, which is not in its directory; do not use it")
        if not (directory / name).is_file():
            raise UserError(f"{directory / name}: missing; copy the directory again")
        if _sha256(directory / name) != expected:
            raise UserError(f"{directory / name}: has changed since it was written; copy the directory again")
    return description


def read_arrays(directory: Path, name: str, *, under: str = "") -> dict[str, np.ndarray]:
    """Reads the arrays of one file whose names begin with `under`. Raises UserError where it holds none."""
    path = directory / (name + SUFFIX)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys() if key.startswith(under)}  # noqa: SIM118
    except Exception as error:  # SafetensorError is no kind of ValueError, and NumPy lacks some types
        raise UserError(f"{path}: holds no arrays ({str(error):.200}); copy the directory again") from error


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    """{"a": {"b": array}} becomes {"a/b": array}. Names hold no "/" themselves."""
    flat: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flattened(value, f"{name}/") if isinstance(value, Mapping) else {name: np.asarray(value)}
    return flat


def nested(flat: Arrays) -> dict[str, Any]:
    """The inverse of `flattened`. Raises ValueError for names that it does not make."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, leaf = name.split("/")
        if len(parents) > untrusted.DEEPEST:
            raise ValueError("arrays are nested too deeply")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ValueError(f"{name!r:.100} lies below an array")
        if leaf in node:
            raise ValueError(f"{name!r:.100} stands for arrays and for an array")
        node[leaf] = value
    return tree


def _text(description: Mapping[str, Any]) -> str:
    return json.dumps(description, indent=1, allow_nan=False) + "\n"


def _digest(description: Mapping[str, Any]) -> str:
    content = {key: value for key, value in description.items() if key != "digest"}
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
