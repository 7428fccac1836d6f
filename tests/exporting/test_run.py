"""`python -m tsmu_jax.export`: what it writes, what it refuses."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
from pystac.validation.local_validator import get_local_schema_cache

from tests.exporting.conftest import DECODERS, ONNX_SIDE
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation import metrics
from tsmu_jax.exporting import deepness, scores
from tsmu_jax.exporting.run import export_model
from tsmu_jax.models import archive
from tsmu_jax.models.saved import SavedModel

ROOT = Path(__file__).parents[2]
ABSENT = ("tsmu_jax", "flax", "optax", "orbax", "absl", "ml_collections", "rasterio", "PIL", "onnx")


def test_the_directory_says_what_is_in_it(model: SavedModel, exported: Path) -> None:
    told = archive.read_description(exported, "export.json", schema=1)
    files = {"card.md", "item.json", "network.json", "parameters.safetensors", "autoencoders.safetensors"}
    files |= {f"{name}.{suffix}" for name in DECODERS for suffix in ("stablehlo", "onnx")}
    assert set(told["files"]) == files == {path.name for path in exported.iterdir()} - {"export.json"}
    assert told["model"] == model.digest
    assert told["formats"]["onnx"]["difference"].keys() == DECODERS.keys()
    assert max(told["formats"]["onnx"]["difference"].values()) < 1e-4
    assert all("tests" not in one for one in told["ecoregions"].values())


def test_one_decoder_by_its_name_or_by_an_ecoregion(model: SavedModel, tmp_path: Path) -> None:
    for name in ("alps+andes", "andes"):
        told = export_model(model.path, tmp_path / name, formats=["stablehlo"], decoder=name)
        assert list(told["decoders"]) == ["alps+andes"] and list(told["ecoregions"]) == ["alps", "andes"]
        assert told["formats"]["stablehlo"]["files"] == {"alps+andes": "alps+andes.stablehlo"}


def test_the_card_states_what_a_user_needs(model: SavedModel, exported: Path) -> None:
    card = (exported / "card.md").read_text()
    told = json.loads((exported / "export.json").read_text())
    for wanted in (
        model.digest,
        told["formats"]["stablehlo"]["expires"],
        "2.5 (2 to 3) x 2.5 (2 to 3)",
        "uint8, bands 1, 2, 3: 0 to 255 become 0 to 1",
        "| alps | CC-BY-4.0 |",
        "| andes | not stated |",
        "`--licence=andes=TEXT`",
        "Tiles\noverlap by 50 %, less than the network looks",
    ):
        assert wanted in card, wanted
    images, masks = model.exam("andes") or ()
    iou = metrics.scores(metrics.count(model.predict(images, "alps+andes") > 0.5, masks)).iou.mean()
    assert f"| andes | alps+andes | 8 | {iou:.3f} [" in card
    assert "| himalaya | himalaya | 8 | 0.500, no interval |" in card
    assert not re.search(r"\{|\}", re.sub(r"```.*?```", "", card, flags=re.DOTALL))  # nothing left unfilled


def test_the_card_says_where_the_model_comes_from_and_what_it_cannot_do(model: SavedModel, exported: Path) -> None:
    parts = (exported / "card.md").read_text().split("\n## ")
    texts = {title: text.strip() for title, _, text in (part.partition("\n") for part in parts)}
    assert texts["Where it comes from"].splitlines() == [
        "| made | run | method | trained on | updated from | jax |",
        "| --- | --- | --- | --- | --- | --- |",
        "| 2026-11-27T09:36:09+00:00 | first | tsmu | alps, andes | none | 0.12.0.1 |",
        "| 2026-12-01T10:00:00+00:00 | second | tsmu | himalaya | 0123456789ab | 0.12.0.1 |",
    ]
    furthest = max(deepness.halo(model))
    assert furthest > 0
    limits = [" ".join(line.split()) for line in texts["Limits"].removeprefix("- ").split("\n- ")]
    starts = (
        "It knows the ecoregions above. What it answers for other ground, sensors, seasons and resolutions nobody",
        "Which decoder answers is for you to choose here;",
        "Clouds, snow and ground without data are answered like ground. Mask them.",
        "Probabilities are calibrated on validation images of the ecoregions;",
        f"Sides are multiples of {model.network.stride} px. Within {furthest} px of an image's border the answer lacks",
        "A map is no proof that there is a landslide, or that there is none.",
    )
    assert len(limits) == len(starts)
    for limit, start in zip(limits, starts, strict=True):
        assert limit.startswith(start)


def test_intervals_are_those_of_the_exam(model: SavedModel) -> None:
    found = scores.iou_intervals(model, ("alps", "andes", "himalaya"))
    assert found.keys() == {"andes"}
    assert found["andes"].low <= found["andes"].difference <= found["andes"].high


def test_the_programs_of_the_card_run(exported: Path) -> None:
    """With the packages alone that the card names, and NumPy."""
    programs = re.findall(r"```python\n(.*?)```", (exported / "card.md").read_text(), re.DOTALL)
    assert len(programs) == 3
    shapes = "print(probability.shape)"
    hide = f"import sys; sys.modules.update(dict.fromkeys({ABSENT!r}))"
    text = "\n".join((hide, *(f"{one}\n{shapes if 'probability' in one else ''}" for one in programs)))
    done = subprocess.run([sys.executable, "-c", text], cwd=exported, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["(1, 16, 16)", f"(1, 1, {ONNX_SIDE}, {ONNX_SIDE})"]


def test_the_item_is_valid_stac(exported: Path) -> None:
    item = json.loads((exported / "item.json").read_text())
    schemas = get_local_schema_cache()
    resources = [(uri, referencing.Resource.from_contents(schema)) for uri, schema in schemas.items()]
    (core,) = (schema for uri, schema in schemas.items() if uri.endswith("/item.json"))
    jsonschema.Draft7Validator(core, registry=referencing.Registry().with_resources(resources)).validate(item)
    for asset in item["assets"].values():
        assert (exported / asset["href"]).is_file()


def test_the_item_follows_the_models_extension(exported: Path) -> None:
    """The rules of version 1.4 that its schema would check, as its text has them; pystac reads it."""
    import pystac
    from pystac.extensions.mlm import MLMExtension

    item = pystac.Item.from_file(str(exported / "item.json"))
    told = MLMExtension.ext(item)
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", told.mlm_name)
    assert told.tasks == ["semantic-segmentation"] and told.framework == "JAX"
    assert told.framework_version == "0.12.0"
    (taken,), (made,) = told.input, told.output
    assert [band["name"] for band in item.properties["bands"]] == list(taken.bands)
    assert taken.input.shape == [-1, 6, ONNX_SIDE, ONNX_SIDE] and taken.input.data_type == "float32"
    assert len(taken.input.shape) == len(set(taken.input.dim_order)) == 4
    assert taken.input.dim_order[1] == "bands"  # so from version 1.5 on, wherever bands are named
    assert made.result.shape == [-1, 1, ONNX_SIDE, ONNX_SIDE]
    assert len(item.properties["mlm:input"][0]["value_scaling"]) == 6
    models = [one for one in item.assets.values() if "mlm:model" in (one.roles or ())]
    assert len(models) == 2 * len(DECODERS) + 1
    assert all(one.extra_fields["mlm:artifact_type"] for one in models)
    inside = {name for one in item.assets.values() for name in one.extra_fields if name.startswith("mlm:")}
    assert inside == {"mlm:artifact_type"}


def test_the_item_is_one_for_the_extensions_own_models(exported: Path) -> None:
    """No package holds the schema itself. stac-model 0.3.0, of version 1.4, needs an older Rich than this project."""
    schema = pytest.importorskip("stac_model.schema", reason="pip install --no-deps stac-model==0.3.0; then pydantic")
    item = json.loads((exported / "item.json").read_text())
    if schema.SCHEMA_URI not in item["stac_extensions"]:
        pytest.skip(f"stac-model is of another version of the extension: {schema.SCHEMA_URI}")
    told = schema.MLModelProperties.model_validate(item["properties"])
    assert told.input[0].input.shape == [-1, 6, ONNX_SIDE, ONNX_SIDE] and told.output[0].classes[0].value == 1
    for wrong in ({"mlm:tasks": ["segments"]}, {"mlm:input": [{}]}, {"mlm:accelerator": "abacus"}):
        with pytest.raises(ValueError, match="validation error"):
            schema.MLModelProperties.model_validate({**item["properties"], **wrong})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ["onx"]}, "--format=onx: no such format; did you mean 'onnx'?"),
        ({"formats": []}, "--format is empty; known: safetensors, stablehlo, onnx"),
        (
            {"decoder": "tundra"},
            "--decoder=tundra: the model has no such ecoregion or decoder; known: all, alps, andes",
        ),
        ({"side": 31}, "--side=31: sides are multiples of 2 px; give 32"),
        ({"licences": {"tundra": "CC0"}}, "--licence=tundra=...: no such ecoregion is exported; known: alps, andes"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    model: SavedModel, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        export_model(model.path, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_remedy(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.raises(UserError, match=re.escape("--format=onnx: needs onnxruntime: pip install 'tsmu_jax[export]'")):
        export_model(model.path, tmp_path / "out")
    export_model(model.path, tmp_path / "out", formats=["safetensors"])


def test_a_directory_of_something_else_stays_as_it_is(model: SavedModel, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"out: holds notes.txt and no export; name a new directory"):
        export_model(model.path, tmp_path / "out")
    with pytest.raises(UserError, match=r"notes.txt: is a file; name a new directory"):
        export_model(model.path, tmp_path / "out" / "notes.txt")
    with pytest.raises(UserError, match="and no export"):  # least of all the model's own
        export_model(model.path, model.path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_an_export_takes_the_place_of_an_earlier_one(model: SavedModel, tmp_path: Path) -> None:
    export_model(model.path, tmp_path / "out", formats=["stablehlo"], decoder="himalaya")
    told = export_model(model.path, tmp_path / "out", formats=["safetensors"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*told["files"], "export.json"}
    assert "himalaya.stablehlo" not in told["files"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_equal_exports_have_equal_digests(model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    made = [export_model(model.path, tmp_path / name, side=ONNX_SIDE, decoder="himalaya") for name in "ab"]
    assert made[0] == made[1]


def test_the_command_says_what_it_wrote_and_what_is_wrong(model: SavedModel, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tsmu_jax.export", f"--model={model.path}", f"--output={tmp_path / 'out'}"]
    done = subprocess.run([*command, "--format=safetensors"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [Path(line).name for line in done.stdout.split()] == [
        "card.md",
        "item.json",
        "network.json",
        "parameters.safetensors",
    ]
    done = subprocess.run([*command, "--licence=alps="], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: --licence=alps=: no text; write --licence=alps=CC-BY-4.0")
