"""Letters that are safe to print: nothing hidden, nothing that a font lacks."""

from __future__ import annotations

import json

import pytest
import typst

from audit.letters import PRINTED, SIGNS, plain, plain_line, printed, printed_line

LETTERS = [chr(code) for each in PRINTED for code in each if chr(code).isprintable()]


@pytest.mark.parametrize(
    "style",
    [
        'font: "Libertinus Serif"',
        'font: "Libertinus Serif", weight: "semibold"',
        'font: "Libertinus Serif", weight: "bold"',
        'font: "Libertinus Serif", style: "italic"',
        'font: "DejaVu Sans Mono"',
    ],
)
def test_the_fonts_have_every_printed_letter_in_every_cut(style: str) -> None:
    """The typesetter refuses a file in which one letter has no glyph."""
    source = (
        f'#set document(title: "x")\n#set text(fallback: false, {style})\n'
        "#for each in json(bytes(sys.inputs.letters)) [#each ]"
    )

    pdf = typst.compile(
        source.encode(),
        sys_inputs={"letters": json.dumps([*LETTERS, *SIGNS])},
        ignore_system_fonts=True,
        pdf_standards=["a-2a", "ua-1"],
    )

    assert pdf is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u202eb", "a U+202E b"),
        ("  two\n lines\t", "two lines"),
        ("\x00", "U+0000"),
        ("日本 ✔", "日本 ✔"),
        ("", ""),
    ],
)
def test_plain_text_hides_nothing(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_printed_text_has_only_letters_of_the_fonts() -> None:
    assert printed("日 e\u0301 → ✔") == "U+65E5 é → U+2714"


def test_a_line_of_a_command_keeps_its_blanks() -> None:
    assert plain_line("  a   b") == "  a   b"
    assert printed_line("  a\t\u202e日") == "  a  U+202E  U+65E5 "
