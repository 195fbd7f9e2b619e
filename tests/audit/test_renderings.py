"""Renderings: read back by other means they give what the record says, and harm no reader."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.cef import MOST_CUSTOM, cef_line, escape_header, escape_value
from audit.csv_lines import BOM, COLUMNS, csv_head, csv_line, safe, unsafe
from audit.errors import RecordUnreadable
from audit.ocsf import OCSF_VERSION, ocsf_event
from audit.renderings import RENDERINGS, parse_record, render
from audit.unmapped import unmapped
from tests.audit.building import full_event
from tests.conftest import make_event

HASH = "ab" * 32
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def make_record(**fields: Any) -> dict[str, Any]:
    event = {**make_event(), "id": str(uuid.UUID(int=9)), **fields}
    return {
        "event": {name: value for name, value in event.items() if value is not None},
        "ledger": "acme.prod",
        "prev": "0" * 64,
        "received_at": "2026-11-20T22:06:54.123456Z",
        "seq": 41,
        "source": {"key": "7Q2mX9aB", "scope": "events", "via": "api"},
        "v": 1,
    }


def full_record() -> dict[str, Any]:
    return make_record(**full_event())


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [json.dumps(value)]


# --- CSV ------------------------------------------------------------------------------------------


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@given(TEXTS, TEXTS, TEXTS)
def test_what_stands_in_a_csv_cell_is_read_back_as_it_was(one: str, two: str, three: str) -> None:
    record = make_record(
        actor={"type": "human", "id": one},
        reason=two,
        details={"said": three},
    )

    (row,) = read_csv(csv_head() + csv_line(record, entry_hash=HASH))

    assert tuple(row) == COLUMNS
    assert unsafe(row["actor_id"]) == one
    assert unsafe(row["reason"]) == two
    assert json.loads(row["everything_else"])["details"]["said"] == three
    assert (row["seq"], row["hash"]) == ("41", HASH)


@given(TEXTS)
def test_a_safe_cell_gives_its_text_back(text: str) -> None:
    assert unsafe(safe(text)) == text


@given(
    st.sampled_from(["", " ", "\t", "\r", "\n", "\u00a0", "\u200b", "\ufeff", "\x0b", " \u2009"]),
    TEXTS,
)
def test_no_cell_begins_a_formula_even_behind_blanks(blank: str, rest: str) -> None:
    for sign in "=+-@\uff1d\uff0b\uff0d\uff20":
        assert safe(f"{blank}{sign}{rest}").startswith("'")


@pytest.mark.parametrize(
    "attack",
    [
        '=HYPERLINK("http://evil","x")',
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "  =1",
        '"=1',
        'x","=1+1","',
        "'=1",
    ],
)
def test_no_sender_can_put_a_formula_into_a_spreadsheet(attack: str) -> None:
    record = make_record(actor={"type": "human", "id": attack}, reason=attack)

    (row,) = read_csv(csv_head() + csv_line(record, entry_hash=HASH))

    assert len(row) == len(COLUMNS)
    for cell in row.values():
        assert cell.strip()[:1] not in {"=", "+", "-", "@"}
        assert cell[:1] not in {"\t", "\r"}


def test_a_csv_file_begins_with_a_byte_order_mark_so_that_spreadsheets_read_utf_8() -> None:
    assert csv_head().startswith(BOM)
    (row,) = read_csv(csv_head() + csv_line(make_record(reason="Zoë 東京"), entry_hash=HASH))
    assert row["reason"] == "Zoë 東京"


def test_no_field_of_an_event_is_left_out_of_a_csv_line() -> None:
    record = full_record()

    (row,) = read_csv(csv_head() + csv_line(record, entry_hash=HASH))

    rest = json.loads(row["everything_else"])
    cells = " ".join(cell for name, cell in row.items() if name != "everything_else")
    for leaf in leaves(record["event"]):
        assert leaf.strip('"') in cells or leaf in leaves(rest), leaf


# --- CEF ------------------------------------------------------------------------------------------


def read_cef(line: bytes) -> tuple[list[str], dict[str, str]]:
    """Read a line as the format's description says, independently of how it was written."""
    text = line.decode()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    header = [re.sub(r"\\([\\|])", r"\1", each) for each in _split_header(text)]
    assert header[0] == "CEF:0"
    extension = text[_bars(text)[-1] + 1 : -1]
    pairs: dict[str, str] = {}
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", extension))
    for found, after in zip(keys, [*keys[1:], None], strict=True):
        raw = extension[found.end() : after.start() if after else len(extension)]
        pairs[found[1]] = re.sub(
            r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), raw, flags=re.DOTALL
        )
    return header, pairs


