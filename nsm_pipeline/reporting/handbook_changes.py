"""What changed between two handbooks' definitions, key by key: `inputs › builds_per_seat › owner: Verify → Runner`.

What belongs here: comparing parts. What does not: what a change does to numbers (`steps.definition_changes`), showing
it (`cli.playbook_diff`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nsm_pipeline.reporting.handbook import Page
from nsm_pipeline.reporting.handbook_parts import Fact, Part

# Parts of a page that stand together for people, while their keys stand at the top of a file.
TOGETHER = ("about", "tree")


@dataclass(frozen=True)
class Change:
    """One key, or one item with all its keys: `path` as in the file; None where it was not, or is not any more."""

    path: tuple[str, ...]
    old: str | None
    new: str | None

    @property
    def words(self) -> str:
        """'inputs › builds_per_seat › owner: Verify → Runner', '…: added (…)', '…: removed'."""
        if self.old is None:
            return f"{' › '.join(self.path)}: added{f' ({self.new})' if self.new else ''}"
        return f"{' › '.join(self.path)}: " + ("removed" if self.new is None else f"{self.old} → {self.new}")


def changed_parts(old: Sequence[Part], new: Sequence[Part]) -> list[Change]:
    """Changes between two lists of parts of a definition, in the new one's order, what is gone after it."""
    before, after = {part.key: part for part in old}, {part.key: part for part in new}
    found: list[Change] = []
    for key in {**after, **before}:
        path = () if key in TOGETHER else (key,)
        found += _part(before.get(key, Part(key, "")), after.get(key, Part(key, "")), path)
    return found


def changed_pages(old: Page, new: Page) -> list[Change]:
    """Changes of one use case's definition."""
    return changed_parts(old.parts, new.parts)


def _part(old: Part, new: Part, path: tuple[str, ...]) -> Iterator[Change]:
    before, after = _facts(old), _facts(new)
    for key in {**after, **before}:
        if before.get(key) != after.get(key):
            own = () if (key,) == path[-1:] else tuple(key.split("."))
            yield Change((*path, *own), before.get(key), after.get(key))
    parts, others = {part.key: part for part in old.parts}, {part.key: part for part in new.parts}
    for key in {**others, **parts}:
        was, now = parts.get(key), others.get(key)
        if was is not None and now is not None:
            yield from _part(was, now, (*path, key))
        else:
            yield Change((*path, key), _summary(was), _summary(now))


def _facts(part: Part) -> dict[str, str]:
    return {fact.key: fact.value for fact in part.facts if not fact.follows}


def _summary(part: Part | None) -> str | None:
    """An item in a few words: its definition where it has one, else what it says."""
    if part is None:
        return None
    said = [fact for fact in part.facts if fact.key == "definition"] or [
        fact for fact in part.facts if not fact.follows
    ]
    return "; ".join(_said(fact) for fact in said)


def _said(fact: Fact) -> str:
    return fact.value if fact.key == "definition" else f"{fact.label.lower()} {fact.value}"
