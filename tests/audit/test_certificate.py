"""Certificates of erasure: two forms, one content, the same bytes whatever was typed."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.certificate import (
    COLUMNS,
    ErasureFacts,
    certificate_pdf,
    certificate_text,
)
from audit.letters import PRINTED
from tests.audit.pdf_text import pdf_text

FACTS = ErasureFacts(
    ledger="acme.prod",
    origin="ledger.example.com/acme.prod",
    case_id="DSR-2026-17",
    erasure_id=3,
    key_id=UUID("0b52ab16-6a7c-4de4-93de-9d6b2a1f4c55"),
    asked_by="alice",
    confirmed_by="bob",
    asked_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    erased_at=datetime(2026, 11, 21, 10, 5, 7, tzinfo=UTC),
    reason="Asked for on paper on 18 November; identity checked.",
    entries=1412,
    personal_entries=377,
    clear_entries=7,
    clear_seqs=[18, 912, 4444],
    first_seq=17,
    last_seq=912345,
    completed_seq=912400,
    head_size=912401,
    head_hash="5e" * 32,
)
HOSTILE = {
    "code": '#eval("1+1") #read("/etc/passwd") #panic()',
    "brackets": "$ integral $ ] ) } \" ' ` \\ \\u{202e}",
    "markup": "*bold* _quiet_ = heading\n- item /* */ // @label <label> ~ --- https://example.com",
    "direction": "\u202eesrever\u202c \u2066isolate\u2069 \u200b\u200f\ufeff zero",
    "arabic": "שלום مرحبا بالعالم",
    "cjk": "日本語 한국어 中文",
    "emoji": "😀 👩‍👩‍👧 🇨🇿",
    "marks": "e\u0301 a\u0308\u0301\u0327",
    "controls": "\x00\x07\x1b[31mred\x7f\ud800\ue000\uffff",
    "long": "x" * 3000,
    "empty": "",
}


def squeezed(text: str) -> str:
    """Return text without blanks: the two forms break their lines at different places."""
    return "".join(text.split())


# --- What both say --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "acme.prod",
        "ledger.example.com/acme.prod",
        "DSR-2026-17",
        "0b52ab16-6a7c-4de4-93de-9d6b2a1f4c55",
        "alice",
        "bob",
        "2026-11-20 09:30:00 UTC",
        "2026-11-21 10:05:07 UTC",
        "Asked for on paper on 18 November; identity checked.",
        "1,412, from #17 to #912,345",
        "377 of them hold personal data",
        "The first are #18, #912, #4,444",
        "data.subject_ids",
        "Entry dsr.completed #912,400",
        "Size of the ledger 912,401",
        "5e" * 32,
        '"$URL/api/v1/entries/$LEDGER/912400/proof"',
        "manage.py verifychain --ledger $LEDGER",
    ],
)
def test_text_and_pdf_name_every_fact(said: str) -> None:
    assert squeezed(said) in squeezed(certificate_text(FACTS))
    assert squeezed(said) in squeezed(pdf_text(certificate_pdf(FACTS)))


def test_the_pdf_says_every_word_of_the_text() -> None:
    text = certificate_text(FACTS)
    ruled = {line for line in text.splitlines() if set(line) <= {"=", "-"}}
    paragraphs = [line for line in text.splitlines() if line not in ruled]
    in_pdf = squeezed(pdf_text(certificate_pdf(FACTS))).lower()

    missing = [word for line in paragraphs for word in line.split() if word.lower() not in in_pdf]

    assert not missing


def test_an_erasure_without_entries_says_so() -> None:
    nothing = replace(
        FACTS,
        entries=0,
        personal_entries=0,
        clear_entries=0,
        clear_seqs=[],
        first_seq=None,
        last_seq=None,
    )

    text = certificate_text(nothing)

    assert "No entry was about the person." in text
    assert "stands in clear in none" in " ".join(text.split())
    assert squeezed("No entry was about the person.") in squeezed(
        pdf_text(certificate_pdf(nothing))
    )


def test_one_entry_is_told_as_one() -> None:
    one = replace(FACTS, entries=1, personal_entries=1, first_seq=41, last_seq=41)

    text = certificate_text(one)

    assert "Entries             1, #41\n" in text
    assert "1 of them holds personal data" in " ".join(text.split())


def test_all_entries_in_clear_are_told_as_all() -> None:
    text = certificate_text(replace(FACTS, clear_entries=2, clear_seqs=[5, 6]))

    assert "They are            #5, #6\n" in text


def test_a_certificate_printed_before_its_entry_is_chained_claims_no_place() -> None:
    early = replace(FACTS, completed_seq=None)

    text = certificate_text(early)

    assert "not chained yet" in text
    assert "verify.py" not in text
    assert squeezed("not chained yet") in squeezed(pdf_text(certificate_pdf(early)))


def test_times_are_told_in_utc_whatever_zone_they_come_in() -> None:
    prague = timezone(timedelta(hours=1))
    moved = replace(FACTS, asked_at=FACTS.asked_at.astimezone(prague))

    assert certificate_text(FACTS) == certificate_text(moved)


# --- Bytes ----------------------------------------------------------------------------------------


def test_the_same_facts_give_the_same_bytes() -> None:
    assert certificate_text(FACTS) == certificate_text(replace(FACTS))
    assert certificate_pdf(FACTS) == certificate_pdf(replace(FACTS))


def test_no_line_of_the_text_is_wider_than_its_columns() -> None:
    longest = replace(
        FACTS,
        completed_seq=10**12,
        head_size=10**12 + 1,
        ledger="a" * 63,
        origin="b" * 200,
        case_id="c" * 200,
        reason="日本語" * 100,
        clear_seqs=list(range(10**12, 10**12 + 100)),
    )

    for line in certificate_text(longest).splitlines():
        wide = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
        assert wide <= COLUMNS, line


def test_the_pdf_is_tagged_and_says_which_standards_it_keeps() -> None:
    pdf = certificate_pdf(FACTS)

    assert b"/MarkInfo<</Marked true" in pdf
    assert b"/StructTreeRoot" in pdf
    assert b"<pdfaid:part>2</pdfaid:part>" in pdf
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in pdf
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert b"/CreationDate(D:20261121100507Z)" in pdf
    assert b"/MediaBox[0 0 595.2756 841.8898]" in pdf


def test_every_font_of_the_pdf_is_inside_it() -> None:
    pdf = certificate_pdf(FACTS)

    descriptors = pdf.count(b"/Type/FontDescriptor")
    assert descriptors > 0
    assert descriptors == pdf.count(b"/FontFile2 ") + pdf.count(b"/FontFile3 ")


# --- What people type -----------------------------------------------------------------------------


@pytest.mark.parametrize("typed", HOSTILE.values(), ids=HOSTILE)
def test_what_was_typed_is_told_and_never_run(typed: str) -> None:
    facts = replace(FACTS, reason=typed, case_id=typed, asked_by=typed, confirmed_by=typed)

    text, pdf = certificate_text(facts), pdf_text(certificate_pdf(facts))

    visible = {char for char in typed if char.isascii() and char.isprintable()}
    assert visible <= set(pdf)
    if typed.isascii() and typed.isprintable():
        assert squeezed(typed) in squeezed(text)
        assert squeezed(typed) in squeezed(pdf)
    assert squeezed("What remains") in squeezed(pdf), "the certificate goes on behind it"


def test_nothing_typed_turns_the_reading_direction_or_hides() -> None:
    typed = "approved \u202etoN\u202c \u200b\x1b[2K"

    text = certificate_text(replace(FACTS, reason=typed))

    assert "approved U+202E toN U+202C U+200B U+001B [2K" in text
    for char in text:
        assert char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def test_letters_that_the_fonts_lack_stand_as_code_points_in_the_pdf_alone() -> None:
    facts = replace(FACTS, reason="依頼 by Åsa Dvořák, Ελένη, Олег")

    text, pdf = certificate_text(facts), squeezed(pdf_text(certificate_pdf(facts)))

    assert "依頼 by Åsa Dvořák, Ελένη, Олег" in text
    assert "U+4F9DU+983CbyÅsaDvořák,Ελένη,Олег" in pdf
    assert squeezed("About the letters") in pdf


def test_a_certificate_with_plain_letters_does_not_explain_code_points() -> None:
    assert squeezed("About the letters") not in squeezed(pdf_text(certificate_pdf(FACTS)))


def test_every_letter_that_is_printed_as_itself_is_in_the_fonts() -> None:
    """PDF/A refuses a letter without a glyph, so to be made at all is the proof."""
    letters = [chr(code) for each in PRINTED for code in each if chr(code).isprintable()]

    said = pdf_text(certificate_pdf(replace(FACTS, reason=" ".join(letters))))

    shown = {unicodedata.normalize("NFC", each) for each in letters}
    assert not [each for each in shown if each not in said]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_gives_a_certificate(typed: str) -> None:
    facts = replace(FACTS, reason=typed, case_id=typed)

    assert certificate_text(facts).endswith("\n")
    assert certificate_pdf(facts).startswith(b"%PDF-")
