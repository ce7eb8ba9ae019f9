"""Plans: a measure is computed once, and definitions change exactly where the outcome may."""

from __future__ import annotations

from typing import Any

from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.playbook.loading import PACKAGED, load_playbook
from nsm_pipeline.playbook.models import UseCase

ATTRIBUTES = {"plan": "string", "segment": "string", "seats": "integer", "created_on": "date"}


def plan(**changes: Any) -> UseCasePlan:
    base: dict[str, Any] = {
        "use_case": "shop",
        "title": "Shop",
        "owner": {"name": "x"},
        "events": {"ordered": {"properties": {"paid": {"type": "boolean"}}, "sources": [{"name": "ordered"}]}},
        "metrics": {
            "orders": {"count": "ordered", "where": "paid"},
            "buyers": {"count_distinct": "account", "of": "ordered", "where": "paid"},
            "per_buyer": {"ratio": {"numerator": "orders", "denominator": "buyers"}},
        },
        "north_star": {"metric": "buyers"},
        "inputs": [{"metric": "orders", "dimension": "depth"}, {"metric": "per_buyer", "dimension": "frequency"}],
    }
    return UseCasePlan(UseCase.model_validate({**base, **changes}), ATTRIBUTES)


def definitions(found: UseCasePlan) -> list[object]:
    return [
        *(found.definition(role) for role in ("north_star", "inputs", "counter_metrics")),
        found.account_definition(),
    ]


def test_a_measure_is_computed_once() -> None:
    found = plan()
    assert [measure.how for measure in found.measures] == ["account", "count"]
    assert len(found.scopes) == 1
    assert [one.metric for one in found.plans] == ["buyers", "orders", "per_buyer"]


def test_titles_owners_and_the_order_of_keys_change_no_definition() -> None:
    base = definitions(plan())
    metrics = plan().use_case.model_dump(exclude_none=True, exclude_unset=True, by_alias=True)["metrics"]
    assert definitions(plan(title="Another", owner={"name": "y"}, vision="v")) == base
    assert definitions(plan(metrics=dict(reversed(metrics.items())))) == base
    assert (
        definitions(
            plan(metrics={**metrics, "orders": {**metrics["orders"], "title": "T", "where": "PAID"[:0] + " paid "}})
        )
        == base
    )
    assert definitions(plan(inputs=list(reversed(plan().use_case.model_dump()["inputs"])))) == base


def test_what_changes_the_outcome_changes_the_definition() -> None:
    base = definitions(plan())
    metrics = plan().use_case.model_dump(exclude_none=True, exclude_unset=True, by_alias=True)["metrics"]
    changed = definitions(plan(metrics={**metrics, "orders": {"count": "ordered"}}))
    assert changed[0] == base[0]
    assert changed[1] != base[1]
    assert definitions(plan(slices=["plan"]))[0] != base[0]
    internal = {**metrics, "buyers": {**metrics["buyers"], "include_internal": True}}
    assert definitions(plan(metrics=internal))[0] != base[0]


def test_packaged_metrics_that_add_up() -> None:
    playbook = load_playbook(PACKAGED)
    found = {
        one.metric: one.adds_up for name in playbook.use_cases
        for one in UseCasePlan(playbook.use_cases[name], playbook.attributes()).plans
    }  # fmt: skip
    assert (found["green_accounts"], found["pipeline_users"], found["failed_share"], found["pipeline_minutes"]) == (
        True, False, False, False,
    )  # fmt: skip