def _bars(text: str) -> list[int]:
    """Return where the bars of the header stand: those that no backslash leads."""
    found: list[int] = []
    place = 0
    while len(found) < 7:
        if text[place] == "\\":
            place += 1
        elif text[place] == "|":
            found.append(place)
        place += 1
    return found


def _split_header(text: str) -> list[str]:
    bars = _bars(text)
    starts = [0, *(each + 1 for each in bars[:-1])]
    return [text[start:end] for start, end in zip(starts, bars, strict=True)]


def as_one_line(text: str) -> str:
    """Return the text as CEF can hold it: line ends other than LF and CR become LF."""
    return re.sub("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", "\n", text)


@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_what_stands_in_a_cef_value_is_read_back_as_it_was(one: str, two: str) -> None:
    record = make_record(actor={"type": "human", "id": one}, reason=two)

    header, pairs = read_cef(cef_line(record, entry_hash=HASH))

    assert header[4:] == ["tool.invoke", "tool.invoke success", "0"]
    assert pairs["suid"] == as_one_line(one)
    assert pairs["reason"] == as_one_line(two)
    assert pairs["cs1"] == HASH
    assert pairs["cn1"] == "41"


@given(TEXTS)
def test_an_escaped_header_field_holds_no_bare_bar_and_no_line_end(text: str) -> None:
    escaped = escape_header(text)

    assert len(f"x{escaped}x".splitlines()) == 1
    assert re.sub(r"\\[\\|]", "", escaped).count("|") == 0


def test_a_cef_value_cannot_make_up_another_key() -> None:
    record = make_record(reason="no suid=root\nCEF:0|evil|x|1|a|b|10|suid=root \\= \\")

    line = cef_line(record, entry_hash=HASH)

    _, pairs = read_cef(line)
    assert pairs["suid"] == "alice-agent"
    assert pairs["reason"] == record["event"]["reason"]
    assert escape_value("a=b\\c\r\n") == r"a\=b\\c\r\n"


def test_what_is_too_long_for_a_custom_text_is_said_to_be_left_out() -> None:
    _, pairs = read_cef(cef_line(make_record(details={"x": "y" * 5000}), entry_hash=HASH))

    assert json.loads(pairs["cs6"])["left_out_characters"] > MOST_CUSTOM


def test_no_field_of_an_event_is_left_out_of_a_cef_line() -> None:
    record = full_record()
    for block, fields in record["event"].items():
        if not isinstance(fields, dict):
            continue
        one = make_record(**{block: fields, "duration_ms": 12, "reason": "because"})

        header, pairs = read_cef(cef_line(one, entry_hash=HASH))

        rest = json.loads(pairs["cs6"])
        said = {*leaves(rest), *pairs.values(), *map(json.dumps, [*header, *pairs.values()])}
        missing = [each for each in leaves(one["event"]) if each not in said]
        # Times are written in milliseconds; all else stands as it was.
        assert missing == [json.dumps(one["event"]["occurred_at"])], block


@pytest.mark.parametrize(
    ("said", "key"), [("192.0.2.7", "src"), ("2001:db8::1", "c6a2"), ("not an address", None)]
)
def test_an_actor_s_address_goes_under_the_key_of_its_kind(said: str, key: str | None) -> None:
    record = make_record(actor={"type": "human", "id": "alice", "ip": said})

    _, pairs = read_cef(cef_line(record, entry_hash=HASH))

    if key is None:
        assert json.loads(pairs["cs6"])["actor"] == {"ip": said}
    else:
        assert pairs[key] == said


# --- OCSF -----------------------------------------------------------------------------------------

# What release 1.8.0 requires of the class and of the objects that are written.
REQUIRED = {
    "": [
        *("activity_id", "actor", "api", "category_uid", "class_uid", "metadata"),
        *("severity_id", "src_endpoint", "time", "type_uid"),
    ],
    "api": ["operation"],
    "metadata": ["product", "version"],
    "metadata.product": ["name"],
}


