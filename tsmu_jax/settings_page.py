"""Prints docs/settings.md: all settings as they are declared.

python -m tsmu_jax.settings_page > docs/settings.md
"""

from collections.abc import Iterable

from tsmu_jax.declaration import Range, Setting
from tsmu_jax.settings import SETTINGS

HEAD = """# Settings

Every setting of a run, with its value without a variant of [configs/tsmu.py](../configs/tsmu.py). Set a value on the
command line: `--config.NAME=VALUE`. The last column says what a setting has an influence on.
[configuration.md](configuration.md) explains the settings that need more than a line.

`python -m tsmu_jax.settings_page` prints this page.
"""


def markdown() -> str:
    """The page."""
    sections: dict[str, list[Setting]] = {}
    for setting in SETTINGS.values():
        sections.setdefault(setting.key.rpartition(".")[0], []).append(setting)
    return "\n".join([HEAD, *(_section(name, settings) for name, settings in sections.items())])


def _section(name: str, settings: Iterable[Setting]) -> str:
    rows = [
        "| setting | default | permitted | meaning | has an influence on |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(setting))} |" for setting in settings),
    ]
    return "\n".join([f"## {name or 'The run'}", "", *rows, ""])


def _cells(setting: Setting) -> tuple[str, ...]:
    default = str(setting.default).lower() if isinstance(setting.default, bool) else str(setting.default)
    return (
        f"`{setting.key}`",
        f"`{default}`" if default else "",
        _permitted(setting),
        setting.meaning,
        setting.scope.value,
    )


def _permitted(setting: Setting) -> str:
    if isinstance(setting.permitted, Range):
        return str(setting.permitted)
    if isinstance(setting.default, bool):
        return "`true`, `false`"
    return ", ".join(f"`{value}`" for value in setting.permitted or ()) or "text"


if __name__ == "__main__":
    print(markdown(), end="")
