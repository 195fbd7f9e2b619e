"""Give each word of a state the mark and the tone it has on paper and screen. Pure.

A mark stands beside the word, so that neither colour nor sight of it is needed: the word says all.
Words come from result.STATES, result_words.py, and the sections' own; an unknown one gets no mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from compliance.renderers.blocks import Tone


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How a state's word is shown."""

    word: str
    sign: str
    """One character that the PDF's text font has; empty: none."""
    tone: Tone | None
    """None: in the colour of the text."""


_SIGNS: Final[tuple[tuple[tuple[str, ...], str, Tone | None], ...]] = (
    (("pass", "no exceptions noted", "in time", "success", "approved", "no exception", "done",
      "registered", "in force", "reviewed", "yes"), "✔", "good"),
    (("fail", "exceptions noted", "late", "failure", "error", "exception", "overdue"),
     "✘", "bad"),
    (("no data", "insufficient evidence", "not available", "expired", "not registered", "no"),
     "○", "warning"),
    (("waived",), "◇", "warning"),
    (("pending", "running", "open"), "△", "warning"),
    (("not occurred", "no occurrence", "operated outside", "seen only", "ended", "closed",
      "not applicable"), "□", None),
)  # fmt: skip


def mark_of(state: str) -> Mark:
    """Return how a state, or a result in words that begins with one, is shown."""
    word = state.replace("_", " ").strip()
    low = word.lower()
    best: tuple[int, str, Tone | None] = (0, "", None)
    for beginnings, sign, tone in _SIGNS:
        for each in beginnings:
            if len(each) > best[0] and _begins(low, each):
                best = (len(each), sign, tone)
    return Mark(word=word, sign=best[1], tone=best[2])


def _begins(text: str, word: str) -> bool:
    """Tell whether text begins with a whole word: `no data`, never `northern` with `no`."""
    return text.startswith(word) and not text[len(word) : len(word) + 1].isalnum()
