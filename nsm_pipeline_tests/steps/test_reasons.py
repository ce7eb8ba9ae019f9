"""What lies between two documents of what a table was made from, in words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nsm_pipeline.events.ledger import Content, Delivery, Ledger
from nsm_pipeline.steps.reasons import About, Reason, cause, reasons
from nsm_pipeline.steps.rewording import OTHERWISE, UNKNOWN, of_mapping, of_table

MONDAY, NEXT = "2026-03-02", "2026-03-09"
BOUNDS = ["2026-03-02 00:00:00", "2026-03-09 00:00:00"]
USAGE: dict[str, Any] = {
    "code": 3, "landed": {MONDAY: ["one", "two"]}, "duplicates": {MONDAY: "d1"}, "bounds": BOUNDS,
    "snapshot": ["2026-03-01", "s1"], "mapping": "m1",
}  # fmt: skip
TABLE: dict[str, Any] = {"code": 2, "usage": "u1", "around": {}, "history": None, "definition": "t1"}


def content(rows: int, reading: str = "", week: str = MONDAY) -> Content:
    return Content(kind="events", bytes=1, rows=rows, parts={date.fromisoformat(week): rows}, reading=reading)


def ledger(**contents: Content) -> Ledger:
    """Every content delivered under a path of its own name."""
    known = {"one": content(10), "two": content(20), **contents}
    signature = (1, 1, 1)
    deliveries = {f"usage_events/{key}": Delivery(kind="events", content=key, signature=signature) for key in known}
    return Ledger(contents=known, deliveries=deliveries)


def about(ledger_: Ledger | None = None, published: bool = True, **definitions: Any) -> About:
    return About(ledger_ or ledger(), definitions.get, published)


def told(old: dict[str, Any], new: dict[str, Any], about_: About, table: str = "usage_events") -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in reasons(table, old, new, about_)]


def test_equal_documents_have_no_reason_and_a_missing_one_has() -> None:
    assert reasons("usage_events", USAGE, dict(USAGE), about()) == []
    assert reasons("inputs", None, TABLE, about()) == [Reason("missing", "not built yet")]


def test_rows_of_a_published_week_are_late_and_others_new() -> None:
    new = {**USAGE, "landed": {MONDAY: ["one", "three", "two"]}}
    known = ledger(three=content(7))
    (reason,) = reasons("usage_events", USAGE, new, about(known))
    assert (reason.kind, reason.text, reason.rows) == ("late_rows", "late rows in usage_events/three", 7)
    (reason,) = reasons("usage_events", USAGE, new, about(known, published=False))
    assert (reason.kind, reason.rows) == ("new_landed_files", 7)


def test_many_files_are_one_reason() -> None:
    more = {f"f{number}": content(1) for number in range(5)}
    (reason,) = reasons(
        "usage_events", USAGE, {**USAGE, "landed": {MONDAY: ["one", "two", *more]}}, about(ledger(**more))
    )
    assert reason.text == "late rows in usage_events/f0, usage_events/f1, usage_events/f2 and 2 more"
    assert reason.rows == 5


def test_rows_are_those_with_a_name_that_the_sources_know() -> None:
    three = content(7).model_copy(update={"sent": {date(2026, 3, 2): {"sent": 4, "other": 3}}})
    new = {**USAGE, "landed": {MONDAY: ["one", "two", "three"]}}
    (reason,) = reasons("usage_events", USAGE, new, about(ledger(three=three), m1=mapping(SENT)))
    assert reason.rows == 4


def test_files_that_a_new_source_makes_count_are_not_late() -> None:
    """They lay there all along, and no source knew the names in them."""
    three = content(7).model_copy(update={"sent": {date(2026, 3, 2): {"ordered": 7}}})
    new = {**USAGE, "landed": {MONDAY: ["one", "two", "three"]}, "mapping": "m2", "duplicates": {MONDAY: "d2"}}
    known = about(ledger(three=three), m1=mapping(SENT), m2=mapping(SENT, source("ordered")))
    assert told(USAGE, new, known) == [("source", "source of event order changed: ordered is new")]
    # Nor are files gone that no source knows any more.
    assert [kind for kind, _ in told(new, USAGE, known)] == ["source"]


def replaced(reading: str = "") -> Ledger:
    """`two` has come again as `three`, under its path."""
    known = ledger(three=content(5, reading))
    del known.deliveries["usage_events/three"]
    known.deliveries["usage_events/two"] = Delivery(kind="events", content="three", signature=(2, 2, 2))
    known.replaced.append(("usage_events/two", "two"))
    return known


def test_a_file_that_came_again() -> None:
    new = {**USAGE, "landed": {MONDAY: ["one", "three"]}, "duplicates": {}}
    (reason,) = reasons("usage_events", USAGE, new, about(replaced()))
    assert (reason.kind, reason.text, reason.rows) == (
        "redelivered_file", "usage_events/two came again with other content", 5,
    )  # fmt: skip


def test_a_file_that_came_again_without_rows_of_the_week() -> None:
    new = {**USAGE, "landed": {MONDAY: ["one"]}}
    (reason,) = reasons("usage_events", USAGE, new, about(replaced()))
    assert (reason.kind, reason.rows) == ("redelivered_file", 0)


def test_a_folder_that_is_read_in_another_way() -> None:
    new = {**USAGE, "landed": {MONDAY: ["one", "three"]}}
    ((kind, text),) = told(USAGE, new, about(replaced("meaning")))
    assert (kind, text) == ("source", "files of usage_events are read in another way, as settings.yaml says now")


def test_duplicates_are_told_only_where_no_file_explains_them() -> None:
    assert told(USAGE, {**USAGE, "duplicates": {MONDAY: "d2"}}, about()) == [
        ("duplicates", "which of several rows with one event_id counts has changed")
    ]
    new = {**USAGE, "duplicates": {MONDAY: "d2"}, "landed": {MONDAY: ["one", "two", "three"]}}
    assert [kind for kind, _ in told(USAGE, new, about(ledger(three=content(1))))] == ["late_rows"]


def test_the_same_rows_under_other_paths() -> None:
    ((kind, text),) = told(USAGE, {**USAGE, "landed": {MONDAY: ["two", "one"]}}, about())
    assert kind == "redelivered_file"
    assert "order" in text


def test_another_time_zone_does_not_make_rows_late() -> None:
    """The week now overlaps a second UTC week, whose files were there all along."""
    new = {**USAGE, "bounds": ["2026-03-01 23:00:00", "2026-03-08 23:00:00"],
           "landed": {"2026-02-23": ["before"], MONDAY: ["one", "two"]}}  # fmt: skip
    assert [kind for kind, _ in told(USAGE, new, about(ledger(before=content(3, week="2026-02-23"))))] == ["calendar"]


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (["2026-03-08", "s2"], "of 2026-03-08 is used instead of that of 2026-03-01"),
        (["2026-03-01", "s2"], "of 2026-03-01 has other content"),
        (None, "is gone"),
    ],
)
def test_snapshots(snapshot: list[str] | None, words: str) -> None:
    ((kind, text),) = told(USAGE, {**USAGE, "snapshot": snapshot}, about())
    assert kind == "snapshot"
    assert words in text


def test_the_program() -> None:
    assert told(USAGE, {**USAGE, "code": 4}, about()) == [
        ("code", "the program computes usage events in another way (version 3 → 4)")
    ]
    assert told(TABLE, {**TABLE, "code": 3, "usage": "u2"}, about(), "inputs")[0][0] == "code"


def test_a_table_that_also_reads_other_weeks() -> None:
    old = {**TABLE, "around": {MONDAY: "u1", NEXT: "v1"}}
    (reason,) = reasons("inputs", old, {**old, "around": {MONDAY: "u1", NEXT: "v2"}}, about())
    assert (reason.kind, reason.weeks) == ("events_of_other_weeks", {date(2026, 3, 9)})
    history = {**TABLE, "history": "h1"}
    ((kind, _),) = told(history, {**history, "history": "h2"}, about(), "inputs")
    assert kind == "events_of_other_weeks"


def test_a_table_whose_own_events_were_built_anew_leaves_the_reason_to_them() -> None:
    old = {**TABLE, "around": {MONDAY: "u1"}, "history": "h1"}
    new = {**old, "usage": "u2", "around": {MONDAY: "u2"}, "history": "h2"}
    assert [kind for kind, _ in told(old, new, about(), "inputs")] == ["unfinished"]
    both = cause({"usage_events": USAGE, "inputs": old}, {"usage_events": {**USAGE, "code": 4}, "inputs": new}, about())
    assert [one.kind for one in both] == ["code"]


def test_each_reason_of_several_tables_is_told_once() -> None:
    definitions = {"t1": table_words("count of a"), "t2": table_words("count of b")}
    new = {**TABLE, "definition": "t2"}
    found = cause({"inputs": TABLE, "north_star": TABLE}, {"inputs": new, "north_star": new}, about(**definitions))
    assert [(one.kind, one.text) for one in found] == [
        ("definition", "metric orders changed from count of a to count of b")
    ]


def table_words(text: str = "count of a", **more: Any) -> dict[str, Any]:
    metric = {"normal": text, "text": text, "slices": ["plan"], **more.pop("metric", {})}
    return {"metrics": {"orders": metric}, "activity": {"normal": "a", "text": "a"}, "attributes": {"plan": "string"},
            **more}  # fmt: skip


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (table_words("count of b"), ["metric orders changed from count of a to count of b"]),
        (table_words(metric={"normal": "x", "slices": []}), ["metric orders is sliced by nothing instead of plan"]),
        (table_words(metric={"normal": "x"}), ["metric orders changed in what it refers to"]),
        (table_words(metrics={}), ["metric orders is gone"]),
        (table_words(metrics={"orders": table_words()["metrics"]["orders"], "b": {"text": "sum of x"}}),
         ["metric b is new: sum of x"]),
        (table_words(activity={"normal": "b", "text": "b"}), ["activity changed from a to b"]),
        (table_words(attributes={"plan": "integer"}), ["account attribute plan is integer instead of string"]),
        (table_words(), [OTHERWISE]),
        (None, [UNKNOWN]),
    ],
)  # fmt: skip
def test_definitions_of_tables(new: dict[str, Any] | None, words: list[str]) -> None:
    assert of_table(table_words(), new) == words


def test_a_metric_below_another_one() -> None:
    old = table_words("a ÷ b", metric={"of": {"a": "count of x", "b": "count of y"}})
    new = table_words("a ÷ b", metric={"normal": "n", "of": {"a": "count of z", "b": "count of y"}})
    assert of_table(old, new) == ["metric a, of which orders is made, changed from count of x to count of z"]


def source(name: str, since: str | None = None, place: int = 0, **properties: Any) -> dict[str, Any]:
    declared = {"since": since, "until": None}
    return {"name": name, "since": None, "until": None, "place": place, "declared": declared, "properties": properties}


def mapping(*sources: dict[str, Any], same: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    event = {"sources": list(sources), "same": list(same), "properties": properties}
    return {"events": {"order": event}, "columns": {}}


SENT = source("sent", amount={"from": "cents", "divide_by": 100})


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (mapping(SENT, source("ordered", "2026-04-20")),
         ["source of event order changed: ordered since 2026-04-20 is new"]),
        (mapping(), ["source of event order changed: sent is gone"]),
        (mapping({**SENT, "declared": {"since": "2026-03-04", "until": None}}),
         ["source of event order changed: sent counts since 2026-03-04 instead of always"]),
        (mapping(source("sent")),
         ["source of event order changed: sent gives amount as amount instead of cents ÷ 100"]),
        (mapping({**SENT, "place": 1}),
         ["source of event order changed: another copy of a fact wins over that of sent"]),
        (mapping(SENT, same=("account_id",)), ["event order: copies are told by account_id instead of nothing"]),
        (mapping(SENT, amount=["number", []]), ["property amount of event order is new"]),
        ({"events": {}, "columns": {}}, ["source of event order changed: sent is gone"]),
        (mapping(SENT), [OTHERWISE]),
        (None, [UNKNOWN]),
    ],
)  # fmt: skip
def test_definitions_of_mappings(new: dict[str, Any] | None, words: list[str]) -> None:
    assert of_mapping(mapping(SENT), new) == words
