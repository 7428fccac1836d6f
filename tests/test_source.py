"""The source reads files as data: nothing in it can run what a file holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("tsmu_jax", "launch", "benchmarks", "configs")
UNPICKLERS = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
    "yaml",
}
RUNNERS = {"eval", "exec", "compile", "__import__"}
# JSON that did not come from a file: a value sent between our processes, or made a moment ago.
OWN_JSON = {
    "tsmu_jax/untrusted.py",
    "tsmu_jax/digests.py",
    "tsmu_jax/learning/processes.py",
    "launch/member.py",
    "benchmarks",
}
# Configuration files are programs; benchmarks run programs of ours.
PROGRAMS = {"launch/points.py", "launch/space.py", "benchmarks"}


def files() -> list[Path]:
    return [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]


def dangers(source: str, name: str) -> Iterator[str]:
    """What could run or believe a file's content, in a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"imports {module}" for module in modules if module.partition(".")[0] in UNPICKLERS)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in RUNNERS or (called in ("runpy.run_path", "runpy.run_module") and not _under(name, PROGRAMS)):
            yield f"calls {called}"
        if called in ("np.load", "numpy.load") and "allow_pickle=False" not in map(ast.unparse, node.keywords):
            yield "calls np.load without allow_pickle=False"
        if called in ("json.load", "json.loads") and not _under(name, OWN_JSON):
            yield f"calls {called} in place of tsmu_jax.untrusted"
        if called.rpartition(".")[2] == "builder_from_directory":
            yield "lets TFDS import what a file names"
        if called == "Image.open" and "formats" not in [keyword.arg for keyword in node.keywords]:
            yield "calls Image.open for all formats, of which some call other programs"
        if called == "file.open" and name.endswith("rasters.py") and not node.keywords:
            yield "opens a raster with any of GDAL's drivers"


def _under(name: str, places: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def test_nothing_runs_what_a_file_holds() -> None:
    assert len(files()) > 200
    found = []
    for file in files():
        name = file.relative_to(ROOT).as_posix()
        if name == "benchmarks/peer.py":  # measures another library on images that it has drawn itself
            continue
        found += [f"{name} {danger}" for danger in dangers(file.read_text(encoding="utf-8"), name)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import yaml as y",
        "eval(text)",
        "np.load(path)",
        "np.load(path, mmap_mode='r', allow_pickle=True)",
        "json.loads(path.read_text())",
        "runpy.run_path(file)",
        "Image.open(path)",
        "tfds.builder_from_directory(path)",
    ],
)
def test_what_would_is_found(source: str) -> None:
    assert list(dangers(source, "tsmu_jax/x.py"))
