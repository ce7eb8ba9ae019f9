"""What the data say of a use case now: its published value, status, grade, and what was restated.

What belongs here: facts that change by themselves, from published tables and a report card. What does not: definitions
(`handbook`), which stand apart so that a change of one is read as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.linting.findings import CRITERIA, Grade
from nsm_pipeline.linting.grading import ReportCard
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.reporting.declared_tree import declared_tree
from nsm_pipeline.reporting.handbook_parts import Fact, Part
from nsm_pipeline.reporting.tree_words import ROLES, STATUSES, held_to
from nsm_pipeline.reporting.wording import counted, number, with_unit

Row = Mapping[str, Any]
Tables = Mapping[str, pa.Table]
LAST = 10
LABEL = "Certified value"
NOTHING = "nothing certified is published yet"
GRADES: tuple[Grade, ...] = ("fail", "warn", "pass")
VOUCHED = ("certified", "superseded_pending")


def rows_of(tables: Tables, table: str, use_case: str, **equal: str) -> list[dict[str, Any]]:
    """A use case's rows of a published table, those where columns equal; none where the table is not there."""
    if table not in tables:
        return []
    rows = tables[table]
    for column, value in {"use_case": use_case, **equal}.items():
        rows = rows.filter(pc.equal(rows[column], value))
    return list(rows.to_pylist())


def now_parts(use_case: UseCase, tables: Tables, card: ReportCard | None) -> tuple[Part, ...]:
    """What the published tables and the report card say of a use case."""
    found = [_value(use_case, tables), _nodes(use_case, tables), _edges(use_case, tables)]
    found += [] if card is None else [_grade(card)]
    found.append(_restatements(use_case, tables))
    return tuple(part for part in found if not part.is_empty)


def standing(use_case: UseCase, tables: Tables, card: ReportCard | None) -> tuple[Fact, ...]:
    """A use case in the index: its grade, and its current certified value."""
    grade = [] if card is None else [Fact("grade", "Grade", grade_in_words(card))]
    return (*grade, *_value(use_case, tables).facts[:2])


def grade_in_words(card: ReportCard) -> str:
    """'warn: 6 pass, 1 warn': the worst of the seven criteria, and how many have which grade."""
    counts = Counter(mark.grade for mark in card.marks)
    worst = next(grade for grade in GRADES if counts[grade] or grade == "pass")
    return f"{worst}: " + ", ".join(f"{counts[grade]} {grade}" for grade in reversed(GRADES) if counts[grade])


def _value(use_case: UseCase, tables: Tables) -> Part:
    star = use_case.north_star.metric
    totals = rows_of(tables, "north_star", use_case.use_case, metric=star, slice="all")
    vouched = [row for row in totals if row["state"] in VOUCHED and row["certificate_id"]]
    part = Part("now", LABEL, note="As it is published.")
    if not vouched:
        return Part(part.key, part.title, (Fact("value", LABEL, NOTHING),))
    row = max(vouched, key=lambda row: row["week"])
    facts = [
        Fact("value", LABEL, with_unit(row["value"], row["unit"])),
        Fact("week", "Week", str(row["week"])),
        Fact("state", "State", f"{row['state']}, {row['stage']}"),
        Fact("certificate", "Certificate", row["certificate_id"], "code"),
    ]
    later = sorted((one for one in totals if one["week"] > row["week"]), key=lambda one: one["week"])
    for one in later:
        words = f"{with_unit(one['value'], one['unit'])} in the week of {one['week']}, {one['state']}"
        facts.append(Fact(f"later.{one['week']}", "Since then", words))
    return Part(part.key, part.title, (*facts, *_score(use_case, tables, row)), note=part.note)


def _score(use_case: UseCase, tables: Tables, value: Row) -> list[Fact]:
    """The scorecard's row of the same week, where the score is published."""
    rows = [row for row in rows_of(tables, "scorecard", use_case.use_case) if row["week"] == value["week"]]
    if not rows:
        return []
    row, unit = rows[0], value["unit"]
    facts = []
    if row["target"] is not None:
        attained = "" if row["attainment"] is None else f", attained by {number(row['attainment'], 'share')}"
        facts.append(Fact("target", "Target", f"{with_unit(row['target'], unit, value['value'])}{attained}"))
    if row["joint_words"]:
        facts.append(Fact("status", "Status", f"{STATUSES[row['joint_status']]}: {row['joint_words']}"))
    return facts


def _nodes(use_case: UseCase, tables: Tables) -> Part:
    facts = []
    order = list(ROLES)
    nodes = rows_of(tables, "tree_nodes", use_case.use_case)
    for node in sorted(nodes, key=lambda node: (order.index(node["role"]), node["level"] or 0)):
        if node["week"] is None:
            continue
        held = f", {held_to(node)}" if held_to(node) else ""
        why = f" ({node['status_words']})" if node["status_words"] else ""
        words = f"{with_unit(node['value'], node['unit'])} in the week of {node['week']}{held}"
        words += f", {STATUSES[node['status']]}{why}"
        label = f"{node['title']} ({ROLES[node['role']].lower()})"
        facts.append(Fact(f"{node['role']}.{node['metric']}", label, words))
    return Part("nodes", "Metrics of the tree", tuple(facts))


def _edges(use_case: UseCase, tables: Tables) -> Part:
    facts = [
        Fact(
            f"{edge['relation']}.{edge['metric']}.{edge['drives']}",
            f"{edge['metric']} → {edge['drives']} ({edge['relation']})",
            f"{edge['verdict']}: {edge['words']}",
        )
        for edge in rows_of(tables, "tree_edges", use_case.use_case)
        if edge["relation"] != "protects"
    ]
    return Part("edges", "What speaks for the links", tuple(facts))


def _grade(card: ReportCard) -> Part:
    facts = []
    for mark in card.marks:
        because = f" (rules {', '.join(mark.because)})" if mark.because else ""
        evidence = "; ".join(mark.evidence) or "no evidence"
        facts.append(Fact(mark.criterion, CRITERIA[mark.criterion], f"{mark.grade}{because}. {evidence}"))
    note = "How the seven criteria hold, with evidence; nsm lint says what to mend."
    return Part("grade", f"Grade: {grade_in_words(card)}", tuple(facts), note=note)


def _restatements(use_case: UseCase, tables: Tables) -> Part:
    rows = rows_of(tables, "restatements", use_case.use_case, kind="restatement", slice="all")
    units = {name: metric.unit for name, metric in use_case.metrics.items()}
    facts = [
        Fact(str(row["number"]), f"{row['metric']}, week of {row['week']}", _restated(row, units))
        for row in sorted(rows, key=lambda row: -row["number"])[:LAST]
    ]
    if not facts:
        return Part("restatements", "Restatements", (Fact("none", "Restated", "no final total so far"),))
    note = f"{counted(len(rows), 'final total')} changed since the first publication; here the last {len(facts)}."
    return Part("restatements", "Restatements", tuple(facts), note=note)


def _restated(row: Row, units: Mapping[str, str]) -> str:
    unit = units.get(row["metric"], "")
    why = row["reason"] or row["cause"]
    return f"{number(row['old'], unit)} → {number(row['new'], unit)}, published {row['at'][:10]} by {row['by']}: {why}"


def drawn(use_case: UseCase, tables: Tables) -> tuple[Sequence[Row], Sequence[Row]]:
    """Nodes and edges of the tree as it is published; as it is declared where it is not."""
    declared = declared_tree(use_case)
    nodes, edges = (rows_of(tables, table, use_case.use_case) for table in ("tree_nodes", "tree_edges"))
    return (nodes, edges or declared[1]) if nodes else declared
