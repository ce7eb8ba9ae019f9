"""Published rows written by hand: a small use case, its numbers by metric, week and slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import yaml

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.scoring.published import Number, Published
from nsm_pipeline.weeks import WEEK

MONDAY = date(2026, 1, 5)
TEXT = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  order_placed: {sources: [{name: order.placed}]}
slices: [plan]
metrics:
  orders: {count: order_placed, unit: orders}
  buyers: {count_distinct: account, of: order_placed, unit: buyers}
  orders_each: {ratio: {numerator: orders, denominator: buyers}, title: Orders per buyer, unit: orders per buyer}
  failed_share:
    title: Failed
    ratio: {numerator: {count: order_placed}, denominator: {count: order_placed}}
    unit: share
    better: lower
north_star: {metric: orders}
formula: orders = buyers * orders_each
inputs:
  - {metric: buyers, dimension: breadth, drives: orders, relation: formula, owner: Growth,
     work: [{title: Sign-up in one step, url: "https://example.org/1", since: 2026-01-12}, {title: Later}]}
  - {metric: orders_each, dimension: frequency, drives: orders, relation: formula}
counter_metrics:
  - {metric: failed_share, protects: orders, risk: Retries count as orders.}
"""


def use_case(**changed: object) -> UseCase:
    """The shop with some of its keys replaced."""
    return UseCase.model_validate({**yaml.safe_load(TEXT), **changed})


def number(
    value: float | None,
    numerator: float | None = None,
    denominator: float | None = None,
    entities: int | None = 10,
    state: str = "certified",
) -> Number:
    """A published number; of a count the numerator is the value."""
    above = value if numerator is None and entities is not None else numerator
    stage = "flash" if state == "flash" else "final"
    return Number(value, above, denominator, entities, state, stage, None if state == "flash" else "shop-1")


def quotient(numerator: float, denominator: float) -> Number:
    return number(numerator / denominator if denominator else None, numerator, denominator)


SUPPRESSED = number(None, entities=None)


def week(place: int) -> date:
    return MONDAY + place * WEEK


def published(
    totals: Mapping[str, Sequence[Number | float | None]],
    slices: Mapping[tuple[str, str], Sequence[Mapping[str, Number]]] | None = None,
    case: UseCase | None = None,
    current: int = 1000,
) -> Published:
    """Numbers by metric, one per week from MONDAY on; None where a week is not published."""
    by_week = {
        metric: {
            week(place): one if isinstance(one, Number) else number(one)
            for place, one in enumerate(values)
            if one is not None
        }
        for metric, values in totals.items()
    }
    cut = {key: {week(place): one for place, one in enumerate(weeks)} for key, weeks in (slices or {}).items()}
    return Published(case or use_case(), week(current), by_week, cut, {})
