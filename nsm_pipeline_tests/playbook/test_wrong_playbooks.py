"""Every wrong playbook is refused in one readable paragraph: file, line, key path, what was found, the nearest name."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nsm_pipeline.errors import PlaybookError
from nsm_pipeline.playbook.loading import load_playbook

BASE = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  order_placed:
    properties: {amount: {type: number}, items: {type: integer}, status: {type: string}, gift: {type: boolean}}
    sources: [{name: order.placed}]
  viewed:
    sources: [{name: viewed}]
metrics:
  buyers: {count_distinct: account, of: order_placed}
  orders: {count: order_placed}
  turnover: {sum: amount, of: order_placed}
  typical: {median: amount, of: order_placed}
  paid: {attribute: seats}
  share: {ratio: {numerator: {count: order_placed, where: "status = 'paid'"}, denominator: orders}}
north_star: {metric: buyers}
inputs: [{metric: orders, dimension: depth}]
"""
SETTINGS = "account_attributes: {region: string}\n"
MARK = "here_it_is"
CASES = yaml.safe_load((Path(__file__).parent / "wrong_playbooks.yaml").read_text())


def write(folder: Path, use_case: str = BASE, settings: str = SETTINGS) -> Path:
    (folder / "shop.yaml").write_text(use_case)
    (folder / "settings.yaml").write_text(settings)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(PlaybookError) as refused:
        load_playbook(folder)
    message = str(refused.value)
    assert "\n" not in message
    assert "\x1b" not in message
    assert message.endswith((".", ".)"))
    assert len(message) < 1500
    return message


def dumped(document: Any) -> str:
    return str(yaml.safe_dump(document, sort_keys=False))


def change(document: Any, case: dict[str, Any]) -> Any:
    document = copy.deepcopy(document)
    for path, value in case.get("change", {}).items():
        *parents, last = path.split("/") if not path.startswith("..") else [path]
        inner = document
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    for path in case.get("drop", []):
        *parents, last = path.split("/")
        inner = document
        for parent in parents:
            inner = inner[parent]
        del inner[last]
    return document


