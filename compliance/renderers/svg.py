"""Draw the few shapes that charts are made of, as SVG. Pure; no library.

The same drawing stands in the PDF and in the HTML, so it keeps to what both set alike: paths and
text with attributes, no style sheet, no pattern, no id that could meet another drawing's, no
script. Each paint is an attribute for print and a class for screens that are dark (report.css).

What tells states apart is a shape and a step of lightness, colour comes third: in grey print a
failure is nearly black, a pass light, a waived one hatched, an open one a ring.

Lengths are in units of the drawing, which is WIDTH wide; numbers have one decimal at most, so that
every machine writes the same. Words go through audit.letters: a letter that the PDF's fonts lack
stands as its code point, in both forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from audit.letters import printed

WIDTH: Final = 680
"""Of every chart; at the width of a portrait page a unit is 0.69 pt."""
SMALL: Final = 10.5
TEXT: Final = 11.5

Paint: TypeAlias = Literal[
    "ink", "quiet", "line", "ground", "accent", "pale", "pass", "fail", "wait", "none"
]
Anchor: TypeAlias = Literal["start", "middle", "end"]

COLOURS: Final[dict[Paint, str]] = {
    "ink": "#0f172a",
    "quiet": "#475569",
    "line": "#cbd5e1",
    "ground": "#ffffff",
    "accent": "#0f766e",
    "pale": "#9ccbc4",
    "pass": "#c9e4df",
    "fail": "#8f1414",
    "wait": "#9a5b00",
    "none": "none",
}


def num(value: float) -> str:
    """Return a length with one decimal, and none where it is 0: 12, 12.5."""
    tenths = int(value * 10 + (0.5 if value >= 0 else -0.5))
    whole, tenth = divmod(abs(tenths), 10)
    sign = "-" if tenths < 0 else ""
    return f"{sign}{whole}.{tenth}" if tenth else f"{sign}{whole}"


def box(x: float, y: float, width: float, height: float) -> str:
    """Return the piece of a path that is a rectangle; pieces are joined and drawn at once."""
    return f"M{num(x)} {num(y)}h{num(width)}v{num(height)}h{num(-width)}z"


def stroke(points: Sequence[tuple[float, float]]) -> str:
    """Return the piece of a path that goes from point to point."""
    return "M" + "L".join(f"{num(x)} {num(y)}" for x, y in points)


def hatch(x: float, y: float, width: float, height: float, *, step: float = 4) -> str:
    """Return slanted lines that fill a rectangle, each cut at its edges."""
    pieces = []
    along = step
    while along < width + height:
        start = (x + along, y) if along <= width else (x + width, y + along - width)
        end = (x, y + along) if along <= height else (x + along - height, y + height)
        pieces.append(stroke([start, end]))
        along += step
    return "".join(pieces)


def cross(x: float, y: float, radius: float) -> str:
    """Return the piece of a path that is a diagonal cross around a point."""
    return stroke([(x - radius, y - radius), (x + radius, y + radius)]) + stroke(
        [(x - radius, y + radius), (x + radius, y - radius)]
    )


def ring(x: float, y: float, radius: float) -> str:
    """Return the piece of a path that is a circle around a point."""
    r, twice = num(radius), num(2 * radius)
    back = num(-2 * radius)
    return f"M{num(x - radius)} {num(y)}a{r} {r} 0 1 0 {twice} 0a{r} {r} 0 1 0 {back} 0z"


def path(
    pieces: Iterable[str],
    *,
    fill: Paint = "none",
    line: Paint = "none",
    width: float = 1,
    dashes: str = "",
) -> str:
    """Return one path of many pieces, or nothing when there are none."""
    drawn = "".join(pieces)
    if not drawn:
        return ""
    told = f'class="f-{fill} s-{line}" fill="{COLOURS[fill]}"'
    if line != "none":
        told += f' stroke="{COLOURS[line]}" stroke-width="{num(width)}" stroke-linejoin="round"'
    if dashes:
        told += f' stroke-dasharray="{dashes}"'
    return f'<path {told} d="{drawn}"/>'


def words(
    x: float,
    y: float,
    text: str,
    *,
    fill: Paint = "ink",
    size: float = TEXT,
    anchor: Anchor = "start",
    is_bold: bool = False,
) -> str:
    """Return one line of text; `y` is where its letters stand."""
    told = f'x="{num(x)}" y="{num(y)}" class="f-{fill}" fill="{COLOURS[fill]}"'
    told += f' font-size="{num(size)}"'
    if anchor != "start":
        told += f' text-anchor="{anchor}"'
    if is_bold:
        told += ' font-weight="bold"'
    return f"<text {told}>{escape(printed(text))}</text>"


def short(text: str, room: float, *, size: float = TEXT) -> str:
    """Return text that fits into `room`, its middle left out where it is too long."""
    shown = printed(text)
    most = max(int(room / (size * 0.46)), 5)
    if len(shown) <= most:
        return shown
    head = (most - 1) * 2 // 3
    return f"{shown[:head]}…{shown[head + 1 - most :]}"


def drawing(parts: Iterable[str], *, height: float, told: str) -> str:
    """Return a whole drawing; `told` is read out to whoever does not see it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {num(height)}" '
        f'width="{WIDTH}" height="{num(height)}" role="img" aria-label={quoteattr(printed(told))} '
        'font-family="Libertinus Serif">'
    )
    return head + "".join(parts) + "</svg>"
