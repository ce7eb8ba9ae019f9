"""The ledger of a year, kept by a slow reference in plain Python: what was shown, and every value that changed.

What belongs here: what a publication is, what differs between two, and what kind of change that is. What does not:
what may be published (`year_published`). A certificate is stood for by everything that it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from year_growth import Accounts
from year_rules import Number

TOLERANCE = 0.05
KEY = ("table", "use_case", "metric", "week", "slice", "slice_value")
TABLES = ("north_star", "inputs", "counter_metrics", "growth")
Key = tuple[str, str, str, date, str, str]
"""Table, use case, metric, week, slice, slice value."""


@dataclass(frozen=True)
class Made:
    """Everything that a certificate vouches for: files with rows of the week, definitions, warnings."""

    use_case: str
    week: date
    files: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, date | None, date | None], ...]
    least: int | None
    warning: str


@dataclass(frozen=True)
class Word:
    """Somebody's word for a restatement, or for a certificate."""

    text: str
    by: str


@dataclass(frozen=True)
class State:
    """Of a use case's week: flash, withheld, held or certified; `made`: the certificate of what is shown."""

    state: str
    stage: str
    made: Made | None
    why: str = ""

    @property
    def is_pending(self) -> bool:
        return self.made is not None and self.state in ("withheld", "held")

    @property
    def label(self) -> str:
        if self.made is None:
            return "flash"
        return "superseded_pending" if self.is_pending else "certified"


@dataclass(frozen=True)
class Value:
    """One published number with what it is worth."""

    value: float | None
    state: str
    stage: str
    made: Made | None


@dataclass
class Publication:
    """Everything that was shown from one moment on."""

    states: dict[tuple[str, date], State]
    numbers: dict[Key, Number]
    values: dict[Key, Value]
    accounts: dict[tuple[str, date], Accounts]


Cause = Callable[[Made | None, Made], str]


@dataclass
class Ledger:
    """Every value of a week that was shown before and then changed. `baselines`: what values that have changed within
    tolerance since they were final, or last restated, were then; `ever`: weeks with certified values, now or once."""

    rows: list[dict[str, object]] = field(default_factory=list)
    baselines: dict[Key, float | None] = field(default_factory=dict)
    ever: set[tuple[str, date]] = field(default_factory=set)

    def is_beyond(self, key: Key, old: float | None, new: float | None, total: float | None) -> bool:
        base, share = self.baselines.get(key, old), 0.0
        if key[4] != "all":
            share = abs(self.baselines.get((*key[:4], "all", "all"), total) or 0)
            base, new = base or 0.0, new or 0.0
        if base is None or new is None:
            return base is not new
        return abs(new - base) > TOLERANCE * max(abs(base), share)

    def go_on(
        self, before: Publication | None, after: Publication, word: Word | None, today: date, cause: Cause
    ) -> None:
        """Add what differs between a publication and the next; `word`: for which final values may."""
        found = self._differing(before, after) if before is not None else []
        kinds = dict(self._kinds(found, before, after)) if before is not None else {}
        changed = {(key[1], key[3]) for key in found if key[0] != "growth"}
        for key in found:
            assert before is not None
            row = self._row(key, before, after, kinds[key])
            told = _told_by(key, changed)
            state, was = after.states[told], before.states.get(told)
            row["cause"] = state.why or "the week is in progress"
            if state.made is not None:
                row["cause"] = cause(was.made if was else None, state.made)
            is_final = kinds[key] not in ("flash", "settling") and state.stage == "final" and state.made is not None
            said = word if is_final and word is not None else Word("", "")
            self.rows.append({**row, "reason": said.text, "by": said.by, "at": today})
        self.ever |= {key for key, state in after.states.items() if state.made is not None}

    def _differing(self, before: Publication, after: Publication) -> list[Key]:
        """Values that differ, and rows that came or went, of weeks that were shown before, in the ledger's order."""
        was_shown = {(key[1], key[3]) for key in before.values}
        was_shown |= {(row["use_case"], row["week"]) for row in self.rows}  # type: ignore[misc]
        keys = [key for key in {**before.values, **after.values} if (key[1], key[3]) in was_shown]
        keys.sort(key=lambda key: (key[1], TABLES.index(key[0]), *key[2:]))
        return [
            key for key in keys
            if _value(before, key) != _value(after, key)
            or (key[0] != "growth" and (key in before.values) != (key in after.values))
        ]  # fmt: skip

    def _row(self, key: Key, before: Publication, after: Publication, kind: str) -> dict[str, object]:
        row: dict[str, object] = dict(zip(KEY, key, strict=True))
        for side, publication in (("old", before), ("new", after)):
            one = publication.values.get(key)
            row[side] = one.value if one else None
            row[f"{side}_state"] = one.state if one else None
            row[f"{side}_made"] = one.made if one else None
        return {**row, "number": len(self.rows) + 1, "kind": kind}

    def _kinds(self, found: Sequence[Key], before: Publication, after: Publication) -> Iterator[tuple[Key, str]]:
        """Growth follows what it is made from: a value of its week or an earlier one that was restated, or added."""
        followed: dict[str, list[tuple[str, date]]] = {"restatement": [], "added": []}
        judged: list[tuple[Key, str]] = []
        for key in found:
            old, new = before.values.get(key), after.values.get(key)
            if "flash" in {old.stage if old else None, new.stage if new and not old else None}:
                yield key, "flash"
            elif after.states[key[1], key[3]].stage == "settling":
                yield key, "settling"
            elif key[0] == "growth":
                kinds = [kind for kind, of in followed.items() if any(one == key[1] and at <= key[3] for one, at in of)]
                yield key, kinds[0] if kinds else "within_tolerance"
            else:
                kind = "added"
                if (key[1], key[3]) in self.ever:
                    total = _value(before, (*key[:4], "all", "all"))
                    is_beyond = self.is_beyond(key, _value(before, key), _value(after, key), total)
                    kind = "restatement" if is_beyond else "within_tolerance"
                judged.append((key, kind))
                followed.get(kind, []).append((key[1], key[3]))
        for key, kind in judged:
            if kind == "within_tolerance":
                self.baselines.setdefault(key, _value(before, key))
            else:
                self.baselines.pop(key, None)
            yield key, kind


def _value(publication: Publication, key: Key) -> float | None:
    found = publication.values.get(key)
    return found.value if found else None


def _told_by(key: Key, changed: set[tuple[str, date]]) -> tuple[str, date]:
    """Use case and week whose certificate says why a value is another: of growth that of the newest week that it can
    be made from."""
    if key[0] != "growth":
        return key[1], key[3]
    return key[1], max((week for name, week in changed if name == key[1] and week <= key[3]), default=key[3])
