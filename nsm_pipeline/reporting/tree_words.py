"""What a metric tree says: the texts of its cards and lines, and the rows of the table beside it.

What belongs here: rows of TREE_NODES and TREE_EDGES as words. What does not: drawing them (`tree_drawing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsm_pipeline.reporting.number_words import NONE, percent, with_unit

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
    "declared": "protects",
}
"""What an edge's verdict says, in words, in the order of the legend."""
HEAD = ("Metric", "Role", "Owner", "Value", "Held to", "Status", "Why", "Work")
LINKS_HEAD = ("From", "To", "Relation", "Verdict", "Evidence")


def verdict_lines(edge: Row) -> tuple[str, ...]:
    """An edge's verdict on one or two short lines: ('supported,', '1 week ahead')."""
    verdict, lag, weeks = edge["verdict"], edge.get("lag"), edge.get("weeks")
    if verdict == "reconciled":
        return ("formula",)
    if verdict == "not reconciled":
        gap = edge.get("gap")
        return ("formula broken,", "does not add up" if gap is None else f"gap {percent(gap)}")
    if verdict in ("supported", "contradicted") and lag is not None:
        return (f"{verdict},", ahead(lag))
    if verdict == "too early to say":
        return ("too early to say",) if weeks is None else ("too early to say,", f"{_weeks(weeks)} so far")
    return (verdict,)


def ahead(lag: int) -> str:
    """'1 week ahead', 'in the same week'."""
    return f"{_weeks(lag)} ahead" if lag else "in the same week"


def _weeks(count: int) -> str:
    return f"{count} week{'' if count == 1 else 's'}"


def held_to(node: Row) -> str:
    """What a node is held to: 'target 7,000', 'median 6,850', or nothing."""
    if node["target"] is not None:
        return f"target {with_unit(node['target'], _own(node['unit']))}"
    return "" if node["reference"] is None else f"median {with_unit(node['reference'], _own(node['unit']))}"


def _own(unit: str) -> str:
    """The unit as it is repeated beside a value: percent signs stay, words are said once."""
    return unit if unit == "share" else ""


def node_words(node: Row) -> str:
    """A node in one sentence per fact, for whoever points at it."""
    value = with_unit(node["value"], node["unit"])
    of = f" in the week of {node['week']}" if node["week"] else ""
    facts = [
        f"{node['title']} ({ROLES[node['role']].lower()})",
        f"{value}{of}" + (f", {percent(node['change'], signed=True)}" if node["change"] is not None else ""),
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
            node["owner"] or NONE,
            with_unit(node["value"], node["unit"]),
            held_to(node) or NONE,
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
