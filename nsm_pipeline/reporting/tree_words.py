"""What a metric tree says: the texts of its cards and lines, and the rows of the table beside it.

What belongs here: rows of TREE_NODES and TREE_EDGES as words. What does not: drawing them (`tree_drawing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsm_pipeline.reporting.wording import DASH, SHARE, counted, day, number, relative, with_unit

Row = Mapping[str, Any]

STATUSES = {"green": "on course", "yellow": "watch", "red": "off course", "no_colour": "no colour"}
"""What a colour says, in words."""
ROLES = {"north_star": "North Star", "inputs": "Input", "counter_metrics": "Counter-metric", "outcomes": "Outcome"}
VERDICTS = {
    "reconciled": "formula, adds up",
    "not reconciled": "formula, does not add up",
    "supported": "supported by history",
    "not supported": "not supported",
    "contradicted": "contradicted",
    "too early to say": "too early to say",
    "formula": "formula",
    "untested": "hypothesis, not tested yet",
}
"""What an edge's verdict says, in words, in the order of the legend; the last two where there are no numbers yet."""
HEAD = ("Metric", "Role", "Owner", "Value", "Held to", "Status", "Why", "Work")
LINKS_HEAD = ("From", "To", "Relation", "Verdict", "Evidence")


def verdict_of(edge: Row) -> str:
    """An edge's verdict as VERDICTS has it; of one that is only declared what it is by its relation."""
    if edge["verdict"] != "declared":
        return str(edge["verdict"])
    return "formula" if edge["relation"] == "formula" else "untested"


def verdict_lines(edge: Row) -> tuple[str, ...]:
    """An edge's verdict on one or two short lines: ('supported,', '1 week ahead')."""
    verdict, lag, weeks = verdict_of(edge), edge.get("lag"), edge.get("weeks")
    if verdict in ("reconciled", "formula"):
        return ("formula",)
    if verdict == "untested":
        return ("hypothesis",)
    if verdict == "not reconciled":
        gap = edge.get("gap")
        return ("formula broken,", "does not add up" if gap is None else f"gap {number(gap, SHARE)}")
    if verdict in ("supported", "contradicted") and lag is not None:
        return (f"{verdict},", ahead(lag))
    if verdict == "too early to say":
        return ("too early to say",) if weeks is None else ("too early to say,", f"{counted(weeks, 'week')} so far")
    return (verdict,)


def ahead(lag: int) -> str:
    """'1 week ahead', 'in the same week'."""
    return f"{counted(lag, 'week')} ahead" if lag else "in the same week"


def held_to(node: Row) -> str:
    """What a node is held to: 'target 7,000', 'median 6,850', or nothing."""
    if node["target"] is not None:
        return f"target {number(node['target'], node['unit'], node['value'])}"
    return "" if node["reference"] is None else f"median {number(node['reference'], node['unit'])}"


def node_words(node: Row) -> str:
    """A node in one sentence per fact, for whoever points at it."""
    value = with_unit(node["value"], node["unit"])
    of = f" in the week of {day(node['week'])}" if node["week"] else ""
    facts = [
        f"{node['title']} ({ROLES[node['role']].lower()})",
        f"{value}{of}" + (f", {relative(node['change'])}" if node["change"] is not None else ""),
        held_to(node),
        f"owner: {node['owner']}" if node["owner"] else "",
        f"status: {STATUSES[node['status']]}" + (f", {node['status_words']}" if node["status_words"] else ""),
    ]
    return ". ".join(fact for fact in facts if fact) + "."


def tree_table(nodes: Sequence[Row], edges: Sequence[Row]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The drawing as two tables of text: of the metrics (columns HEAD) and of the links (columns LINKS_HEAD), all of
    them, also those that cannot be drawn."""
    titles = {node["metric"]: node["title"] for node in nodes}
    metrics: list[tuple[str, ...]] = [
        (
            node["title"],
            role_of(node),
            node["owner"] or DASH,
            with_unit(node["value"], node["unit"]),
            held_to(node) or DASH,
            STATUSES[node["status"]],
            node["status_words"],
            node["work"] or "",
        )
        for node in nodes
    ]
    links: list[tuple[str, ...]] = [
        (
            str(titles.get(edge["metric"], edge["metric"])),
            str(titles.get(edge["drives"], edge["drives"])),
            edge["relation"],
            edge["verdict"],
            edge["words"],
        )
        for edge in edges
    ]
    return metrics, links


def role_of(node: Row) -> str:
    """'North Star', 'Input, level 2, breadth', 'Counter-metric', 'Outcome'."""
    if node["role"] != "inputs":
        return ROLES[node["role"]]
    parts = [ROLES["inputs"], f"level {node['level']}" if node["level"] else "", node["dimension"] or ""]
    return ", ".join(part for part in parts if part)
