"""Prints the lowest versions that pyproject.toml permits, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
optional = project["optional-dependencies"]
for requirement in (
    *project["dependencies"],
    *(each for name in optional if name != "cuda" for each in optional[name]),
):
    if found := re.match(r"([\w.-]+)>=([\w.]+)", requirement):
        print(f"{found[1]}=={found[2]}")
