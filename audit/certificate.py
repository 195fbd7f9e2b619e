"""Write the certificate of an erasure: the same content as plain text and as a PDF. Pure.

One set of facts gives the same bytes for ever: no clock, no fonts of the machine, nothing looked
up. The text is UTF-8 in 78 columns. The PDF is A4, tagged, PDF/A-2a and PDF/UA-1, set by
certificate.typ with fonts that the typesetter carries; what people typed reaches it as data alone.

The certificate names the subject by its key id, never by its own id. A character that shows
nothing, or turns the reading direction, stands as its code point (`U+202E`), so that no one can
make it read as something else; the PDF writes so each letter that its fonts lack as well. Those
rules: letters.py.

Who gathers the facts: erase.py.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import typst

from audit.letters import composed, plain, printed

COLUMNS: Final = 78
"""The width of the text; wide characters count twice."""

_TEMPLATE: Final = Path(__file__).with_suffix(".typ")
_INDENT: Final = "  "
_NAMES: Final = 20  # columns of the names of facts
_WIDE: Final = frozenset({"W", "F"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureFacts:
    """What a certificate says; times have a zone, hashes are in hex."""

    ledger: str
    """The ledger's name."""
    origin: str
    case_id: str
    """The data subject's request in the operator's own files."""
    erasure_id: int
    key_id: UUID
    """The destroyed data key; what names the subject here."""
    asked_by: str
    confirmed_by: str
    asked_at: datetime
    erased_at: datetime
    reason: str
    entries: int
    """Entries that are about the subject."""
    personal_entries: int
    """Those of them with encrypted personal data."""
    clear_entries: int
    """Entries in which the id as it was typed still stands in clear."""
    clear_seqs: Sequence[int]
    """The first of them, ascending."""
    first_seq: int | None
    """The first entry about the subject; None when there is none."""
    last_seq: int | None
    completed_seq: int | None
    """Where `dsr.completed` stands; None until it is chained."""
    head_size: int
    """Entries of the ledger when the certificate's facts were taken: `dsr.completed` and before."""
    head_hash: str
    """The hash of the last of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One named value."""

    name: str
    value: str
    exact: bool = False
    """Whether it is copied and compared, as a hash is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the certificate: facts, then sentences, then lines for a shell."""

    title: str
    facts: Sequence[Fact] = ()
    paragraphs: Sequence[str] = ()
    commands: Sequence[str] = field(default=())


TITLE: Final = "Certificate of erasure"


def certificate_text(facts: ErasureFacts) -> str:
    """Return the certificate as plain text of at most 78 columns, with a line end at its end."""
    lines = [TITLE.upper(), "=" * len(TITLE), *_wrapped(_subtitle(facts), first=""), ""]
    lines += _wrapped(plain(_opening(facts)), first="")
    for section in _sections(facts):
        lines += ["", section.title.upper(), "-" * len(section.title)]
        for each in section.facts:
            lines += _wrapped(plain(each.value), first=f"{_INDENT}{each.name:<{_NAMES}}")
        for index, paragraph in enumerate(section.paragraphs):
            lines += [""] if index or section.facts else []
            lines += _wrapped(plain(paragraph), first="")
        lines += ["", *(f"{_INDENT}{each}" for each in section.commands)] * bool(section.commands)
    return "\n".join(lines) + "\n"


def certificate_pdf(facts: ErasureFacts) -> bytes:
    """Return the certificate as a PDF: PDF/A-2a, PDF/UA-1, A4; the same bytes for the same facts.

    Its time of making is `erased_at`. Takes some hundredths of a second.
    """
    return typst.compile(
        _TEMPLATE,
        sys_inputs={"certificate": json.dumps(_for_print(facts))},
        root=_TEMPLATE.parent,
        ignore_system_fonts=True,
        pdf_standards=["a-2a", "ua-1"],
        timestamp=int(facts.erased_at.timestamp()),
    )


def _for_print(facts: ErasureFacts) -> dict[str, Any]:
    """Return what certificate.typ reads."""
    sections = _sections(facts)
    if any(printed(text) != composed(text) for each in sections for text in _texts_of(each)):
        sections.append(_about_letters())
    return {
        "title": TITLE,
        "subtitle": printed(_subtitle(facts)),
        "issuer": printed(facts.origin),
        "running": printed(f"{facts.ledger} · erasure {facts.erasure_id:,} · {facts.key_id}"),
        "opening": printed(_opening(facts)),
        "sections": [
            {
                "title": each.title,
                "facts": [
                    {"name": one.name, "value": printed(one.value), "exact": one.exact}
                    for one in each.facts
                ],
                "paragraphs": [printed(one) for one in each.paragraphs],
                "commands": each.commands,
            }
            for each in sections
        ],
    }


