"""YAML text as plain data that remembers on which line each key stands.

What belongs here: which YAML is accepted, and key path → line. What does not: files (`loading`), what a key may
hold (`models`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

# An anchor may be used anywhere, and one inside another: a few lines can stand for billions of keys.
LARGEST = 100_000


class Unreadable(ValueError):
    """Text that is no YAML we accept: what is wrong and, where it is known, on which line, counted from 1."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


@dataclass(frozen=True)
class Document:
    """The data of one file and the line of each of its key paths, such as `metrics.orders.of.0`."""

    content: Any
    lines: Mapping[str, int]

    def line(self, path: str) -> int:
        """The line of a key path, or of the deepest part of it that the file has; lines count from 1."""
        while path not in self.lines and path:
            path = path.rpartition(".")[0]
        return self.lines.get(path, 1)


@lru_cache(maxsize=64)
def read(text: str) -> Document:
    """One YAML document: plain values, a key once per mapping, aliases and merge keys resolved. Raises Unreadable.

    Kept, since every step of a run opens the home anew and finds the same text nearly always.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document({}, {})
        _check(node)
        content = loader.construct_document(node)
        return Document({} if content is None else content, {"": node.start_mark.line + 1, **dict(_lines(node, ""))})
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(error.problem or str(error.context), mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable(f"the character U+{error.character:04X} is not allowed", line) from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None


class _Loader(yaml.SafeLoader):
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a day such as 2026-02-30, a number of a million digits: it comes without a place
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


def _check(root: yaml.Node) -> None:
    """Refuse what YAML allows and a playbook should not hold: the last of two equal keys would silently win."""
    count = 0
    open_nodes: list[yaml.Node] = []

    def visit(node: yaml.Node) -> None:
        nonlocal count
        count += 1
        if count > LARGEST:
            raise _wrong(node, f"more than {LARGEST:,} keys and values once its aliases are written out")
        if any(node is outer for outer in open_nodes):
            raise _wrong(node, "an alias stands inside its own anchor")
        open_nodes.append(node)
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item)
        elif isinstance(node, yaml.MappingNode):
            _check_keys(node)
            for _, value in node.value:
                visit(value)
        open_nodes.pop()

    visit(root)


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong(key, "a key must be a plain word")
        if key.value in seen:
            raise _wrong(key, f"the key '{key.value}' stands twice")
        seen.add(key.value)


def _wrong(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _lines(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    """Lines of what is inside a node, once it is constructed: a merged key then stands before the mapping's own."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else key.value
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            inner = f"{path}.{place}" if path else str(place)
            yield inner, value.start_mark.line + 1
            yield from _lines(value, inner)
