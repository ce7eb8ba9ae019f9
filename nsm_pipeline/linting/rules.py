"""All rules, in the order of the page, and their table for the documentation.

What belongs here: the lists. What does not: a rule.
"""

from __future__ import annotations

from nsm_pipeline.linting.data_rules import DATA_RULES, HOME_RULES
from nsm_pipeline.linting.findings import CRITERIA, Case, Rule, Whole
from nsm_pipeline.linting.north_star_rules import NORTH_STAR_RULES
from nsm_pipeline.linting.role_rules import ROLE_RULES

RULES: tuple[Rule[Case], ...] = (*NORTH_STAR_RULES, *ROLE_RULES, *DATA_RULES)
ALL_RULES: tuple[Rule[Case] | Rule[Whole], ...] = (*RULES, *HOME_RULES)


def rules_table() -> str:
    """Every rule as a row of a Markdown table: id, severity, criterion, when it fires, what to do."""
    rows = ["| rule | severity | lowers | fires when | what to do |", "|---|---|---|---|---|"]
    for one in ALL_RULES:
        criterion = CRITERIA.get(one.criterion, "–").lower()
        rows.append(f"| {one.id} | {one.severity} | {criterion} | {one.fires} | {one.do} |")
    return "\n".join(rows)
