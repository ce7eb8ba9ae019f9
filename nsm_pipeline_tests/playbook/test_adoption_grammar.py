"""The grammar of adoption: bounds that leave no hole, metrics that one account can have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from pydantic import ValidationError

from nsm_pipeline.metrics.adoption import colour_sql
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.playbook.adoption import Adoption, no_measure
from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.playbook.metric_models import Metric

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ROOT / "nsm_pipeline" / "playbook" / "packaged"


def declared(red: str, yellow: str, green: str, **more: Any) -> Adoption:
    return Adoption.model_validate({"metric": "builds", "red": red, "yellow": yellow, "green": green, **more})


@pytest.mark.parametrize(
    ("red", "yellow", "green"),
    [
        ("<= 2", "<= 40", "> 40"),
        ("<= 5%", "< 20%", ">= 20%"),
        ("<0.1", " <= 0.5 ", "> 0.5"),
        ("<= 1", "< 3", ">= 3"),
        ("< 1", "<= 1", "> 1"),  # exactly 1 is yellow
        ("> 10", ">= 5", "< 5"),  # less is better
        ("<= -3", "<= 0", "> 0"),
    ],
)
def test_bounds(red: str, yellow: str, green: str) -> None:
    found = declared(red, yellow, green)
    assert found.window.days == 28
    assert found.red.is_upper == found.yellow.is_upper != found.green.is_upper


def test_a_percentage_is_a_share() -> None:
    assert declared("<= 5%", "< 20%", ">= 20%").red.number == 0.05
    assert declared("<= 5%", "< 20%", ">= 20%", window="2 weeks").window.days == 14


@pytest.mark.parametrize(
    ("red", "yellow", "green", "says"),
    [
        ("<= 2", "<= 40", ">= 40", "overlap at 40; green is written as '> 40'"),
        ("<= 2", "< 40", "> 40", "leave 40 without a colour; green is written as '>= 40'"),
        ("<= 2", "<= 40", "> 50", "leave a hole between 40 and 50"),
        ("<= 2", "<= 40", "> 30", "overlap between 30 and 40"),
        ("> 10", ">= 5", "< 4", "leave a hole between 4 and 5"),
        ("> 10", ">= 5", "< 6", "overlap between 5 and 6"),
        ("<= 40", "<= 2", "> 2", "leave nothing that is yellow"),
        ("<= 2", "< 2", ">= 2", "leave nothing that is yellow"),
        ("<= 2", "<= 2", "> 2", "leave nothing that is yellow"),
        ("<= 2", ">= 40", "> 40", "red and yellow point one way and green the other"),
        ("<= 2", "<= 40", "<= 50", "red and yellow point one way and green the other"),
        ("about 2", "<= 40", "> 40", "found 'about 2'; a bound is written as '<= 2'"),
        ("= 2", "<= 40", "> 40", "found '= 2'; a bound is written as"),
        ("<= 2 %%", "<= 40", "> 40", "a bound is written as"),
    ],
)
def test_bounds_that_overlap_or_leave_a_hole(red: str, yellow: str, green: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        declared(red, yellow, green)
    assert says in str(caught.value)


def test_a_window_of_whole_weeks() -> None:
    with pytest.raises(ValidationError, match="a window of 10 days; adoption looks back over whole weeks"):
        declared("<= 2", "<= 40", "> 40", window="10 days")


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ({"count": "built"}, None),
        ({"count_distinct": "user", "of": "built"}, None),
        ({"count_distinct": "account", "of": "built"}, "counts accounts: of one account it is always one"),
        ({"median": "minutes", "of": "built"}, "is a median: no measure of one account"),
        ({"count_entities": "account", "of": "built", "having": "> 3"}, "counts entities that pass a threshold"),
        ({"retention": "account", "of": "built"}, "follows entities from event to event"),
        ({"formula": "a / b"}, "is a formula"),
        ({"attribute": "seats", "aggregate": "count"}, "takes the count of an attribute"),
        ({"ratio": {"numerator": {"count": "built"}, "denominator": "seats"}}, None),
        ({"ratio": {"numerator": {"median": "minutes", "of": "built"}, "denominator": "seats"}}, "a side is a median"),
        ({"ratio": {"numerator": "seats", "denominator": "accounts"}}, "of which 'accounts' counts accounts"),
    ],
)
def test_which_metrics_an_account_can_have(metric: dict[str, Any], says: str | None) -> None:
    declared_ = {"m": metric, "seats": {"attribute": "seats"}, "accounts": {"count_distinct": "account", "of": "built"}}
    found = no_measure({name: Metric.model_validate(one) for name, one in declared_.items()}, "m")
    assert found is None if says is None else says in str(found)


def in_the_docs() -> dict[str, Any]:
    text = (ROOT / "docs" / "playbook.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- adoption -->\n```yaml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return dict(yaml.safe_load(found[1]))


@pytest.mark.parametrize(
    ("use_case", "measure", "red", "yellow", "green"),
    [
        ("ci", "builds_per_seat", [0, 2], [2.01, 40], [40.01, 500]),
        ("security", "scan_users_per_seat", [0, 0.05], [0.051, 0.1999], [0.2, 1]),
        ("security", "scans_per_pipeline", [0, 0.0999], [0.1, 0.5], [0.501, 7]),
        ("security", "scanner_types", [0, 1], [2], [3, 7]),
    ],
)
def test_gitlabs_thresholds_at_their_bounds(
    tmp_path: Path, use_case: str, measure: str, red: list[float], yellow: list[float], green: list[float]
) -> None:
    """As the documentation has them, put into the packaged playbooks; coloured by the query that colours accounts."""
    for name, more in in_the_docs().items():
        document = yaml.safe_load((PACKAGED / f"{name}.yaml").read_text(encoding="utf-8"))
        document["metrics"] |= more.get("metrics", {})
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**document, "adoption": more["adoption"]}))
    playbook = load_playbook(tmp_path)
    plan = UseCasePlan(playbook.use_cases[use_case], playbook.attributes())
    (one,) = (own for own in plan.adoption if own.metric == measure)
    assert one.days == 28
    for colour, values in {"red": red, "yellow": yellow, "green": green}.items():
        for value in values:
            sql = f"SELECT {colour_sql(one, 'value')} FROM (SELECT {value}::DOUBLE AS value)"
            assert duckdb.execute(sql).fetchone() == (colour,), value
    assert duckdb.execute(f"SELECT {colour_sql(one, 'NULL::DOUBLE')}").fetchone() == ("no_colour",)
