"""Definition fingerprints depend on meaning, not on titles, comments, order or spelling, and reach no further."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_pipeline.events.instrumentation import mapping_in
from nsm_pipeline.lake import digest
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.playbook.models import ROLES, UseCase
from nsm_pipeline.playbook.words import ATTRIBUTES
from nsm_pipeline.weeks import Calendar

TEXT = """
use_case: shop
title: Shop
owner: {name: Us}
events:
  ordered:
    properties:
      amount: {type: number, missing: [-1, -2]}
      status: {type: string, one_of: [paid, open]}
      order: {type: string}
    sources:
      - {name: order.done, until: 2026-03-16, properties: {status: state, amount: {from: cents, divide_by: 100}}}
      - {name: order.placed, since: 2026-03-02, preferred: true}
    same: [account_id, properties.order]
  viewed:
    sources: [{name: seen, until: 2026-02-02}, {name: viewed, since: 2026-02-02}]
activity: {of: [ordered, viewed], where: "user_id is not null and account_id <> 'x'"}
slices: [plan, segment]
metrics:
  buyers: {count_distinct: account, of: ordered, where: "status = 'paid' and amount > 0"}
  orders: {count: [ordered, viewed]}
  typical: {median: amount, of: ordered, where: "status in ('paid', 'open') or amount between 1 and 5"}
  share: {ratio: {numerator: {count: ordered, where: "not status = 'paid'"}, denominator: orders}}
  seats_sold: {attribute: seats, over: all}
  unused: {count: viewed}
north_star: {metric: buyers, target: {growth_per_week: 7%}}
inputs:
  - {metric: orders, dimension: depth, drives: buyers}
  - {metric: typical, dimension: efficiency}
counter_metrics: [{metric: share, protects: buyers, risk: r}]
outcomes: [seats_sold, share]
gates: [{table: north_star, expect_column_values_to_be_between: {column: value, min_value: 1}}]
checklist: {actionable: "yes"}
"""
BASE = yaml.safe_load(TEXT)
WEEKS = {"before": date(2026, 1, 5), "dual": date(2026, 3, 2), "after": date(2026, 6, 1)}
UTC = Calendar("UTC", 0, None)
USAGE = {f"usage {name}" for name in WEEKS}
ORDERLESS = ("of", "count", "slices", "same", "missing", "one_of", "inputs", "counter_metrics", "gates", "sources")
REWORDED = {
    "status = 'paid' and amount > 0": ["0.0 < amount AND (status == 'paid')", "not (amount <= 0 or status <> 'paid')"],
    "not status = 'paid'": ["status != 'paid'", "'paid' <> status -- not yet"],
    "status in ('paid', 'open') or amount between 1 and 5": [
        "amount >= 1 and amount <= 5 or status in ('open', 'paid', 'open')",
        "status = 'open' or (5 >= amount and not amount < 1) or status = 'paid'",
    ],
    "user_id is not null and account_id <> 'x'": ["not (account_id = 'x' or user_id is null)"],
}


def fingerprints(document: dict[str, Any]) -> dict[str, str]:
    """Of every table: the weekly ones by role, usage events by week."""
    use_case = UseCase.model_validate(document)
    plan = UseCasePlan(use_case, ATTRIBUTES)
    tables: dict[str, object] = {role: plan.definition(role) for role in ROLES}
    names = sorted({source.name for event in use_case.events.values() for source in event.sources})
    for name, week in WEEKS.items():
        tables[f"usage {name}"] = mapping_in(use_case, week, UTC, names).definition()
    return {name: digest(found) for name, found in {**tables, "account_weeks": plan.account_definition()}.items()}


def retold(node: Any, chance: Random, key: str = "") -> Any:
    """The same playbook in other words: other titles, orders, spellings of filters and lists of one."""
    if isinstance(node, dict):
        items = [(name, f"t{chance.random()}" if name in ("title", "risk") else value) for name, value in node.items()]
        chance.shuffle(items)
        found = {name: retold(value, chance, name) for name, value in items}
        return {**found, **({"description": "new"} if {"count", "sources"} & found.keys() else {})}
    if isinstance(node, list):
        found_list = [retold(item, chance) for item in node]
        if key in ORDERLESS:
            chance.shuffle(found_list)
        return found_list
    if key == "where":
        return chance.choice([node, f"({node}\n)", *REWORDED[node]])
    return [node] if key == "of" and isinstance(node, str) and chance.random() < 0.5 else node


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.booleans(), st.sampled_from([None, "'", '"']))
@settings(max_examples=80)
def test_telling_it_otherwise_changes_no_fingerprint(chance: Random, flow: bool, quotes: str | None) -> None:
    text = yaml.safe_dump(retold(BASE, chance), sort_keys=False, default_flow_style=flow, default_style=None)
    if quotes:
        text = text.replace("use_case: shop", f"use_case: {quotes}shop{quotes}")
    assert fingerprints(yaml.safe_load(f"# why\n{text}# the end\n")) == fingerprints(BASE)


TABLES = {*ROLES, "account_weeks"}
CHANGES: list[tuple[dict[str, Any], set[str]]] = [
    ({"metrics/buyers/where": "status = 'paid' and amount >= 0"}, {"north_star", "account_weeks"}),
    ({"metrics/buyers/include_internal": True}, {"north_star", "account_weeks"}),
    ({"metrics/typical/where": "status in ('paid', 'open')"}, {"inputs"}),
    ({"metrics/typical": {"quantile": "amount", "of": "ordered", "q": "90%"}}, {"inputs"}),
    ({"metrics/orders": {"count": "ordered"}}, {"inputs", "counter_metrics", "outcomes", "account_weeks"}),
    ({"metrics/share/ratio/numerator": {"count": "ordered"}}, {"counter_metrics", "outcomes", "account_weeks"}),
    ({"metrics/typical/window": "4 weeks"}, {"inputs"}),
    ({"metrics/typical/slices": ["plan"]}, {"inputs"}),
    ({"metrics/seats_sold/over": "active"}, {"outcomes"}),
    ({"outcomes": ["seats_sold"]}, {"outcomes"}),
    ({"metrics/unused": {"count": "ordered"}}, set()),
    ({"slices": ["plan"]}, set(ROLES)),
    ({"activity": "ordered"}, TABLES),
    ({"north_star/target": {"growth_per_week": "5%"}}, set()),
    ({"gates": [], "checklist": {}, "title": "Another", "vision": "v", "review_by": "2027-01-01"}, set()),
    ({"events/ordered/properties/amount/missing": [-1]}, USAGE),
    ({"events/ordered/sources/0/properties/status": "outcome"}, {"usage before", "usage dual"}),
    ({"events/ordered/sources/1/properties": {"status": "outcome"}}, {"usage dual", "usage after"}),
    ({"events/ordered/sources/0/preferred": True, "events/ordered/sources/1/preferred": False}, {"usage dual"}),
    ({"events/ordered/same": ["properties.order"]}, {"usage dual"}),
    ({"events/viewed/sources/0/name": "looked"}, {"usage before"}),
]  # fmt: skip


def placed(document: Any, changes: dict[str, Any]) -> Any:
    """`change`, with positions in lists among the keys."""
    found = yaml.safe_load(yaml.safe_dump(document))
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        inner = found
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return found


@pytest.mark.parametrize(("changes", "reached"), CHANGES, ids=lambda value: str(sorted(value))[:60])
def test_a_change_of_meaning_reaches_its_tables_and_no_others(changes: dict[str, Any], reached: set[str]) -> None:
    before, after = fingerprints(BASE), fingerprints(placed(BASE, changes))
    assert {table for table in before if before[table] != after[table]} == reached
