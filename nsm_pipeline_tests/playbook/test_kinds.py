"""The reference of metric kinds: complete, as documented, and every example computes what is worked out here."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from landing_zone import Zone

from nsm_pipeline.playbook import metric_models
from nsm_pipeline.playbook.documenting import with_part
from nsm_pipeline.playbook.kinds import KINDS, definition_text, kinds_table
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.weekly import run_weeks

DOCS = Path(__file__).parents[2] / "docs" / "playbook.md"
WEEK = date(2026, 3, 30)
# Three accounts over five weeks: (account, user, event, day, amount). a1 and a2 have 1 seat, a3 has 3.
EVENTS = [
    ("a1", "u1", "order_placed", "2026-03-02T10", 10.0),
    ("a2", "u3", "order_placed", "2026-03-03T10", 10.0),
    ("a2", "u3", "order_placed", "2026-03-23T10", 5.0),
    ("a1", "u1", "order_placed", "2026-03-30T10", 10.0),
    ("a1", "u2", "order_placed", "2026-03-31T10", 30.0),
    ("a3", "u4", "signed_up", "2026-03-30T08", None),
    ("a3", "u4", "order_placed", "2026-03-30T11", 20.0),
    ("a3", "u5", "order_placed", "2026-04-02T08", None),
    ("a1", "u1", "signed_up", "2026-03-31T00", None),
]
ACCOUNTS = [
    {"account_id": "a1", "seats": 1, "created_on": "2026-01-05"},
    {"account_id": "a2", "seats": 1, "created_on": "2026-01-05"},
    {"account_id": "a3", "seats": 3, "created_on": "2026-03-30"},
]
# What each example gives in the week of 2026-03-30: value, numerator, denominator.
EXPECTED = {
    "count": (4, 4, None),
    "count_distinct": (5, 5, None),  # u1, u2, u3, u4, u5 in the 28 days from 2026-03-09
    "sum": (60, 60, None),
    "average": (20, 60, 3),
    "median": (20, None, 3),
    "quantile": (28, None, 3),  # between 20 and 30 at 1.8 of 2 steps
    "count_entities": (1, 1, None),  # a1 has 2 orders per seat; a2 has 1; a3 has 2 for 3 seats
    "attribute": (4, 4, None),  # a1 and a3 are active
    "ratio": (2, 4, 2),
    "conversion": (1, 2, 2),  # a1 orders ten hours after its sign-up, a3 three hours after
    "time_between": (6.5, 2, 2),  # 10 and 3 hours
    "retention": (0.5, 1, 2),  # of a1 and a2 four weeks ago, a1
    "cohort": (1, 1, 1),  # a3 was created in the week and ordered by two people
    "lifecycle": (1, 1, None),  # a1 came back; a3 is new; a2 left
    "formula": (6, None, None),  # 4 orders * 2 - 2 buyers
}
NAMES = [kind.name.split(", ")[0] for kind in KINDS]


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    metrics = {f"the_{name}": yaml.safe_load(kind.example) for name, kind in zip(NAMES, KINDS, strict=True)}
    metrics |= {"orders": {"count": "order_placed"}, "buyers": {"count_distinct": "account", "of": "order_placed"}}
    inputs = [{"metric": name, "dimension": "depth"} for name in metrics if name != "orders"]
    playbook = {
        "use_case": "shop",
        "title": "Shop",
        "owner": {"name": "x"},
        "events": {
            "order_placed": {"properties": {"amount": {"type": "number"}}, "sources": [{"name": "order_placed"}]},
            "signed_up": {"sources": [{"name": "signed_up"}]},
        },
        "metrics": metrics,
        "north_star": {"metric": "orders"},
        "inputs": inputs,
    }
    zone = Zone(tmp_path_factory.mktemp("kinds"), yaml.safe_dump(playbook), "as_of: 2026-04-30\n")
    rows = [
        {
            "event_id": f"e{number}",
            "event_name": event,
            "occurred_at": f"{at}:00:00Z",
            "received_at": f"{at}:00:00Z",
            "account_id": account,
            "user_id": user,
            "properties": {} if amount is None else {"amount": amount},
        }
        for number, (account, user, event, at, amount) in enumerate(EVENTS)
    ]
    zone.put("events.jsonl", rows)
    zone.put_accounts("2026-03-01", ACCOUNTS)
    it = Open.of(zone.home, zone.playbook, zone.engine, zone.ingest())
    list(run_weeks(it, it.weeks, it.plans, [("shop", table) for table in it.plans["shop"].tables]))
    return {
        row["metric"].removeprefix("the_"): (row["value"], row["numerator"], row["denominator"])
        for row in zone.lake.read("inputs", "shop", WEEK).to_pylist()
    }


def test_every_kind_is_described() -> None:
    described = [name for kind in KINDS for name in kind.name.split(", ")]
    assert sorted(described) == sorted(metric_models.KINDS)


def test_the_documented_table_is_the_codes() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert with_part(text, "kinds", kinds_table()) == text, "run `make docs`"


@pytest.mark.parametrize("name", NAMES)
def test_every_example_computes_what_is_worked_out(name: str, values: dict[str, tuple[object, ...]]) -> None:
    value, numerator, denominator = EXPECTED[name]
    assert values[name] == (
        pytest.approx(value),
        numerator,
        denominator,
    )


def test_every_kind_is_said_in_one_line() -> None:
    said = [definition_text(Metric.model_validate(yaml.safe_load(kind.example))) for kind in KINDS]
    assert len(set(said)) == len(KINDS)
    assert said[6] == "account with >= 2 per seats of order_placed in 4 weeks"
    assert said[9] == "share of account with order_placed after signed_up within 7 days"
    assert all("None" not in one and "\n" not in one for one in said)
