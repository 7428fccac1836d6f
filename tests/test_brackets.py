"""Names that shells and libraries take for patterns, through the real commands."""

import csv
from pathlib import Path

import pytest

from tests import forks
from tests.runs.circle import ROOT, TINY, write_images
from tsmu_jax.data import folder

CONFIG = """
import runpy

def get_config():
    config = runpy.run_path({demo!r})["get_config"]("demo")
    config.update_from_flattened_dict({tiny!r})
    return config
"""
SHORT = {"epochs.initial": 1, "epochs.freeze": 1, "epochs.joint_fine_tuning": 1, "selection.epochs": 1, "reuse": False}


def test_brackets_in_the_names_of_regions_and_directories(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said = tmp_path_factory.mktemp("said")
    images = write_images(tmp_path / "images[1]", ("etf", "nad"))
    (images / "etf").rename(images / "a[1]")
    (tmp_path / "tiny.py").write_text(CONFIG.format(demo=str(ROOT / "configs" / "tsmu.py"), tiny=TINY | SHORT))
    workdir, output = tmp_path / "run[1]", tmp_path / "maps[1]"
    flags = [f"--config={tmp_path / 'tiny.py'}", "--config.old=a[1]", "--config.new=nad"]
    for module, *words in (
        ("tsmu_jax.main", *flags, f"--config.data.dir={images}", f"--workdir={workdir}"),
        ("tsmu_jax.report", f"--workdir={workdir}"),
        ("tsmu_jax.predict", f"--model={workdir}", f"--input={images}", f"--output={output}", "--decoder=a[1]"),
    ):
        code, _, error = forks.ended(module, *words, said=said / module, cwd=ROOT)
        assert code == 0, (module, error)
    assert "a[1]" in (workdir / "report" / "report.html").read_text()
    with (output / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["ecoregion"] for row in rows} == {"a[1]"} and not any(row["error"] for row in rows)
    assert len(rows) == len(folder.FolderSource(images, require_pre=True)) == 24
    assert len(list((output / "a[1]").glob("*_mask.png"))) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images[1]", "maps[1]", "run[1]", "tiny.py"]