def _texts_of(section: Section) -> Iterator[str]:
    yield from (each.value for each in section.facts)
    yield from section.paragraphs


def _about_letters() -> Section:
    return Section(
        title="About the letters",
        paragraphs=[
            "Letters that the fonts of this file lack stand as their code points, such as U+65E5. "
            "The certificate as plain text has the letters themselves."
        ],
    )


# --- What it says ---------------------------------------------------------------------------------


def _subtitle(facts: ErasureFacts) -> str:
    return f"Ledger {facts.ledger}, erasure {facts.erasure_id:,}, {_day(facts.erased_at)}"


def _opening(facts: ErasureFacts) -> str:
    return (
        f"At {_time(facts.erased_at)} the data key of one data subject of the ledger "
        f"{facts.ledger} was destroyed for good, so that what the ledger holds encrypted about "
        "this person can be read by nobody any more."
    )


def _sections(facts: ErasureFacts) -> list[Section]:
    """Return the certificate's parts in order, as they were said: nothing made plain yet."""
    return [
        _what_was_erased(facts),
        _what_is_unreadable(facts),
        _what_stands_in_clear(facts),
        _what_remains(),
        _where_the_proof_is(facts),
        _how_to_check(facts),
    ]


def _what_was_erased(facts: ErasureFacts) -> Section:
    return Section(
        title="What was erased",
        facts=[
            Fact(name="Ledger", value=facts.ledger),
            Fact(name="Origin", value=facts.origin),
            Fact(name="Data key", value=str(facts.key_id), exact=True),
            Fact(name="Case", value=facts.case_id),
            Fact(name="Asked for by", value=facts.asked_by),
            Fact(name="Asked at", value=_time(facts.asked_at)),
            Fact(name="Confirmed by", value=facts.confirmed_by),
            Fact(name="Erased at", value=_time(facts.erased_at)),
            Fact(name="Reason", value=facts.reason),
        ],
        paragraphs=[
            "The key stood in the database only encrypted, beside a value by which it was found "
            "from the person's id. Both were blanked, and the key's number was written to the list "
            "of destroyed keys outside the database: a backup that is restored later has the key "
            "destroyed again before the platform starts."
        ],
    )


def _what_is_unreadable(facts: ErasureFacts) -> Section:
    title = "What became unreadable"
    if not facts.entries:
        return Section(
            title=title,
            facts=[Fact(name="Entries", value="0")],
            paragraphs=[
                "No entry was about the person. The key is destroyed all the same; an event that "
                "comes later begins a new one."
            ],
        )
    return Section(
        title=title,
        facts=[
            Fact(name="Entries", value=f"{facts.entries:,}, {_range(facts)}"),
            Fact(name="With personal data", value=f"{facts.personal_entries:,}"),
        ],
        paragraphs=[
            "These entries name the person by a pseudonym that only the destroyed key could "
            f"compute: nobody can tell from it any more whom they are about. {_personal(facts)}"
        ],
    )


def _personal(facts: ErasureFacts) -> str:
    if not facts.personal_entries:
        return "None of them held encrypted personal data."
    held = "holds" if facts.personal_entries == 1 else "hold"
    return (
        f"{facts.personal_entries:,} of them {held} personal data encrypted under that key "
        "(AES-256-GCM); the ciphertext stays and can be decrypted by nobody."
    )


def _range(facts: ErasureFacts) -> str:
    if facts.first_seq is None or facts.last_seq is None:
        return "no longer kept"
    if facts.first_seq == facts.last_seq:
        return f"#{facts.first_seq:,}"
    return f"from #{facts.first_seq:,} to #{facts.last_seq:,}"


