"""What gates may look at: the columns of the evidence, by name.

What belongs here: names and the width of "exact". What does not: the frames (`evidence`), which take pandas to make.
"""

from __future__ import annotations

EXACT = 1e-9
WEEK_COLUMNS = (
    "week", "complete", "landed", "accepted_and_duplicate", "files_not_reconciled", "share_quarantined",
    "share_duplicate", "share_late", "share_unmapped", "events", "value", "value_from_accounts", "gap_to_accounts",
    "growth", "attainment", "active", "new", "retained", "resurrected", "churned", "new_retained_resurrected",
    "change_in_active", "gained_less_churned", "usual_events", "volume_ratio",
    "value_from_formula", "formula_gap",
)  # fmt: skip
METRIC_COLUMNS = (
    "use_case", "metric", "role", "week", "slice", "slice_value", "value", "numerator", "denominator", "entities",
    "is_share",
)  # fmt: skip
"""Columns that a declared gate may name: of the tables `week` and `growth`, and of the tables of metrics."""
