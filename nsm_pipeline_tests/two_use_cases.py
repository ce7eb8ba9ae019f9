"""A home with two use cases that has a file of every kind, and costs little to verify and to run."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from homes import here
from landing_zone import SHOP, Zone, event

WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(7)]
WITHHELD, SETTLING = 3, WEEKS[5]
SETTINGS = "company: Test\nas_of: 2026-04-15\npublication: {small_groups: 0}\n"
WIDE = "tolerances: {quarantined: 50%, duplicate: 50%, unmapped: 50%}\n"
COUNTER = """  orders_each: {ratio: {numerator: orders, denominator: ordering_accounts}}
counter_metrics: [{metric: orders_each, protects: ordering_accounts, risk: a few order it all}]
north_star:"""
HELP = """
use_case: help
title: Help
owner: {name: Help group}
events: {ticket_closed: {sources: [{name: ticket.closed}]}}
slices: [plan]
metrics:
  helped_accounts: {count_distinct: account, of: ticket_closed}
  tickets: {count: ticket_closed}
  tickets_each: {ratio: {numerator: tickets, denominator: helped_accounts}}
north_star: {metric: helped_accounts}
inputs: [{metric: tickets, dimension: depth}]
counter_metrics: [{metric: tickets_each, protects: helped_accounts, risk: the same ticket again}]
gates: [{table: north_star, metric: helped_accounts, expect_column_values_to_be_between: {column: value, min_value: 5}}]
"""


def week_of(number: int) -> list[dict[str, object]]:
    """Rows of a week: orders and tickets of eight accounts, names that nobody mapped, and a row that is no event."""
    week = WEEKS[number]
    rows = []
    for account in range(8):
        day = f"{week + timedelta(days=account % 5)}T10:00:00Z"
        rows.append(event(f"{number}-order-{account}", day, f"a{account}"))
        if number != WITHHELD or account < 3:
            rows.append(event(f"{number}-ticket-{account}", day, f"a{account}", event_name="ticket.closed"))
    rows.append(event(f"{number}-other", f"{week}T11:00:00Z", event_name="nobody.knows"))
    rows.append(event(f"{number}-broken", "never"))
    return rows


def two_use_cases(root: Path) -> None:
    """The home after one `nsm run`: seven weeks, the last in progress, one withheld in one use case."""
    zone = Zone(root, WIDE + SHOP.replace("north_star:", COUNTER), SETTINGS)
    assert zone.playbook
    (zone.home.playbook / "help.yaml").write_text(WIDE + HELP)
    for number, week in enumerate(WEEKS):
        zone.put_accounts(str(week), [{"account_id": f"a{one}", "plan": ("free", "pro")[one % 2]} for one in range(8)])
        zone.put(f"week-{number}.jsonl", week_of(number))
        zone.put(f"again-{number}.jsonl", week_of(number)[:4])
    said = here("run", "--home", root)
    assert said.code == 3, said
