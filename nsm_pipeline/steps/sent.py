"""What was sent under some names in some weeks, from landed rows: asked about weeks in which something was noticed.

What belongs here: the queries. What does not: what follows from their answers (`drift`). Rows delivered twice count
twice: no answer is a number that anybody publishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta
from functools import partial
from typing import Any

import duckdb

from nsm_pipeline.drift.renames import Pair
from nsm_pipeline.events.instrumentation import pointer
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.workshop.observed import SeenEvent, SeenValues, names_seen
from nsm_pipeline.workshop.proposing import kind_of

SAME_FACTS = 0.5
"""Of the rows of the new name by accounts that sent both, the share whose key the old name has too."""

NEARLY_ALL = 0.75
"""Of a property's values, the share that must differ; how many differ is known about right."""


def files_of(opened: Open, weeks: Sequence[date]) -> list[str]:
    """Landed files that hold some weeks' rows."""
    return opened.usage.files(opened.usage.parts(*weeks)) if weeks else []


def seen(opened: Open, weeks: Sequence[date], names: Sequence[str]) -> dict[str, SeenEvent]:
    """Facts about some names in some weeks; names without a row are left out."""
    return names_seen(files_of(opened, weeks), opened.engine, names)


def rows(opened: Open, weeks: Sequence[date], names: Sequence[str]) -> dict[str, dict[date, float]]:
    """Landed rows of some names by week, second deliveries included; without those that have none."""
    found: dict[str, dict[date, float]] = {}
    for week in weeks:
        start, end = opened.calendar.bounds(week)
        counted = _ask(
            opened,
            """SELECT event_name, count(*) FROM read_parquet($files) WHERE occurred_at >= $start AND occurred_at < $end
            AND event_name IN (SELECT unnest($names::VARCHAR[])) GROUP BY ALL""",
            files=files_of(opened, [week]), names=list(names), start=start, end=end,
        )  # fmt: skip
        for name, count in counted:
            if name is not None:
                found.setdefault(name, {})[week] = count
    return found


def accounts(opened: Open, weeks: Sequence[date], name: str) -> list[str]:
    """Accounts that sent a name in some weeks."""
    rows = _ask(opened, "SELECT DISTINCT account_id FROM read_parquet($files) WHERE event_name = $name",
                files=files_of(opened, weeks), name=name)  # fmt: skip
    return sorted(account for (account,) in rows)


def days(opened: Open, weeks: Sequence[date], name: str) -> tuple[date, date] | None:
    """The first and the last local day on which a name was sent in some weeks."""
    ((first, last),) = _ask(
        opened,
        "SELECT min(occurred_at), max(occurred_at) FROM read_parquet($files) WHERE event_name = $name",
        files=files_of(opened, weeks), name=name,
    )  # fmt: skip
    if first is None:
        return None
    local = [instant.replace(tzinfo=UTC).astimezone(opened.calendar.tz).date() for instant in (first, last)]
    return local[0], local[1]


def first_day_with(opened: Open, weeks: Sequence[date], name: str, key: str) -> date | None:
    """The first UTC day on which a name came with a property."""
    ((day,),) = _ask(
        opened,
        """SELECT min(occurred_at)::DATE FROM read_parquet($files)
        WHERE event_name = $name AND json_exists(properties, $pointer)""",
        files=files_of(opened, weeks), name=name, pointer=pointer(key),
    )  # fmt: skip
    return day if day is None or isinstance(day, date) else None


def first_day_near(opened: Open, week: date, name: str, key: str, old: float, new: float) -> date:
    """The first UTC day from a week on at which a number's median is nearer to its new size than to its old one; the
    week itself where no day is."""
    rows = _ask(
        opened,
        """SELECT occurred_at::DATE, median(try_cast(json_extract_string(properties, $pointer) AS DOUBLE)) AS middle
        FROM read_parquet($files) WHERE event_name = $name GROUP BY ALL ORDER BY ALL""",
        files=files_of(opened, [week]), name=name, pointer=pointer(key),
    )  # fmt: skip
    between = (old * new) ** 0.5
    changed = (day for day, middle in rows if middle is not None and (middle > between) == (new > between))
    return next(changed, week)


def same_keys(opened: Open, pair: Pair, renamed: Mapping[str, str], both: Sequence[date]) -> tuple[str, ...]:
    """Names under which the old name sends a property that identifies a fact which came under both names, in weeks in
    which both were sent; `renamed`: what the new name calls it, where it is something else."""
    names = (pair.old.name, pair.new.name)
    sides = seen(opened, both, names)
    if len(sides) < len(names):
        return ()
    old, new = ({values.name: values for values in sides[name].properties} for name in names)
    pairs = [(key, renamed.get(key, key)) for key, values in old.items() if _identifies(values)]
    given: dict[str, Any] = {"files": files_of(opened, both), "old": pair.old.name, "new": pair.new.name}
    return tuple(key for key, other in pairs if other in new and _matched(opened, key, other, given) >= SAME_FACTS)


def _identifies(values: SeenValues) -> bool:
    return kind_of(values) == "string" and values.different >= NEARLY_ALL * values.present


def _matched(opened: Open, key: str, other: str, given: dict[str, Any]) -> float:
    ((rows, matched),) = _ask(
        opened,
        """WITH rows AS (
            SELECT account_id, event_name, json_extract_string(properties,
                CASE WHEN event_name = $old THEN $key ELSE $other END) AS fact
            FROM read_parquet($files) WHERE event_name IN ($old, $new)),
        old AS (SELECT DISTINCT account_id, fact FROM rows WHERE event_name = $old)
        SELECT count(*), count(old.fact) FROM rows LEFT JOIN old USING (account_id, fact)
        WHERE event_name = $new AND account_id IN (SELECT account_id FROM old)""",
        **given, key=pointer(key), other=pointer(other),
    )  # fmt: skip
    return matched / rows if rows else 0.0


def _ask(opened: Open, sql: str, **given: Any) -> list[Any]:
    """Rows of a query over landed files; one row of nulls where there is no file."""
    if not given["files"]:
        return [(None, None)]
    work = partial(_answer, sql=sql, given=given)
    (rows,) = opened.engine.map(work, [None])
    return rows


def _answer(connection: duckdb.DuckDBPyConnection, _: None, sql: str, given: dict[str, Any]) -> list[Any]:
    return connection.execute(sql, given).fetchall()


def day_after(day: date) -> date:
    return day + timedelta(days=1)
