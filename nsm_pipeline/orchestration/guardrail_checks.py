"""Asset checks on guardrails: a red one of the newest complete week fails, and says where to begin looking.

What belongs here: published rows of `guardrails` as Dagster's checks. What does not: the judgement (`scoring`).

A breach does not block: the numbers are right, and what they say is what somebody has to act on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from nsm_pipeline.orchestration.resources import HomeResource
from nsm_pipeline.publishing.extracts import last_shown
from nsm_pipeline.publishing.score_tables import GUARDRAILS

NO_BREACH = "no_breach"
Row = Mapping[str, Any]


def guardrail_checks(use_cases: Iterable[str]) -> dg.AssetChecksDefinition:
    """One check per use case on `<use case>/guardrails`; one op for all of them, as they read one table."""
    specs = [
        dg.AssetCheckSpec(
            NO_BREACH,
            asset=dg.AssetKey([name, GUARDRAILS.name]),
            description="No counter-metric is in breach in the newest complete week that is published.",
        )
        for name in use_cases
    ]

    @dg.multi_asset_check(name="guardrails_hold", specs=specs, can_subset=True)
    def guardrails_hold(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Iterator[dg.AssetCheckResult]:
        opened = home.open()
        shown = last_shown(opened.home)
        table = shown.tables.get(GUARDRAILS.name) if shown is not None else None
        rows = table.to_pylist() if table is not None else []
        current = opened.calendar.current()
        for key in sorted(context.selected_asset_check_keys, key=str):
            mine = [row for row in rows if row["use_case"] == key.asset_key.path[0] and row["week"] < current]
            yield _result(key, mine)

    return guardrails_hold


def _result(key: dg.AssetCheckKey, rows: Sequence[Row]) -> dg.AssetCheckResult:
    """Of each guardrail its newest week that is not flash: one whose window is open is judged when it has closed."""
    newest: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row["week"]):
        if row["state"] != "flash":
            newest[row["metric"]] = row
    red = [row for row in newest.values() if row["status"] == "red"]
    metadata: dict[str, Any] = {
        "week": str(max((row["week"] for row in newest.values()), default="none published")),
        **{f"status of {name}": row["status"] for name, row in newest.items()},
    }
    for row in red:
        metadata[str(row["metric"])] = dg.MetadataValue.md(_breach(row))
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not red,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"in breach: {', '.join(str(row['title']) for row in red)}" if red else None,
        metadata=metadata,
    )


def _breach(row: Row) -> str:
    held_to = "an absolute threshold" if row["rule"] == "absolute" else f"its trailing median {row['reference']:.4g}"
    return "\n".join(
        (
            f"* {row['title']}: {row['value']:.4g} {row['unit']}, breach from {row['breach_at']:.4g} on ({held_to})",
            f"* red since {row['since']}; protects {row['protects']} ({row['protected_status']}): {row['joint_words']}",
            f"* risk: {row['risk']}",
            f"* where to begin: {row['starting_points']}",
        )
    )
