"""The loop: make a week, deliver it, write its files, forget it.

Belongs here: the order of work, the home's layout, and the record of what was written. What the events
look like and how files are spelled lies in the other modules.
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from nsm_pipeline.sample import ci, compliance, faults, formats, security, senders
from nsm_pipeline.sample.accounts import Accounts, Snapshot, make_accounts, snapshots
from nsm_pipeline.sample.activity import Lives, active_week, make_lives
from nsm_pipeline.sample.delivery import Deliveries
from nsm_pipeline.sample.spec import SampleSpec, SampleSummary
from nsm_pipeline.sample.timeline import Period, Timeline, timeline
from nsm_pipeline.sample.volume import HEARTBEAT, make_budget

SETTINGS = "company: Example Forge\nas_of: {as_of}\n"


class SampleClash(ValueError):
    """The home already holds a landing zone that is not this sample."""


def write_sample(home: Path, spec: SampleSpec, on_week: Callable[[int, int], None] | None = None) -> SampleSummary:
    """Write the landing zone, ``sample.json`` and, where missing, ``playbook/settings.yaml``.

    ``on_week(done, weeks)`` is called after each week. Writing the same spec again replaces every file
    by an equal one. Raises ``SampleClash`` when ``home/landing`` holds anything but the same sample:
    mixed with other data, both would be worthless.
    """
    when = timeline(spec)
    record = _record(spec, when)
    _refuse_to_mix(home, record)
    formats.write_text(record, home / "sample.json")
    settings = home / "playbook" / "settings.yaml"
    if not settings.exists():
        formats.write_text(SETTINGS.format(as_of=when.as_of), settings)

    accounts = make_accounts(spec, when)
    for snapshot in snapshots(accounts, when):
        folder = home / "landing" / "accounts" / f"as_of={snapshot.as_of.isoformat()}"
        formats.write_text(_csv(snapshot), folder / "accounts.csv")

    landing = home / "landing" / "usage_events"
    landing.mkdir(parents=True, exist_ok=True)
    files, rows = _write_events(landing, spec, when, accounts, on_week)
    return SampleSummary(
        files=files,
        rows=rows,
        accounts=spec.accounts,
        first_week=when.first_week,
        as_of=when.as_of,
        incidents=faults.incidents(when),
    )


def _write_events(
    landing: Path,
    spec: SampleSpec,
    when: Timeline,
    accounts: Accounts,
    on_week: Callable[[int, int], None] | None,
) -> tuple[int, int]:
    """All deliveries in order; the number of files and of readable rows."""
    lives = make_lives(spec, when, accounts)
    budget = make_budget(spec, when, accounts, lives)
    deliveries = Deliveries(spec.seed, when)
    user_ids = pa.concat_arrays([accounts.user_ids, senders.bot_users(spec)])
    periods = list(when.periods())
    files = rows = 0
    for number, period in enumerate(periods):
        if number == 0 or periods[number - 1].week != period.week:
            counts = budget.counts[period.week]
            deliveries.emit(period.week, _make_events(spec, when, accounts, lives, counts, period.week))
        columns = formats.landing_columns(deliveries.due(number, period), accounts.ids, user_ids, period.typed_times)
        if columns.num_rows:
            new_files, new_rows = _write_delivery(columns, landing, when, period)
            files, rows = files + new_files, rows + new_rows
        if on_week and (number + 1 == len(periods) or periods[number + 1].week != period.week):
            on_week(period.week + 1, when.weeks)
    return files, rows


def _make_events(
    spec: SampleSpec, when: Timeline, accounts: Accounts, lives: Lives, counts: dict[str, int], index: int
) -> pa.Table:
    active = active_week(spec, when, accounts, lives, index)
    week = senders.make_week(spec, when, accounts, lives, active, index)
    return senders.table(
        [
            *ci.events(week, when, counts),
            *security.events(week, counts),
            *compliance.events(week, counts),
            senders.heartbeat(week, HEARTBEAT, counts.get(HEARTBEAT, 0)),
        ]
    )


def _write_delivery(columns: pa.Table, landing: Path, when: Timeline, period: Period) -> tuple[int, int]:
    """One delivery with the faults that fall on it; the number of files and of readable rows."""
    path = formats.delivery_path(landing, period)
    files, rows = 1, columns.num_rows
    if period.layout == "jsonl":
        text = formats.json_lines(columns)
        if period.start == when.bad_rows:
            text, bad = faults.with_bad_lines(text, period)
            rows += bad
        formats.write_jsonl(text, path)
    elif period.layout == "csv":
        formats.write_csv(columns, path)
    else:
        if period.week == when.truncated:
            columns, cut_off = faults.split_off(columns)
            faults.write_cut_off(cut_off, landing, period)
            files, rows = files + 1, rows - cut_off.num_rows
        formats.write_parquet(columns, path)
        if period.week == when.redelivered:
            faults.redeliver(path, landing, period)
            files += 1
    return files, rows


def _record(spec: SampleSpec, when: Timeline) -> str:
    told = {
        "spec": asdict(spec),
        "as_of": when.as_of,
        "incidents": [asdict(incident) for incident in faults.incidents(when)],
    }
    return json.dumps(told, indent=2, default=str) + "\n"


def _refuse_to_mix(home: Path, record: str) -> None:
    landing, known = home / "landing", home / "sample.json"
    if known.exists() and known.read_text(encoding="utf-8") == record:
        return
    found = next((path for path in sorted(landing.rglob("*")) if path.is_file()), None)
    if found is not None:
        what = "another sample" if known.exists() else "data that is not a sample"
        raise SampleClash(
            f"{landing} already holds {what} (for instance {found.relative_to(home)}); "
            "choose an empty home, or remove its landing folder first"
        )


def _csv(snapshot: Snapshot) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(snapshot.columns)
    writer.writerows(snapshot.rows)
    return text.getvalue()
