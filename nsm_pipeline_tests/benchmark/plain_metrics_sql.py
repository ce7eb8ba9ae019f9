"""The metrics, for the plain DuckDB script: the packaged CI, Security and Compliance metrics by hand.

What belongs here: SQL from a few weeks' rows to results. What does not: loading (`plain_loading_sql`), running it
(`plain`).

`chunk` holds some weeks' events, `per_account` a row per account and week with what every metric needs of it. Counts
are summed from there; only people and medians need the events once more.
"""

from __future__ import annotations

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
INSERT INTO seats SELECT {SLICE}, coalesce(sum(seats) FILTER (runs), 0), coalesce(sum(seats) FILTER (scans), 0),
    coalesce(sum(seats) FILTER (pays), 0), count(*) FILTER (pays)
FROM (
    SELECT s.week, s.seats, s.plan_slice, s.segment_slice, NOT s.is_internal AND a.pipelines > 0 AS runs,
        NOT s.is_internal AND a.scans + a.resolved > 0 AS scans,
        NOT s.is_internal AND s.plan_slice NOT IN ('free', '(unknown)') AS pays
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
        "green_accounts": "green", "active_accounts": "pipelines", "green_account_share_numerator": "green",
        "green_account_share_denominator": "pipelines", "builds_per_seat_numerator": "builds",
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
        ("green_account_share", "inputs", "green_accounts", "pipelines_accounts", "pipelines"),
        ("builds_per_seat", "inputs", "builds", "ci_seats", "builds"),
        ("pipelines_per_account", "inputs", "by_people", "pipelines_accounts", "pipelines"),
        ("pipeline_minutes", "inputs", "median_pipeline", "timed", "pipelines"),
        ("pipeline_users", "inputs", "ci_people", "", "by_people"),
        ("failed_share", "counter_metrics", "failed", "pipelines", "pipelines"),
        ("paid_seats", "outcomes", "paid_seats", "", "paid"),
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
    f"CREATE TABLE seats ({KEY}, ci_seats BIGINT, security_seats BIGINT, paid_seats BIGINT, paid_accounts BIGINT)",
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
