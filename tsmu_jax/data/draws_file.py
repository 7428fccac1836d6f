"""The file that says which pairs of an ecoregion's folder training draws more often: `draws.json`, {id: times}.

`python -m tsmu_jax.review dataset` writes it for hard negatives, ground that people have found to be no landslide.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from absl import logging

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError

NAME = "draws.json"
MOST = 100
_REMEDY = "mend or remove it; without it each pair is drawn alike"


def write(folder: Path, draws: Mapping[str, int]) -> None:
    """Writes the file of a folder. Args: draws: by a pair's id, how often for one draw of the others."""
    (folder / NAME).write_text(json.dumps(dict(sorted(draws.items())), indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, int]:
    """Returns the number of draws of each pair that a folder's file names, {} without a file.

    Raises UserError where the file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    draws = untrusted.read_or_refuse(path, _REMEDY)
    if not isinstance(draws, dict):
        raise UserError(f"{path}: is no object of pairs and numbers; {_REMEDY}")
    for pair, times in draws.items():
        if type(times) is not int or not 1 <= times <= MOST:
            raise UserError(f"{path}: draws {pair!r:.100} {times!r:.20} times, and not 1 to {MOST}; {_REMEDY}")
    return draws


def warn_of_strangers(folder: Path, draws: Mapping[str, int], pairs: set[str]) -> None:
    """Warns where the file names pairs that are not there."""
    if strangers := sorted(draws.keys() - pairs):
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        logging.warning("%s: names the pair %r%s, which is not there", folder / NAME, strangers[0], more)
