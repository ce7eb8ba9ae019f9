"""`nsm plan --preview`: the values of the run that follows, worked out by hand, and what they would turn over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from homes import copy, extract, here
from landing_zone import Zone, event
from test_plan import DESK, SHOP, WEEKS, filtered, late, rows_of

pytestmark = pytest.mark.slow

SETTINGS = "company: Test\nas_of: 2026-05-20\ncertification: {tolerance: 5%}\npublication: {small_groups: 0}\n"
GUARDED = SHOP.replace("risk: searching}", "risk: searching, warn: 95%, breach: 50%, better: higher}")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five accounts with two orders each and as many page views a week; weeks to 2026-04-27 are final."""
    zone = Zone(tmp_path_factory.mktemp("base") / "home", GUARDED, SETTINGS)
    zone.playbook  # noqa: B018 (writes it)
    (zone.home.playbook / "desk.yaml").write_text(DESK)
    for number in range(12):
        zone.put(f"week-{number:02}.jsonl", rows_of(number))
    assert here("run", "--home", zone.root).code == 0
    return zone.root


@pytest.fixture
def home(base: Path, tmp_path: Path) -> Zone:
    return Zone(copy(base, tmp_path / "home"))


def previewed(zone: Zone, *options: object) -> Any:
    said = here("plan", "--home", zone.root, "--preview", "--json", *options)
    assert said.code == 0, said
    return said.json


def in_week(preview: Any, number: int) -> dict[str, tuple[float | None, float | None, str]]:
    """Old, new and kind of every changed total of a week."""
    mine = [one for one in preview["values"] if one["week"] == str(WEEKS[number])]
    return {one["metric"]: (one["old"], one["new"], one["kind"]) for one in mine}


def shown(zone: Zone) -> dict[tuple[object, ...], float | None]:
    names = ("use_case", "metric", "week", "slice", "slice_value")
    tables = ("north_star", "inputs", "counter_metrics")
    rows = [row for table in tables for row in extract(zone.root, table)]
    return {tuple(str(row[name]) for name in names): row["value"] for row in rows}


def test_a_late_row_of_a_final_week(home: Zone) -> None:
    late(home)  # one order by a sixth account
    preview = previewed(home)
    assert in_week(preview, 3) == {
        "ordering_accounts": (5.0, 6.0, "restatement"),
        "orders": (10.0, 11.0, "restatement"),
        "pages_per_order": (1.0, pytest.approx(10 / 11), "restatement"),
        "orders_of_four_weeks": (40.0, 41.0, "within_tolerance"),
        "usual_amount": (4.5, 5.0, "restatement"),  # 0 to 9, and a further 5
    }
    assert in_week(preview, 5) == {"orders_of_four_weeks": (40.0, 41.0, "within_tolerance")}
    assert {one["week"] for one in preview["values"]} == {str(WEEKS[number]) for number in range(3, 7)}
    (target,) = preview["targets"]  # from 5 to 6: 6 ÷ (5 × 1.07)
    assert target["week"] == str(WEEKS[3])
    assert (target["old"], target["new"]) == (pytest.approx(5 / 5.35), pytest.approx(6 / 5.35))
    (guard,) = preview["colours"]  # 10 pages for 11 orders, where 95% is worth a look
    assert (guard["metric"], guard["week"]) == ("pages_per_order", str(WEEKS[3]))
    assert (guard["old"], guard["new"]) == ("green", "yellow")


def test_what_is_held_without_a_reason(home: Zone) -> None:
    late(home)
    preview = previewed(home)
    assert preview["needs_reason"] == [{"use_case": "shop", "week": str(WEEKS[3])}]
    (state,) = preview["states"]
    assert (state["use_case"], state["week"], state["old"], state["new"]) == (
        "shop",
        str(WEEKS[3]),
        "certified",
        "held",
    )
    assert "beyond tolerance" in state["why"][0]
    assert preview["next"][0].startswith('nsm run --restate --reason "…"')
    assert here("run", "--home", home.root).code == 3
    assert shown(home)["shop", "ordering_accounts", str(WEEKS[3]), "all", "all"] == 5.0


