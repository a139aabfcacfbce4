"""Elements of SVG, written with every text and attribute escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

Points = Iterable[tuple[float, float]]


def element(name: str, *content: str, **attributes: object) -> str:
    """One element.

    Args:
        name: Its tag.
        content: What stands in it: elements, or text from :func:`text`.
        attributes: Numbers are written with one decimal at most, ``None`` leaves one out; an
            underscore stands for a dash, and one at the end keeps Python's own words apart.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def text(words: str) -> str:
    """Text that stands in an element."""
    return escape(words)


def polyline(points: Points, **attributes: object) -> str:
    """A line through points."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=places, **attributes)


def drawing(width: float, height: float, title: str, *content: str, style: str = "") -> str:
    """A whole drawing, which is a file or stands in a page.

    Args:
        width: Units across; a page may show it larger or smaller.
        height: Units down.
        title: What is shown, for readers who do not see it.
        content: Its elements.
        style: A style sheet of its own, for a drawing that is a file.
    """
    return element(
        "svg",
        element("title", text(title)),
        f"<style>{style}</style>" if style else "",
        *content,
        xmlns="http://www.w3.org/2000/svg" if style else None,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=title,
    )


def _plain(value: object) -> str:
    return f"{round(value, 1):g}" if isinstance(value, float) else str(value)
