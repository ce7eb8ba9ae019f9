"""Numbers beside each other, changes, dates and lists as words: one spelling on every page of the dashboard.

What belongs here: spelling. What does not: a number on its own (`number_words`), which numbers are told (`monday`,
`headline`), how they are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from nsm_pipeline.reporting import number_words
from nsm_pipeline.reporting.number_words import MINUS, SPACE

DASH = "–"
SHARE = "share"
NO_VALUE = "no value"


def number(value: float | None, unit: str = "", like: float | None = None) -> str:
    """A value without its unit, except that a share carries its per cent: 1,284; 3.78; 12.3 %. Beside another one
    (`like`) it has as many decimals: nobody aims at 478.8 teams, and a limit of 3.20 stands beside 3.38."""
    if value is None:
        return NO_VALUE
    if like is None or (not (decimals := _decimals(number_words.number(like, unit))) and abs(value) < 10):
        return number_words.number(value, unit)
    times, sign = (100, f"{SPACE}%") if unit == SHARE else (1, "")
    return f"{times * value:,.{decimals}f}{sign}".replace("-", MINUS)


def with_unit(value: float | None, unit: str, like: float | None = None) -> str:
    """A value and its unit: 1,284 accounts; 18.9 h; 12.3 %."""
    told = number(value, unit, like)
    return told if value is None or unit in ("", SHARE) else f"{told}{SPACE}{unit}"


def signed(value: float, unit: str = "", like: float | None = None) -> str:
    """A difference with its sign; of shares in percentage points: +31; −13; +0.4 pts. `like`: as for `number`."""
    if unit == SHARE:
        return f"{_sign(value)}{number_words.number(abs(100 * value))}{SPACE}pts"
    return f"{_sign(value)}{number(abs(value), unit, like)}"


def relative(value: float | None) -> str:
    """A relative change: +3.1 %."""
    return NO_VALUE if value is None else number_words.percent(value, signed=True)


def share(value: float | None) -> str:
    """A part of a whole: 97 %, 99.6 %, 120 %; with a digit more where whole per cents would say 100 %."""
    if value is None:
        return NO_VALUE
    told = f"{100 * value:,.0f}"
    return f"{100 * value:,.1f}{SPACE}%" if told == "100" and value != 1 else f"{told}{SPACE}%"


def day(when: date) -> str:
    """15 June 2026."""
    return f"{when.day} {when:%B} {when.year}"


def short_day(when: date) -> str:
    """15 Jun."""
    return f"{when.day} {when:%b}"


def week_span(week: date) -> str:
    """The days of a week: 15 – 21 June 2026."""
    last = week + timedelta(days=6)
    if week.year != last.year:
        return f"{day(week)} {DASH} {day(last)}"
    first = f"{week.day}" if week.month == last.month else f"{week.day} {week:%B}"
    return f"{first} {DASH} {day(last)}"


def listed(words: Sequence[str], most: int = 4) -> str:
    """a; a and b; a, b and c; a, b and 3 more."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else ""


def counted(count: int, one: str, many: str | None = None) -> str:
    """1 week; 3 weeks."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """With a capital at the beginning and a full stop at the end."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1:] in '.!?' else '.'}" if text else ""


def _sign(value: float) -> str:
    return "+" if value > 0 else MINUS if value < 0 else "±"


def _decimals(told: str) -> int:
    return len(told.partition(".")[2].removesuffix("%").rstrip())
