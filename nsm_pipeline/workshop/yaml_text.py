"""A document as YAML text such as a person would write it: comments, short things on one line, long ones below.

What belongs here: layout, quoting, comments. What does not: which keys a document has (`document`, `blank`).
Whatever the document holds, the text reads back as the same document, and no comment can become a key.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

WIDTH = 120
INDENT = "  "


@dataclass(frozen=True)
class Noted:
    """A value with comments: above its key, an empty one being an empty line, and beside it.

    `below`: spread over lines even where one would hold it.
    """

    value: Any
    above: tuple[str, ...] = ()
    beside: str = ""
    below: bool = False


def plain(node: Any) -> Any:
    """A document without its comments: mappings as dicts, sequences as lists."""
    if isinstance(node, Noted):
        return plain(node.value)
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(value) for value in node]
    return node


def yaml_text(document: Mapping[str, Any], head: Sequence[str] = ()) -> str:
    """A document's text, its top-level keys from the first column; `head`: comments before it."""
    lines = [*_comments(head, ""), *_mapping(document, "")]
    return "\n".join(lines) + "\n"


def _mapping(node: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in node.items():
        noted = _noted(value)
        lines += _comments(noted.above, indent)
        lines += _entry(f"{indent}{scalar(key)}:", noted, indent + INDENT)
    return lines


def _sequence(node: Sequence[Any], indent: str) -> list[str]:
    lines: list[str] = []
    for value in node:
        noted = _noted(value)
        lines += _comments(noted.above, indent)
        inner = noted.value
        if isinstance(inner, Mapping) and inner and _one_line(f"{indent}- ", noted) is None:
            first, *rest = _mapping(inner, indent + INDENT)
            lines += _comments([noted.beside] if noted.beside else [], indent)
            lines += [f"{indent}- {first[len(indent) + len(INDENT) :]}", *rest]
        else:
            lines += _entry(f"{indent}-", noted, indent + INDENT)
    return lines


def _entry(start: str, noted: Noted, indent: str) -> list[str]:
    """A key or dash with its value: on one line where that fits, else below."""
    one = _one_line(f"{start} ", noted)
    if one is not None:
        return [one]
    first = start + (f" # {_visible(noted.beside)}" if noted.beside else "")
    if isinstance(noted.value, Mapping):
        return [first, *_mapping(noted.value, indent)]
    return [first, *_sequence(noted.value, indent)]


def _one_line(start: str, noted: Noted) -> str | None:
    """The whole of a value on its key's line; None where it has to go below."""
    value = noted.value
    beside = f" # {_visible(noted.beside)}" if noted.beside else ""
    if value is None:
        return f"{start.rstrip()}{beside}"
    if not isinstance(value, Mapping | list | tuple):
        return f"{start}{scalar(value)}{beside}"
    if value and (noted.below or _has_comments(value)):
        return None
    line = f"{start}{_flow(value)}{beside}"
    return line if len(line) <= WIDTH or not value else None


def _has_comments(node: Any) -> bool:
    if isinstance(node, Noted):
        return bool(node.above or node.beside or node.below) or _has_comments(node.value)
    inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ()
    return any(_has_comments(value) for value in inner)


def _flow(node: Any) -> str:
    if isinstance(node, Noted):
        return _flow(node.value)
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{scalar(key, True)}: {_flow(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list | tuple):
        return "[" + ", ".join(_flow(value) for value in node) + "]"
    return scalar(node, True)


def scalar(value: Any, inside: bool = False) -> str:
    """A single value; `inside` brackets more has to be quoted."""
    if not isinstance(value, str):
        return _dumped(value, None)
    text = _dumped([value], None, flow=inside)
    text = text[1:-1] if inside else text.removeprefix("- ")
    if "\n" in text or text.startswith("'"):
        return _dumped(value, '"')
    return text


def _dumped(value: Any, style: str | None, flow: bool = True) -> str:
    if isinstance(value, date):
        return value.isoformat()
    text = yaml.dump(
        value,
        Dumper=yaml.SafeDumper,
        default_style=style,
        default_flow_style=flow,
        width=float("inf"),
        allow_unicode=True,
    )
    return str(text).removesuffix("\n").removesuffix("\n...")


def _noted(value: Any) -> Noted:
    return value if isinstance(value, Noted) else Noted(value)


def _comments(notes: Sequence[str], indent: str) -> list[str]:
    lines: list[str] = []
    for note in notes:
        text = _visible(note)
        space = text[: len(text) - len(text.lstrip(" "))]
        wrapped = textwrap.wrap(
            text, WIDTH - len(indent) - 2, subsequent_indent=space + "  " if space else "", break_on_hyphens=False
        )
        lines += [f"{indent}# {line}" for line in wrapped] or [""]
    return lines


def _visible(note: str) -> str:
    """A comment's text with what is no printable character spelled out, so that it stays one line."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in note)
