"""Which values come in a week: counted over a choice of rows that depends on them alone."""

from __future__ import annotations

import json
from datetime import date

from landing_zone import Row, Zone, event

MAR_2, MAR_9 = date(2026, 3, 2), date(2026, 3, 9)


def sent(number: int, day: str, at: str | None = None) -> Row:
    properties = {"gift": number % 4 == 0, "items": 7, "amount": float(number), "order": f"o-{number}"}
    time = at or f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    return event(f"{day}-{number}", f"{day}T{time}Z", f"a{number % 50}", properties=properties)


def quality(zone: Zone, week: date) -> dict[str | None, Row]:
    rows = zone.lake.read("event_quality", "shop", week).to_pylist()
    return {row["property"]: row for row in rows if row["event"] == "order_placed"}


def test_all_rows_are_looked_at_where_they_are_few(zone: Zone) -> None:
    zone.put("events.jsonl", [sent(number, "2026-03-03") for number in range(100)])
    zone.ingest()
    zone.build(MAR_2)
    found = quality(zone, MAR_2)
    assert json.loads(found["gift"]["values"]) == {"false": 75, "true": 25}
    assert json.loads(found["items"]["values"]) == {"7": 100}
    assert found["amount"]["sampled"] == 100
    assert found["amount"]["middle"] == 49.5
    assert found["amount"]["values"] is None
    assert found[None]["sampled"] == 0
    # What tells facts apart has a value per fact: too many to be listed.
    assert (found["order"]["sampled"], found["order"]["values"]) == (100, None)


def test_a_choice_of_many_rows_is_like_all_of_them(zone: Zone) -> None:
    zone.put("events.jsonl", [sent(number, "2026-03-03") for number in range(5000)])
    zone.ingest()
    zone.build(MAR_2)
    gift, amount = (quality(zone, MAR_2)[name] for name in ("gift", "amount"))
    assert 200 < gift["sampled"] < 600
    counts = json.loads(gift["values"])
    assert sum(counts.values()) == gift["sampled"]
    assert 0.15 < counts["true"] / gift["sampled"] < 0.35
    assert 2000 < amount["middle"] < 3000


def test_rows_of_one_instant_are_told_apart_by_their_account(zone: Zone) -> None:
    """Where days are all that is sent, a hash of the time would choose all of a day or nothing."""
    zone.put("events.jsonl", [sent(number, "2026-03-03", at="00:00:00") for number in range(5000)])
    zone.ingest()
    zone.build(MAR_2)
    assert quality(zone, MAR_2)["items"]["sampled"] >= 64


def test_the_choice_does_not_depend_on_what_is_built_beside(zone: Zone) -> None:
    zone.put("one.jsonl", [sent(number, "2026-03-03") for number in range(3000)])
    zone.put("two.jsonl", [sent(number, "2026-03-10") for number in range(900)])
    zone.ingest()
    zone.build(MAR_2, MAR_9)
    alone = zone.digests("event_quality")
    step, everything = zone.step(), frozenset([*zone.playbook.use_cases, "evidence"])
    list(zone.engine.map(lambda connection, weeks: step.run(connection, weeks, everything), [[MAR_2, MAR_9]]))
    assert zone.digests("event_quality") == alone
