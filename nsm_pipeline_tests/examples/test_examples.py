"""Every home under `examples/` with landing files of its own: `nsm run` on a copy, then each number it expects.

What belongs here: running and comparing. What does not: the numbers. They lie beside each example as data, in
`expected.yaml`, with how they were worked out:

    ends_with: 0                       # exit code of the run; 0 where it is left out
    states:                            # weeks that are not certified, by use case
      shop: {2026-03-09: flash}
    values:                            # use case → metric → week → value
      shop:
        orders: {2026-03-02: 3, 2026-03-09: {all: 2, plan=pro: 1}}    # in total and per slice
        orders_per_customer: {2026-03-02: 3 / 2}                      # a quotient, as it is worked out
        median_items: {2026-03-02: null}                              # no value
    growth:                            # use case → week → column of the growth table → value
      shop: {2026-03-09: {growth: 2 / 3 - 1, new: 1}}
    scorecard:                         # likewise of the scorecard; texts as they are
      shop: {2026-03-09: {goal_total: 3 * 1.07, verdict: not enough weeks}}
"""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from homes import Said, extract, here

from nsm_pipeline.playbook.formulas import evaluate, operands, parse_formula, parse_identity
from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.playbook.models import ROLES

ROOT = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = sorted(folder.name for folder in ROOT.iterdir() if (folder / "landing").is_dir())
MADE_BY_RUNS = ("lake", "extracts", "dagster", "last_error.txt")
LARGEST = 300_000  # bytes: an example is read by people
pytestmark = pytest.mark.slow


class Ran:
    """One example, run on a copy: what the command said, what it published, what was expected."""

    def __init__(self, name: str, to: Path) -> None:
        self.source, self.home = ROOT / name, to / name
        shutil.copytree(self.source, self.home, ignore=shutil.ignore_patterns(*MADE_BY_RUNS))
        self.expected: dict[str, Any] = yaml.safe_load((self.source / "expected.yaml").read_text(encoding="utf-8"))
        self.said: Said = here("run", "--home", self.home)
        self.values = {
            (row["use_case"], row["metric"], row["week"], row["slice"], row["slice_value"]): row["value"]
            for role in ROLES
            for row in extract(self.home, role)
        }
        self.growth = {(row["use_case"], row["week"]): row for row in extract(self.home, "growth")}
        self.scorecard = {(row["use_case"], row["week"]): row for row in extract(self.home, "scorecard")}
        self.states = {(row["use_case"], row["week"]): row for row in extract(self.home, "certificates")}


@pytest.fixture(scope="module", params=EXAMPLES)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(request.param, tmp_path_factory.mktemp("example"))


def number(found: Any) -> float | None:
    """A value as written: a number, arithmetic on numbers, or null for no value."""
    return evaluate(parse_formula(found), {}) if isinstance(found, str) else found


def same(found: float | None, wanted: Any) -> bool:
    wanted = number(wanted)
    if found is None or wanted is None:
        return found is wanted
    return found == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def cell_key(label: str) -> tuple[str, str]:
    """`all` or `plan=pro` as slice and slice value."""
    name, _, value = label.partition("=")
    return ("all", "all") if label == "all" else (name, value)


def test_the_run_ends_as_it_should(ran: Ran) -> None:
    assert ran.said.code == ran.expected.get("ends_with", 0), ran.said.out + ran.said.err


def test_states_of_all_weeks(ran: Ran) -> None:
    """Every week is certified but those of which it is said."""
    others = {key: row["state"] for key, row in ran.states.items() if row["state"] != "certified"}
    said = ran.expected.get("states", {})
    assert others == {(name, week): state for name, weeks in said.items() for week, state in weeks.items()}, {
        key: row["failed"] for key, row in ran.states.items() if row["failed"]
    }


def test_every_expected_value(ran: Ran) -> None:
    wrong = []
    for use_case, metrics in ran.expected["values"].items():
        for metric, weeks in metrics.items():
            for week, cells in weeks.items():
                for label, wanted in (cells if isinstance(cells, dict) else {"all": cells}).items():
                    key = (use_case, metric, week, *cell_key(label))
                    found = ran.values.get(key, "no row")
                    if found == "no row" or not same(found, wanted):
                        wrong.append(f"{metric} of {use_case}, {week}, {label}: found {found}, expected {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("table", ["growth", "scorecard"])
def test_every_expected_number_of_the_series(ran: Ran, table: str) -> None:
    rows = {"growth": ran.growth, "scorecard": ran.scorecard}[table]
    wrong = []
    for use_case, weeks in ran.expected.get(table, {}).items():
        for week, columns in weeks.items():
            row = rows[use_case, week]
            wrong += [
                f"{column} of {use_case}, {week}: found {row[column]}, expected {wanted}"
                for column, wanted in columns.items()
                if not (row[column] == wanted if isinstance(row[column], str) else same(row[column], wanted))
            ]
    assert not wrong, "\n".join(wrong)


def test_every_published_week_has_a_scorecard(ran: Ran) -> None:
    """Of one certificate with its growth, and with goals that follow from the week before as it is published."""
    assert list(ran.scorecard) == list(ran.growth)
    for key, row in ran.scorecard.items():
        growth = ran.growth[key]
        assert {row[column] == growth[column] for column in ("value", "certificate_id", "state", "churned")} == {True}
        assert same(row["goal_total"], growth["goal"])
        assert same(row["progress_total"], growth["attainment"])


def test_every_metric_with_a_role_has_an_expected_value(ran: Ran) -> None:
    use_cases = load_playbook(ran.home / "playbook").use_cases
    roles = {
        (name, metric)
        for name, use_case in use_cases.items()
        for metrics in use_case.roles.values()
        for metric in metrics
    }
    expected = {(name, metric) for name, metrics in ran.expected["values"].items() for metric in metrics}
    assert expected == roles
    weeks = [week for metrics in ran.expected["values"].values() for found in metrics.values() for week in found]
    assert all(type(week) is date for week in weeks)


def test_metric_trees_add_up(ran: Ran) -> None:
    """A declared identity holds in every published week, in total and in every slice where the North Star is not 0."""
    for use_case in load_playbook(ran.home / "playbook").use_cases.values():
        if use_case.formula is None:
            continue
        north_star, tree = parse_identity(use_case.formula)
        places = {key[2:] for key in ran.values if key[:2] == (use_case.use_case, north_star)}
        for place in places:
            sides = {name: ran.values.get((use_case.use_case, name, *place)) for name in operands(tree)}
            wanted = ran.values[use_case.use_case, north_star, *place]
            if place[1] == "all" or wanted:
                assert same(evaluate(tree, sides), wanted), (use_case.use_case, place, sides)
        assert len({place[0] for place in places}) >= 4


def test_edges_that_are_arithmetic_reconcile(ran: Ran) -> None:
    """Every edge of a metric tree that is declared as a formula holds over all published weeks."""
    edges = [row for row in extract(ran.home, "tree_edges") if row["relation"] == "formula"]
    assert [row["words"] for row in edges if row["verdict"] != "reconciled"] == []
    declared = any(use_case.formula for use_case in load_playbook(ran.home / "playbook").use_cases.values())
    assert edges or not declared


def test_it_is_small_and_says_what_it_shows(ran: Ran) -> None:
    files = [file for folder in ("playbook", "landing") for file in (ran.source / folder).rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < LARGEST
    readme = (ran.source / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"nsm run --home examples/{ran.source.name}\b", readme)
