"""The notebook runs from top to bottom on a finished run, in a kernel of its own."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "analysis.ipynb"


def test_is_stored_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)


def test_answers_its_questions_on_a_tiny_run(tiny_run: tuple[Path, dict], tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    inline = "module://matplotlib_inline.backend_inline"  # as under Jupyter: figures become outputs
    environment = os.environ | {"TSMU_WORKDIR": str(tiny_run[0]), "MPLBACKEND": inline, "IPYTHONDIR": str(tmp_path)}
    client = NotebookClient(notebook, timeout=600, startup_timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert "02_freeze -> 03_joint_fine_tuning; decoders ('old', 'new')" in texts
    assert "etf\n  old: [1. " in texts and "nad\n  old: [1. " in texts
    assert len(pictures) == 3  # layers, responses, failures
    assert "stores no responses" not in texts and "no autoencoders" not in texts
