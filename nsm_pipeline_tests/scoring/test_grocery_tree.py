"""The grocery example's metric tree: complete as the field describes it, and every branch leads to the North Star."""

from __future__ import annotations

from pathlib import Path

from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.scoring.arithmetic import arithmetic_edges
from nsm_pipeline.scoring.hypotheses import believed_edges

DELIVERY = load_playbook(Path(__file__).resolve().parents[2] / "examples" / "grocery" / "playbook").use_cases[
    "delivery"
]
# Input → what it drives.
TREE = {
    "ordering_customers": "on_time_orders",
    "orders_per_customer": "on_time_orders",
    "on_time_share": "on_time_orders",
    "items_per_order": "on_time_orders",
    "signup_rate": "ordering_customers",
    "retained_customers": "ordering_customers",
    "retained_share": "retained_customers",
    "push_click_through": "orders_per_customer",
    "promotion_engagement": "orders_per_customer",
    "search_to_cart": "items_per_order",
    "recommended_adoption": "items_per_order",
    "picker_minutes": "on_time_share",
    "driver_minutes": "on_time_share",
}


def test_every_input_is_there_one_level_below_what_it_drives() -> None:
    inputs = {item.metric: item for item in DELIVERY.inputs}
    assert {name: item.drives for name, item in inputs.items()} == TREE
    for item in inputs.values():
        above = inputs.get(item.drives or "")
        assert item.level == (above.level + 1 if above else 1)
        assert item.owner
    assert [(counter.metric, counter.protects) for counter in DELIVERY.counter_metrics] == [
        ("tickets_per_order", "on_time_orders")
    ]


def test_three_factors_are_arithmetic_and_the_rest_are_beliefs() -> None:
    factors = ["ordering_customers", "orders_per_customer", "on_time_share"]
    assert list(arithmetic_edges(DELIVERY)) == [(name, "on_time_orders") for name in factors]
    believed = {edge.metric: edge.sign for edge in believed_edges(DELIVERY) if edge.relation == "hypothesis"}
    assert set(believed) == set(TREE) - set(factors)
    assert {name for name, sign in believed.items() if sign < 0} == {"picker_minutes", "driver_minutes"}
