"""Adoption per account: composites with their coverage, colours one and three months earlier, calls to action.

What belongs here: rows of `account_adoption` from coloured measures. What does not: the measures (`metrics.adoption`),
which weeks are shown and under which names (`steps.accounts_shown`).

A composite is the mean of the parts that are there (red 25, yellow 63, green 88): red up to 50, yellow up to 75, green
beyond; without any part it has no colour. Points and bounds are those of GitLab's published customer health scoring.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from nsm_pipeline.playbook.adoption import COMPOSITE
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.score_tables import ACCOUNT_ADOPTION

MEASURED = pa.schema(
    [
        ("week", pa.date32()),
        *((name, pa.string()) for name in ("account", "measure")),
        ("value", pa.float64()),
        *((name, pa.string()) for name in ("colour", "state", "certificate_id")),
    ]
)
"""A row per week, account and measure of adoption, with what the week's rows are worth."""
RANK = "CASE {0} WHEN 'green' THEN 0 WHEN 'yellow' THEN 1 WHEN 'red' THEN 2 END"
# Worse than it was; a missing colour is neither better nor worse.
FELL = f"{RANK.format('now.colour')} > {RANK.format('month.colour')}"
ROWS = f"""
WITH composites AS (
    SELECT week, account, '{COMPOSITE}' AS measure, avg(points) AS value, count(points) / count(*) AS coverage,
        any_value(state) AS state, any_value(certificate_id) AS certificate_id
    FROM (SELECT *, CASE colour WHEN 'red' THEN 25 WHEN 'yellow' THEN 63 WHEN 'green' THEN 88 END AS points
        FROM measured)
    GROUP BY week, account
), coloured AS (
    SELECT week, account, measure, value, colour, NULL::DOUBLE AS coverage, state, certificate_id FROM measured
    UNION ALL
    SELECT week, account, measure, value,
        CASE WHEN value IS NULL THEN 'no_colour' WHEN value <= 50 THEN 'red' WHEN value <= 75 THEN 'yellow'
            ELSE 'green' END,
        coverage, state, certificate_id
    FROM composites
), compared AS (
    SELECT now.*, month.colour AS colour_1_month_earlier, quarter.colour AS colour_3_months_earlier,
        coalesce({FELL}, false) AND now.state <> 'flash' AS fell
    FROM coloured now
    LEFT JOIN coloured month ON month.account = now.account AND month.measure = now.measure
        AND month.week = now.week - 28
    LEFT JOIN coloured quarter ON quarter.account = now.account AND quarter.measure = now.measure
        AND quarter.week = now.week - 91
), fallen AS (
    SELECT week, account, string_agg(
        CASE WHEN coalesce(declared.call, '') = '' THEN account || ': ' ELSE '' END || coalesce(title, measure)
        || ' fell from ' || colour_1_month_earlier || ' to ' || colour || coalesce(nullif(': ' || call, ': '), ''),
        '; ' ORDER BY measure) AS said
    FROM compared LEFT JOIN declared USING (measure)
    WHERE fell AND measure <> '{COMPOSITE}' GROUP BY week, account
)
SELECT $use_case AS use_case, compared.*, CASE WHEN fell AND measure = '{COMPOSITE}' THEN coalesce(said,
    account || ': all measures together fell from ' || colour_1_month_earlier || ' to ' || colour
    || ', since fewer of them have a value') END AS call_to_action
FROM compared LEFT JOIN fallen USING (week, account) ORDER BY week, account, measure
"""


def adoption_table(use_case: UseCase, titles: Mapping[str, str], measured: pa.Table) -> pa.Table:
    """ACCOUNT_ADOPTION of a use case, from MEASURED of all weeks that are shown; `titles` of its measures.

    Earlier colours are those of the weeks 4 and 13 before, where they are shown. A call to action stands beside a
    composite that is worse than 4 weeks before and was green or yellow then: for each measure that fell the
    playbook's words, or else who fell from what to what. The week in progress calls for nothing: it is not over.
    """
    calls = {item.metric: item.call_to_action for item in use_case.adoption}
    declared = pa.table(
        {
            "measure": pa.array(list(calls), pa.string()),
            "title": pa.array([titles[name] for name in calls], pa.string()),
            "call": pa.array(list(calls.values()), pa.string()),
        }
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("measured", measured)
        connection.register("declared", declared)
        rows = connection.execute(ROWS, {"use_case": use_case.use_case}).to_arrow_table()
    return rows.select(ACCOUNT_ADOPTION.schema.names).cast(ACCOUNT_ADOPTION.schema)
