"""What lands in the course of the year: two senders' weekly files, and whatever comes late, again or not at all.

What belongs here: rows, by arithmetic, and the files that a Monday brings. What does not: what they come to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from landing_zone import Row
from year_rules import CREATED, PLANS, WEEK, Sent

FIRST = date(2025, 6, 2)
NAMES = {"shop": "order_done", "desk": "ticket.solved"}
EXPORT = time(6)
"""A weekly export is made at six on Monday: what happens before that is in the same file as the week before."""


def monday(number: int) -> date:
    """First day of the year's week of a number."""
    return FIRST + number * WEEK


RENAMED, ALONE = monday(39), monday(41)
"""The shop sends its event under a new name from the first day on, and under the old one until the second."""


def accounts() -> list[Row]:
    """The account snapshot."""
    found = []
    for plan, numbers in PLANS.items():
        for number in numbers:
            created = CREATED.get(number, date(2024, 3, 1))
            found.append({"account_id": f"c{number}", "plan": plan, "created_on": str(created) if created else None})
    return sorted(found, key=lambda row: str(row["account_id"]))


def week_of(sender: str, number: int) -> list[Sent]:
    """All orders of a week as they happen. Accounts come, go and return; every third week has orders of nothing, which
    are tests that somebody forgot to leave out."""
    found = []
    shift = 0 if sender == "shop" else 4
    for account in range(12):
        joined = {11: 33, 10: 20}.get(account, 0)
        if number < joined or (account * 7 + (number + shift) * 3) % 11 == 0:
            continue
        for place in range(1 + (account + number + shift) % 4):
            is_test = place == 0 and number % 3 == 0 and account in ((3,) if number % 2 else (3, 5, 7))
            day = monday(number) + timedelta(days=(account + 2 * place + number) % 7)
            at = datetime.combine(day, time(3 + 5 * place, account))
            amount = 0 if is_test else 1 + (3 * account + 5 * place + number) % 9
            fact = f"{sender}-{number}-{account}-{place}"
            found.append(Sent(fact, NAMES[sender], at, f"c{account}", fact, amount, at))
    return found


def export(sender: str, number: int) -> list[Sent]:
    """What the export of a Monday holds: the week before, and the first hours of the new one."""
    end = datetime.combine(monday(number), EXPORT)
    start = end - WEEK if number else datetime.min
    rows = [*(week_of(sender, number - 1) if number else ()), *week_of(sender, number)]
    return sorted((row for row in rows if start <= row.at < end), key=lambda row: (row.at, row.id))


def late(sender: str, number: int, received: int, *orders: tuple[str, int], name: str = "") -> list[Sent]:
    """Orders (account, amount) of a week that become known only on the Monday of a later one."""
    at = datetime.combine(monday(number) + timedelta(days=3), time(12))
    told = datetime.combine(monday(received), time(4))
    return [
        Sent(fact, name or NAMES[sender], at, account, fact, amount, told)
        for place, (account, amount) in enumerate(orders)
        for fact in [f"late-{sender}-{number}-{received}-{place}"]
    ]


def under_both_names(rows: Sequence[Sent], new: str, since: date, until: date) -> Iterator[Sent]:
    """Rows of a sender that changes its event's name: both from `since` on, the new one alone from `until` on. The new
    one loses an order now and then while it is young, and the old one does not know those of account c1."""
    for place, row in enumerate(rows):
        copy = replace(row, id=f"{row.id}-new", name=new)
        if row.at.date() < since:
            yield row
        elif row.at.date() >= until:
            yield copy
        else:
            if row.account != "c1":
                yield row
            if place % 7 or row.account == "c1":
                yield copy


def delivered(rows: Iterable[Sent]) -> list[Row]:
    """Rows as a landing file has them."""
    return [
        {
            "event_id": row.id,
            "event_name": row.name,
            "occurred_at": f"{row.at.isoformat()}Z",
            "received_at": f"{row.received.isoformat()}Z",
            "account_id": row.account,
            "properties": {"amount": row.amount, "order": row.fact},
        }
        for row in rows
    ]


def sent_by(sender: str, number: int) -> list[Sent]:
    """An export as its sender makes it: the shop changes the name of its event."""
    rows = export(sender, number)
    return list(under_both_names(rows, "order.placed", RENAMED, ALONE)) if sender == "shop" else rows
