"""Make text safe to print: what shows nothing, and letters that a font lacks, as code points. Pure.

`plain` is for any screen and file: a character that shows nothing, or turns the reading direction,
stands as `U+202E`, so that no one can make a text read as something else. `printed` is for PDFs:
besides, each letter that the typesetter's fonts lack stands so.

Who uses it: certificate.py, and the renderers of reports in compliance/renderers/.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters that the PDF's two fonts have in every weight and slope, all read from left to right.
# Arabic and others are left out for more than looks: some make the typesetter stop altogether.
PRINTED: Final = (
    range(0x20, 0x7F),
    range(0xA1, 0xAD),
    range(0xAE, 0x1C4),
    range(0x1CD, 0x1E4),
    range(0x1E6, 0x1F1),
    range(0x1F4, 0x1F7),
    range(0x1F8, 0x222),
    range(0x224, 0x240),
    range(0x384, 0x3CF),
    range(0x400, 0x460),
    range(0x490, 0x49C),
    range(0x4AA, 0x4B4),
    range(0x4BA, 0x4BC),
    range(0x4C0, 0x4C5),
    range(0x1E00, 0x1E9A),
    range(0x1EA0, 0x1EFA),
    range(0x2010, 0x2024),
    range(0x2026, 0x2027),
    range(0x2030, 0x2038),
    range(0x20AC, 0x20AD),
)
# Signs besides letters, in each weight and slope of both fonts.
SIGNS: Final = "←↑→↓≈≠≤≥●○◆◇■□▲△"

_NOT_PRINTED: Final = re.compile(
    "[^" + "".join(rf"\u{each[0]:04x}-\u{each[-1]:04x}" for each in PRINTED) + SIGNS + "]"
)


def plain(text: str) -> str:
    """Return text on one line in which every character shows and none turns the direction."""
    return _one_line(plain_line(_one_line(text)))


def plain_line(line: str) -> str:
    """Return a line as `plain` does, its spaces kept: for commands and queries."""
    if line.isascii() and line.isprintable():
        return line
    return "".join(_shown(each) for each in line)


def composed(text: str) -> str:
    """Return plain text with letters and their accents as one character where there is one."""
    return unicodedata.normalize("NFC", plain(text))


def printed(text: str) -> str:
    """Return text with none but letters that the PDF's fonts have."""
    return _one_line(_NOT_PRINTED.sub(lambda found: _code_point(found[0]), composed(text)))


def printed_line(line: str) -> str:
    """Return a line as `printed` does, its spaces kept."""
    composed_line = unicodedata.normalize("NFC", plain_line(line))
    return _NOT_PRINTED.sub(lambda found: _code_point(found[0]), composed_line)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(char: str) -> str:
    if char in "\t\n\r":
        return " "
    return _code_point(char) if unicodedata.category(char) in _INVISIBLE else char


def _code_point(char: str) -> str:
    return f" U+{ord(char):04X} "
