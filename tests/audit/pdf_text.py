"""Read the text of a PDF back, as far as ours go: Type 0 fonts with a ToUnicode map."""

from __future__ import annotations

import re
import zlib

_OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*)\r?\nendstream", re.DOTALL)
_MAPPED = re.compile(rb"<([0-9A-Fa-f]{4})> <([0-9A-Fa-f]+)>")
# Brackets that balance stand in a string without a backslash; four deep is more than any here.
_INSIDE = rb"(?:\\.|[^\\()])"
for _ in range(4):
    _INSIDE = rb"(?:" + _INSIDE + rb"|\(" + _INSIDE + rb"*\))"
_STRING = re.compile(rb"\((" + _INSIDE + rb"*)\)|<([0-9A-Fa-f]*)>", re.DOTALL)
_SHOWN = re.compile(
    rb"/(f\d+) [\d.]+ Tf|((?:\(" + _INSIDE + rb"*\)|<[0-9A-Fa-f]*>|[-\d. ])+)\]?\s*T[jJ]",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r?\n|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pdf_text(pdf: bytes) -> str:
    """Return what the pages say, in the order of their content, with single blanks."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    pages = [body for body in objects.values() if b"/Type/Page/" in body]
    assert pages, "no pages: this reader knows one layout of a PDF, and this is another"
    return " ".join(" ".join(_page_text(each, objects) for each in pages).split())


def _page_text(page: bytes, objects: dict[int, bytes]) -> str:
    fonts = re.findall(rb"/(f\d+) (\d+) 0 R", objects[_number(page, b"Resources")])
    maps = {name: _unicode_map(objects[int(number)], objects) for name, number in fonts}
    said, font = [], b""
    for name, pieces in _SHOWN.findall(_stream(objects[_number(page, b"Contents")])):
        if name:
            font = name
            continue
        raw = b"".join(_bytes_of(*each) for each in _STRING.findall(pieces))
        codes = [raw[at : at + 2].hex() for at in range(0, len(raw), 2)]
        said.append("".join(maps[font][each] for each in codes))
    return " ".join(said)


def _unicode_map(font: bytes, objects: dict[int, bytes]) -> dict[str, str]:
    mapped = _stream(objects[_number(font, b"ToUnicode")])
    return {
        code.decode().lower(): bytes.fromhex(to.decode()).decode("utf-16-be")
        for code, to in _MAPPED.findall(mapped.partition(b"endcodespacerange")[2])
    }


def _number(body: bytes, name: bytes) -> int:
    found = re.search(b"/" + name + rb" (\d+) 0 R", body)
    assert found is not None, name
    return int(found[1])


def _stream(body: bytes) -> bytes:
    found = _STREAM.search(body)
    assert found is not None
    return zlib.decompress(found[1]) if b"/FlateDecode" in body[: found.start()] else found[1]


def _bytes_of(literal: bytes, digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode()) if digits else _unescaped(literal)


def _unescaped(string: bytes) -> bytes:
    def char(found: re.Match[bytes]) -> bytes:
        said = found[1]
        if said.isdigit():
            return bytes([int(said, 8)])
        return b"" if said.strip(b"\r\n") == b"" else _LETTERS.get(said, said)

    return _ESCAPE.sub(char, string)
