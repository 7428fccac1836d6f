"""Lets TensorStore's JSON be freed. The only file that names TensorStore, which reads and writes Orbax's arrays."""

import ctypes
import functools
import sys
from collections.abc import Callable
from typing import Any

_release_one = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_DecRef", ctypes.pythonapi))


@functools.cache  # one replacement is enough
def free_json() -> None:
    """Replaces TensorStore's `to_json` by one whose result can be freed, where that of its own cannot.

    TensorStore (up to 0.1.86 at least) takes a reference to each key and each value of a JSON object, which
    PyDict_SetItem takes as well, and never releases its own: they stay until the process ends. Orbax asks for the JSON
    of every array that it reads or writes.
    """
    import tensorstore

    if _leaks(tensorstore.KvStore.Spec({"driver": "memory"}).to_json()):
        for kind in (tensorstore.Spec, tensorstore.KvStore.Spec):
            kind.to_json = _freed(kind.to_json)  # type: ignore[method-assign]


def _leaks(tree: dict[str, Any]) -> bool:
    """Whether somebody else has a reference to the first key and its value, as strings that Python has just made."""
    made = {"".join("driver"): "".join("memory")}
    (key, value), (plain_key, plain_value) = (next(iter(each.items())) for each in (tree, made))
    return sys.getrefcount(key) > sys.getrefcount(plain_key) and sys.getrefcount(value) > sys.getrefcount(plain_value)


def _freed(to_json: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(to_json)
    def freed(*args: Any, **kwargs: Any) -> Any:
        tree = to_json(*args, **kwargs)
        _release(tree)
        return tree

    return freed


def _release(tree: Any) -> None:
    """Releases the reference that nobody will: one to each key and value of all dictionaries, which keep their own."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            _release(value)
            _release_one(key)
            _release_one(value)
    elif isinstance(tree, list):
        for value in tree:
            _release(value)
