"""The statements of the plain DuckDB script: the packaged CI, Security and Compliance metrics by hand.

What belongs here: SQL. What does not: running it (`plain`).

`week` holds one week's events, `per_account` a row per account with what every metric needs of it. Counts are summed
from there; only people and medians need the events once more.
"""

from __future__ import annotations

from datetime import date

OLD_NAME_UNTIL, NEW_NAME_SINCE = date(2026, 1, 19), date(2026, 1, 5)
SLICES = ("plan", "segment")

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
CSV = f"read_csv($file, header = true, auto_detect = false, columns = {TEXT | {'properties': 'VARCHAR'}})"
JSON = f"""read_json($file, format = 'newline_delimited', columns = {TEXT | {"properties": "JSON"}},
        ignore_errors = true)
    WHERE event_id <> '' AND event_name <> '' AND account_id <> '' AND json_type(properties) = 'OBJECT'
        AND try_cast(occurred_at AS TIMESTAMP) IS NOT NULL"""
LOAD = {
    ".parquet": INSERT.format(source="read_parquet($file)"),
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

COUNTS = {
    "pipelines": "kind = 'pipeline'",
    "green": "kind = 'pipeline' AND status = 'success'",
    "failed": "kind = 'pipeline' AND status = 'failed'",
    "by_people": "kind = 'pipeline' AND NOT flag",
    "timed": "kind = 'pipeline' AND amount IS NOT NULL",
    "builds": "kind = 'build'",
    "scans": "kind = 'scan'",
    "scanned": "kind = 'scan' AND status = 'success'",
    "resolved": "kind = 'resolution'",
    "dismissed": "kind = 'resolution' AND flag",
    "severe": "kind = 'resolution' AND status IN ('critical', 'high')",
    "severe_timed": "kind = 'resolution' AND status IN ('critical', 'high') AND amount IS NOT NULL",
    "merges": "kind = 'merge'",
    "controlled": "kind = 'merge' AND controlled",
    "self_approved": "kind = 'merge' AND controlled AND flag",
    "approval_timed": "kind = 'merge' AND controlled AND amount IS NOT NULL",
    "actions": "kind = 'action'",
}
# Internal accounts count for nothing, but their plan and segment are among the slices.
PER_ACCOUNT = f"""
CREATE OR REPLACE TEMP TABLE per_account AS
WITH counted AS (
    SELECT week, account_id, {", ".join(f"count(*) FILTER ({where}) AS {name}" for name, where in COUNTS.items())}
    FROM chunk GROUP BY week, account_id)
SELECT counted.*, coalesce(is_internal, false) AS is_internal, plan, segment, seats, created_on,
    coalesce(plan_slice, '(unknown)') AS plan_slice, coalesce(segment_slice, '(unknown)') AS segment_slice
FROM counted LEFT JOIN snapshot USING (week, account_id)
"""
SLICE = """week, CASE WHEN grouping(plan_slice) = 0 THEN 'plan' WHEN grouping(segment_slice) = 0 THEN 'segment'
    ELSE 'all' END, coalesce(plan_slice, segment_slice, 'all')"""
SETS = "GROUP BY GROUPING SETS ((week), (week, plan_slice), (week, segment_slice))"
TOTALS = f"""
INSERT INTO totals SELECT {SLICE},
    count(*) FILTER (pipelines + builds > 0) > 0, count(*) FILTER (pipelines + scans + resolved > 0) > 0,
    count(*) FILTER (merges + actions > 0) > 0,
    {", ".join(f"coalesce(sum({name}) FILTER (NOT is_internal), 0)" for name in COUNTS)},
    {", ".join(f"count(*) FILTER (NOT is_internal AND {name} > 0)" for name in COUNTS)}
FROM per_account {SETS}
"""
SEATS = f"""
INSERT INTO seats SELECT {SLICE}, coalesce(sum(seats) FILTER (runs), 0), coalesce(sum(seats) FILTER (scans), 0)
FROM (
    SELECT s.week, s.seats, s.plan_slice, s.segment_slice, NOT s.is_internal AND a.pipelines > 0 AS runs,
        NOT s.is_internal AND a.scans + a.resolved > 0 AS scans
    FROM snapshot s LEFT JOIN per_account a USING (week, account_id)) {SETS}
"""
# Each person once per slice: a bot user serves many accounts.
PEOPLE = f"""
INSERT INTO people
WITH once AS (
    SELECT week, person, plan_slice, segment_slice, bool_or(kind = 'pipeline' AND NOT flag) AS runs,
        bool_or(kind = 'scan') AS scans, bool_or(kind = 'action') AS acts
    FROM chunk JOIN per_account USING (week, account_id)
    WHERE NOT is_internal AND person IS NOT NULL AND kind IN ('pipeline', 'scan', 'action') GROUP BY ALL)
SELECT {SLICE}, count(DISTINCT person) FILTER (runs), count(DISTINCT person) FILTER (scans),
    count(DISTINCT person) FILTER (acts)
FROM once {SETS}
"""
MEDIANS = f"""
INSERT INTO medians SELECT {SLICE}, median(amount) FILTER (kind = 'pipeline'),
    median(amount) FILTER (kind = 'resolution' AND status IN ('critical', 'high')),
    median(amount) FILTER (kind = 'merge' AND chunk.controlled), count(DISTINCT scanner)
FROM chunk JOIN per_account USING (week, account_id)
WHERE NOT is_internal AND kind IN ('pipeline', 'resolution', 'merge', 'scan') {SETS}
"""

# Use case: what makes an account active in it, and the columns of account_weeks by name.
ACTIVE = {"ci": "pipelines", "security": "scans + resolved", "compliance": "merges + actions"}
ACCOUNT_COLUMNS = {
    "ci": {
        "green_accounts": "green", "active_accounts": "pipelines", "builds_per_seat_numerator": "builds",
        "pipelines_per_account_numerator": "by_people", "pipelines_per_account_denominator": "pipelines",
        "failed_share_numerator": "failed", "failed_share_denominator": "pipelines",
    },
    "security": {
        "scanning_accounts": "scanned", "scans_per_pipeline_numerator": "scans",
        "scans_per_pipeline_denominator": "pipelines", "dismissed_share_numerator": "dismissed",
        "dismissed_share_denominator": "resolved",
    },
    "compliance": {
        "controlled_accounts": "controlled", "controlled_share_numerator": "controlled",
        "controlled_share_denominator": "merges", "actions_per_account_numerator": "actions",
        "actions_per_account_denominator": "actions", "self_approved_share_numerator": "self_approved",
        "self_approved_share_denominator": "controlled",
    },
}  # fmt: skip
ACCOUNT_WEEKS = {
    name: f"""INSERT INTO account_weeks_{name} SELECT week, account_id, plan, segment, seats, created_on, {active},
    {", ".join(ACCOUNT_COLUMNS[name].values())} FROM per_account WHERE NOT is_internal AND {active} > 0"""
    for name, active in ACTIVE.items()
}
# (metric, role, numerator, denominator or "", accounts behind it); a median has its value in place of the numerator.
METRIC_LIST = {
    "ci": [
        ("green_accounts", "north_star", "green_accounts", "", "green"),
        ("active_accounts", "inputs", "pipelines_accounts", "", "pipelines"),
        ("builds_per_seat", "inputs", "builds", "ci_seats", "builds"),
        ("pipelines_per_account", "inputs", "by_people", "pipelines_accounts", "pipelines"),
        ("pipeline_minutes", "inputs", "median_pipeline", "timed", "pipelines"),
        ("pipeline_users", "inputs", "ci_people", "", "by_people"),
        ("failed_share", "counter_metrics", "failed", "pipelines", "pipelines"),
    ],
    "security": [
        ("scanning_accounts", "north_star", "scanned_accounts", "", "scanned"),
        ("scanning_users", "inputs", "security_people", "", "scans"),
        ("scanner_types", "inputs", "scanners", "", "scans"),
        ("scan_users_per_seat", "inputs", "security_people", "security_seats", "scans"),
        ("scans_per_pipeline", "inputs", "scans", "pipelines", "pipelines"),
        ("days_to_resolve", "inputs", "median_days", "severe_timed", "severe"),
        ("dismissed_share", "counter_metrics", "dismissed", "resolved", "resolved"),
    ],
    "compliance": [
        ("controlled_accounts", "north_star", "controlled_accounts", "", "controlled"),
        ("compliance_users", "inputs", "compliance_people", "", "actions"),
        ("controlled_share", "inputs", "controlled", "merges", "merges"),
        ("actions_per_account", "inputs", "actions", "actions_accounts", "actions"),
        ("hours_to_approve", "inputs", "median_hours", "approval_timed", "controlled"),
        ("self_approved_share", "counter_metrics", "self_approved", "controlled", "controlled"),
    ],
}


def _metric(use_case: str, metric: str, role: str, numerator: str, denominator: str, behind: str) -> str:
    value, over = f"coalesce({numerator}, 0)::DOUBLE", f"coalesce({denominator or 'NULL'}, 0)::DOUBLE"
    if numerator.startswith("median_"):
        numbers = f"{numerator}, NULL, {over}"
    elif denominator:
        numbers = f"{value} / nullif({over}, 0), {value}, {over}"
    else:
        numbers = f"{value}, {value}, NULL"
    return f"""SELECT '{use_case}' AS use_case, '{metric}' AS metric, '{role}' AS role, week, slice, slice_value,
        {numbers}, coalesce({behind}_accounts, 0) FROM wide WHERE slice = 'all' OR in_{use_case}"""


KEY = "week DATE, slice VARCHAR, slice_value VARCHAR"
RESULTS = (
    f"""CREATE TABLE totals ({KEY}, in_ci BOOLEAN, in_security BOOLEAN, in_compliance BOOLEAN,
    {", ".join(f"{name} BIGINT" for name in COUNTS)}, {", ".join(f"{name}_accounts BIGINT" for name in COUNTS)})""",
    f"CREATE TABLE seats ({KEY}, ci_seats BIGINT, security_seats BIGINT)",
    f"CREATE TABLE people ({KEY}, ci_people BIGINT, security_people BIGINT, compliance_people BIGINT)",
    f"CREATE TABLE medians ({KEY}, median_pipeline DOUBLE, median_days DOUBLE, median_hours DOUBLE, scanners BIGINT)",
    *(
        f"""CREATE TABLE account_weeks_{name} (week DATE, account_id VARCHAR, plan VARCHAR, segment VARCHAR,
        seats BIGINT, created_on DATE, events BIGINT, {", ".join(f"{column} BIGINT" for column in columns)})"""
        for name, columns in ACCOUNT_COLUMNS.items()
    ),
)
METRICS = f"""
CREATE TABLE metrics AS
WITH wide AS (
    SELECT * REPLACE (in_ci OR ci_seats IS NOT NULL AS in_ci, in_security OR ci_seats IS NOT NULL AS in_security,
        coalesce(in_compliance, false) AS in_compliance)
    FROM (SELECT week, 'all' AS slice, 'all' AS slice_value FROM weeks) FULL JOIN totals
        USING (week, slice, slice_value) FULL JOIN seats USING (week, slice, slice_value)
        LEFT JOIN people USING (week, slice, slice_value)
        LEFT JOIN medians USING (week, slice, slice_value)
), named (use_case, metric, role, week, slice, slice_value, value, numerator, denominator, entities) AS (
    {" UNION ALL ".join(_metric(name, *one) for name, metrics in METRIC_LIST.items() for one in metrics)})
FROM named ORDER BY ALL
"""
ACTIVE_ACCOUNTS = " UNION ALL ".join(
    f"SELECT '{name}' AS use_case, week, account_id FROM account_weeks_{name}" for name in ACTIVE
)
GROWTH = f"""
CREATE TABLE growth AS
WITH active AS ({ACTIVE_ACCOUNTS}
), placed AS (
    SELECT *, lag(week) OVER account AS before, lead(week) OVER account AS after
    FROM active WINDOW account AS (PARTITION BY use_case, account_id ORDER BY week)
), counted AS (
    SELECT use_case, week, count(*) AS active, count(*) FILTER (before IS NULL) AS new,
        count(*) FILTER (before = week - 7) AS retained, count(*) FILTER (before < week - 7) AS resurrected,
        count(*) FILTER (after IS NULL OR after > week + 7) AS leaving
    FROM placed GROUP BY ALL
), series AS (
    SELECT use_case, week, value, lag(value) OVER by_week AS previous, coalesce(active, 0) AS active,
        coalesce(new, 0) AS new, coalesce(retained, 0) AS retained, coalesce(resurrected, 0) AS resurrected,
        coalesce(lag(leaving) OVER by_week, 0) AS churned, week = max(week) OVER () AS in_progress
    FROM (FROM metrics WHERE role = 'north_star' AND slice = 'all') LEFT JOIN counted USING (use_case, week)
    WINDOW by_week AS (PARTITION BY use_case ORDER BY week)
)
SELECT use_case, week, value, CASE WHEN NOT in_progress THEN value / nullif(previous, 0) - 1 END AS growth, active, new,
    retained, resurrected, churned
FROM series ORDER BY ALL
"""
