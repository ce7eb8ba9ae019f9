"""Loading, for the plain DuckDB script: landed files into one typed table of events, snapshots, weeks.

What belongs here: SQL that stands between the files and a few weeks' rows. What does not: metrics
(`plain_metrics_sql`), running it (`plain`).
"""

from __future__ import annotations

from datetime import date

OLD_NAME_UNTIL, NEW_NAME_SINCE = date(2026, 1, 19), date(2026, 1, 5)

KINDS = {
    "build.finished": "build", "scan.completed": "scan", "vulnerability.resolved": "resolution",
    "merge_request.merged": "merge", "audit_events.viewed": "action", "audit_events.exported": "action",
    "branch.protected": "action", "framework.label_applied": "action",
}  # fmt: skip
KIND = f"""CASE WHEN event_name = 'pipeline.finished' AND occurred >= DATE '{NEW_NAME_SINCE}' THEN 'pipeline'
    WHEN event_name = 'ci_pipeline_done' AND occurred < DATE '{OLD_NAME_UNTIL}' THEN 'pipeline'
    {" ".join(f"WHEN event_name = '{name}' THEN '{kind}'" for name, kind in KINDS.items())} END"""
EVENTS = """
CREATE TYPE kind AS ENUM ('pipeline', 'build', 'scan', 'resolution', 'merge', 'action');
CREATE TABLE events (id UBIGINT, received TIMESTAMP, week DATE, kind kind, account_id VARCHAR, person UBIGINT,
    is_old BOOLEAN, pipeline UBIGINT, status VARCHAR, scanner VARCHAR, amount DOUBLE, flag BOOLEAN, controlled BOOLEAN)
"""
# Only what some metric reads is taken out of the JSON, and only where it is read. `flag` is what the kind's metrics
# ask for: bot (pipeline), dismissed (resolution), self-approved (merge).
KEYS = ("status", "result", "duration_s", "duration_ms", "is_bot", "pipeline_id", "scanner", "severity",
        "days_to_resolve", "dismissed", "under_approval_rule", "self_approved", "hours_to_approve")  # fmt: skip
P = {name: f"p[{place}]" for place, name in enumerate(KEYS, start=1)}
INSERT = f"""
INSERT INTO events
WITH typed AS (
    SELECT event_id, event_name, account_id, user_id, properties, occurred_at::TIMESTAMP AS occurred,
        received_at::TIMESTAMP AS received
    FROM {{source}}
), opened AS (
    SELECT *, {KIND} AS kind,
        CASE WHEN event_name IN ('ci_pipeline_done', 'pipeline.finished', 'scan.completed', 'vulnerability.resolved',
            'merge_request.merged') THEN json_extract_string(properties, {[f"$.{name}" for name in KEYS]}) END AS p
    FROM typed
)
SELECT hash(event_id), received, date_trunc('week', occurred)::DATE, kind, account_id,
    CASE WHEN user_id <> '' THEN hash(user_id) END, event_name = 'ci_pipeline_done',
    CASE WHEN {P["pipeline_id"]} IS NOT NULL AND occurred BETWEEN DATE '{NEW_NAME_SINCE}' AND DATE '{OLD_NAME_UNTIL}'
        THEN hash({P["pipeline_id"]}) END,
    coalesce({P["status"]}, {P["result"]}, {P["severity"]}), {P["scanner"]},
    CASE kind WHEN 'resolution' THEN try_cast({P["days_to_resolve"]} AS DOUBLE)
        WHEN 'merge' THEN try_cast({P["hours_to_approve"]} AS DOUBLE)
        ELSE nullif(coalesce(try_cast({P["duration_s"]} AS DOUBLE), try_cast({P["duration_ms"]} AS DOUBLE) / 1000), -1)
        END,
    coalesce(try_cast(CASE kind WHEN 'pipeline' THEN {P["is_bot"]} WHEN 'resolution' THEN {P["dismissed"]}
        WHEN 'merge' THEN {P["self_approved"]} END AS BOOLEAN), false),
    coalesce(try_cast({P["under_approval_rule"]} AS BOOLEAN), false)
FROM opened
"""
TEXT = dict.fromkeys(("event_id", "event_name", "occurred_at", "received_at", "account_id", "user_id"), "VARCHAR")
CSV = f"read_csv($files, header = true, auto_detect = false, columns = {TEXT | {'properties': 'VARCHAR'}})"
JSON = f"""read_json($files, format = 'newline_delimited', columns = {TEXT | {"properties": "JSON"}},
        ignore_errors = true)
    WHERE event_id <> '' AND event_name <> '' AND account_id <> '' AND json_type(properties) = 'OBJECT'
        AND try_cast(occurred_at AS TIMESTAMP) IS NOT NULL"""
# By the end of the name. Columns have the types that the first file has: times are typed in some, text in others.
LOAD = {
    ".parquet": INSERT.format(source="read_parquet($files)"),
    ".csv.gz": INSERT.format(source=CSV),
    ".jsonl.gz": INSERT.format(source=JSON),
}
REPEATED = """
INSERT INTO repeated
SELECT id FROM events WHERE id % $passes::UBIGINT = $number::UBIGINT GROUP BY id HAVING count(*) > 1
"""
DROP_LOSERS = """
DELETE FROM events WHERE rowid IN (
    SELECT row FROM (
        SELECT rowid AS row, row_number() OVER (PARTITION BY id ORDER BY received NULLS LAST, rowid) AS place
        FROM events WHERE id IN (FROM repeated))
    WHERE place > 1)
"""

SNAPSHOTS = """
CREATE TABLE snapshots AS
SELECT regexp_extract(filename, 'as_of=([0-9-]+)', 1)::DATE AS as_of, account_id, plan, segment, seats::BIGINT AS seats,
    is_internal::BOOLEAN AS is_internal, created_on::DATE AS created_on
FROM read_csv($files, header = true, filename = true, hive_partitioning = false, all_varchar = true)
"""
# The newest snapshot at or before a week's end, else the oldest.
WEEKS = """
CREATE TABLE weeks AS
SELECT week::DATE AS week, coalesce((SELECT max(as_of) FROM snapshots WHERE as_of <= week + INTERVAL 7 DAY),
    (SELECT min(as_of) FROM snapshots)) AS as_of
FROM (SELECT unnest(generate_series((SELECT min(week) FROM events), $today::DATE, INTERVAL 7 DAY)) AS week)
"""
SNAPSHOT = """
CREATE OR REPLACE TEMP TABLE snapshot AS
SELECT week, * EXCLUDE (week, as_of), coalesce(plan, '(unknown)') AS plan_slice,
    coalesce(segment, '(unknown)') AS segment_slice
FROM weeks JOIN snapshots USING (as_of) WHERE week BETWEEN $first AND $last
"""
# Half the accounts sent pipelines under both names for two weeks: the new one counts.
CHUNK = """
CREATE OR REPLACE TEMP TABLE chunk AS
SELECT * FROM events WHERE week BETWEEN $first AND $last AND kind IS NOT NULL
    AND NOT (is_old AND pipeline IS NOT NULL AND (week, account_id, pipeline) IN (
        SELECT week, account_id, pipeline FROM events
        WHERE week BETWEEN $first AND $last AND pipeline IS NOT NULL AND NOT is_old))
"""
