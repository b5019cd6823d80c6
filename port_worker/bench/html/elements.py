"""HTML and SVG as a tree, so that every text is escaped by whoever writes it out."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

Child = Element | str | None


def element(tag: str, *children: Child, **attributes: str | float) -> Element:
    """One element. `class_` is the attribute class, `stroke_width` is stroke-width; coordinates get one decimal."""
    found = Element(tag, {_attribute(name): _value(value) for name, value in attributes.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, str):
            if last is None:
                found.text = (found.text or "") + child
            else:
                last.tail = (last.tail or "") + child
        elif child is not None:
            found.append(child)
            last = child
    return found


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def document(root: Element) -> str:
    """The text of a whole page."""
    return f"<!doctype html>\n{tostring(root, encoding='unicode', method='html')}\n"
