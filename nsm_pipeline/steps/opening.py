"""An open home: playbook, ledger, weeks and the fingerprints that every table should carry.

What belongs here: state that all steps share, read once. What does not: doing anything to the home, definitions in
words (`wording`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from nsm_pipeline.certification.expectations import check_declared
from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.events.inputs import EVIDENCE
from nsm_pipeline.events.landing import load_ledger
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.events.usage import UsageStep
from nsm_pipeline.home import Home
from nsm_pipeline.lake import Document, Lake, digest, recall
from nsm_pipeline.metrics.growth import GROWTH_VERSION
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.reach import Reach
from nsm_pipeline.metrics.weekly import METRICS_VERSION
from nsm_pipeline.playbook.loading import Playbook, load_playbook
from nsm_pipeline.steps.anew import Asked, asked_anew
from nsm_pipeline.steps.wording import Wordings
from nsm_pipeline.weeks import WEEK, Calendar, span

SHORTEST = timedelta(microseconds=1)


def open_playbook(home: Home, as_of: date | None = None) -> Playbook:
    """The home's playbook; `as_of` overrides the one in its settings. Raises PlaybookError."""
    return open_folder(home.playbook, as_of)


def open_folder(folder: Path, as_of: date | None = None) -> Playbook:
    """The playbook in a folder, as of a home."""
    playbook = load_playbook(folder, further=check_declared)
    if as_of is None:
        return playbook
    return replace(playbook, settings=playbook.settings.model_copy(update={"as_of": as_of}))


