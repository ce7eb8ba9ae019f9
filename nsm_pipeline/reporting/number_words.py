"""Numbers as people read them: thousands apart, shares as percentages, no digits that say nothing.

What belongs here: one value and its unit as text. What does not: sentences.
"""

from __future__ import annotations

import math

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
NONE = "–"


def number(value: float | None, unit: str = "") -> str:
    """A value without its unit, but a share as a percentage: '1,284', '3.78', '94.3 %', '–' where there is none."""
    if value is None:
        return NONE
    if unit == "share":
        return f"{_digits(value * 100, 1)}{SPACE}%"
    return _digits(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)


def with_unit(value: float | None, unit: str) -> str:
    """A value with its unit: '1,284 teams', '94.3 %', '–' where there is none."""
    if value is None or unit in ("", "share"):
        return number(value, unit)
    return f"{number(value, unit)} {unit}"


def percent(share: float | None, signed: bool = False) -> str:
    """A share as a percentage: '3.1 %', signed '+3.1 %'."""
    if share is None:
        return NONE
    sign = "+" if signed and share > 0 else ""
    return f"{sign}{_digits(share * 100, 1)}{SPACE}%"


def _digits(value: float, digits: int) -> str:
    """With so many decimals, or as many as show the first two digits of a small value; none where they are zeros."""
    if 0 < abs(value) < 0.1 and digits:
        digits = 1 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", MINUS)
