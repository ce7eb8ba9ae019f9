"""How wide a text is, and how it is cut to a width, without asking any font.

What belongs here: estimates that hold for the usual sans-serif fonts. What does not: what is drawn (`tree_drawing`).

Widths are those of Helvetica and its metric twins Arial and Liberation Sans, in thousandths of the font's size, by
groups of like letters, rounded up: a text is rather cut too early than drawn over its neighbour.
"""

from __future__ import annotations

import unicodedata

GROUPS = {
    230: "ijl'|",
    290: ' .,:;!/\\fItr()[]"·-',
    510: "ckvxyzsJ",
    560: "abdeghnopqu0123456789Lª_–?$#",
    680: "ABEFKPSVXYTZ*+<>=~×÷−",
    780: "wCDGHNOQRU&%",
    950: "mMW@—…",
}
WIDTHS = {letter: width for width, letters in GROUPS.items() for letter in letters}
OTHER, IDEOGRAPH, BOLD = 700, 1_000, 1.07
ELLIPSIS = "…"


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Width of a text in the unit of the font's size, rather too much than too little."""
    total = sum(_letter(letter) for letter in text) * size / 1_000
    return total * BOLD if bold else total


def _letter(letter: str) -> int:
    if letter in WIDTHS:
        return WIDTHS[letter]
    if unicodedata.combining(letter):
        return 0
    plain = unicodedata.normalize("NFD", letter)[0]
    if plain in WIDTHS:
        return WIDTHS[plain]
    return IDEOGRAPH if unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0xFFFF else OTHER


def cut(text: str, width: float, size: float, bold: bool = False) -> str:
    """A text on one line; where it is too wide, as much of it as fits before an ellipsis."""
    if width_of(text, size, bold) <= width:
        return text
    while text and width_of(text.rstrip() + ELLIPSIS, size, bold) > width:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS


def wrapped(text: str, width: float, size: float, lines: int, bold: bool = False) -> list[str]:
    """A text on at most so many lines, broken between words; what does not fit ends in an ellipsis."""
    found: list[str] = []
    words = text.split()
    while words and len(found) < lines - 1:
        line = words.pop(0)
        while words and width_of(f"{line} {words[0]}", size, bold) <= width:
            line = f"{line} {words.pop(0)}"
        if width_of(line, size, bold) > width:
            kept = cut(line, width, size, bold).removesuffix(ELLIPSIS) or line[0]
            words.insert(0, line[len(kept) :])
            line = kept
        found.append(line)
    return [*found, cut(" ".join(words), width, size, bold)] if words else found or [""]