@dataclass(frozen=True)
class Open:
    """A home as it is now. Reopen it after an ingest: it holds one ledger. `anew`: what is to be built anew."""

    home: Home
    playbook: Playbook
    ledger: Ledger
    engine: Engine
    usage: UsageStep
    anew: Asked = frozenset()
    _fingerprints: dict[tuple[str, str, date], str] = field(default_factory=dict, compare=False)
    _judged: dict[str, list[date]] = field(default_factory=dict, compare=False)
    _reaches: dict[tuple[str, str], Reach] = field(default_factory=dict, compare=False)
    _histories: dict[str, dict[date, str]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, home: Home, playbook: Playbook, engine: Engine | None = None, ledger: Ledger | None = None) -> Open:
        """Opened anew by every step of a run: what follows from ledger and playbook alone is taken over from the last
        time where both are the same; what depends on the clock or on stored tables never is."""
        engine = engine or Engine.of(playbook.settings.engine, home.spill)
        ledger = ledger or load_ledger(home)
        last = OPENED.get(home)
        if last is not None and last.ledger is ledger and last.playbook == playbook:
            return cls(home, playbook, ledger, engine, last.usage, asked_anew(home), last._fingerprints)
        recall(home.lake)
        usage = UsageStep(Lake(home.lake), ledger, playbook)
        opened = OPENED[home] = cls(home, playbook, ledger, engine, usage, asked_anew(home))
        return opened

    @property
    def lake(self) -> Lake:
        return self.usage.lake

    @property
    def calendar(self) -> Calendar:
        return self.playbook.calendar

    @cached_property
    def plans(self) -> dict[str, UseCasePlan]:
        attributes = self.playbook.attributes()
        return {name: UseCasePlan(use_case, attributes) for name, use_case in self.playbook.use_cases.items()}

    @cached_property
    def first_week(self) -> date | None:
        """The series' first week: from the settings, else the one recorded when rows first landed."""
        recorded = self.playbook.settings.first_week or self.ledger.first_week
        return None if recorded is None else self.calendar.week_of_day(recorded)

    @cached_property
    def weeks(self) -> list[date]:
        """Every week from the first to the one in progress; empty before anything has landed."""
        return [] if self.first_week is None else list(span(self.first_week, self.calendar.current()))

    @property
    def complete_weeks(self) -> list[date]:
        current = self.calendar.current()
        return [week for week in self.weeks if week < current]

    def made_from(self, table: str, name: str, week: date) -> Document:
        """What a use case's weekly table, or its usage_events, should be made of now: a chain from landed files to its
        definition and code.

        Of a weekly table: `code`, `usage` (fingerprint of the week's usage events), `around` (by week, of all that it
        reads where it reads others too), `history` (digest of all weeks' up to this one where it reads them, or null),
        `definition` (digest).
        """
        use_case = self.playbook.use_cases[name]
        if table == "usage_events":
            return self.usage.made_from(use_case, week)
        reach = self.reach(name, table)
        around = self.weeks_around(reach, week) if reach.stored else []
        return {
            "code": METRICS_VERSION,
            "usage": self.usage.fingerprint(use_case, week),
            "around": {str(one): self.usage.fingerprint(use_case, one) for one in around},
            "history": self._history(name, week) if reach.history else None,
            "definition": self._definitions[name, table],
        }

    def fingerprint(self, table: str, name: str, week: date) -> str:
        """What a use case's weekly table should carry now: the digest of what it should be made of."""
        if table == "usage_events":
            return self.usage.fingerprint(self.playbook.use_cases[name], week)
        key = (table, name, week)
        if key not in self._fingerprints:
            self._fingerprints[key] = digest(self.made_from(table, name, week))
        return self._fingerprints[key]

    def definition_of(self, key: str) -> Document | None:
        """What the digest of a definition in `made_from` stands for, in words; None of one that was never used here."""
        return self.wordings.of(key)

    @cached_property
    def wordings(self) -> Wordings:
        return Wordings(self.home.lake / "definitions", self.plans, self._definitions, self.usage, self.weeks)

    def reach(self, name: str, table: str) -> Reach:
        """How far beyond its week a use case's weekly table reads."""
        if (name, table) not in self._reaches:
            plan = self.plans[name]
            self._reaches[name, table] = Reach() if table == "account_weeks" else plan.reach(table)
        return self._reaches[name, table]

    def weeks_around(self, reach: Reach, week: date) -> list[date]:
        """The weeks whose events a reach asks for, from the first to the one in progress: all history aside."""
        first = week - reach.weeks_back * WEEK
        last = self.calendar.week_of((self.calendar.closes(week, reach.hours) - SHORTEST).replace(tzinfo=UTC))
        return [one for one in self.weeks if first <= one <= last]

    def weeks_read(self, reach: Reach, week: date) -> list[date]:
        """All weeks whose events a reach asks for."""
        if not reach.history:
            return self.weeks_around(reach, week)
        last = max([week, *self.weeks_around(reach, week)])
        return [one for one in self.weeks if one <= last]

    def _history(self, name: str, week: date) -> str:
        """Digest of a use case's usage events of all weeks up to one: a chain, so that each week is asked once."""
        if name not in self._histories:
            chain, found = "", {}
            for one in self.weeks:
                chain = found[one] = digest(chain, self.usage.fingerprint(self.playbook.use_cases[name], one))
            self._histories[name] = found
        return self._histories[name].get(week, "")

    def waiting(self, name: str, week: date) -> dict[str, datetime]:
        """Metrics of a complete week whose own window has not closed, with the instant (naive UTC) when it will have:
        until then they are flash, while the others go on."""
        found = {}
        for metric, hours in self._hours_past[name].items():
            closes = self.calendar.closes(week, hours)
            if not self.calendar.has_passed(closes):
                found[metric] = closes
        return found

    @cached_property
    def _hours_past(self) -> dict[str, dict[str, int]]:
        """Metrics whose window reaches past the week's end, by use case, with the hours it does."""
        return {
            name: {one.metric: hours for one in plan.plans if (hours := plan.reach_of(one).hours)}
            for name, plan in self.plans.items()
        }

    def stage(self, week: date) -> str:
        """How far a week's values may still change: flash in progress, settling once complete, final thereafter."""
        if week >= self.calendar.current():
            return "flash"
        settled = self.calendar.instant(
            week + WEEK + timedelta(days=self.playbook.settings.certification.settling_days)
        )
        return "final" if self.calendar.has_passed(settled) else "settling"

    def open_from(self, name: str) -> date:
        """The first week whose North Star is flash: the one in progress, or an earlier one whose window is open."""
        north_star = self.plans[name].plans[0].metric
        waiting = (week for week in self.complete_weeks if north_star in self.waiting(name, week))
        return min(waiting, default=self.calendar.current())

    @cached_property
    def _definitions(self) -> dict[tuple[str, str], str]:
        """Digest of what decides each weekly table of each use case."""
        return {
            (name, table): digest(plan.definition(table)) for name, plan in self.plans.items() for table in plan.tables
        }

    def growth_fingerprint(self, name: str, of_table: Callable[[str, str, date], str | None] | None = None) -> str:
        """Of a use case's growth as it should be now; `of_table`: as it is made of tables with other fingerprints."""
        of_table = of_table or self.fingerprint
        weekly = [[of_table(table, name, week) for table in ("account_weeks", "north_star")] for week in self.weeks]
        return digest(GROWTH_VERSION, weekly, str(self.open_from(name)), self.plans[name].use_case.growth_target)

    def stale_tables(self, name: str, week: date) -> list[str]:
        """Tables of a use case and week that are missing, made from something else than they would be now, or asked for
        anew."""
        if (name, week) in self.anew:
            return ["usage_events", *self.plans[name].tables]
        found = [
            table
            for table in self.plans[name].tables
            if self.lake.fingerprint(table, name, week) != self.fingerprint(table, name, week)
        ]
        if self.usage.is_stale(name, week):
            found.insert(0, "usage_events")
        return found

    def judged_weeks(self, name: str) -> list[date]:
        """A use case's complete weeks whose tables are all as they should be, as it was when first asked for."""
        if name not in self._judged:
            self._judged[name] = [
                week
                for week in self.complete_weeks
                if not self.usage.is_stale(EVIDENCE, week) and not self.stale_tables(name, week)
            ]
        return self._judged[name]

    def stale_weeks(self, use_cases: Iterable[str] | None = None) -> list[date]:
        """Weeks with anything to rebuild."""
        names = list(use_cases) if use_cases is not None else list(self.plans)
        return [
            week
            for week in self.weeks
            if self.usage.is_stale(EVIDENCE, week) or any(self.stale_tables(name, week) for name in names)
        ]


OPENED: dict[Home, Open] = {}
"""Each home as it was opened last under another ledger or playbook than before."""
