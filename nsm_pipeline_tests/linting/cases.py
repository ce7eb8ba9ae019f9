"""A use case without a fault and data that fit it, and how test cases change the two."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from nsm_pipeline.linting.report import Report, lint
from nsm_pipeline.linting.seen import EventSeen, NameSeen, Seen, UseCaseSeen
from nsm_pipeline.playbook.loading import load_playbook

TODAY = date(2026, 6, 1)
FIRST = date(2026, 1, 5)
FAULTLESS = """
use_case: shop
title: Shop
owner: {name: Shop group}
review_by: 2026-06-01
game: transaction
vision: Everything arrives the next day.
value_moment: A parcel is in the customer's hands.
events:
  order_placed:
    properties:
      status: {type: string, one_of: [paid, open, lost], required: true}
      amount: {type: number}
      litres: {type: number, unit: l}
      stars: {type: integer}
      gift: {type: boolean}
    sources: [{name: order.placed}]
  parcel_delivered:
    properties: {status: {type: string, one_of: [home, shop]}}
    sources: [{name: parcel_left, until: 2026-02-02}, {name: parcel.delivered, since: 2026-02-02}]
  page_viewed: {sources: [{name: page_viewed}]}
activity: [order_placed]
slices: [plan]
metrics:
  served: {title: Customers served, description: Customers with a delivery in the week., unit: customers,
           count_distinct: account, of: parcel_delivered}
  buyers: {count_distinct: account, of: order_placed}
  orders_each: {ratio: {numerator: {count: order_placed}, denominator: buyers}}
  views: {count: page_viewed}
  paid_share:
    unit: share
    ratio: {numerator: {count: order_placed, where: "status = 'paid'"}, denominator: {count: order_placed}}
  lost_share:
    unit: share
    ratio: {numerator: {count: order_placed, where: "status = 'lost'"}, denominator: {count: order_placed}}
  turnover: {sum: amount, of: order_placed}
north_star: {metric: served}
inputs:
  - {metric: buyers, dimension: breadth, drives: served, owner: Growth}
  - {metric: orders_each, dimension: depth, drives: served, owner: Growth}
  - {metric: paid_share, dimension: efficiency, drives: served, owner: Checkout}
  - {metric: views, dimension: frequency, level: 2, drives: buyers, owner: Growth}
counter_metrics:
  - {metric: lost_share, protects: served, risk: Speed loses parcels., warn: 3%, breach: 5%}
outcomes: [turnover]
checklist:
  expresses_customer_value: The parcel is there.
  represents_vision_and_strategy: Delivery is the vision.
  leading_indicator: Who is served comes back.
  actionable: Routes move it.
  understandable: Customers who got a parcel.
  measurable: Every scanner reports.
  not_vanity: Only delivered parcels count.
"""
DATA: dict[str, Any] = {
    "complete_weeks": 10,
    "events": {
        "order_placed": {"rows": 900, "rows_lately": 500, "missing_lately": {"status": 10}},
        "parcel_delivered": {"rows": 800, "rows_lately": 400},
        "page_viewed": {"rows": 90, "rows_lately": 50},
    },
    "values": {
        name: list(range(1, 11)) for name in ("served", "buyers", "orders_each", "views", "paid_share", "turnover")
    }
    | {"lost_share": [0.06] * 9 + [0.01]},
    "widths": {"plan": 50},
}


def changed(document: Any, change: Mapping[str, Any] = {}, drop: Sequence[str] = ()) -> Any:
    """A copy in which the values at some paths (`a/b/0`) are others, or gone."""
    document = copy.deepcopy(document)
    for path, value in change.items():
        inner, last = _inner(document, path)
        inner[last] = value
    for path in drop:
        inner, last = _inner(document, path)
        del inner[last]
    return document


def _inner(document: Any, path: str) -> tuple[Any, Any]:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for parent in parents:
        document = document[parent]
    return document, last


def seen(data: Mapping[str, Any]) -> Seen:
    """A home's sightings from plain data; lists of values begin with the week of FIRST, None where there is none."""
    mine = UseCaseSeen(
        {name: _event(one) for name, one in data["events"].items()},
        {name: weekly(values) for name, values in data["values"].items()},
        data["widths"],
        data["complete_weeks"],
    )
    names = {name: NameSeen(rows, FIRST, FIRST) for name, rows in data.get("unmapped", {}).items()}
    return Seen({"shop": mine}, names, data["complete_weeks"] + 1, data.get("stale_weeks", 0))


def weekly(values: Sequence[float | None]) -> dict[date, float]:
    return {FIRST + timedelta(weeks=n): value for n, value in enumerate(values) if value is not None}


def _event(one: Mapping[str, Any]) -> EventSeen:
    came = one["rows"] > 0
    return EventSeen(**{"first_week": FIRST if came else None, "last_week": FIRST if came else None, **one})


def linted(folder: Path, case: Mapping[str, Any]) -> Report:
    """The report on the faultless use case after a case's changes; `without_data` looks at declarations alone."""
    settings = case.get("settings", {"account_attributes": {"arr": "number", "nps_score": "number"}})
    document = changed(yaml.safe_load(FAULTLESS), case.get("change", {}), case.get("drop", ()))
    (folder / "shop.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    data = None if case.get("without_data") else seen(changed(DATA, case.get("data", {}), case.get("data_drop", ())))
    return lint(load_playbook(folder), data, TODAY)