def marked(node: Any, path: str) -> Any:
    """The document with a mark for the deepest part of a key path that it has; None where it has no part of it."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        if path == str(key) or path.startswith(f"{key}."):
            inner = marked(node[key], path[len(str(key)) + 1 :])
            if isinstance(node, list):
                return [*node[:key], MARK if inner is None else inner, *node[key + 1 :]]
            if inner is None:
                return {MARK if other == key else other: value for other, value in node.items()}
            return {**node, key: inner}
    return None


def line_of(document: Any, path: str) -> int:
    """On which line of `dumped` a key path stands: found by its mark, without asking the parser for places."""
    lines = dumped(marked(document, path) or {MARK: None}).splitlines()
    return next(number for number, line in enumerate(lines, 1) if MARK in line)


def test_the_base_is_right(tmp_path: Path) -> None:
    assert list(load_playbook(write(tmp_path)).use_cases) == ["shop"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case.get("change", case.get("drop")), default=str))
def test_wrong_keys_and_names(tmp_path: Path, case: dict[str, Any]) -> None:
    name = case.get("file", "shop.yaml")
    texts = {"shop.yaml": BASE, "settings.yaml": SETTINGS}
    document = change(yaml.safe_load(texts[name]), case)
    texts[name] = dumped(document)
    message = refusal(write(tmp_path, texts["shop.yaml"], texts["settings.yaml"]))
    file, line, path, text = message.split(": ", maxsplit=3)
    assert file == str(tmp_path / name)
    first, *says = case["says"]
    assert path == first
    assert line == f"line {line_of(document, path)}"
    for fragment in says:
        assert fragment in text, text


FILTERS = [
    ("1=1; drop table x", "one boolean expression"),
    ("status = 'paid'; delete from usage", "one boolean expression"),
    ("status = 'x' or 1=1", "the name of a property or attribute is needed"),
    ("1", "accepted are comparisons"),
    ("true; true", "one boolean expression"),
    ("status in (select account_id from usage)", "IN takes a list of literals"),
    ("exists (select 1)", "accepted are comparisons"),
    ("amount > (select 1)", "number literal is needed"),
    ("(select true)", "accepted are comparisons"),
    ("select 1", "accepted are comparisons"),
    ("status = 'x' union select 1", "accepted are comparisons"),
    ("lower(status) = 'x'", "the name of a property or attribute is needed"),
    ("read_csv('/etc/passwd') is not null", "the name of a property or attribute is needed"),
    ("amount = random()", "number literal is needed"),
    ("amount + 1 > 2", "the name of a property or attribute is needed"),
    ("statis = 'x'", "did you mean 'status'?"),
    ("not gfit", "did you mean 'gift'?"),
    ("usage.status = 'x'", "the name of a property or attribute is needed"),
    ("status", "not a yes-or-no expression"),
    ("not status", "yes-or-no expression is needed"),
    ("gift and amount", "yes-or-no expression is needed"),
    ("status = 5", "string literal is needed and '5' stands"),
    ("status = paid", "did you mean"),
    ('status = "paid"', "found the name 'paid'"),
    ("amount = '5'", "number literal is needed and ''5''"),
    ("amount = true", "number literal is needed"),
    ("gift = 1", "boolean literal is needed"),
    ("gift = 'true'", "boolean literal is needed"),
    ("items = 1.5 and items = null", "literal is needed and 'NULL'"),
    ("created_on > 'last week'", "date literal is needed"),
    ("created_on > '2026-02-30'", "date literal is needed"),
    ("created_on > 20260101", "date literal is needed"),
    ("status in ('a', 5)", "string literal is needed and '5'"),
    ("status in ()", "IN takes a list of literals"),
    ("amount between 1 and 'x'", "number literal is needed"),
    ("amount between symmetric 5 and 1", "SYMMETRIC"),
    ("amount like '1%'", "LIKE needs a text column"),
    ("status ilike 'x'", "accepted are comparisons"),
    ("status like 'x' escape '!'", "accepted are comparisons"),
    ("gift is true", "only NULL and NOT NULL"),
    ("status = amount", "compares string with number"),
    ("items = 99999999999999999999", "integer literal is needed"),
    ("amount = 1e400", "number literal is needed"),
    ("items = " + "9" * 500, "integer literal is needed"),
    ("amount = 1::int", "number literal is needed"),
    ("amount = ?", "number literal is needed"),
    ("amount > any (1, 2)", "number literal is needed"),
    ("case when gift then true else false end", "accepted are comparisons"),
    ("status = 'x", "does not parse"),
    ("status = ", "does not parse"),
    ("(gift", "does not parse"),
    ("", "one boolean expression"),
    ("   ", "one boolean expression"),
    ("-- nothing", "one boolean expression"),
    ("(" * 3000 + "gift" + ")" * 3000, "nested too deeply"),
    (" and ".join(["gift"] * 1000), "nested too deeply"),
    (" and ".join(["gift"] * 3000), "26,995 characters; at most 10,000"),
    ("status in (" + ", ".join(["'x'"] * 3000) + ")", "at most 10,000"),
    (" and ".join(f"items between {n} and {n}" for n in range(60)), "without BETWEEN"),
    ("status = e'a\\'b'", "metrics.orders.where: found"),
    ("status = $$a$$", "string literal is needed"),
    ("status = x'41'", "does not parse"),
    ("status = b'01'", "does not parse"),
    ("status = 'a' || 'b'", "string literal is needed"),
    ("amount = 0x1F", "accepted are comparisons"),
    ("amount = $1", "number literal is needed"),
    ("amount = $name", "number literal is needed"),
    ("amount = :name", "number literal is needed"),
    ("amount = @name", "number literal is needed"),
    ("status = current_user", "string literal is needed"),
    ("created_on = current_date", "date literal is needed"),
    ("created_on = date '2026-01-01'", "date literal is needed"),
    ("created_on > '20260101'", "date literal is needed"),
    ("created_on > '2026-W01-1'", "date literal is needed"),
    ("created_on > '2026-01-01 00:00'", "date literal is needed"),
    ("created_on > '２０２６-01-01'", "date literal is needed"),
    ("amount = ５", "found"),
    ("ѕtatus = 'x'", "found the name 'ѕtatus'; did you mean 'status'?"),
    ("Status = 'x'", "found the name 'Status'; did you mean 'status'?"),
    ("status\u200b = 'x'", "metrics.orders.where: found"),
    ("status['a'] = 'x'", "the name of a property or attribute is needed"),
    ("status[1] = 'x'", "the name of a property or attribute is needed"),
    ("status.part = 'x'", "the name of a property or attribute is needed"),
    ("(status).part = 'x'", "the name of a property or attribute is needed"),
    ("(status, gift) = ('x', true)", "the name of a property or attribute is needed"),
    ("columns(*) = 'x'", "the name of a property or attribute is needed"),
    ("* = 'x'", "found"),
    ("#1 = 'x'", "found"),
    ("status = 'x' collate nocase", "string literal is needed"),
    ("status collate nocase = 'x'", "the name of a property or attribute is needed"),
    ("status is distinct from 'x'", "accepted are comparisons"),
    ("status ~ 'x'", "accepted are comparisons"),
    ("status glob 'x*'", "accepted are comparisons"),
    ("status similar to 'x'", "accepted are comparisons"),
    ("status like any ('x', 'y')", "string literal is needed"),
    ("status not ilike 'x'", "accepted are comparisons"),
    ("status in ('a', null)", "string literal is needed and 'NULL'"),
    ("status in (lower('a'))", "string literal is needed"),
    ("status in status", "metrics.orders.where: found"),
    ("gift limit 1", "metrics.orders.where: found"),
    ("gift as x", "accepted are comparisons"),
    ("gift order by status", "metrics.orders.where: found"),
    ("gift := true", "metrics.orders.where: found"),
    ("x -> x", "accepted are comparisons"),
    ("status = '\0'", "the character U+0000"),
    ("status = 'x' /* ", "metrics.orders.where: found"),
    ("sum(amount) > 1", "the name of a property or attribute is needed"),
    ("sum(amount) over () > 1", "the name of a property or attribute is needed"),
    ("try_cast(status as int) = 1", "the name of a property or attribute is needed"),
    ("amount between 1 and 2 and 3", "found"),
    ("amount = nan", "found"),
    ("amount = 'infinity'", "number literal is needed"),
    ("amount = - - - 5 + 1", "number literal is needed"),
    ("status = '\x1b[31mred' and 1", "found"),
    ("status =\n\n 'x' +\n", "found 'status =\\n\\n 'x' +\\n', which does not parse"),
    ("status = '\x1b[31m\u202e' +", "found 'status = '\\x1b[31m\\u202e' +', which does not parse"),
    ("status = '" + "x" * 5000 + "' + 1", "xxx … xxx"),
]


@pytest.mark.parametrize(("text", "says"), FILTERS, ids=lambda value: str(value)[:40])
def test_wrong_filters(tmp_path: Path, text: str, says: str) -> None:
    document = yaml.safe_load(BASE)
    document["metrics"]["orders"]["where"] = text
    message = refusal(write(tmp_path, dumped(document)))
    line = line_of(document, "metrics.orders.where")
    assert message.startswith(f"{tmp_path / 'shop.yaml'}: line {line}: metrics.orders.where: found ")
    assert says in message


def test_a_property_of_another_event_is_unknown_in_a_filter(tmp_path: Path) -> None:
    document = yaml.safe_load(BASE)
    document["metrics"]["views"] = {"count": ["viewed", "order_placed"], "where": "status = 'x'"}
    message = refusal(write(tmp_path, yaml.safe_dump(document)))
    assert "metrics.views.where: found the name 'status'; " in message


BROKEN = {
    "a tab": ("use_case: shop\n\ttitle: x\n", "line 2: not readable as YAML"),
    "an open bracket": ("slices: [plan\n", "line 2: not readable as YAML"),
    "a key twice": (BASE + "title: Again\n", "the key 'title' stands twice"),
    "a metric twice": (
        BASE.replace("metrics:\n", "metrics:\n  orders: {count: viewed}\n"),
        "the key 'orders' stands twice",
    ),
    "a mapping as a key": ("{a: 1}: 2\n", "a key must be a plain word"),
    "a list as a key": ("? [a, b]\n: 2\n", "a key must be a plain word"),
    "a list": ("- use_case: shop\n", "found list; a mapping of keys is needed"),
    "text": ("hello\n", "found str; a mapping of keys is needed"),
    "two documents": (BASE + "---\n" + BASE, "not readable as YAML"),
    "a day that does not exist": (
        BASE + "review_by: 2026-02-30\n",
        "line 20: not readable as YAML: day is out",
    ),
    "a month that does not exist": (
        BASE + "review_by: 2026-13-01\n",
        "line 20: not readable as YAML: month must",
    ),
    "a Python object": (BASE + "vision: !!python/object/apply:os.system [ls]\n", "not readable as YAML"),
    "an unknown anchor": (BASE + "vision: *nothing\n", "not readable as YAML"),
    "itself": ("title: x\nvision: &a {x: *a}\n", "line 2: not readable as YAML: an alias stands inside its own anchor"),
    "a deep nest": ("a: " + "[" * 5000 + "\n", "not readable as YAML"),
    "a number as a key": (BASE + "5: five\n", "found"),
    "nothing": ("", "use_case: the key 'use_case' is needed and missing"),
    "a control character": ('title: x\nvision: "\b"\n', "line 2: not readable as YAML: the character U+0008"),
    "a comment": ("# later\n", "needed and missing"),
}


WITHOUT_A_PLACE = ("a deep nest",)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(tmp_path: Path, name: str) -> None:
    text, says = BROKEN[name]
    message = refusal(write(tmp_path, text))
    assert message.startswith(f"{tmp_path / 'shop.yaml'}: line ") or name in WITHOUT_A_PLACE
    assert says in message


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_bytes(b"use_case: shop\ntitle: gr\xf6\xdfe\n")
    assert "shop.yaml: line 2: not readable as UTF-8: invalid" in refusal(tmp_path)


def test_a_folder_with_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").mkdir()
    assert "shop.yaml: not readable" in refusal(tmp_path)


def test_one_use_case_in_two_files(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "twin.yml").write_text(BASE)
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path / 'twin.yml'}: line 2: use_case: found 'shop', which shop.yaml defines")


def test_the_number_of_further_errors_is_told(tmp_path: Path) -> None:
    assert "(1 more after this one.)" in refusal(write(tmp_path, BASE + "tittle: x\nvisoin: y\n"))
