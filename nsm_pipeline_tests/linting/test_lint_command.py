"""`nsm lint` as a script or a person meets it: exit codes, JSON, the page, a home with and without data."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import DATA, FAULTLESS, changed, linted
from homes import Said, copy, finish, here, opened, start
from landing_zone import Zone, event

from nsm_pipeline.linting.findings import CRITERIA, SEVERITIES
from nsm_pipeline.linting.report import document
from nsm_pipeline.playbook.loading import PACKAGED
from nsm_pipeline.playbook.metric_models import KINDS
from nsm_pipeline.steps.sightings import sightings
from nsm_pipeline.weeks import span

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "lint.md"


def folder(path: Path, change: dict[str, Any] = {}, drop: tuple[str, ...] = ()) -> Path:  # noqa: B006
    path.mkdir(parents=True, exist_ok=True)
    (path / "shop.yaml").write_text(yaml.safe_dump(changed(yaml.safe_load(FAULTLESS), change, drop), sort_keys=False))
    return path


def lint(playbook: Path, *more: str) -> Said:
    return here("lint", "--playbook", playbook, "--as-of", "2026-06-01", *more)


def rules(said: Said) -> list[str]:
    found = said.json
    return [one["rule"] for card in found["use_cases"] for one in card["findings"]] + [
        one["rule"] for one in found["findings"]
    ]


ERROR = {
    "metrics/served": {"title": "Turnover", "description": "D", "unit": "EUR", "sum": "amount", "of": "order_placed"}
}


@pytest.mark.parametrize(
    ("change", "drop", "options", "code"),
    [
        ({}, (), (), 0),
        ({}, (), ("--strict",), 0),
        ({}, ("game",), ("--strict",), 0),  # a note
        ({}, ("vision",), (), 0),  # a warning
        ({}, ("vision",), ("--strict",), 3),
        (ERROR, ("metrics/turnover", "outcomes"), (), 3),
        ({"north_star/metric": "servd"}, (), (), 2),
    ],
)
def test_exit_codes(
    tmp_path: Path, change: dict[str, Any], drop: tuple[str, ...], options: tuple[str, ...], code: int
) -> None:
    playbook = folder(tmp_path / "playbook", change, drop)
    page, script = lint(playbook, *options), lint(playbook, *options, "--json")
    assert page.code == script.code == code, page
    if code == 2:
        assert "did you mean 'served'?" in page.err
        assert page.out == script.out == ""
    else:
        assert script.json["failed"] == (code == 3)
        assert ("Lint failed" if code == 3 else "Lint passed") in page.out


def test_the_real_command_gates_a_pull_request(tmp_path: Path) -> None:
    playbook = folder(tmp_path / "playbook", ERROR, ("metrics/turnover", "outcomes"))
    said = finish(start("lint", "--playbook", playbook))
    assert said.code == 3
    assert "north-star-revenue" in said.out


def test_a_finding_names_its_line(tmp_path: Path) -> None:
    playbook = folder(tmp_path / "playbook", {"metrics/buyers/where": "status = 'payed'"}, ("game",))
    lines = (playbook / "shop.yaml").read_text().splitlines()
    found = {one["rule"]: one for one in lint(playbook, "--json").json["use_cases"][0]["findings"]}
    never = found["filter-never-true"]
    assert "status = 'payed'" in lines[never["line"] - 1]
    assert f"shop.yaml:{never['line']} metrics.buyers.where" in lint(playbook).out
    assert found["game-missing"]["line"] == 1  # a key that is not there: the deepest part of its path that is


def test_today_is_as_of(tmp_path: Path) -> None:
    playbook = folder(tmp_path / "playbook")
    assert rules(lint(playbook, "--json")) == []
    assert rules(here("lint", "--playbook", playbook, "--as-of", "2026-06-02", "--json")) == ["review-overdue"]
    (playbook / "settings.yaml").write_text("as_of: 2027-01-01\n")
    assert rules(here("lint", "--playbook", playbook, "--json")) == ["review-overdue"]


@pytest.mark.parametrize("what", ["none", "empty", "settings alone", "a file"])
def test_a_folder_without_definitions_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "playbook"
    if what == "a file":
        path.write_text("use_case: shop\n")
    elif what != "none":
        path.mkdir()
    if what == "settings alone":
        (path / "settings.yaml").write_text("company: Ours\n")
    said = lint(path)
    assert said.code == 2
    assert "in which there is no use case" in said.err
    assert said.out == ""


def test_definitions_and_a_home_are_not_mixed(tmp_path: Path) -> None:
    said = here("lint", "--playbook", folder(tmp_path / "playbook"), "--home", tmp_path)
    assert said.code == 2
    assert "leave out --home" in said.err


@pytest.mark.parametrize(
    "playbook", [PACKAGED, *sorted(EXAMPLES.glob("*/playbook"))], ids=lambda path: path.parent.name
)
def test_playbooks_of_the_project_pass(playbook: Path) -> None:
    said = here("lint", "--playbook", playbook, "--as-of", "2026-08-16", "--json")
    assert said.code == 0, said.out
    assert said.json["counts"]["error"] == 0


def test_the_document_says_what_the_documentation_says(tmp_path: Path) -> None:
    report = linted(tmp_path, {"change": {"inputs": []}, "data": {"unmapped": {"order.place": 5}}})
    found = json.loads(json.dumps(document(report), default=str))
    (card,) = found["use_cases"]
    assert found["data"] is True
    assert found["weeks"] == DATA["complete_weeks"] + 1
    assert found["today"] == "2026-06-01"
    assert found["failed"] is True
    assert set(found["counts"]) == set(SEVERITIES)
    assert [one["criterion"] for one in card["criteria"]] == list(CRITERIA)
    actionable = next(one for one in card["criteria"] if one["criterion"] == "actionable")
    assert actionable["grade"] == "fail"
    assert actionable["answer"] == "Routes move it."
    assert actionable["because"][0] == "inputs-missing"
    assert card["events"]["order_placed"]["rows"] == 900
    assert card["outcomes"]["turnover"]["verdict"] == "too early to say"
    leading = next(one for one in card["criteria"] if one["criterion"] == "leading_indicator")
    assert leading["evidence"] == [f"outcome turnover: {card['outcomes']['turnover']['words']}"]
    assert card["findings"][0]["rule"] == "inputs-missing"
    assert [one["rule"] for one in found["findings"]] == ["name-not-declared"]
    text = DOCS.read_text(encoding="utf-8")
    keys = {
        *found,
        *card,
        *actionable,
        *card["findings"][0],
        *card["events"]["order_placed"],
        *card["outcomes"]["turnover"],
    }
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


KIND_OF: dict[str, dict[str, Any]] = {
    "count": {"count": "order_placed"},
    "count_distinct": {"count_distinct": "account", "of": "order_placed"},
    **{kind: {kind: "litres", "of": "order_placed"} for kind in ("sum", "average", "median", "minimum", "maximum")},
    "quantile": {"quantile": "litres", "of": "order_placed", "q": "90%"},
    "count_entities": {
        "count_entities": "account",
        "of": "order_placed",
        "having": "> 3 per seat",
        "window": "4 weeks",
    },
    "attribute": {"attribute": "seats"},
    "ratio": {"ratio": {"numerator": "buyers", "denominator": {"count": "order_placed"}}},
    "conversion": {"conversion": "user", "from": "order_placed", "to": "parcel_delivered", "within": "7 days"},
    "time_between": {
        "time_between": "user",
        "from": "order_placed",
        "to": "parcel_delivered",
        "within": "7 days",
        "unit": "days",
    },
    "retention": {"retention": "account", "of": "parcel_delivered"},
    "cohort": {"cohort": "account", "from": "created_on", "to": "order_placed", "within": "7 days"},
    "lifecycle": {"lifecycle": "retained"},
    "formula": {"formula": "buyers * orders_each"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_a_north_star(tmp_path: Path, kind: str) -> None:
    """With and without data every rule has its say on every kind."""
    served = {"title": "Served", "description": "D", "unit": "things", **KIND_OF[kind]}
    case = {"change": {"metrics/served": served}}
    for more in ({}, {"without_data": True}):
        report = linted(tmp_path, {**case, **more})
        assert {one.rule for one in report.findings} <= {"event-unused"}, report.findings
        assert all(mark.grade == "pass" for mark in report.cards[0].marks)


SHOP_ROWS = [
    *(event(f"e{n}", f"2026-03-{day:02}T10:00:00Z", f"a{n}") for n, day in enumerate((3, 4, 10, 11, 17))),
    event("x1", "2026-03-10T10:00:00Z", event_name="order.plaecd\x1b[31m"),
    event("x2", "2026-03-17T10:00:00Z", event_name="order.plaecd\x1b[31m"),
    event("x3", "2026-03-17T10:00:00Z", event_name="order_done"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop whose events have been read and counted. Read only."""
    zone = Zone(tmp_path_factory.mktemp("shop") / "home", settings="company: Test\nas_of: 2026-03-25\n")
    assert zone.playbook
    zone.put("a.jsonl", SHOP_ROWS)
    zone.ingest()
    zone.build(*span(date(2026, 3, 2), date(2026, 3, 23)))
    return zone.root


