"""The plan: which tables of which weeks the next run rebuilds, and why. Nothing of the home is changed by asking.

What belongs here: finding what is stale, grouping weeks, counting files. What does not: reasons themselves (`reasons`),
new values (`previewing`), showing it (`cli`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from nsm_pipeline.events.duplicates import version
from nsm_pipeline.events.inputs import EVIDENCE
from nsm_pipeline.events.landing import OnFile, arrivals, ingest, load_ledger
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.home import Home
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.playbook.settings import Certification
from nsm_pipeline.publishing.extracts import last_shown
from nsm_pipeline.steps.opening import Open, open_folder, open_playbook
from nsm_pipeline.steps.overlay import folder_of, overlay
from nsm_pipeline.steps.publication import is_published
from nsm_pipeline.steps.reasons import DECLARED, About, Reason, declared, merged, reasons
from nsm_pipeline.steps.release import published_ids
from nsm_pipeline.steps.series import evidence_key, load_verdicts
from nsm_pipeline.steps.unread import LandedFile, landed_files
from nsm_pipeline.weeks import WEEK

Published = frozenset[tuple[str, date]]
"""Use cases and weeks of which certified values are shown."""


@dataclass(frozen=True)
class StaleWeek:
    """A week of a use case with something to rebuild: `tables` in the order of their making, `stage` as of `Open`,
    `beside`: what is written with its usage events; `is_whole`: whether those are all the tables that it has."""

    use_case: str
    week: date
    tables: tuple[str, ...]
    reasons: tuple[Reason, ...]
    stage: str
    is_published: bool = False
    beside: tuple[str, ...] = ()
    is_whole: bool = False


@dataclass(frozen=True)
class Group:
    """Consecutive weeks of a use case that are stale in the same tables for the same reasons. `files`: how many are
    rewritten in all; rows of the reasons are those of all weeks; `is_whole`: as of `StaleWeek`."""

    use_case: str
    weeks: tuple[date, ...]
    tables: tuple[str, ...]
    reasons: tuple[Reason, ...]
    files: int
    is_whole: bool = False


@dataclass(frozen=True)
class Plan:
    """What a run on this home would do. `files`: every file of the lake's tables that it would write again, by name
    inside the lake; `rebuilt`: weeks with such a file; `judged`: use cases whose weeks it judges again; `waiting`:
    metrics whose window is open, until when, by use case and week."""

    home: Path
    playbook: Path
    as_of: date | None
    weeks: int
    current: date
    use_cases: tuple[str, ...]
    landing: tuple[LandedFile, ...]
    stale: tuple[StaleWeek, ...]
    groups: tuple[Group, ...]
    rebuilt: int
    growth: tuple[str, ...]
    judged: tuple[str, ...]
    waiting: Mapping[str, Mapping[date, Mapping[str, datetime]]]
    files: frozenset[str]
    publishes: bool
    rules: Certification

    @property
    def is_empty(self) -> bool:
        return not (self.landing or self.files or self.publishes)


@contextmanager
def as_it_would_be(
    home: Home,
    as_of: date | None,
    playbook: Path | None = None,
    scratch: bool = False,
    on_file: OnFile | None = None,
) -> Iterator[tuple[Open, Ledger]]:
    """The home with everything read that has landed, under its own definitions or another folder's, and its ledger as
    it is now. In a scratch home where there is something to read, or where `scratch` asks for one."""
    definitions = open_playbook(home, as_of) if playbook is None else open_folder(folder_of(playbook), as_of)
    before = load_ledger(home)
    if scratch or _has_to_read(home, before, definitions):
        with overlay(home, playbook) as tried:
            ledger = ingest(tried, Open.of(tried, definitions).engine, definitions, on_file)
            yield Open.of(tried, definitions, ledger=ledger), before
    else:
        yield Open.of(home, definitions), before


def _has_to_read(home: Home, ledger: Ledger, playbook: Playbook) -> bool:
    return bool(arrivals(home, ledger, playbook)) or (bool(ledger.deliveries) and ledger.version != version())


def make_plan(opened: Open, before: Ledger, home: Home) -> Plan:
    """The plan of a home that has read everything (`as_it_would_be`); `before`: the ledger until then, `home`: the
    real one."""
    published = frozenset(published_ids(last_shown(home)))
    weeks_shown = frozenset(week for _, week in published)
    stale = [one for name in opened.plans for one in _stale_weeks(opened, name, published)]
    growth = [name for name in opened.plans if opened.lake.fingerprint("growth", name) != _growth(opened, name)]
    files = {f"{table}/{one.use_case}/{one.week}.parquet" for one in stale for table in _written(one)}
    files |= {f"growth/{name}.parquet" for name in growth}
    evidence = [week for week in opened.weeks if _is_evidence_stale(opened, week)]
    files |= {f"{table}/{week}.parquet" for table in ("week_evidence", "unmapped_events") for week in evidence}
    judged = [name for name in opened.plans if _is_judged_anew(opened, name)]
    return Plan(
        home=home.root,
        playbook=opened.home.playbook,
        as_of=opened.playbook.settings.as_of,
        weeks=len(opened.weeks),
        current=opened.calendar.current(),
        use_cases=tuple(opened.plans),
        landing=tuple(landed_files(opened, before, weeks_shown)),
        stale=tuple(stale),
        groups=tuple(grouped(stale)),
        rebuilt=len({*evidence, *(one.week for one in stale)}),
        growth=tuple(growth),
        judged=tuple(judged),
        waiting=_waiting(opened),
        files=frozenset(files),
        publishes=bool(files or judged) or not is_published(Open.of(home, opened.playbook)),
        rules=opened.playbook.settings.certification,
    )


def _growth(opened: Open, name: str) -> str | None:
    return opened.growth_fingerprint(name) if opened.weeks else None


def _written(one: StaleWeek) -> Iterator[str]:
    for table in one.tables:
        yield table
        if table == "usage_events":
            yield from one.beside


def _is_evidence_stale(opened: Open, week: date) -> bool:
    return opened.usage.is_stale(EVIDENCE, week) or any((name, week) in opened.anew for name in opened.plans)


def _is_judged_anew(opened: Open, name: str) -> bool:
    """Whether its verdicts will rest on something else once everything is built."""
    stored = load_verdicts(opened, name)
    return bool(opened.weeks) and (stored is None or stored.key != evidence_key(opened, name, opened.complete_weeks))


def _waiting(opened: Open) -> dict[str, dict[date, dict[str, datetime]]]:
    return {
        name: {week: found for week in opened.complete_weeks if (found := opened.waiting(name, week))}
        for name in opened.plans
    }


def _stale_weeks(opened: Open, name: str, published: Published) -> Iterator[StaleWeek]:
    shifted = _is_shifted(opened, name)
    for week in opened.weeks:
        tables = opened.stale_tables(name, week)
        if tables:
            is_published = (name, week) in published
            about = About(opened.ledger, opened.definition_of, is_published)
            found = _reasons(opened, name, week, tables, about, shifted)
            beside = opened.usage.beside(opened.playbook.use_cases[name], week)
            whole = len(tables) == 1 + len(opened.plans[name].tables)
            yield StaleWeek(name, week, tuple(tables), tuple(found), opened.stage(week), is_published, beside, whole)


def _reasons(opened: Open, name: str, week: date, tables: Sequence[str], about: About, shifted: bool) -> list[Reason]:
    """Why some tables of a week are stale, what began it first."""
    found: list[Reason] = []
    for table in tables:
        stored = opened.lake.made_from(table, name, week)
        if stored is None and opened.lake.exists(table, name, week):
            found.append(Reason("code", "an earlier version of the program made it, which did not say of what"))
        elif stored is None and table in DECLARED and opened.lake.exists("account_weeks", name, week):
            found.append(declared(table))
        elif stored is None and shifted:
            found.append(Reason("calendar", "weeks start on another day than those that are stored"))
        elif (name, week) in opened.anew and stored == opened.made_from(table, name, week):
            found.append(Reason("backfill", "somebody has asked for it to be built anew"))
        elif table == "usage_events" and stored == opened.made_from(table, name, week):
            found.append(_of_quality(opened, name, week))
        else:
            found += reasons(table, stored, opened.made_from(table, name, week), about)
    return merged(found)


def _of_quality(opened: Open, name: str, week: date) -> Reason:
    """Why usage events are built anew that would be the same: for the table beside them."""
    expected = opened.usage.quality_made_from(opened.playbook.use_cases[name], week)
    stored = opened.lake.made_from("event_quality", name, week)
    if stored is not None and stored["ranges"] != expected["ranges"]:
        return Reason("definition", "what properties of its events accept has changed")
    return Reason("unfinished", "its event_quality is missing, or was built in another way")


def _is_shifted(opened: Open, name: str) -> bool:
    """Whether what is stored of a use case is of weeks that begin on another day."""
    stored = opened.lake.root.joinpath("account_weeks", name).glob("*.parquet")
    days = {date.fromisoformat(file.stem).weekday() for file in stored if not file.name.startswith(".")}
    return bool(days) and opened.calendar.starts_on not in days


def grouped(weeks: Iterable[StaleWeek]) -> Iterator[Group]:
    """Consecutive weeks with equal tables and reasons together."""
    group: list[StaleWeek] = []
    for one in weeks:
        if group and not _goes_on(group[-1], one):
            yield _group(group)
            group = []
        group.append(one)
    if group:
        yield _group(group)


def _goes_on(before: StaleWeek, one: StaleWeek) -> bool:
    alike = (before.use_case, before.tables, before.reasons) == (one.use_case, one.tables, one.reasons)
    return alike and one.week == before.week + WEEK


def _group(weeks: Sequence[StaleWeek]) -> Group:
    first = weeks[0]
    every = [reason for one in weeks for reason in one.reasons]
    summed = tuple(
        replace(
            reason,
            rows=sum(one.rows for one in every if one == reason),
            weeks=frozenset().union(*(one.weeks for one in every if one == reason)),
        )
        for reason in first.reasons
    )
    files = sum(len(list(_written(one))) for one in weeks)
    return Group(first.use_case, tuple(one.week for one in weeks), first.tables, summed, files, first.is_whole)