def test_the_values_are_those_of_the_run_that_follows(home: Zone) -> None:
    late(home)
    filtered(home)
    preview, before = previewed(home, "--slices"), shown(home)
    assert here("run", "--home", home.root, "--restate", "--reason", "a late file", "--by", "me").code == 0
    after = shown(home)
    names = ("use_case", "metric", "week", "slice", "slice_value")
    wanted = {key: (before.get(key), value) for key, value in after.items() if before.get(key) != value}
    assert {tuple(one[name] for name in names): (one["old"], one["new"]) for one in preview["values"]} == wanted
    assert any(one["slice"] == "plan" for one in preview["values"])
    assert all(one["difference"] == one["new"] - one["old"] for one in preview["values"] if one["old"] is not None)
    again = previewed(home)
    assert (again["values"], again["states"], again["next"]) == ([], [], [])
    assert again["headline"] == "no published value would change."


def test_a_week_that_would_be_withheld(home: Zone) -> None:
    home.put("week-10.jsonl", rows_of(10)[:3])
    preview = previewed(home)
    states = {(one["use_case"], one["week"]): one for one in preview["states"]}
    assert states.keys() == {("shop", str(WEEKS[10])), ("desk", str(WEEKS[10]))}
    shop = states["shop", str(WEEKS[10])]
    assert (shop["old"], shop["new"]) == ("certified", "withheld")
    assert any("volume against the trailing median" in why for why in shop["why"])
    assert "2 weeks would be withheld" in preview["headline"] or "1 week would be withheld" in preview["headline"]
    assert in_week(preview, 10) == {}, "what was shown before stays"


def test_approval(home: Zone) -> None:
    (home.home.playbook / "settings.yaml").write_text(SETTINGS.replace("5%", "5%, approval: required"))
    filtered(home)
    preview = previewed(home)
    assert {one["new"] for one in preview["states"]} == {"held"}
    assert preview["next"][-1] == f"nsm approve --use-case shop --weeks {WEEKS[0]}..{WEEKS[10]} --by … --note …"


def test_definitions_of_a_pull_request(home: Zone, tmp_path: Path) -> None:
    other = copy(home.home.playbook, tmp_path / "other")
    file = other / "use_case.yaml"
    file.write_text(file.read_text().replace("count: order_placed}", 'count: order_placed, where: "gift"}', 1))
    preview = previewed(home, "--playbook", other)
    assert in_week(preview, 9) == {"orders": (10.0, 5.0, "settling")}
    assert in_week(preview, 11) == {"orders": (10.0, 5.0, "flash")}
    assert preview["next"][0] == f"put the definitions of {other} into {home.home.playbook}"
    (other / "desk.yaml").unlink()
    assert previewed(home, "--playbook", other)["no_longer_shown"] == ["desk"]


def test_a_report_for_a_pull_request(home: Zone) -> None:
    late(home)
    filtered(home)
    said = here("plan", "--home", home.root, "--preview", "--format", "markdown")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "## North Star Metrics: what this would change"
    assert any(line.startswith("| 2026-03-23 | ordering\\_accounts | 5 | 6 | +1 | +20.0% | **final") for line in lines)
    assert said.out.count("<details>") == said.out.count("</details>") == 1
    assert "<summary>week by week: " in said.out
    assert "| orders\\_of\\_four\\_weeks | 4 | 2026-03-23 … 2026-04-13 | 40 → 41 (+2.5%) in 2026-03-23 |" in said.out
    assert "amount &gt;= 5" in said.out, "a filter is no HTML"
    assert '```\nnsm run --restate --reason "…"' in said.out


def test_what_a_file_is_called_does_not_steer_the_report(home: Zone) -> None:
    home.put("<b>|x|`.jsonl", [event("odd", f"{WEEKS[3]}T12:00:00Z", "a9")])
    said = here("plan", "--home", home.root, "--preview", "--format", "markdown").out
    assert "usage\\_events/&lt;b&gt;\\|x\\|\\`.jsonl" in said
    assert "<b>" not in said
