"""What must be published at every moment of the year, kept by a slow reference in plain Python.

What belongs here: what has landed, and what of it may be published when, by the rules that docs/trust.md states. What
does not: values of a week (`year_rules`), the ledger (`year_ledger`), looking at a home (`year_shown`). Nothing here
calls the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from year_growth import ACCOUNTS, NUMBERS, Accounts, growth_of, lifecycle
from year_landing import FIRST
from year_ledger import Key, Ledger, Made, Publication, State, Value, Word
from year_rules import WEEK, Cell, Number, Rules, Sent, values

SETTLING = timedelta(days=14)
LATE = timedelta(days=7)


@dataclass
class Reference:
    """The year so far. `today`: the Monday that it has come to."""

    rules: dict[str, Rules]
    today: date = FIRST
    approval: bool = False
    files: dict[str, list[Sent]] = field(default_factory=dict)
    released: dict[tuple[str, date], tuple[Made, dict[Cell, Number]]] = field(default_factory=dict)
    signed: dict[Made, list[Word]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    shown: Publication | None = None
    _by_week: dict[date, list[Sent]] = field(default_factory=dict)
    _facts: dict[tuple[Rules, date], list[Sent]] = field(default_factory=dict)

    @property
    def weeks(self) -> list[date]:
        return [FIRST + number * WEEK for number in range((self.today - FIRST).days // 7 + 1)]

    def facts(self, use_case: str, week: date) -> list[Sent]:
        """Orders of a week that have landed, as they are to be counted now."""
        if week not in self._by_week:
            self._by_week[week] = [row for path in sorted(self.files) for row in self.files[path] if row.week == week]
        key = (self.rules[use_case], week)
        if key not in self._facts:
            self._facts[key] = self.rules[use_case].facts(self._by_week[week], week)
        return self._facts[key]

    def land(self, path: str, rows: Sequence[Sent]) -> None:
        """A file lands, or lands again with other content."""
        self.files[path] = list(rows)
        self._by_week.clear()
        self._facts.clear()

    def stage(self, week: date) -> str:
        if week >= self.today:
            return "flash"
        return "final" if week + WEEK + SETTLING <= self.today else "settling"

    def made(self, use_case: str, week: date) -> Made:
        rules = self.rules[use_case]
        names = {name for name, _, _ in rules.in_week(week)}
        files = tuple(
            (path, hash(tuple(rows)))
            for path, rows in sorted(self.files.items())
            if any(row.week == week and row.name in names for row in rows)
        )
        return Made(use_case, week, files, rules.in_week(week), rules.least, self._warning(week))

    def _warning(self, week: date) -> str:
        rows = [row for rows in self.files.values() for row in rows if row.week == week]
        share = sum(row.received - row.at > LATE for row in rows) / max(1, len(rows))
        return f"share late: share_late {share:.4g}" if share > 0.5 else ""

    def failed(self, use_case: str, week: date) -> bool:
        """Whether a complete week has less than half, or more than three times, of its usual volume."""
        place = self.weeks.index(week)
        before = [len(self.facts(use_case, one)) for one in self.weeks[max(0, place - 8) : place]]
        usual = median(before) if len(before) >= 4 else 0
        return bool(usual) and not 0.5 <= len(self.facts(use_case, week)) / usual <= 3

    # --- publishing

    def publish(self, word: Word | None = None) -> None:
        """What a run on this day shows; `word`: with it final values may change."""
        states = {(name, week): self._state(name, week, word) for name in self.rules for week in self.weeks}
        numbers, found, accounts = self._rows(states)
        after = Publication(states, numbers, found, accounts)
        self.ledger.go_on(self.shown, after, word, self.today, self.cause)
        self.shown = after

    def _state(self, name: str, week: date, word: Word | None) -> State:
        stage = self.stage(week)
        if stage == "flash":
            return State("flash", stage, None)
        made, (known, _) = self.made(name, week), self.released.get((name, week), (None, {}))
        if self.failed(name, week):
            return State("withheld", stage, known, "withheld: volume against the trailing median…")
        if made == known:
            return State("certified", stage, made)
        if self.approval and made not in self.signed:
            return State("held", stage, known, "held: awaits approval…")
        new = values(self.rules[name], self.facts(name, week))
        if word is None and stage == "final" and known is not None and self._restates(name, week, new):
            return State("held", stage, known, "held: the week is final and…")
        self.released[name, week] = made, new
        return State("certified", stage, made)

    def _restates(self, name: str, week: date, new: Mapping[Cell, Number]) -> bool:
        old = self.released[name, week][1]
        for cell in {*old, *new}:
            key = (cell[0], name, cell[1], week, cell[2], cell[3])
            values_ = [cells[cell].value if cell in cells else None for cells in (old, new)]
            if values_[0] != values_[1] or (cell in old) != (cell in new):
                total = old.get((*cell[:2], "all", "all"))
                if self.ledger.is_beyond(key, values_[0], values_[1], total.value if total else None):
                    return True
        return False

    def cause(self, old: Made | None, new: Made) -> str:
        """In the program's words; what ends with … goes on in any way."""
        if old is None:
            return "the week is complete"
        come = [path for path, _ in new.files if path not in dict(old.files)]
        changed = [path for path, content in new.files if dict(old.files).get(path, content) != content]
        said = []
        if come:
            said.append(f"late rows in {_paths(come)}")
        if changed:
            said.append(f"{_paths(changed)} came again with other content")
        if old.least != new.least:
            said.append("metric orders changed from …")
        return "; ".join(said)

    def _rows(
        self, states: Mapping[tuple[str, date], State]
    ) -> tuple[dict[Key, Number], dict[Key, Value], dict[tuple[str, date], Accounts]]:
        numbers: dict[Key, Number] = {}
        found: dict[Key, Value] = {}
        for (name, week), state in states.items():
            cells: Mapping[Cell, Number] = {}
            if state.made is not None:
                cells = self.released[name, week][1]
            elif state.state == "flash":
                cells = values(self.rules[name], self.facts(name, week))
            for (table, metric, cut, value), number in cells.items():
                key = (table, name, metric, week, cut, value)
                numbers[key] = number
                found[key] = Value(number.value, state.label, state.stage, state.made)
        accounts: dict[tuple[str, date], Accounts] = {}
        for name in self.rules:
            mine = {week: state for (one, week), state in states.items() if one == name}
            for week, row in self._growth(name, mine, numbers).items():
                accounts[name, week] = {column: row[column] for column in ACCOUNTS}
                for column in NUMBERS:
                    state = mine[week]
                    key = ("growth", name, column, week, "all", "all")
                    found[key] = Value(row[column], state.label, state.stage, state.made)
        return numbers, found, accounts

    def _growth(
        self, name: str, states: Mapping[date, State], numbers: Mapping[Key, Number]
    ) -> dict[date, dict[str, float | None]]:
        """Over published values; where an earlier value stays, its week and the final ones after it keep the accounts
        that were shown with it."""
        published = {
            week: numbers["north_star", name, "buyers", week, "all", "all"].value
            for week, state in states.items()
            if state.made is not None or state.state == "flash"
        }
        active = [(week, {row.account for row in self.facts(name, week)}) for week in self.weeks]
        counted = dict(zip(self.weeks, lifecycle(active), strict=True)) if active else {}
        rows = growth_of(published, self.today)
        pending = min((week for week, state in states.items() if state.is_pending), default=None)
        for week, row in rows.items():
            kept = self.shown.accounts.get((name, week)) if self.shown else None
            keeps = pending is not None and week >= pending
            keeps = keeps and (states[week].is_pending or states[week].stage == "final")
            row.update(kept if keeps and kept is not None else counted[week])
        return rows


def _paths(names: Sequence[str]) -> str:
    return ", ".join(f"usage_events/{name}" for name in names)
