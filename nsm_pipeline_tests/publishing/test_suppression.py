"""Small groups: by hand, and by an attacker who subtracts what is shown from the totals."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import product
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.publishing.suppression import NUMBERS, suppress

MONDAY = date(2026, 3, 2)
LIMIT = 5
Row = dict[str, Any]
Account = tuple[str, str, int, int]
"""Plan, segment, orders, and views of one account in the week."""


def row(group: str, entities: int, value: float | None = None, metric: str = "orders", **more: Any) -> Row:
    number = float(10 * entities if value is None else value)
    found = {
        "use_case": "shop", "metric": metric, "role": "inputs", "week": MONDAY, "slice": "plan", "slice_value": group,
        "value": number, "numerator": number, "denominator": None, "entities": entities,
    }  # fmt: skip
    return {**found, **more}


def total(entities: int, metric: str = "orders", **more: Any) -> Row:
    return row("all", entities, metric=metric, slice="all", **more)


def shown(*rows: Row, limit: int = LIMIT) -> list[Row]:
    return suppress(pa.Table.from_pylist(list(rows), METRIC_ROWS), limit).to_pylist()


def hidden(*rows: Row, limit: int = LIMIT, metric: str = "orders") -> set[str]:
    found = shown(*rows, limit=limit)
    assert [one["suppressed"] for one in found if one["slice"] == "all"] == [False] * sum(
        one["slice"] == "all" for one in rows
    )
    for before, after in zip(rows, found, strict=True):
        numbers = {name: None if after["suppressed"] else before[name] for name in NUMBERS}
        assert after == {**before, **numbers, "suppressed": after["suppressed"]}
    return {one["slice_value"] for one in found if one["suppressed"] and one["metric"] == metric}


def test_a_small_group_takes_the_next_smallest_with_it() -> None:
    assert hidden(total(133), row("free", 100), row("pro", 30), row("trial", 3)) == {"pro", "trial"}


def test_two_small_groups_of_enough_accounts_together_need_no_third() -> None:
    assert hidden(total(57), row("free", 50), row("pro", 4), row("trial", 3)) == {"pro", "trial"}


def test_two_small_groups_of_few_accounts_together_do() -> None:
    assert hidden(total(63), row("free", 50), row("pro", 10), row("x", 1), row("y", 2)) == {"pro", "x", "y"}


def test_of_two_groups_none_is_shown_where_one_is_small() -> None:
    assert hidden(total(103), row("free", 100), row("trial", 3)) == {"free", "trial"}


def test_the_limit_itself_is_enough_and_zero_shows_all() -> None:
    assert hidden(total(55), row("free", 50), row("pro", 5)) == set()
    assert hidden(total(55), row("free", 50), row("pro", 5), limit=6) == {"free", "pro"}
    assert hidden(total(2), row("free", 1), row("pro", 1), limit=0) == set()


def test_nobody_is_behind_a_zero_so_it_is_shown_and_hides_nothing() -> None:
    nobody = row("none", 0, 0.0)
    missing = {**row("gone", 0, 0.0, denominator=0.0), "value": None}
    rows = [total(153), row("free", 100), row("pro", 50), row("trial", 3), nobody, missing]
    assert hidden(*rows) == {"pro", "trial"}


def test_a_number_of_unknown_accounts_is_small() -> None:
    assert hidden(total(150), row("free", 100), row("pro", 50), row("odd", 0, 7.0)) == {"odd", "pro"}


def test_the_only_group_is_hidden_and_the_total_stays() -> None:
    assert hidden(total(3), row("free", 3)) == {"free"}


def test_attributes_and_weeks_are_looked_at_one_by_one() -> None:
    later = date(2026, 3, 9)
    rows = [total(60), row("free", 30), row("pro", 30)]
    small = [{**one, "week": later} for one in (total(33), row("free", 30), row("pro", 3))]
    by_segment = [row("smb", 55, slice="segment"), row("large", 5, slice="segment")]
    found = shown(*rows, *by_segment, *small)
    assert [(one["week"], one["slice_value"]) for one in found if one["suppressed"]] == [
        (later, "free"), (later, "pro")
    ]  # fmt: skip


def test_a_share_does_not_give_away_its_numerator() -> None:
    """Buyers are few in two plans; the share of buyers is of many viewers, and has their number above the line."""
    buyers = {"free": 40, "pro": 9, "trial": 3}
    viewers = {"free": 90, "pro": 50, "trial": 30}
    of_buyers = [row(plan, count, count, "buyers") for plan, count in buyers.items()]
    of_viewers = [row(plan, count, count, "viewers") for plan, count in viewers.items()]
    shares = [
        row(plan, viewers[plan], buyers[plan] / viewers[plan], "share", numerator=buyers[plan],
            denominator=viewers[plan])
        for plan in buyers
    ]  # fmt: skip
    totals = [
        total(52, "buyers", value=52.0, numerator=52.0), total(170, "viewers", value=170.0, numerator=170.0),
        total(170, "share", value=52 / 170, numerator=52.0, denominator=170.0),
    ]  # fmt: skip
    rows = [*totals, *of_buyers, *of_viewers, *shares]
    assert hidden(*rows, metric="buyers") == {"pro", "trial"}
    assert hidden(*rows, metric="share") == {"pro", "trial"}
    assert hidden(*rows, metric="viewers") == set()


def test_metrics_take_the_same_group_along() -> None:
    """By orders pro is the smaller of the others, by customers team: both hide the one with fewer accounts overall."""
    rows = [
        total(34), row("free", 3), row("pro", 11), row("team", 20),
        total(41, "customers"), row("free", 4, metric="customers"), row("pro", 22, metric="customers"),
        row("team", 15, metric="customers"),
    ]  # fmt: skip
    assert hidden(*rows) == {"free", "team"}
    assert hidden(*rows, metric="customers") == {"free", "team"}


accounts = st.lists(
    st.tuples(
        st.sampled_from(["free", "pro", "team", "trial"]), st.sampled_from(["large", "smb"]), st.integers(0, 3),
        st.integers(0, 2),
    ),
    max_size=60,
)  # fmt: skip


def measured(group: list[Account]) -> dict[str, Row]:
    """Metrics of a group of accounts, by name, counted by hand."""
    orders, views = sum(one[2] for one in group), sum(one[3] for one in group)
    buyers, viewers = sum(one[2] > 0 for one in group), sum(one[3] > 0 for one in group)
    alone = {"buyers": (buyers, buyers), "orders": (orders, buyers), "viewers": (viewers, viewers)}
    found = {
        name: {"value": float(number), "numerator": float(number), "denominator": None, "entities": behind}
        for name, (number, behind) in alone.items()
    }
    share = buyers / viewers if viewers else None
    found["share"] = {
        "value": share, "numerator": float(buyers), "denominator": float(viewers), "entities": viewers
    }  # fmt: skip
    per = orders / views if views else None
    found["per_view"] = {
        "value": per, "numerator": float(orders), "denominator": float(views), "entities": viewers
    }  # fmt: skip
    return found


def rows_of(found: list[Account]) -> list[Row]:
    cuts = {("all", "all"): found}
    for place, name in enumerate(("plan", "segment")):
        for value in {one[place] for one in found}:
            cuts[name, value] = [one for one in found if one[place] == value]
    return [
        {"use_case": "shop", "metric": metric, "role": "inputs", "week": MONDAY, "slice": cut[0],
         "slice_value": cut[1], **numbers}
        for cut, group in cuts.items()
        for metric, numbers in measured(group).items()
    ]  # fmt: skip


ADD_UP = {
    "buyers": (("buyers", "value"), ("share", "numerator")),
    "viewers": (("viewers", "value"), ("share", "denominator"), ("per_view", "entities"), ("share", "entities")),
    "orders": (("orders", "value"), ("per_view", "numerator")),
}
"""What adds up over groups, and every cell that shows it."""


@given(accounts, st.integers(1, 8))
def test_no_subtraction_tells_what_few_accounts_did(found: list[Account], limit: int) -> None:
    rows = shown(*rows_of(found), limit=limit)
    for one in rows:
        if one["slice"] != "all" and not one["suppressed"] and any(one[name] for name in NUMBERS):
            assert one["entities"] >= limit
    cells: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for one in rows:
        cells[one["slice"], one["slice_value"]][one["metric"]] = one
    for attribute, (number, where) in product(("plan", "segment"), ADD_UP.items()):
        groups = {value for cut, value in cells if cut == attribute}
        told = {
            group for group in groups
            if any(not cells[attribute, group][metric]["suppressed"] for metric, _ in where)
        }  # fmt: skip
        place = ("plan", "segment").index(attribute)
        behind = {"buyers": 2, "orders": 2, "viewers": 3}[number]
        left = [one for one in found if one[place] not in told and one[behind] > 0]
        everybody = [one for one in found if one[behind] > 0]
        assert not left or len(left) >= limit or len(left) == len(everybody)


@given(accounts)
def test_a_second_time_and_another_order_of_rows_change_nothing(found: list[Account]) -> None:
    rows = rows_of(found)
    once = {(one["metric"], one["slice"], one["slice_value"]): one for one in shown(*rows)}
    again = {(one["metric"], one["slice"], one["slice_value"]): one for one in shown(*reversed(rows))}
    assert once == again
