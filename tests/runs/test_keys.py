"""Keys of phases: chained, blind to what changes no bit, and the same whether old images are there or not."""

import ast
import dataclasses
import hashlib
from typing import Any

import pytest

from tsmu_jax.runs import keys
from tsmu_jax.runs.plan import stages
from tsmu_jax.settings import Config

IMAGES = {"a": "a's", "b": "b's", "c": "c's", "d": "d's"}


def chain(*new: str, images: dict[str, str] = IMAGES, method: str = "sequential_tsmu", **changes: Any) -> list[str]:
    config = Config()
    for key, value in changes.items():
        section, _, leaf = key.rpartition("__")
        part = {section: dataclasses.replace(getattr(config, section), **{leaf: value})} if section else {leaf: value}
        config = dataclasses.replace(config, **part)
    return list(keys.phase_keys(config, stages(method, ["a"], new), images))


def common(one: list[str], other: list[str]) -> int:
    """How many phases two chains share, from the first one on."""
    same = [first == second for first, second in zip(one, other, strict=False)]
    assert same == sorted(same, reverse=True)  # once they part, they never meet again
    return sum(same)


def test_an_update_has_the_same_key_whatever_arrives_later() -> None:
    assert common(chain("b", "c"), chain("b", "c", "d")) == 5
    assert common(chain("b", "c"), chain("b", "d")) == 3


def test_images_change_the_keys_from_the_phase_on_that_sees_them() -> None:
    for name, shared in (("a", 0), ("b", 1), ("c", 3), ("d", 5)):
        assert common(chain("b", "c"), chain("b", "c", images=IMAGES | {name: "others"})) == shared


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({"data__dir": "elsewhere"}, 5),  # the images' fingerprints stand for it
        ({"data__features_gib": 0.0, "data__workers": 1, "reuse": False}, 5),
        ({"selection__rate": 1.0}, 5),
        ({"rates__joint_fine_tuning": 1.0}, 2),
        ({"distillation__weight": 3.0}, 2),
        ({"rates__retrain": 1.0}, 5),
        ({"loss__smoothing": 2.0}, 0),
    ],
)
def test_settings_change_the_keys_from_the_phase_on_that_they_concern(changes: dict[str, Any], shared: int) -> None:
    assert common(chain("b", "c"), chain("b", "c", **changes)) == shared


def test_code_without_comments_docstrings_and_layout() -> None:
    source = 'def f(x):\n    """Doc."""\n    # why\n    return (x +\n            1)\n'
    assert keys.meaning(source) == keys.meaning('"""Module."""\n\n\ndef f(x):\n    return x + 1\n')
    assert keys.meaning(source) != keys.meaning(source.replace("1", "2"))
    assert keys.meaning('def f():\n    """Only this."""\n') == keys.meaning('def f():\n    """Other."""\n')


def test_a_key_is_the_same_for_every_release_of_python() -> None:
    source = "def f(*, a: int = 2) -> str:\n    return f'{a!r:>{a}}' \"it's\"\n"
    assert hashlib.sha256(keys.meaning(source).encode()).hexdigest()[:12] == "68372eaf3ef5"


def test_code_that_trains_is_all_there() -> None:
    for name in keys.TRAINING:
        assert (keys.PACKAGE / name).exists(), name


def test_code_that_trains_imports_nothing_that_decides_a_number_and_is_left_out() -> None:
    harmless = {
        "settings",
        "declaration",
        "configuration",
        "errors",
        "words",
        "runs",
        "digests",
        "stopping",
        "machine",
    } | {f"runs.{name}" for name in ("directory", "files", "keys", "metrics_log", "progress")}
    modules = {".".join(file.relative_to(keys.PACKAGE).with_suffix("").parts) for file in keys.training_files()}
    packages = {module.rpartition(".")[0] for module in modules}
    for file in keys.training_files():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tsmu_jax."):
                assert node.module.removeprefix("tsmu_jax.") in modules | packages | harmless, (file, node.module)
