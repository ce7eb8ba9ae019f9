"""What a verification found: counts of what was proved, and everything that was not, with what to do about it.

What belongs here: the outcome as values. What does not: looking (`verification` and the modules it calls), the report
(`cli.verifying`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Advance = Callable[[str, int, int], None]
"""Called with the kind of work, how much of it is done, and of how much."""

COUNTED = ("files", "publications", "restatements", "numbers", "weeks")
RUN = "nsm run"
BACKUP = "put it back from a backup: it cannot be made anew"
REPAIR = "nsm verify --repair, then nsm run"
ANEW = f"{REPAIR}, which publishes anew"
Row = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """Something that is refuted, or cannot be proved: `what` (a file below the home, or a number with its file), what
    was `found` and `expected`, and how to `mend` it."""

    what: str
    found: str
    expected: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}: found {self.found}; expected {self.expected}. To mend it: {self.mend}."


@dataclass
class Proof:
    """The outcome of a verification.

    `files`, `weeks`, `publications`, `restatements`: counts by outcome. `numbers`: published numbers by outcome;
    `proved` ones lie in a file that is whole and equal their sealed certificate (or, for growth, follow from numbers
    that do); so do `superseded` ones, while newer values wait; `flash` ones are provisional, and only known to be what
    was written. `notes`: what was left out, and why. `damaged`: stored files that are refuted.
    """

    version: str | None = None
    seed: str = ""
    files: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    weeks: Counter[str] = field(default_factory=Counter)
    publications: Counter[str] = field(default_factory=Counter)
    restatements: Counter[str] = field(default_factory=Counter)
    refuted: list[Finding] = field(default_factory=list)
    unproven: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damaged: set[Path] = field(default_factory=set)

    @property
    def holds(self) -> bool:
        """Whether nothing is refuted and nothing was left without proof."""
        return not self.refuted and not self.unproven

    def refute(self, what: str, found: str, expected: str, mend: str) -> None:
        self.refuted.append(Finding(what, found, expected, mend))

    def leave(self, what: str, found: str, expected: str, mend: str) -> None:
        """Note what can neither be proved nor refuted."""
        self.unproven.append(Finding(what, found, expected, mend))

    def document(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "holds": self.holds,
            "version": self.version,
            "sample": self.seed,
            **{
                name: dict(getattr(self, name))
                for name in ("files", "publications", "restatements", "numbers", "weeks")
            },
            "refuted": [asdict(one) for one in self.refuted],
            "unproven": [asdict(one) for one in self.unproven],
            "notes": self.notes,
        }


def listed(row: Mapping[str, Any], columns: Iterable[str]) -> str:
    """Some columns of a row, in words."""
    return ", ".join(f"{column} {row[column]}" for column in columns)
