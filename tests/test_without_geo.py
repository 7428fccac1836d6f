"""The `geo` extra is for inventories: whatever else there is runs without it, and its absence is one line."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import adding
from tsmu_jax.scenes import shapes

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
GEO = {re.match(r"[\w-]+", line).group().lower() for line in EXTRAS["geo"]}


def imported_with(source: str) -> Iterator[str]:
    """Packages that a module imports when it is imported: not those that a function imports when it is called."""
    waiting = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        waiting += ast.iter_child_nodes(node)


def test_no_module_needs_it_to_be_imported() -> None:
    assert {"shapely", "pyproj", "pyogrio", "geopandas"} <= GEO
    assert list(imported_with("if True:\n    import shapely.ops\ndef f():\n    import pyproj")) == ["shapely"]
    files = sorted((ROOT / "tsmu_jax").rglob("*.py"))
    assert len(files) > 200
    found = {str(file.relative_to(ROOT)): GEO.intersection(imported_with(file.read_text())) for file in files}
    assert {file for file, needed in found.items() if needed} == {
        "tsmu_jax/reporting/charts/landslide_map.py"
    }  # of an inventory's summary


@pytest.mark.parametrize("package", ["shapely", "pyproj", "pyogrio"])
def test_an_inventory_without_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"--inventory needs {package}.*: pip install 'tsmu_jax\[geo\]'"):
        adding.check(tmp_path / "landslides.gpkg")
    assert not list(tmp_path.iterdir())


def test_polygons_of_an_area_without_it_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "area.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(UserError, match=r"--aoi=.*area.geojson: needs pyogrio: pip install 'tsmu_jax\[geo\]'"):
        shapes.only_layer(tmp_path / "area.geojson", f"--aoi={tmp_path / 'area.geojson'}")
