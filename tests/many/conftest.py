"""The model of tests/scenes, for lists of scenes."""

from tests.scenes.conftest import model  # noqa: F401