def test_a_home_with_data(shop: Path) -> None:
    said = here("lint", "--home", shop, "--json")
    found = said.json
    assert said.code == 0
    assert found["data"] is True
    (card,) = found["use_cases"]
    assert card["events"]["order_placed"] == {
        "rows": 5, "first_week": "2026-03-02", "last_week": "2026-03-16", "rows_lately": 5,
        "missing_lately": {"amount": 0, "items": 5, "order": 0, "gift": 5},
    }  # fmt: skip
    assert card["events"]["page_viewed"]["rows"] == 0
    mine = {one["rule"]: one for one in card["findings"]}
    assert mine["event-never-seen"]["path"] == "events.page_viewed"
    assert mine["event-never-seen"]["file"] == str(shop / "playbook" / "use_case.yaml")
    assert "north-star-event-never-seen" not in mine
    by_name = {one["path"]: one["message"] for one in found["findings"]}
    assert (
        "2 rows, weeks 2026-03-09 to 2026-03-16; the nearest declared name is 'order.placed'"
        in by_name["order.plaecd\x1b[31m"]
    )
    assert "1 rows" in by_name["order_done"]
    assert "shop.order_placed declares it until 2026-02-16" in by_name["order_done"]
    page = here("lint", "--home", shop).out
    assert "order.plaecd�[31m" in page
    assert "\x1b" not in page


