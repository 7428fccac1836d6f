"""HTML and SVG whose texts are escaped wherever they come from."""

import html
from collections.abc import Iterable

_VOID = {"br", "img", "input", "meta"}  # elements without content


class Html(str):
    """Markup. Any other text is escaped on its way into an element."""

    __slots__ = ()


def element(tag: str, /, *children: str | None, **attributes: str | float | bool | None) -> Html:
    """An element.

    Args:
      children: markup as it is, other texts escaped; None is nothing.
      attributes: `class_` is class, `aria_label` is aria-label; True has no value, False and None are left away.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{joined(children)}</{tag}>")


def joined(children: Iterable[str | None]) -> Html:
    """One after the other: markup as it is, other texts escaped, None left away."""
    return Html(
        "".join(child if isinstance(child, Html) else html.escape(child) for child in children if child is not None)
    )


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    if value is True:
        return f" {name}"
    written = value if isinstance(value, str) else f"{value:.6g}"
    return f' {name}="{html.escape(written)}"'
