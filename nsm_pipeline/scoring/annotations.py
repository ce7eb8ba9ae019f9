"""What happened when: notes of the playbook, changes of instrumentation, restatements, work.

What belongs here: rows of `annotations`. What does not: drawing them (`reporting`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from nsm_pipeline.playbook.models import UseCase

Row = dict[str, Any]


def annotation_rows(
    use_case: UseCase, restated: Sequence[Mapping[str, Any]], week_of: Callable[[date], date]
) -> list[Row]:
    """Rows of ANNOTATIONS of a use case, in order. `restated`: rows of `restatements`, of which those of the use case
    that restate a final week are told; `week_of`: the first day of the week that holds a day."""
    found: dict[tuple[date, str], list[Row]] = defaultdict(list)
    for row in (*_notes(use_case), *_instrumentation(use_case), *_work(use_case), *_restatements(use_case, restated)):
        row["week"] = week_of(row["week"])
        found[row["week"], row["kind"]].append(row)
    return [
        {"use_case": use_case.use_case, **row, "number": number}
        for key in sorted(found)
        for number, row in enumerate(found[key], start=1)
    ]


def _row(week: date, kind: str, text: str, metric: str | None = None, url: str | None = None) -> Row:
    return {"week": week, "kind": kind, "text": text, "metric": metric, "url": url}


def _notes(use_case: UseCase) -> Iterator[Row]:
    for note in use_case.annotations:
        yield _row(note.week, "note", note.text)


def _instrumentation(use_case: UseCase) -> Iterator[Row]:
    """Every source that begins or ends on a declared day."""
    for event, declared in use_case.events.items():
        for source in declared.sources:
            if source.since is not None:
                yield _row(source.since, "instrumentation", f"{event} is sent as {source.name} from {source.since}")
            if source.until is not None:
                yield _row(source.until, "instrumentation", f"{event} is no longer read as {source.name}")


def _work(use_case: UseCase) -> Iterator[Row]:
    for item in use_case.inputs:
        for work in item.work:
            if work.since is not None:
                yield _row(
                    work.since, "work", f"{work.title} ({item.owner or use_case.owner.name})", item.metric, work.url
                )


def _restatements(use_case: UseCase, restated: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """One per week and reason: a restatement changes many rows."""
    told: Counter[tuple[date, str, str]] = Counter()
    for row in restated:
        if row["use_case"] == use_case.use_case and row["kind"] == "restatement":
            told[row["week"], row["reason"] or row["cause"], row["by"]] += 1
    for (week, why, by), values in told.items():
        yield _row(week, "restatement", f"restated: {why}{f' ({by})' if by else ''}, {values} values")