def _what_stands_in_clear(facts: ErasureFacts) -> Section:
    title = "What still stands in clear"
    if not facts.clear_entries:
        return Section(
            title=title,
            facts=[Fact(name="Entries", value="0")],
            paragraphs=[
                "The id that was typed for this erasure was looked for in every entry that is "
                "kept, and stands in clear in none."
            ],
        )
    named = ", ".join(f"#{seq:,}" for seq in facts.clear_seqs)
    is_all = len(facts.clear_seqs) == facts.clear_entries
    return Section(
        title=title,
        facts=[
            Fact(name="Entries", value=f"{facts.clear_entries:,}"),
            Fact(name="They are" if is_all else "The first are", value=named),
        ],
        paragraphs=[
            "In these entries the id that was typed still stands in clear: whoever sent them wrote "
            "it into a field without naming it in data.subject_ids. No entry can be changed, so "
            "this erasure does not reach them.",
            "What to do: read them; note in the case why they are kept until their time is over, "
            "or that the id tells nothing there; have the sender name data subjects in "
            "data.subject_ids; and let retention prune the entries when it may.",
        ],
    )


def _what_remains() -> Section:
    return Section(
        title="What remains",
        paragraphs=[
            "Every entry keeps its place, its bytes and its hash, so the chain, the tree and all "
            "earlier checkpoints and proofs hold as before. Nothing erased can be read back from "
            "them.",
            "Backups made before the erasure still hold the encrypted key until they are "
            "destroyed; the operator keeps those of the key table for at most 30 days.",
        ],
    )


def _where_the_proof_is(facts: ErasureFacts) -> Section:
    if facts.completed_seq is None:
        completed = "received, not chained yet when this was written"
    else:
        completed = f"#{facts.completed_seq:,}"
    return Section(
        title="Where the proof is",
        facts=[
            Fact(name="Entry dsr.completed", value=completed),
            Fact(name="Size of the ledger", value=f"{facts.head_size:,}"),
            Fact(name="Hash of its head", value=facts.head_hash, exact=True),
        ],
        paragraphs=[
            "The entry names the case and the data key. The hash is that of the last entry at that "
            "size: whoever holds this certificate can tell whether history was rewritten since."
        ],
    )


def _how_to_check(facts: ErasureFacts) -> Section:
    commands = [f"LEDGER={facts.ledger}"]
    if facts.head_size:
        commands += [
            'curl -s -H "Authorization: Bearer $KEY" \\',
            f'  "$URL/api/v1/entries/$LEDGER/{facts.head_size - 1}"',
        ]
    if (seq := facts.completed_seq) is not None:
        commands += [
            'curl -sOJ -H "Authorization: Bearer $KEY" \\',
            f'  "$URL/api/v1/entries/$LEDGER/{seq}/proof"',
            f"python3 verify.py proof $LEDGER-{seq}.tlog-proof \\",
            '  --record record.json --key "$VKEY"',
        ]
    commands.append("manage.py verifychain --ledger $LEDGER")
    return Section(
        title="How to check",
        paragraphs=[_what_the_lines_do(facts)],
        commands=commands,
    )


def _what_the_lines_do(facts: ErasureFacts) -> str:
    told = "URL is the platform's address and KEY an API key of the ledger that may read entries. "
    if facts.head_size:
        told += "The first answer must hold the hash above. "
    if facts.completed_seq is not None:
        told += (
            "The next lines prove the entry dsr.completed against a signed checkpoint: record.json "
            "is its record, from its page in the desk; VKEY the ledger's public key, taken from "
            "elsewhere than this platform; verify.py is at URL/verify.py. "
        )
    return told + "The last line derives the whole chain again, on the platform's own machine."


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# --- Lines ----------------------------------------------------------------------------------------


def _wrapped(text: str, *, first: str) -> list[str]:
    """Return text in lines of at most COLUMNS, the first behind `first`, the rest as far in."""
    margin = " " * len(first)
    lines, line, used = [], first, len(first)
    for word in text.split():
        for piece in _pieces(word, COLUMNS - len(first)):
            gap = 1 if used > len(margin) else 0
            if used + gap + _width(piece) > COLUMNS:
                lines.append(line)
                line, used, gap = margin, len(margin), 0
            line += " " * gap + piece
            used += gap + _width(piece)
    return [*lines, line.rstrip()]


def _pieces(word: str, room: int) -> Iterator[str]:
    """Yield a word in parts that fit into a line."""
    piece, used = "", 0
    for char in word:
        if used + _width(char) > room:
            yield piece
            piece, used = "", 0
        piece += char
        used += _width(char)
    yield piece


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in _WIDE else 1 for char in text)
