"""Why a table is not what it would be now: the difference of two documents of what it was made from, in words.

What belongs here: pure comparison, also of what two certificates were made from. What does not: finding what is stale
(`planning`), differences between definitions (`rewording`), reading anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal, TypeVar

from nsm_pipeline.events.ledger import Content, Ledger
from nsm_pipeline.lake import Document
from nsm_pipeline.steps import rewording
from nsm_pipeline.weeks import span, utc_week

T = TypeVar("T")
Kind = Literal[
    "new_landed_files", "late_rows", "redelivered_file", "duplicates", "definition", "source", "snapshot", "calendar",
    "code", "events_of_other_weeks", "missing", "unfinished", "backfill",
]  # fmt: skip
SHOWN = 3
DECLARED = ("outcomes", "account_adoption")
"""Weekly tables that only use cases have which declare them."""


@dataclass(frozen=True)
class Reason:
    """Why a week's table is stale. `text` is a clause for a person, the same for every week that it holds for;
    `rows`: of the files it names, in the UTC weeks of the week, 0 where that says nothing; `weeks`: other weeks that it
    is about."""

    kind: Kind
    text: str
    rows: int = field(default=0, compare=False)
    weeks: frozenset[date] = field(default=frozenset(), compare=False)


@dataclass(frozen=True)
class About:
    """What the documents refer to: files by content, definitions by digest. `published`: whether values of the week
    have been published as complete."""

    ledger: Ledger
    definition_of: Callable[[str], Document | None]
    published: bool = False


def reasons(table: str, old: Document | None, new: Document, about: About) -> list[Reason]:
    """What lies between a weekly table as it was made and as it would be; empty where nothing does.

    `table`: usage_events or one of a plan's tables; of those, what lies between their usage events is not looked at,
    since they know them by fingerprint alone: that is asked of usage_events. `old`: None where nothing is stored.
    """
    if old is None:
        return [Reason("missing", "not built yet")]
    if old == new:
        return []
    found = list(_usage(old, new, about) if table == "usage_events" else _table(old, new, about))
    return found if found else [Reason("unfinished", "its usage events were built anew, and this table was not")]


def cause(old: Mapping[str, Document], new: Mapping[str, Document], about: About) -> list[Reason]:
    """What lies between the documents by table of two certificates of one week, each reason once."""
    found: list[Reason] = []
    for table in sorted(new, key=lambda name: (name != "usage_events", name)):
        found += [declared(table)] if table not in old else reasons(table, old[table], new[table], about)
    found += [Reason("definition", f"{_named(table)} no longer declared") for table in old.keys() - new.keys()]
    return merged(found)


def declared(table: str) -> Reason:
    """A table that a use case has had only since it declares something."""
    return Reason("definition", f"{_named(table)} declared now")


def _named(table: str) -> str:
    return "adoption is" if table == "account_adoption" else f"{table} are"


def merged(found: Iterable[Reason]) -> list[Reason]:
    """Each reason once, `unfinished` only where it is all there is; rows are those of one occurrence."""
    once = list(dict.fromkeys(found))
    return [one for one in once if one.kind != "unfinished"] or once


def _usage(old: Document, new: Document, about: About) -> Iterator[Reason]:
    if old["code"] != new["code"]:
        yield _code("usage events", old, new)
    if old["bounds"] != new["bounds"]:
        yield _calendar()
    before, after = (about.definition_of(one["mapping"]) for one in (old, new))
    if remapped := old["mapping"] != new["mapping"]:
        yield from (Reason("source", text) for text in rewording.of_mapping(before, after))
    days = _utc_weeks(old["bounds"]) & _utc_weeks(new["bounds"])
    names = _Names(rewording.names_sent(before), rewording.names_sent(after))
    landed = list(_landed(_within(old["landed"], days), _within(new["landed"], days), about, names))
    yield from landed
    if _within(old["duplicates"], days) != _within(new["duplicates"], days) and not landed and not remapped:
        yield Reason("duplicates", "which of several rows with one event_id counts has changed")
    if old["snapshot"] != new["snapshot"]:
        yield _snapshot(old["snapshot"], new["snapshot"])


def _table(old: Document, new: Document, about: About) -> Iterator[Reason]:
    if old["code"] != new["code"]:
        yield _code("metrics", old, new)
    if old["definition"] != new["definition"]:
        for text in rewording.of_table(about.definition_of(old["definition"]), about.definition_of(new["definition"])):
            yield Reason("definition", text)
    if old["usage"] != new["usage"]:
        return  # asked of usage_events; that it reads other weeks as well says no more
    around = {week for week in {**old["around"], **new["around"]} if old["around"].get(week) != new["around"].get(week)}
    if around:
        weeks = frozenset(map(date.fromisoformat, around))
        yield Reason("events_of_other_weeks", "it also reads events of other weeks, which have changed", weeks=weeks)
    elif old["history"] != new["history"]:
        yield Reason(
            "events_of_other_weeks", "it also reads the events of all weeks before, some of which have changed"
        )


def _code(what: str, old: Document, new: Document) -> Reason:
    return Reason("code", f"the program computes {what} in another way (version {old['code']} → {new['code']})")


def _calendar() -> Reason:
    return Reason("calendar", "the week begins or ends at another instant: the time zone has changed")


def _snapshot(old: Sequence[str] | None, new: Sequence[str] | None) -> Reason:
    if old is None or new is None:
        said = "is gone" if new is None else f"of {new[0]} is there, where none was"
        return Reason("snapshot", f"the account snapshot {said}")
    if old[0] != new[0]:
        return Reason("snapshot", f"the account snapshot of {new[0]} is used instead of that of {old[0]}")
    return Reason("snapshot", f"the account snapshot of {new[0]} has other content")


def _utc_weeks(bounds: Sequence[str]) -> set[str]:
    """The UTC weeks that lie between two instants."""
    start, end = map(datetime.fromisoformat, bounds)
    return set(map(str, span(utc_week(start.date()), utc_week((end - timedelta(microseconds=1)).date()))))


def _within(of_days: Mapping[str, T], days: Collection[str]) -> dict[str, T]:
    return {day: one for day, one in of_days.items() if day in days}


Parts = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _Names:
    """Event names that the sources knew, and those that they know; None where that is not known."""

    before: frozenset[str] | None
    after: frozenset[str] | None

    def counted_before(self, content: Content, day: date) -> bool:
        """Whether a part would have counted before, had it been there."""
        return self.before is None or content.may_hold(day, self.before)

    def rows(self, content: Content, day: date) -> int:
        """Rows of a part with a name that is known now; all of them where names are not known."""
        if self.after is None or day not in content.sent:
            return content.parts.get(day, 0)
        return sum(rows for name, rows in content.sent[day].items() if name in self.after)


def _landed(old: Parts, new: Parts, about: About, names: _Names) -> Iterator[Reason]:
    """Contents that count now and did not, or did and do not, by the path that delivers them."""
    ledger = about.ledger
    paths, replaced = ledger.active("events"), {content: path for path, content in ledger.replaced}
    come, gone = _beyond(new, old), _beyond(old, new)
    before = {replaced[key]: key for _, key in gone if key in replaced}
    rows: dict[tuple[Kind, str], Counter[str]] = {}
    for day, key in come:
        content, path = ledger.contents[key], paths.get(key, f"content {key}")
        if path in before or names.counted_before(content, day):
            told = _delivery(ledger, path, before.get(path), key, about.published)
            rows.setdefault(told, Counter())[path] += names.rows(content, day)
    for path in before.keys() - {paths.get(key) for _, key in come}:
        told = _delivery(ledger, path, before[path], ledger.deliveries[path].content, about.published)
        rows.setdefault(told, Counter())[path] += 0
    for (kind, words), files in rows.items():
        yield Reason(kind, words.format(_some(files)), files.total())
    if not rows and {key for _, key in gone} - paths.keys():
        yield Reason("redelivered_file", "files that counted do not any more")
    elif not come and not gone and old != new:
        yield Reason("redelivered_file", "the same rows are delivered under other paths, which changes their order")


def _beyond(some: Parts, others: Parts) -> list[tuple[date, str]]:
    """What is among some parts and not among others: UTC week and content."""
    return [
        (date.fromisoformat(day), key)
        for day, keys in sorted(some.items())
        for key in keys
        if key not in others.get(day, ())
    ]


def _delivery(ledger: Ledger, path: str, before: str | None, now: str, published: bool) -> tuple[Kind, str]:
    """What kind of delivery a path's content is, and a text with a place for the paths of that kind."""
    if before is None:
        return ("late_rows", "late rows in {}") if published else ("new_landed_files", "new rows in {}")
    contents = ledger.contents
    if before in contents and now in contents and contents[before].reading != contents[now].reading:
        folder = path.rsplit("/", 1)[0]
        return "source", f"files of {_plain(folder)} are read in another way, as settings.yaml says now"
    return "redelivered_file", "{} came again with other content"


def _plain(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _some(paths: Iterable[str]) -> str:
    names = sorted(paths)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _weeks(weeks: Iterable[str]) -> str:
    ordered = sorted(weeks)
    return ordered[0] if len(ordered) == 1 else f"{len(ordered)} weeks, {ordered[0]} to {ordered[-1]}"
