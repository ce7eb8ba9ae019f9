"""A small home in which a run has everything to do: two use cases, a rename with a dual run, late and changed files.

What belongs here: its playbook, what has landed at first, what comes later. What does not: running it (`conftest.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from landing_zone import SHOP, Row, Zone, event

WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(12)]
DUAL = range(4, 6)  # weeks in which orders come under both names
FEW = 7  # a week with so few events that a gate withholds it
BOTH = SHOP.replace("until: 2026-02-16", f"until: {WEEKS[DUAL[-1] + 1]}").replace(
    "since: 2026-02-02", f"since: {WEEKS[DUAL[0]]}"
) + "outcomes: [orders]\n"  # fmt: skip
DESK = """
use_case: desk
title: Help desk
owner: {name: Desk group}
events: {ticket_closed: {sources: [{name: ticket.closed}]}}
metrics:
  closed: {count: ticket_closed}
  closing: {title: Accounts with a closed ticket, count_distinct: account, of: ticket_closed}
  closed_in_four_weeks: {count: ticket_closed, window: 4 weeks}
north_star: {metric: closing}
inputs: [{metric: closed, dimension: depth}]
counter_metrics: [{metric: closed_in_four_weeks, protects: closing, risk: hurry}]
"""
SETTINGS = "company: Test\nas_of: 2026-05-20\n"


def rows_of(number: int, accounts: int = 10) -> list[Row]:
    """A week's delivery: an order, a page view and a closed ticket per account."""
    found = []
    for place in range(accounts):
        day, account = f"{WEEKS[number] + timedelta(days=place % 3)}T10:00:00Z", f"a{place}"
        order = f"{number}-{place}"
        if number < DUAL.stop:
            old: Row = {"cents": 100 * place, "number": order}
            found.append(event(f"old-{order}", day, account, event_name="order_done", properties=old))
        if number >= DUAL.start:
            new: Row = {"amount": place, "order": order}
            found.append(event(f"new-{order}", day, account, event_name="order.placed", properties=new))
        found.append(event(f"p-{order}", day, account, event_name="page_viewed", properties={}))
        found.append(event(f"t-{order}", day, account, event_name="ticket.closed", properties={}))
    return found


def put_first(root: Path) -> Zone:
    """The playbook, a snapshot, ten weeks."""
    zone = Zone(root, BOTH, SETTINGS)
    zone.playbook  # noqa: B018 (writes it)
    (zone.home.playbook / "desk.yaml").write_text(DESK)
    zone.put_accounts("2026-03-01", [{"account_id": f"a{n}", "plan": ("free", "pro")[n % 2]} for n in range(10)])
    for number in range(10):
        zone.put(f"week-{number:02}.jsonl", rows_of(number, 2 if number == FEW else 10))
    return zone


def put_later(zone: Zone) -> None:
    """The next weeks, late rows of a final and of a settling week, a file in other words, a file twice, a snapshot."""
    for number in (10, 11):
        zone.put(f"week-{number:02}.csv.gz", rows_of(number))
    for number in (3, 9):
        late = {"account_id": "a1", "received_at": "2026-05-19T00:00:00Z"}
        zone.put(f"late-{number:02}.jsonl", [{**row, "event_id": f"late-{row['event_id']}", **late}
                                             for row in rows_of(number, 3)])  # fmt: skip
    zone.put("week-05.jsonl", rows_of(5, 9))
    zone.put("copy/week-06.jsonl", rows_of(6))
    zone.put_accounts("2026-05-04", [{"account_id": f"a{n}", "plan": "pro"} for n in range(10)])
