"""The step that says what a dual run does to every metric: its weeks built with each copy alone, in a scratch home.

What belongs here: building and comparing. What does not: cutting sources (`drift.overlap`). Nothing of the home
changes; answers are kept until the weeks are made from something else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from nsm_pipeline.drift.overlap import Copy, alone
from nsm_pipeline.lake import digest, write_text
from nsm_pipeline.linting.reach import metric_events, parts
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.overlay import overlay
from nsm_pipeline.steps.series import read_copies
from nsm_pipeline.steps.weekly import run_weeks
from nsm_pipeline.weeks import WEEK

EFFECTS_VERSION = 1
Values = dict[str, float | None]


@dataclass(frozen=True)
class Effect:
    """A metric's value in a week of a dual run: as reconciled (''), and with each source alone by its name. `of_both`:
    the same over the events of the accounts that sent both copies; empty for a metric that reads beyond its week."""

    use_case: str
    event: str
    metric: str
    week: date
    values: Values
    of_both: Values


class Kept(BaseModel):
    """Effects, and what they rest on, in short."""

    key: str
    effects: list[Effect]


def copies(opened: Open) -> list[Copy]:
    """What every source said in every week in which copies can meet."""
    found = []
    for name in opened.playbook.use_cases:
        weeks = [week for week in opened.complete_weeks if not opened.usage.is_stale(name, week)]
        found += [Copy(use_case=name, **row) for row in read_copies(opened, name, weeks).to_pylist()]
    return sorted(found, key=lambda copy: (copy.use_case, copy.event, copy.week, copy.preferred))


def kept_effects(opened: Open, use_case: str, event: str, found: Sequence[Copy]) -> list[Effect] | None:
    """A dual run's effects where they are known and still hold."""
    try:
        kept = Kept.model_validate_json((opened.home.lake / _store(use_case, event)).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return kept.effects if kept.key == _key(opened, use_case, found) else None


def effects(opened: Open, use_case: str, event: str, found: Sequence[Copy]) -> list[Effect]:
    """What a dual run does to every metric that uses its event; `found`: its copies, of `dual_runs`."""
    known = kept_effects(opened, use_case, event, found)
    if known is not None:
        return known
    computed = list(_compute(opened, opened.playbook.use_cases[use_case], event, found))
    kept = Kept(key=_key(opened, use_case, found), effects=computed)
    write_text(opened.home.lake / _store(use_case, event), kept.model_dump_json())
    return computed


def _store(use_case: str, event: str) -> str:
    return f".gathered/effects/{use_case}.{event}.json"


def _key(opened: Open, use_case: str, found: Sequence[Copy]) -> str:
    tables = [
        opened.fingerprint(role, use_case, week)
        for week in sorted({copy.week for copy in found})
        for role in opened.plans[use_case].roles
    ]
    return digest(EFFECTS_VERSION, tables)


def _compute(opened: Open, use_case: UseCase, event: str, found: Sequence[Copy]) -> Iterator[Effect]:
    weeks = sorted({copy.week for copy in found})
    sources = list(dict.fromkeys(copy.source for copy in found))
    shared = {week: _accounts(opened, week, sources) for week in weeks}
    definitions = {"": use_case}
    for name in sources:
        changed = alone(use_case.events[event], name, weeks[0], weeks[-1] + WEEK)
        definitions[name] = use_case.model_copy(update={"events": {**use_case.events, event: changed}})
    values: dict[tuple[str, date], Values] = {}
    of_both: dict[tuple[str, date], Values] = {}
    for name, definition in definitions.items():
        for known, computed in zip((values, of_both), _computed(opened, definition, shared), strict=True):
            for key, value in computed.items():
                known.setdefault(key, {})[name] = value
    plan = opened.plans[use_case.use_case]
    near = {one.metric for one in plan.plans if not plan.reach_of(one).stored}
    for (metric, week), of_all in sorted(values.items()):
        if uses(use_case, metric, event):
            restricted = of_both[metric, week] if metric in near else {}
            yield Effect(use_case.use_case, event, metric, week, of_all, restricted)


def uses(use_case: UseCase, metric: str, event: str) -> bool:
    """Whether a metric is computed from an event, be it only from who is active by it."""
    found = [part.metric for part in parts(use_case, metric)]
    by_activity = any(one.kind == "attribute" and one.over == "active" for one in found)
    return event in metric_events(use_case, metric) or (by_activity and event in use_case.active_events)


def _accounts(opened: Open, week: date, sources: Sequence[str]) -> list[str]:
    """Accounts that sent more than one of some names in a week."""
    start, end = opened.calendar.bounds(week)
    work = """SELECT account_id FROM read_parquet($files) WHERE event_name IN (SELECT unnest($names::VARCHAR[]))
        AND occurred_at >= $start AND occurred_at < $end GROUP BY account_id HAVING count(DISTINCT event_name) > 1"""
    files = opened.usage.files(opened.usage.parts(week))
    given = {"files": files, "names": list(sources), "start": start, "end": end}
    (rows,) = opened.engine.map(lambda connection, _: connection.execute(work, given).fetchall(), [None])
    return sorted(account for (account,) in rows)


Totals = dict[tuple[str, date], float | None]


def _computed(opened: Open, use_case: UseCase, shared: Mapping[date, Sequence[str]]) -> tuple[Totals, Totals]:
    """Totals by metric and week under a definition: of all events, and of those of some accounts."""
    name, weeks = use_case.use_case, sorted(shared)
    tables = [(name, role) for role in use_case.roles]
    with overlay(opened.home) as scratch:
        playbook = replace(opened.playbook, use_cases={**opened.playbook.use_cases, name: use_case})
        tried = Open.of(scratch, playbook, ledger=opened.ledger)
        deque(run_weeks(tried, weeks, (), tables), maxlen=0)
        of_all = _totals(tried, name, weeks)
        for week in weeks:
            _leave(tried, name, week, shared[week])
        deque(run_weeks(tried, weeks, (), tables, force=True), maxlen=0)
        return of_all, _totals(tried, name, weeks)


def _totals(tried: Open, name: str, weeks: Sequence[date]) -> Totals:
    return {
        (row["metric"], week): row["value"]
        for week in weeks
        for role in tried.plans[name].roles
        for row in tried.lake.read(role, name, week).to_pylist()
        if row["slice"] == "all"
    }


def _leave(tried: Open, name: str, week: date, accounts: Sequence[str]) -> None:
    """Leave only some accounts' events of a week in a scratch home."""
    rows = tried.lake.read("usage_events", name, week)
    kept = rows.filter(pc.is_in(rows["account_id"], pa.array(accounts, pa.string())))
    fingerprint = tried.usage.fingerprint(tried.playbook.use_cases[name], week)
    tried.lake.write(kept, fingerprint, "usage_events", name, week)
