"""Colours per account in the extract: off by default, under pseudonyms or by id, as certified or not at all."""

from __future__ import annotations

import shutil
import stat
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from homes import extract, here
from landing_zone import SHOP, Zone, event

from nsm_pipeline.home import Home
from nsm_pipeline.publishing.pseudonyms import pseudonyms

WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(7)]
ADOPTION = """adoption:
  - {metric: orders, red: "<= 2", yellow: "<= 5", green: "> 5", call_to_action: Call them.}
  - {metric: orders_per_seat, red: "<= 10%", yellow: "< 1", green: ">= 1"}
"""
PER_SEAT = "  orders_per_seat: {ratio: {numerator: orders, denominator: {attribute: seats, over: all}}}\n  orders:"
USE_CASE = SHOP.replace("  orders:", PER_SEAT) + ADOPTION
ACCOUNTS = ["customer-alpha", "customer-beta", "customer-gamma", "customer-silent"]
# Orders by account and week: alpha stays, beta stops ordering but looks at pages, gamma is in no snapshot.
ORDERS = {"customer-alpha": [3] * 7, "customer-beta": [8, 0, 0, 0, 0, 0, 0], "customer-gamma": [0, 0, 1, 0, 0, 0, 0]}
pytestmark = pytest.mark.slow


def settings(home: Path, how: str | None) -> None:
    publication = f"publication: {{account_adoption: {how}}}\n" if how else ""
    text = f"company: Test\nas_of: 2026-04-15\n{publication}"
    (home / "playbook" / "settings.yaml").write_text(text)


def run(home: Path, *more: str) -> None:
    said = here("run", "--home", home, *more)
    assert said.code in (0, 3), said.out + said.err


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    zone = Zone(tmp_path_factory.mktemp("adoption") / "home", USE_CASE)
    _ = zone.playbook
    zone.put_accounts("2026-03-01", [
        {"account_id": name, "plan": "free", "seats": 4, "is_internal": name == "customer-ours"}
        for name in (*ACCOUNTS, "customer-ours") if name != "customer-gamma"
    ])  # fmt: skip
    for number, week in enumerate(WEEKS):
        rows = [
            event(f"{number}-{account}-{n}", f"{week}T10:00:00Z", account)
            for account, orders in {**ORDERS, "customer-ours": [50] * 7}.items() for n in range(orders[number])
        ]  # fmt: skip
        rows.append(event(f"{number}-view", f"{week}T11:00:00Z", "customer-beta", event_name="page_viewed"))
        zone.put(f"week-{number}.jsonl", rows)
    settings(zone.root, "identified")
    run(zone.root)
    return zone.root


def found(home: Path) -> dict[tuple[str, str, date], dict[str, Any]]:
    return {(row["account"], row["measure"], row["week"]): row for row in extract(home, "account_adoption")}


@pytest.fixture
def home(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "home", symlinks=True))


def test_values_colours_and_calls(base: Path) -> None:
    rows = found(base)
    assert {account for account, *_ in rows} == set(ACCOUNTS)
    last = WEEKS[5]
    assert (rows["customer-alpha", "orders", last]["value"], rows["customer-alpha", "orders", last]["colour"]) == (
        12, "green",
    )  # fmt: skip
    assert rows["customer-alpha", "orders_per_seat", last]["value"] == 3
    assert rows["customer-beta", "orders", WEEKS[3]]["value"] == 8
    beta = rows["customer-beta", "composite", WEEKS[4]]
    assert rows["customer-beta", "orders", WEEKS[4]]["value"] == 0, "heard of, without an order: a real 0"
    assert (beta["value"], beta["colour"], beta["coverage"]) == (25, "red", 1)
    assert beta["colour_1_month_earlier"] == "green"
    assert beta["call_to_action"] == (
        "Orders fell from green to red: Call them.; customer-beta: Orders per seat fell from green to red"
    )
    gamma = rows["customer-gamma", "composite", WEEKS[2]]
    assert (gamma["value"], gamma["colour"], gamma["coverage"]) == (25, "red", 0.5), "its seats are not known"
    assert ("customer-gamma", "composite", WEEKS[1]) not in rows
    silent = rows["customer-silent", "composite", last]
    assert (silent["value"], silent["colour"], silent["coverage"]) == (None, "no_colour", 0)
    states = {(row["week"], row["state"], row["certificate_id"] is None) for row in rows.values()}
    assert states == {*((week, "certified", False) for week in WEEKS[:6]), (WEEKS[6], "flash", True)}


