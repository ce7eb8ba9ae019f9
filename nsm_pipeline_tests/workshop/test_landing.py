"""What `nsm init --from-landing` sees in files made by hand, and that its playbook counts what the packaged ones do."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from homes import Said, here
from landing_zone import Row, Zone, event

from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.playbook.models import Property, UseCase
from nsm_pipeline.workshop.names import canonical, canonical_names

pytestmark = pytest.mark.slow


def rows(name: str, *properties: dict[str, Any], day: str = "2026-03-03") -> list[Row]:
    """An event per properties; accounts a0 and a1, users u0 to u2."""
    return [
        event(
            f"{name}-{day}-{n}", f"{day}T10:00:00Z", f"a{n % 2}", event_name=name, user_id=f"u{n % 3}", properties=found
        )
        for n, found in enumerate(properties)
    ]


def proposed(zone: Zone, *more: str) -> tuple[UseCase, str, Said]:
    """The use case proposed from a zone, its text, and what was said as JSON."""
    said = here("init", "--home", zone.root, "--from-landing", "--use-case", "seen", "--force", "--json", *more)
    assert said.code == 0, said.err
    file = Path(said.json["file"])
    return load_playbook(file.parent).use_cases["seen"], file.read_text(), said


def property_of(zone: Zone, *values: Any) -> tuple[Property | None, str]:
    """How a property with these values is proposed, and its comments; ... is a row without it."""
    zone.put("a.jsonl", rows("did", *({"x": value} if value is not ... else {} for value in values)))
    use_case, text, _ = proposed(zone)
    lines = text.splitlines()
    place = next((n for n, line in enumerate(lines) if line.startswith("      x:")), 0)
    start = place
    while lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return use_case.events["did"].properties.get("x"), "\n".join(lines[start : place + 1])


TYPES: dict[str, tuple[list[Any], str]] = {
    "integers": ([1, 2, 30], "integer"),
    "numbers": ([1, 2.5], "number"),
    "booleans": ([True, False], "boolean"),
    "texts": (["a", "b"], "string"),
    "integers as text": (["1", "20"], "integer"),
    "booleans as text": (["true", "false"], "boolean"),
    "words for booleans": (["yes", "no"], "string"),
    "leading zeros": (["007", "008"], "string"),
    "exponents": ([1e300, 2], "number"),
    "beyond 64 bits": ([12345678901234567890, 1], "string"),
    "versions": (["1.10.2", "1.2"], "string"),
    "mixed": ([1, "a"], "string"),
    "mixed with booleans": ([1, True], "string"),
    "empty texts between numbers": ([1, ""], "integer"),
    "nothing but empty texts": (["", ""], "string"),
    "missing between numbers": ([1, None, ...], "integer"),
    "objects": ([{"a": 1}], "string"),
    "the text null": (["null"], "string"),
}


@pytest.mark.parametrize("what", TYPES)
def test_types_as_the_pipeline_reads_them(zone: Zone, what: str) -> None:
    values, kind = TYPES[what]
    declared, _ = property_of(zone, *values)
    assert declared is not None
    assert declared.type == kind
    given = [value for value in values if value not in (..., None, "")]
    zone.load_playbook()
    zone.build(zone.playbook.calendar.week_of_day(date(2026, 3, 3)))
    (found,) = here(
        "query",
        "--home",
        zone.root,
        "--format",
        "json",
        "SELECT count(x) AS n, list(x::VARCHAR) AS x FROM usage_events",
    ).json
    assert found["n"] == len(given)  # no value is lost when it is read as this type


def test_few_values_that_repeat_are_choices(zone: Zone) -> None:
    declared, comment = property_of(zone, *["paid", "open", "paid"] * 10)
    assert declared is not None
    assert declared.one_of == ("paid", "open")
    assert "in 100 % of rows" in comment


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", "b"] * 5, "a (5), b (5)"),  # too few rows to say that there is nothing else
        ([f"v{n % 13}" for n in range(400)], "13 different values"),
        ([f"id-{n}" for n in range(300)], "an identifier"),
        ([*["x" * 61, "y"] * 50], "xxx…"),
    ],
)
def test_no_choices(zone: Zone, values: list[str], said: str) -> None:
    declared, comment = property_of(zone, *values)
    assert declared is not None
    assert declared.one_of is None
    assert said in comment


def test_extremes_shares_and_minus_one(zone: Zone) -> None:
    declared, comment = property_of(zone, *[5, 0, 1234, -1, ...] * 4)
    assert declared is not None
    assert declared.missing == (-1,)
    assert "in 80 % of rows; 0 to 1,234" in comment
    assert "To confirm: -1 in 25 % of its rows" in comment
    declared, comment = property_of(zone, 5, -1, -7)
    assert declared is not None
    assert declared.missing == ()
    assert "-7 to 5" in comment


def test_events_as_sent(zone: Zone) -> None:
    zone.put("a.jsonl", [*rows("Order Placed", {"Order ID": "1"}, {}, {}), *rows("order_placed", {}, day="2026-03-05")])
    zone.put("b.csv", rows("2fa on", {"plan": "x", "user_id": "y"}, day="2026-02-01"))
    use_case, text, said = proposed(zone)
    found = {one["name"]: one for one in said.json["landing"]["events"]}
    assert found["event_order_placed"]["sent_as"] == "Order Placed"
    assert use_case.events["event_order_placed"].sources[0].properties["order_id"].source == "Order ID"
    assert found["order_placed"]["rows"] == 1
    one = found["event_order_placed"]
    assert [one[key] for key in ("rows", "first", "last", "accounts", "users")] == [3, "2026-03-03", "2026-03-03", 2, 3]
    assert "3 rows from 2026-03-03 to 2026-03-03, 2 accounts, 3 users." in text
    # Names that every event has already are not taken twice.
    assert set(use_case.events["event_2fa_on"].properties) == {"sent_plan", "sent_user_id"}


STRANGE = ["a/b", "a~b", "a.b", "", " ", "'; --", '"', "{x}", "# x", "x\ny", "\u2028", "null", "yes", "week", "p" * 200]


def test_strange_names_are_read_and_quoted(zone: Zone) -> None:
    zone.put("a.jsonl", [row for n, name in enumerate(STRANGE) for row in rows(f"{name}e{n}", {name: n})])
    use_case, _, said = proposed(zone)
    sent = {one["sent_as"]: one for one in said.json["landing"]["events"]}
    assert set(sent) == {f"{name}e{n}" for n, name in enumerate(STRANGE)}
    for n, name in enumerate(STRANGE):
        found = list(sent[f"{name}e{n}"]["properties"].values())
        assert found == ([] if name == "" else [{"present": 1, "type": "integer"}]), name
    assert len(use_case.events) == len(STRANGE)


def test_one_property_has_one_type(zone: Zone) -> None:
    zone.put("a.jsonl", [*rows("a", {"x": 1, "y": 1}), *rows("b", {"x": 1.5, "y": "z"})])
    use_case, text, _ = proposed(zone)
    for name in ("a", "b"):
        assert {key: one.type for key, one in use_case.events[name].properties.items()} == {
            "x": "number",
            "y": "string",
        }
    assert "another event sends other values" in text


def test_a_rename_is_suspected(zone: Zone) -> None:
    zone.put("a.jsonl", [row for week in (2, 9, 16) for row in rows("order_done", {"n": 1}, day=f"2026-02-{week:02}")])
    zone.put("b.jsonl", [row for week in (2, 9, 16) for row in rows("orders.done", {"n": 1}, day=f"2026-03-{week:02}")])
    zone.put("c.jsonl", [row for week in (2, 9, 16) for row in rows("orders_seen", {"n": 1}, day=f"2026-02-{week:02}")])
    _, text, said = proposed(zone)
    comments = {one["sent_as"]: " ".join(one["comments"]) for one in said.json["landing"]["events"]}
    assert "Perhaps the same as 'orders.done' (similar names), which begins on 2026-03-02" in comments["order_done"]
    assert "Perhaps the same as 'order_done' (similar names), which ends on 2026-02-16" in comments["orders.done"]
    assert "order_done" not in comments["orders_seen"]  # sent at the same time
    assert "Perhaps the same" in text


def test_bad_rows_and_files_do_not_stop_it(zone: Zone) -> None:
    good = rows("did", {"x": 1}, {"x": 2})
    zone.put("good.parquet", good)
    zone.put("mixed.jsonl", b"".join([json.dumps(rows("did", {"x": 3}, day="2026-03-04")[0]).encode(), b"\n{oops\n"]))
    zone.put("more.csv.gz", rows("Did More", {"x": 1}))
    zone.put("broken.parquet", b"PAR1 no")
    zone.put("notes.txt", "hello")
    use_case, _, said = proposed(zone)
    landing = said.json["landing"]
    assert {one["name"]: one["rows"] for one in landing["events"]} == {"did": 3, "did_more": 1}
    assert landing["quarantined"] == 1
    assert {one["path"] for one in landing["files_set_aside"]} == {
        "usage_events/broken.parquet",
        "usage_events/notes.txt",
    }
    assert set(use_case.events) == {"did", "did_more"}


def test_account_attributes_go_into_new_settings(zone: Zone) -> None:
    zone.put("a.jsonl", rows("did", {"x": 1}))
    accounts = [
        {"account_id": f"a{n}", "region": ["eu", "us"][n % 2], "arr": n * 1.5, "Big Name": "x"} for n in range(30)
    ]
    zone.put_accounts("2026-03-01", accounts)
    said = proposed(zone)[2].json
    assert said["account_attributes"] == {"region": "string", "arr": "number"}
    assert load_playbook(zone.home.playbook).settings.account_attributes == {"region": "string", "arr": "number"}
    assert any("'Big Name'" in line for line in said["left_out"])
    # Settings that are there are left alone; what they declare is not proposed again.
    settings = zone.home.playbook / "settings.yaml"
    settings.write_text("account_attributes: {region: string}\n")
    told = here("init", "--home", zone.root, "--from-landing", "--force")
    assert told.code == 0
    assert settings.read_text() == "account_attributes: {region: string}\n"
    assert "To be added" in told.out
    assert "arr: number" in told.out


def test_answers_leave_events_to_the_data(zone: Zone, tmp_path: Path) -> None:
    zone.put("a.jsonl", [*rows("Order Placed", {"state": "paid"}), *rows("other", {})])
    answers = tmp_path / "answers.yaml"
    answers.write_text(
        "use_case: shop\ntitle: Shop\nowner: {name: a}\n"
        "candidates: [{name: orders, counted: {count: order_placed, where: \"state = 'paid'\"}}]\n"
    )
    assert here("init", "--home", zone.root, "--answers", answers).code == 2
    assert here("init", "--home", zone.root, "--answers", answers, "--from-landing").code == 0
    use_case = load_playbook(zone.home.playbook).use_cases["shop"]
    assert list(use_case.events) == ["order_placed"]
    assert use_case.events["order_placed"].sources[0].name == "Order Placed"


def test_one_event_alone_and_a_name_that_has_not_landed(zone: Zone) -> None:
    zone.put("a.jsonl", [*rows("Order Placed", {"x": 1}), *rows("other", {})])
    assert list(proposed(zone, "--event", "Order Placed")[0].events) == ["order_placed"]
    said = here("init", "--home", zone.root, "--from-landing", "--event", "Order Place", "--force")
    assert said.code == 2
    assert "did you mean 'Order Placed'?" in said.err


def test_a_blank_file_with_what_has_landed(zone: Zone, tmp_path: Path) -> None:
    zone.put("a.jsonl", rows("Order Placed", {"x": -1}, {"x": 3}))
    blank = tmp_path / "blank.yaml"
    assert here("init", "--home", zone.root, "--blank", blank, "--from-landing").code == 0
    text = blank.read_text()
    assert "order_placed:" in text
    assert "sources: [{name: Order Placed}]" in text
    assert "To confirm: -1" in text


def test_an_empty_landing_zone(tmp_path: Path) -> None:
    said = here("init", "--home", tmp_path, "--from-landing")
    assert said.code == 2
    assert "nothing has landed" in said.err
    assert not (tmp_path / "playbook").exists()


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("order_placed", "order_placed"),
        ("Order Placed", "order_placed"),
        ("orderPlaced", "order_placed"),
        ("HTTPServerError", "http_server_error"),
        ("Über-Fall!", "uber_fall"),
        ("2fa", "event_2fa"),
        ("注文", "event"),
        ("x" * 100, "x" * 63),
    ],
)
def test_canonical_names(sent: str, name: str) -> None:
    assert canonical(sent, "event") == name


def test_names_that_collide() -> None:
    names = canonical_names(["Order Placed", "order.placed", "order_placed", "ORDER PLACED"], "event", {"taken"})
    assert names["order_placed"] == "order_placed"
    assert len(set(names.values())) == 4
    assert canonical_names(["taken"], "event", {"taken"}) == {"taken": "event_taken"}


def test_the_proposed_playbook_counts_what_the_packaged_ones_count(published_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(published_home / "landing", home / "landing")
    said = here("init", "--home", home, "--from-landing", "--use-case", "seen", "--json")
    assert said.code == 0, said.err
    assert here("run", "--home", home).code in (0, 3)
    sql = (
        "SELECT week, event, count(*) AS n, count(duration_s) AS timed FROM usage_events "
        "WHERE event IN ('{}') AND use_case = '{}' GROUP BY ALL ORDER BY ALL"
    )

    def counts(where: Path, use_case: str, events: list[str]) -> Any:
        text = sql.format("', '".join(events), use_case)
        return here("query", "--home", where, "--format", "json", text).json

    for use_case, events in (("ci", ["build_finished"]), ("security", ["scan_completed"])):
        mine, theirs = counts(home, "seen", events), counts(published_home, use_case, events)
        assert mine == theirs
        assert sum(row["n"] for row in mine) > 100
