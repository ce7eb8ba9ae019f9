"""The formula is reconciled every week: what counts as a gap, and what a gap does to a week."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from homes import extract, here, states
from landing_zone import SHOP, Zone, event

from nsm_pipeline.certification.evidence import gather
from nsm_pipeline.events.copies import COPIES
from nsm_pipeline.events.quality import QUALITY
from nsm_pipeline.metrics.growth import growth_series
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.playbook.models import UseCase

MONDAY = date(2026, 3, 2)
WEEKS = [MONDAY + timedelta(weeks=number) for number in range(3)]
RIGHT = """  orders_each: {ratio: {numerator: orders, denominator: ordering_accounts}}
north_star: {metric: orders}
inputs:
  - {metric: ordering_accounts, dimension: breadth, relation: formula, drives: orders}
  - {metric: orders_each, dimension: frequency, relation: formula, drives: orders}
formula: orders = ordering_accounts * orders_each
"""
SHOP_WITH_FORMULA = SHOP[: SHOP.index("north_star:")] + RIGHT
COUNTS = ("landed", "quarantined", "accepted", "duplicate", "late", "unmapped")


def gap(formula: str, **values: float | None) -> float | None:
    """The evidence's formula_gap of a week with these values; a metric without an argument has no row."""
    case = UseCase.model_validate({**yaml.safe_load(SHOP_WITH_FORMULA), "formula": formula})
    rows = [
        {"use_case": "shop", "metric": metric, "role": "inputs", "week": MONDAY, "slice": "all", "slice_value": "all",
         "value": value} for metric, value in values.items()
    ]  # fmt: skip
    evidence = gather(
        case,
        {MONDAY: dict.fromkeys(COUNTS, 0)},
        QUALITY.append(pa.field("week", pa.date32())).empty_table(),
        pa.Table.from_pylist(rows, METRIC_ROWS),
        growth_series("shop", [(MONDAY, values.get("orders"))], {}, MONDAY + timedelta(weeks=1), 0.07),
        None,
        frozenset(),
        Counter(),
        COPIES.append(pa.field("week", pa.date32())).empty_table(),
    )
    (found,) = evidence.week["formula_gap"].to_list()
    return None if found is None or found != found else float(found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"orders": 6, "ordering_accounts": 3, "orders_each": 2}, 0),
        ({"orders": 6.3, "ordering_accounts": 3, "orders_each": 2.1}, 0),
        ({"orders": 8, "ordering_accounts": 3, "orders_each": 2}, 0.25),
        ({"orders": 0, "ordering_accounts": 0, "orders_each": None}, 0),
        ({"orders": 5, "ordering_accounts": 0, "orders_each": None}, 1),
        ({"orders": None, "ordering_accounts": 0, "orders_each": None}, None),
        ({"orders": 5, "ordering_accounts": 3}, None),
    ],
)
def test_how_far_a_formula_is_from_its_metric(values: dict[str, float | None], expected: float | None) -> None:
    assert gap("orders = ordering_accounts * orders_each", **values) == pytest.approx(expected, abs=1e-15)


def test_what_rounding_leaves_is_no_gap() -> None:
    assert gap("orders = ordering_accounts - orders_each", orders=0, ordering_accounts=0.1 + 0.2, orders_each=0.3) == 0


@pytest.mark.slow
def test_a_formula_that_does_not_hold_withholds_its_weeks(tmp_path: Path) -> None:
    settings = "company: Test\nas_of: 2026-03-21\ncertification: {settling_days: 0}\n"
    zone = Zone(tmp_path / "home", SHOP_WITH_FORMULA, settings)
    _ = zone.playbook
    for number, week in enumerate(WEEKS):
        zone.put(f"week-{number}.jsonl", [event(f"{number}-{n}", f"{week}T10:00:00Z", f"a{n % 2}") for n in range(5)])
    assert here("run", "--home", zone.root).code == 0
    assert [states(zone.root)["shop", str(week)].state for week in WEEKS] == ["certified", "certified", "flash"]
    moved = extract(zone.root, "movements")
    assert {row["part"] for row in moved if row["view"] == "factors"} == {"ordering_accounts", "orders_each"}

    wrong = SHOP_WITH_FORMULA.replace("ordering_accounts * orders_each", "ordering_accounts * orders_each * 2")
    (zone.home.playbook / "use_case.yaml").write_text(wrong)
    assert here("run", "--home", zone.root).code == 3
    found = states(zone.root)["shop", str(WEEKS[0])]
    assert found.state == "withheld"
    assert any(reason.startswith("formula reconciles: formula_gap 0.5") for reason in found.failed)