def test_data_of_an_older_playbook(shop: Path, tmp_path: Path) -> None:
    shop = copy(shop, tmp_path / "home")
    file = shop / "playbook" / "use_case.yaml"
    file.write_text(
        file.read_text().replace("  page_viewed:\n", "  gift_sent: {sources: [{name: gift.sent}]}\n  page_viewed:\n")
    )
    said = here("lint", "--home", shop, "--json")
    assert "data-out-of-date" in rules(said)
    assert [
        one["path"] for card in said.json["use_cases"] for one in card["findings"] if one["rule"] == "event-never-seen"
    ] == ["events.page_viewed"]


def test_a_home_in_which_nothing_has_been_built(tmp_path: Path) -> None:
    said = here("lint", "--home", tmp_path, "--json")
    assert said.code == 0
    assert said.json["data"] is False
    assert [card["use_case"] for card in said.json["use_cases"]] == ["ci", "compliance", "security"]
    page = here("lint", "--home", tmp_path)
    assert "No data was looked at" in page.out
    assert not (tmp_path / "lake").exists()


def test_a_sample_home(published_home: Path, tmp_path: Path) -> None:
    """A withheld week enters no correlation; undeclared names are found; neither landing files nor events are read."""
    home = copy(published_home, tmp_path / "home")
    assert "data-out-of-date" not in rules(here("lint", "--home", home, "--json"))
    shutil.rmtree(home / "landing")
    for file in (home / "lake").glob("usage_events/**/*.parquet"):
        file.unlink()
    said = here("lint", "--home", home, "--json")
    assert said.code == 0, said.out
    assert said.json["weeks"] == 16
    assert "data-out-of-date" in rules(said)
    for card in said.json["use_cases"]:
        assert all(event["rows"] > 0 for event in card["events"].values())
    seen = sightings(opened(home))
    assert seen is not None
    outage = date(2026, 6, 8)
    for one in seen.use_cases.values():
        assert one.complete_weeks == 15
        assert set(one.widths) == {"plan", "segment"}
    values = {name: one.values for name, one in seen.use_cases.items()}
    assert outage not in values["ci"]["green_accounts"]
    assert len(values["ci"]["green_accounts"]) == len(values["security"]["scanning_accounts"]) == 14
    assert len(values["compliance"]["controlled_accounts"]) == 15  # its volume passed in that week
    assert list(seen.unmapped) == ["web.heartbeat"]


@pytest.mark.parametrize("width", [80, 100])
def test_the_page_fits_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    playbook = folder(tmp_path / "playbook", ERROR, ("metrics/turnover", "outcomes", "checklist"))
    lines = lint(playbook).out.splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for words in ("Vision and strategy", "no answer", "✘ error north-star-revenue", "shop.yaml", "→ Take the value"):
        assert words in text


def test_the_table_of_rules(tmp_path: Path) -> None:
    said = here("lint", "--rules")
    assert said.code == 0
    assert said.out in DOCS.read_text(encoding="utf-8")
