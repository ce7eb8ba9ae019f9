"""Deliberate damage: what real landing zones contain and a pipeline has to survive.

Belongs here: the cut-off file, the bad lines, the re-delivered file, and the words that describe every
incident. Losses and conflicts of rows are in ``delivery``.
"""

import io
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.sample.formats import REPEATED_COLUMNS, delivery_path, replacing
from nsm_pipeline.sample.spec import Incident
from nsm_pipeline.sample.timeline import Period, Timeline
from nsm_pipeline.sample.volume import DUAL_RUN_SHARE, OUTAGE_KEPT, PIPELINE, PIPELINE_OLD

CUT_OFF_SHARE = 0.02

_BAD_LINE = (
    '{{"event_id":{id},"event_name":"build.finished","occurred_at":"{at}","received_at":"{day}T09:00:00Z",'
    '{account}"user_id":null,"properties":{properties}}}\n'
)


def bad_lines(period: Period) -> list[bytes]:
    """Five rows that no reader should accept, for the middle of a file of JSON lines."""
    day = period.start.isoformat()
    good = {
        "id": '"0bad00000000000000000000"',
        "at": f"{day}T08:59:00Z",
        "day": day,
        "account": '"account_id":"acct_0bad000000",',
        "properties": "{}",
    }
    faults = (
        {"id": '"0bad00000000000000000001"', "account": ""},
        {"id": '""'},
        {"id": '"0bad00000000000000000002"', "at": "yesterday, around nine"},
        {"id": '"0bad00000000000000000003"', "properties": "7"},
    )
    whole = [_BAD_LINE.format(**(good | fault)) for fault in faults]
    broken = _BAD_LINE.format(**good)[:97] + "\n"
    return [line.encode() for line in (broken, *whole)]


def with_bad_lines(text: bytes, period: Period) -> tuple[bytes, int]:
    """The text with bad lines after its first half, and how many there are."""
    lines, bad = text.splitlines(keepends=True), bad_lines(period)
    middle = len(lines) // 2
    return b"".join([*lines[:middle], *bad, *lines[middle:]]), len(bad)


def split_off(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of a delivery in two parts: the last 2 % make the file that will be cut off."""
    kept = rows.num_rows - max(1, int(rows.num_rows * CUT_OFF_SHARE))
    return rows.slice(0, kept), rows.slice(kept)


def write_cut_off(rows: pa.Table, landing: Path, period: Period) -> None:
    """``events_part2.parquet`` without its second half, as an aborted upload leaves it."""
    whole = io.BytesIO()
    pq.write_table(rows, whole, compression="zstd", use_dictionary=REPEATED_COLUMNS)
    path = delivery_path(landing, period).with_name("events_part2.parquet")
    with replacing(path) as temporary:
        temporary.write_bytes(whole.getvalue()[: whole.tell() // 2])


def redeliver(path: Path, landing: Path, period: Period) -> None:
    """The same bytes again, under another name in another folder."""
    copy = landing / "redelivered" / f"week_{period.start.isoformat()}{path.suffix}"
    with replacing(copy) as temporary:
        shutil.copyfile(path, temporary)


def incidents(when: Timeline) -> tuple[Incident, ...]:
    """Everything that was done on purpose, in order of weeks; empty for histories without room."""
    if when.outage is None or when.bad_rows is None:
        return ()
    if when.truncated is None or when.conflicting is None or when.redelivered is None:
        return ()
    arrived = when.monday(when.truncated).isoformat()
    cut_over, until = when.monday(when.cut_over), when.monday(when.cut_over + 2)
    told = [
        (
            when.truncated,
            "bad_file",
            f"arrived={arrived}/events_part2.parquet was cut off and cannot be read.",
        ),
        (
            when.conflicting,
            "conflicting_ids",
            "Five rows of this delivery carry the event_id of another row with different content.",
        ),
        (when.redelivered, "redelivered", "This week's file was delivered again, under redelivered/."),
        (
            when.cut_over,
            "rename",
            f"{PIPELINE_OLD} became {PIPELINE} on {cut_over}; {DUAL_RUN_SHARE:.0%} of accounts sent both "
            f"until {until}.",
        ),
        (
            when.outage,
            "outage",
            f"Collection was down from Tuesday to Sunday; {1 - OUTAGE_KEPT:.0%} of the week's rows are lost.",
        ),
        (
            (when.bad_rows - when.first_week).days // 7,
            "bad_rows",
            f"The delivery of {when.bad_rows} contains five rows that cannot be accepted.",
        ),
    ]
    inside = sorted(one for one in told if 0 < one[0] < when.weeks)
    return tuple(Incident(when.monday(week), kind, text) for week, kind, text in inside)
