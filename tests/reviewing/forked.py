"""`python -m tsmu_jax.review` in a process that is forked from one that has imported everything."""

from pathlib import Path

from tests import forks


def review(said: Path, *words: str) -> tuple[int | None, str, str]:
    """Exit code, and what the command wrote to standard output and to standard error. Args: said: a new directory."""
    return forks.ended("tsmu_jax.review", *words, said=said)