def test_off_by_default_and_gone_when_switched_off(home: Path) -> None:
    folder = home / "extracts" / "current"
    assert (folder / "account_adoption.parquet").is_file()
    shown = folder.resolve().name
    settings(home, None)
    run(home)
    assert not (folder / "account_adoption.parquet").exists()
    assert "account_adoption" not in (folder / "datapackage.json").read_text()
    assert not (home / "records" / "pseudonyms.key").exists()
    assert here("verify", "--home", home).code == 0
    assert shown != folder.resolve().name


def test_pseudonyms(home: Path, base: Path) -> None:
    by_id = found(base)
    settings(home, "pseudonymous")
    run(home)
    folder = (home / "extracts" / "current").resolve()
    for file in folder.iterdir():
        content = file.read_bytes()
        assert not [account for account in ACCOUNTS if account.encode() in content], file.name
        if file.suffix == ".parquet":  # as text, too: pages are compressed
            text = str(pq.read_table(file).to_pylist())
            assert not [account for account in ACCOUNTS if account in text], file.name
    name_of = pseudonyms(Home.at(home))
    names = {account: name_of(account) for account in ACCOUNTS}
    rows = found(home)
    assert {account for account, *_ in rows} == set(names.values())
    assert all(len(name) >= 16 and int(name, 16) >= 0 for name in names.values())
    for (account, measure, week), row in by_id.items():
        mine = rows[names[account], measure, week]
        assert (mine["value"], mine["colour"], mine["coverage"]) == (row["value"], row["colour"], row["coverage"])
    key = home / "records" / "pseudonyms.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip()
    assert not any(secret.encode() in file.read_bytes() for file in folder.iterdir())
    proof = here("verify", "--home", home)
    assert proof.code == 0, proof.out
    # On record: given back to the byte once it is shown no longer.
    shown = {file.name: file.read_bytes() for file in folder.iterdir()}
    settings(home, None)
    run(home)
    shutil.rmtree(folder)
    assert here("verify", "--home", home, "--repair").code == 0
    from nsm_pipeline.publishing.record import Record

    assert dict(Record.of(Home.at(home)).give_back(folder.name).files) == shown
    settings(home, "pseudonymous")
    run(home)
    assert found(home).keys() == rows.keys(), "names stay the same"


def test_a_withheld_week_keeps_what_was_shown(home: Path) -> None:
    before = found(home)
    playbook = home / "playbook" / "use_case.yaml"
    gate = (
        "gates: [{table: inputs, metric: orders, expect_column_values_to_be_between: {column: value, min_value: 4}}]\n"
    )
    late = [event("late", f"{WEEKS[1]}T12:00:00Z", "customer-beta")]
    Zone(home).put("late.jsonl", late)
    playbook.write_text(playbook.read_text() + gate)
    run(home)
    after = found(home)
    state = {row["week"]: row["state"] for row in extract(home, "certificates")}
    assert (state[WEEKS[3]], state[WEEKS[1]]) == ("withheld", "held")  # the latter is final, and waits for a reason
    pending = [week for week, one in state.items() if one in ("withheld", "held")]
    for key, row in after.items():
        if key[2] in pending:
            assert row["state"] == "superseded_pending"
            assert (row["value"], row["colour"]) == (before[key]["value"], before[key]["colour"])
    assert {key for key in before if key[2] in pending} == {key for key in after if key[2] in pending}
    run(home, "--restate", "--reason", "rows came late", "--by", "Ada")
    assert found(home)["customer-beta", "orders", WEEKS[1]]["value"] == 9
    state = {row["week"]: row["state"] for row in extract(home, "certificates")}
    withheld = [week for week, one in state.items() if one == "withheld"]
    assert WEEKS[3] in withheld
    # Under another kind of name nothing can be kept: it is absent, not guessed.
    settings(home, "pseudonymous")
    run(home)
    assert {week for *_, week in found(home)} == set(WEEKS) - set(withheld)


def test_a_week_that_never_passed_is_absent(home: Path) -> None:
    playbook = home / "playbook" / "use_case.yaml"
    text = playbook.read_text().replace("title: Shop\n", "title: Shop\nstatus: proposed\n", 1)
    shutil.rmtree(home / "extracts")
    shutil.rmtree(home / "records")
    playbook.write_text(text)
    run(home)
    assert {(row["week"], row["state"]) for row in found(home).values()} == {(WEEKS[6], "flash")}


def test_a_damaged_key_is_refused(home: Path) -> None:
    (home / "records" / "pseudonyms.key").write_text("abc\n")
    settings(home, "pseudonymous")
    said = here("run", "--home", home)
    assert said.code not in (0, 3)
    assert "64 hex digits are needed" in said.out + said.err
    settings(home, None)
    run(home)  # where no pseudonyms are shown, none are needed