@pytest.mark.parametrize("record", [make_record(), full_record()], ids=["least", "full"])
def test_an_ocsf_event_has_what_its_release_requires(record: dict[str, Any]) -> None:
    said = ocsf_event(record, entry_hash=HASH)

    for path, names in REQUIRED.items():
        found: Any = said
        for name in path.split(".") if path else []:
            found = found[name]
        assert set(names) <= found.keys()
    assert said["metadata"]["version"] == OCSF_VERSION == "1.8.0"
    assert (said["class_uid"], said["category_uid"]) == (6003, 6)
    assert said["type_uid"] == said["class_uid"] * 100 + said["activity_id"]
    assert said["actor"]["user"]["uid"]
    assert said["src_endpoint"]["uid"]
    assert isinstance(said["time"], int)
    assert said["metadata"]["logged_time"] == 1_795_212_414_123
    for resource in said.get("resources", []):
        assert resource.keys() & {"uid", "name"}


@pytest.mark.parametrize(
    ("action", "category", "activity", "name"),
    [
        ("data.create", "data_access", 1, "Create"),
        ("data.read", "data_access", 2, "Read"),
        ("data.update", "data_access", 3, "Update"),
        ("data.delete", "data_access", 4, "Delete"),
        ("tool.invoke", "tool_call", 99, "tool.invoke"),
        ("data.disclose", "data_access", 99, "data.disclose"),
    ],
)
def test_ocsf_says_a_verb_only_where_the_action_does(
    action: str, category: str, activity: int, name: str
) -> None:
    said = ocsf_event(make_record(action=action, category=category), entry_hash=HASH)

    assert (said["activity_id"], said["activity_name"]) == (activity, name)
    assert said["type_uid"] == 600300 + activity
    assert said["api"]["operation"] == action


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("success", 1), ("failure", 2), ("error", 2), ("denied", 2), ("unknown", 0), ("pending", 99)],
)
def test_an_outcome_keeps_its_own_word_beside_the_status(outcome: str, status: int) -> None:
    said = ocsf_event(make_record(outcome=outcome), entry_hash=HASH)

    assert (said["status_id"], said["status_code"]) == (status, outcome)


def test_what_ocsf_has_no_attribute_for_is_unmapped_and_nothing_is_lost() -> None:
    record = full_record()

    said = ocsf_event(record, entry_hash=HASH)

    assert said["unmapped"]["hash"] == HASH
    assert said["unmapped"]["data"] == record["event"]["data"]
    everything = leaves(said)
    missing = [each for each in leaves(record["event"]) if each not in everything]
    assert missing == []


# --- All of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RENDERINGS))
def test_a_rendering_holds_personal_data_only_as_the_record_does(name: str) -> None:
    sealed = {"alg": "A256GCM", "key_id": "k", "nonce": "bm9uY2U=", "ciphertext": "c2VhbGVk"}
    record = make_record(personal=sealed)

    line = RENDERINGS[name].line(record, entry_hash=HASH)

    assert b"c2VhbGVk" in line.replace(b"\\=", b"=")


@pytest.mark.parametrize("name", sorted(RENDERINGS))
def test_the_same_record_is_rendered_to_the_same_bytes(name: str) -> None:
    record = full_record()
    shuffled = json.loads(json.dumps(record))

    assert RENDERINGS[name].line(record, entry_hash=HASH) == RENDERINGS[name].line(
        shuffled, entry_hash=HASH
    )


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b"{", b'{"event":{}}', b'{"event":[],"source":{}}']
)
def test_a_record_that_is_none_any_more_is_refused_by_its_seq(raw: bytes) -> None:
    for rendering in RENDERINGS.values():
        with pytest.raises(RecordUnreadable, match="entry 7 "):
            render(rendering, parse_record(raw, seq=7), seq=7, entry_hash=HASH)


def test_a_free_object_is_kept_whole_whatever_its_names_are() -> None:
    event = {"a": {"b": 1, "c.d": 2}, "details": {"a.b": 3}, "e": {"f": 4}}

    assert unmapped(event, {"a.b", "e.f"}) == {"a": {"c.d": 2}, "details": {"a.b": 3}}
