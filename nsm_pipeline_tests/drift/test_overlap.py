"""An event as if one copy alone had been sent, and what that does to metrics."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml
from homes import here
from landing_zone import Row, Zone, event

from nsm_pipeline.drift.overlap import Copy, alone, dual_runs
from nsm_pipeline.playbook.models import Event, Source

pytestmark = pytest.mark.slow

JAN_1, JAN_8, JAN_15 = (date(2026, 1, day) for day in (1, 8, 15))


def declared(*sources: dict[str, Any]) -> Event:
    properties = {"order": {"type": "string"}}
    return Event.model_validate({"properties": properties, "sources": sources, "same": ["properties.order"]})


def spans(found: Event) -> list[tuple[str, date | None, date | None]]:
    return [(source.name, source.since, source.until) for source in found.sources]


def test_alone_cuts_the_others_out_of_the_overlap_and_nothing_else() -> None:
    both = declared({"name": "old", "until": JAN_15}, {"name": "new", "since": JAN_8, "preferred": True})
    assert spans(alone(both, "old", JAN_8, JAN_15)) == [("old", None, JAN_15), ("new", JAN_15, None)]
    assert spans(alone(both, "new", JAN_8, JAN_15)) == [("old", None, JAN_8), ("new", JAN_8, None)]
    assert alone(both, "old", JAN_8, JAN_15).same == ()  # no two sources meet, so nothing tells their copies


def test_a_dual_run_that_has_not_ended() -> None:
    both = declared({"name": "old"}, {"name": "new", "since": JAN_8})
    assert spans(alone(both, "old", JAN_8, JAN_15)) == [("old", None, None), ("new", JAN_15, None)]
    found = alone(both, "new", JAN_8, JAN_15)
    assert spans(found) == [("old", None, JAN_8), ("old", JAN_15, None), ("new", JAN_8, None)]
    assert found.same == ("properties.order",)
    assert Source.model_validate(found.sources[1].model_dump()) == found.sources[1]


def copy(**given: Any) -> Copy:
    numbers = dict.fromkeys(("rows", "accounts", "users", "matched", "accounts_both", "rows_both"), 0)
    known = {"use_case": "shop", "event": "order_placed", "week": JAN_1, "source": "old", "preferred": False}
    return Copy(**{**numbers, **known, "preferred_rows_both": 0, "accounts_differ": 0, **given})


def test_bias_is_of_the_accounts_that_sent_both() -> None:
    found = copy(rows=900, accounts=50, accounts_both=10, rows_both=95, preferred_rows_both=100, accounts_differ=2)
    assert found.bias == pytest.approx(-0.05)
    assert found.share_differing == pytest.approx(0.2)
    assert found.accounts_alone == 40
    assert copy(rows=5, accounts=2).bias is None
    assert copy(rows=5, preferred=True).accounts_alone is None


def test_a_dual_run_is_where_both_have_sent() -> None:
    both = [copy(rows=3), copy(rows=4, source="new", preferred=True)]
    begun = [copy(rows=3, week=JAN_8), copy(source="new", preferred=True, week=JAN_8)]
    assert dual_runs([*both, *begun]) == {("shop", "order_placed"): both}


def order(number: int, account: str, old: bool) -> Row:
    name, key = ("order_done", "number") if old else ("order.placed", "order")
    properties = {key: f"o-{number}"}
    at = "2026-02-10T10:00:00Z"
    return event(f"{'old' if old else 'new'}-{number}", at, account, event_name=name, properties=properties)


@pytest.fixture
def shop(zone: Zone) -> Zone:
    """A week in which `a` sent both copies, but for one order that the new one lost; `b` the old, `c` the new alone."""
    zone.settings = "company: Test\nas_of: 2026-03-01\n"
    both = [order(number, "a", old) for number in range(4) for old in (True, False) if old or number]
    # Weeks of other events around it, so that there is a series.
    others = [event(f"e-{day}", f"2026-{day}T10:00:00Z", event_name="page_viewed") for day in ("02-03", "02-17")]
    zone.put("events.jsonl", [*both, order(10, "b", True), order(11, "b", True), order(20, "c", False), *others])
    _ = zone.playbook
    return zone


def test_what_a_dual_run_does_to_every_metric(shop: Zone) -> None:
    assert here("run", "--home", shop.root).code in (0, 3)
    before = {file: file.stat().st_mtime_ns for file in shop.home.lake.rglob("*.parquet")}
    said = here("instrumentation", "--home", shop.root, "--json")
    assert said.code == 0, said.err
    (run,) = said.json["dual_runs"]
    assert (run["use_case"], run["event"]) == ("shop", "order_placed")
    found = {(one["metric"], one["week"]): one for one in run["effects"]}
    assert found["orders", "2026-02-09"]["values"] == {"": 7, "order_done": 6, "order.placed": 4}
    assert found["orders", "2026-02-09"]["of_both"] == {"": 4, "order_done": 4, "order.placed": 3}
    assert found["ordering_accounts", "2026-02-09"]["values"] == {"": 3, "order_done": 2, "order.placed": 2}
    assert found["ordering_accounts", "2026-02-09"]["of_both"] == {"": 1, "order_done": 1, "order.placed": 1}
    assert len(found) == 2
    (old,) = [one for one in run["copies"] if one["source"] == "order_done"]
    assert old["bias"] == pytest.approx(1 / 3)
    assert {file: file.stat().st_mtime_ns for file in before} == before  # nothing of the home was built anew
    assert here("instrumentation", "--home", shop.root, "--json").json == said.json


def test_the_gate_withholds_a_week_whose_copies_disagree(zone: Zone) -> None:
    """110 orders of one account under both names, of which the new one lost eleven: 11 % of its 99."""
    zone.settings = "company: Test\nas_of: 2026-03-01\n"
    rows = [order(number, "a", old) for number in range(110) for old in (True, False) if old or number >= 11]
    zone.put("events.jsonl", rows)
    _ = zone.playbook
    assert here("run", "--home", zone.root).code == 3
    (week,) = [
        one for one in here("status", "--home", zone.root, "--json").json["weeks"] if one["week"] == "2026-02-09"
    ]
    state = week["use_cases"]["shop"]
    assert state["state"] == "withheld"
    assert state["failed"][0].startswith("copies of a dual run agree: bias 0.1111")
    document = yaml.safe_load(zone.use_case)
    document["tolerances"] = {"copies_bias": "12%"}
    (zone.home.playbook / "use_case.yaml").write_text(yaml.safe_dump(document))
    assert here("run", "--home", zone.root).code == 0
