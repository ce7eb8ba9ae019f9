"""The schemas of the extract: declared once, used to write, to describe and to document.

What belongs here: columns, types, descriptions and keys of the published tables. What does not: writing them.
Only types that every BI tool reads: string, int64, float64, bool, date32. No account or user identifiers but in the one
table ON_REQUEST.
"""

from __future__ import annotations

from nsm_pipeline.publishing.columns import STAGE, STATE, Column, ExtractTable
from nsm_pipeline.publishing.score_tables import (
    ACCOUNT_ADOPTION,
    ANNOTATIONS,
    GUARDRAILS,
    MOVEMENTS,
    SCORECARD,
    TREE_EDGES,
    TREE_NODES,
)
from nsm_pipeline.publishing.star_tables import STAR

METRIC_COLUMNS = (
    Column("use_case", "string", "Use case by name.", True),
    Column("metric", "string", "Metric by name.", True),
    Column("title", "string", "The metric's title.", True),
    Column("role", "string", "north_star, inputs, counter_metrics or outcomes.", True),
    Column("week", "date", "First day of the week.", True),
    Column("slice", "string", "Account attribute the row is cut by; 'all' for the total.", True),
    Column("slice_value", "string", "Value of that attribute; 'all' for the total.", True),
    Column("value", "number", "The metric's value; null where there is none (nothing to divide by) or suppressed."),
    Column("numerator", "number", "What is divided, or the value itself where nothing is."),
    Column("denominator", "number", "What it is divided by; for medians the number of values."),
    Column("entities", "integer", "Distinct accounts behind the value; null where suppressed."),
    Column(
        "suppressed",
        "boolean",
        "Whether the numbers are left out: a slice of few accounts, or one that would tell of such a slice.",
        True,
    ),
    Column("unit", "string", "Unit of the value.", True),
    STATE,
    STAGE,
    Column("certificate_id", "string", "The certificate that vouches for the row; null for flash."),
)
METRIC_KEY = ("use_case", "metric", "week", "slice", "slice_value")
NORTH_STAR = ExtractTable("north_star", "The North Star per use case, week and slice.", METRIC_KEY, METRIC_COLUMNS)
INPUTS = ExtractTable("inputs", "Input metrics per use case, week and slice.", METRIC_KEY, METRIC_COLUMNS)
COUNTER_METRICS = ExtractTable(
    "counter_metrics", "Counter-metrics per use case, week and slice.", METRIC_KEY, METRIC_COLUMNS
)
OUTCOMES = ExtractTable(
    "outcomes",
    "What the North Star is supposed to lead, per use case, week and slice; a metric may have another role too.",
    METRIC_KEY,
    METRIC_COLUMNS,
)
GROWTH = ExtractTable(
    "growth",
    "Growth, goals and new, retained, resurrected and churned accounts per use case and week.",
    ("use_case", "week"),
    (
        Column("use_case", "string", "Use case by name.", True),
        Column("week", "date", "First day of the week.", True),
        Column("complete", "boolean", "False for the week in progress.", True),
        Column("value", "number", "The North Star's published value."),
        Column("previous_value", "number", "The week before's; null where that week is not published."),
        Column("growth", "number", "value ÷ previous_value − 1; null for the week in progress."),
        Column("mean_growth_13_weeks", "number", "Mean growth of the 13 complete weeks before."),
        Column("active", "integer", "Accounts active in the week."),
        Column("new", "integer", "Of them, active for the first time ever."),
        Column("retained", "integer", "Of them, active in the week before too."),
        Column("resurrected", "integer", "Of them, active earlier but not in the week before."),
        Column("churned", "integer", "Accounts active in the week before and not in this one."),
        Column("new_by_creation", "integer", "Active accounts created in the week."),
        Column("retained_by_creation", "integer", "Active accounts created before the week."),
        Column("unknown_creation", "integer", "Active accounts whose creation is not known."),
        Column("goal", "number", "previous_value × (1 + the target growth)."),
        Column("attainment", "number", "value ÷ goal."),
        STATE,
        STAGE,
        Column("certificate_id", "string", "The certificate of the week; null for flash."),
    ),
)
CERTIFICATES = ExtractTable(
    "certificates",
    "The state of every use case and week, and why.",
    ("use_case", "week"),
    (
        Column("use_case", "string", "Use case by name.", True),
        Column("week", "date", "First day of the week.", True),
        Column(
            "state",
            "string",
            "certified, withheld by its gates, held for approval or a reason, flash (its window open), or missing.",
            True,
        ),
        STAGE,
        Column("certificate_id", "string", "Certificate of the published values; null where there are none."),
        Column("superseded_pending", "boolean", "The published values are those of a revoked certificate.", True),
        Column("gates", "integer", "Gates judged.", True),
        Column("failed_gates", "integer", "Gates that withhold the week.", True),
        Column("failed", "string", "Which failed and what they found.", True),
        Column("warnings", "string", "What failed without withholding the week.", True),
        Column("held", "string", "Why values that have passed are not published."),
        Column("owner", "string", "Who answers for the use case's definitions.", True),
        Column("approved_by", "string", "Who has signed the certificate off."),
        Column("approval_note", "string", "What they noted."),
    ),
)
METRIC_DICTIONARY = ExtractTable(
    "metric_dictionary",
    "What every metric means, who owns it and what it drives.",
    ("use_case", "metric"),
    (
        Column("use_case", "string", "Use case by name.", True),
        Column("use_case_title", "string", "Title of the use case.", True),
        Column("metric", "string", "Metric by name.", True),
        Column("title", "string", "The metric's title.", True),
        Column("description", "string", "What it says.", True),
        Column("role", "string", "north_star, inputs, counter_metrics, outcomes; none where a formula names it.", True),
        Column("kind", "string", "How it is computed: count, ratio, …", True),
        Column("definition", "string", "The definition as the playbook has it, in one line.", True),
        Column("unit", "string", "Unit of its values.", True),
        Column("better", "string", "higher or lower.", True),
        Column("dimension", "string", "breadth, depth, frequency or efficiency, for inputs."),
        Column("level", "integer", "Level of the input below the North Star."),
        Column("drives", "string", "The metric an input drives."),
        Column("relation", "string", "formula or hypothesis, for inputs."),
        Column("protects", "string", "The metric that a counter-metric protects."),
        Column("risk", "string", "What the counter-metric guards against."),
        Column("owner", "string", "Who owns it.", True),
        Column("status", "string", "proposed, agreed or deprecated; removed where only old values are left.", True),
        Column("is_outcome", "boolean", "Whether the North Star is supposed to lead it, whatever else it is.", True),
    ),
)
RESTATEMENTS = ExtractTable(
    "restatements",
    "Every published value that ever changed, in the order in which the changes were published.",
    ("number",),
    (
        Column("number", "integer", "Consecutive, from 1, for ever.", True),
        Column("use_case", "string", "Use case by name.", True),
        Column("table", "string", "Table of the extract whose value changed.", True),
        Column("metric", "string", "Metric by name; in growth, the column.", True),
        Column("week", "date", "First day of the week.", True),
        Column("slice", "string", "Account attribute the row is cut by; 'all' for the total.", True),
        Column("slice_value", "string", "Value of that attribute; 'all' for the total.", True),
        Column("old", "number", "The value shown before; null where there was none."),
        Column("new", "number", "The value shown since; null where there is none."),
        Column("old_state", "string", "State of the row before; null where it was not there."),
        Column("new_state", "string", "State of the row since; null where it is not there."),
        Column("old_certificate", "string", "Certificate of the old value; null where it had none."),
        Column("new_certificate", "string", "Certificate of the new value; null where it has none."),
        Column(
            "kind",
            "string",
            "flash, settling, within_tolerance, restatement (final, beyond tolerance), added (a new metric, or the "
            "first certified values of a week that is final already), or small_group (final, and suppressed before or "
            "since).",
            True,
        ),
        Column("cause", "string", "What of that which the value is made of has changed.", True),
        Column("reason", "string", "Why a final value was restated, in the words of who did it.", True),
        Column("by", "string", "Who restated it.", True),
        Column("version", "string", "Number of the version that showed the new value first, as its id begins.", True),
        Column("at", "string", "When that version was published: ISO-8601, UTC.", True),
    ),
)
SCORES = (SCORECARD, GUARDRAILS, TREE_NODES, TREE_EDGES, MOVEMENTS, ANNOTATIONS)
"""Tables that follow from the others, and from the playbook."""
METRICS = (NORTH_STAR, INPUTS, COUNTER_METRICS, OUTCOMES)
EXTRACT = (*METRICS, GROWTH, CERTIFICATES, METRIC_DICTIONARY, *STAR, *SCORES, RESTATEMENTS)
ON_REQUEST = (ACCOUNT_ADOPTION,)
"""Tables that are part of a version only where the settings ask for them."""
DECLARED = (*EXTRACT, *ON_REQUEST)
"""Every table that a version can have."""
