"""What a data subject is told: everything of theirs in clear, nothing of others, and an entry."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, TypeAlias

import psycopg
import pytest

from audit.append import append_pending
from audit.errors import EntriesPruned, NoLivingKey, RecordUnreadable
from audit.ledger.record import leaf_hash
from audit.models import Entry, Ledger, Quarantine
from audit.project import catch_up, projections
from audit.subject_access import (
    _HEAD,
    _INDEXED_TO,
    _QUARANTINED,
    _READ,
    _SEARCH,
    PURPOSE,
    AccessFacts,
    access_file_name,
    write_access,
)
from audit.subjects import read_subject
from tests.audit.pruning import old_entries, prune
from tests.audit.tampering import Connection, tampering
from tests.conftest import chain, entries, make_event, post
from tests.sizes import size

AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]

CAROL = "carol.novak@example.com"
PERSONAL = {"name": {"first": "Carol", "last": "Novák"}, "born": "1950-06-24"}


def about(subject: str = CAROL, **fields: Any) -> dict[str, Any]:
    """Return an event about one subject, with personal data."""
    return make_event(
        **{
            "category": "data_access",
            "action": "data.read",
            "target": {"type": "patient", "id": subject},
            "data": {"subject_ids": [subject], "classes": ["phi"], "purpose": "treatment"},
            "personal": PERSONAL,
        }
        | fields
    )


def given(
    ledger: Ledger, subject: str = CAROL, **options: Any
) -> tuple[AccessFacts, zipfile.ZipFile]:
    """Write the file of a subject and open it."""
    out = io.BytesIO()
    facts = write_access(ledger, subject, out, by=options.pop("by", "alice"), **options)
    archive = zipfile.ZipFile(out)
    assert archive.testzip() is None
    return facts, archive


def lines_of(archive: zipfile.ZipFile) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read("entries.ndjson").splitlines()]


def everything(archive: zipfile.ZipFile) -> str:
    return "".join(archive.read(name).decode() for name in archive.namelist())


class _Page(HTMLParser):
    """Collects the words and the tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


# --- What is in it --------------------------------------------------------------------------------


def test_the_file_holds_every_entry_about_the_subject_with_personal_in_clear(
    ledger: Ledger,
) -> None:
    chain(ledger, [about(), make_event(), about(personal=None), about("dave"), about()])

    facts, archive = given(ledger)

    assert archive.namelist() == ["entries.ndjson", "index.html", "README.txt"]
    found = lines_of(archive)
    assert [each["seq"] for each in found] == [0, 2, 4]
    assert [each["personal"] for each in found] == [PERSONAL, None, PERSONAL]
    assert (facts.entries, facts.personal_entries, facts.sealed_entries) == (3, 2, 0)
    assert (facts.first_seq, facts.last_seq, facts.size) == (0, 4, 5)


def test_each_record_is_byte_for_byte_the_one_that_was_hashed(ledger: Ledger) -> None:
    chain(ledger, [about(reason="a\nb\u2028c 日本"), about()])

    _, archive = given(ledger)

    for line, entry in zip(
        archive.read("entries.ndjson").split(b"\n")[:-1], entries(ledger), strict=False
    ):
        record = line[line.index(b'"record":') + 9 : line.rindex(b',"seq":')]
        assert bytes(entry.record) == record
        assert leaf_hash(record).hex() == entry.hash == json.loads(line)["hash"]


def test_other_subjects_stay_pseudonyms_and_their_data_stays_sealed(ledger: Ledger) -> None:
    both = about(
        personal=None,
        data={"subject_ids": [CAROL, "dave.smith"], "classes": ["phi"], "purpose": "treatment"},
        actor={
            "type": "agent",
            "id": "alice-agent",
            "on_behalf_of": {"type": "human", "id": "dave.smith"},
        },
    )
    chain(ledger, [both, about("dave.smith", personal={"name": "Dave Smith"})])
    dave = read_subject(ledger.id, ledger.name, "dave.smith")
    assert dave is not None

    _, archive = given(ledger)

    said = everything(archive)
    assert "dave.smith" not in said.lower()
    assert "Dave Smith" not in said
    (line,) = lines_of(archive)
    assert line["record"]["event"]["actor"]["on_behalf_of"]["id"] == dave.pseudonym()


def test_personal_data_under_another_key_stays_sealed_and_is_counted(
    ledger: Ledger, as_role: AsRole
) -> None:
    chain(ledger, [about()])
    as_role("superuser").execute(
        "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL WHERE ledger_id = %s",
        [ledger.id],
    )
    chain(ledger, [about()])

    facts, archive = given(ledger, seqs=[0, 1])

    assert [each["personal"] for each in lines_of(archive)] == [None, PERSONAL]
    assert (facts.personal_entries, facts.sealed_entries) == (1, 1)
    assert "it stays encrypted" in archive.read("index.html").decode()


def test_what_is_in_quarantine_is_counted(ledger: Ledger) -> None:
    first = about()
    chain(ledger, [first])
    post(ledger, [about(id=first["id"], reason="other content")])
    append_pending(ledger.id)
    assert Quarantine.objects.filter(ledger=ledger).count() == 1

    facts, archive = given(ledger)

    assert facts.quarantined == 1
    assert "1 event about the person in quarantine" in archive.read("README.txt").decode()


def test_a_subject_without_entries_left_gets_a_file_that_says_so(ledger: Ledger) -> None:
    chain(ledger, [about()])

    facts, archive = given(ledger, seqs=[])

    assert (facts.entries, facts.first_seq) == (0, None)
    assert "No entry that this ledger keeps is about" in archive.read("index.html").decode()


# --- Finding --------------------------------------------------------------------------------------


def test_entries_are_found_by_the_index_and_behind_it(ledger: Ledger) -> None:
    chain(ledger, [about(), about("dave"), about()])
    catch_up(ledger.id, projections()["subjects"])
    chain(ledger, [make_event(), about(), about("dave")])

    _, archive = given(ledger)

    assert [each["seq"] for each in lines_of(archive)] == [0, 2, 4]


def test_many_entries_are_found_once_each(ledger: Ledger) -> None:
    chain(ledger, [about(personal=None) for _ in range(1203)])
    catch_up(ledger.id, projections()["subjects"])
    chain(ledger, [about(personal=None) for _ in range(5)])
    told: list[int] = []

    facts, archive = given(ledger, on_progress=told.append)

    assert [each["seq"] for each in lines_of(archive)] == list(range(1208))
    assert facts.entries == 1208
    assert told == sorted(told)
    assert told[-1] == 1208


def test_pruned_entries_are_not_in_it_and_the_file_says_from_where(
    ledger: Ledger, as_role: AsRole
) -> None:
    old_entries(ledger, [about() if n % 100 == 0 else make_event() for n in range(520)])
    prune(as_role("owner"), ledger, to_seq=256)

    facts, archive = given(ledger)

    assert [each["seq"] for each in lines_of(archive)] == [300, 400, 500]
    assert facts.minimum == 256
    assert "those below #256" in archive.read("README.txt").decode()


def test_entries_that_are_pruned_meanwhile_end_it(ledger: Ledger, as_role: AsRole) -> None:
    old_entries(ledger, [about() for _ in range(300)])
    owner = as_role("owner")

    def pruned_meanwhile() -> Iterator[int]:
        yield from range(200)
        prune(owner, ledger, to_seq=256)
        yield 200

    with pytest.raises(EntriesPruned, match="begin again"):
        write_access(ledger, CAROL, io.BytesIO(), by="alice", seqs=pruned_meanwhile())

    assert "audit.exported" not in {each.action for each in entries(ledger)}


# --- The page -------------------------------------------------------------------------------------


def test_the_page_reads_in_words_and_loads_nothing(ledger: Ledger) -> None:
    chain(ledger, [about()])

    _, archive = given(ledger)

    page = _Page(archive.read("index.html").decode())
    words = " ".join(" ".join(page.words).split())
    assert "alice-agent ran data.read on patient (the person this file is about): success" in words
    assert "Novák" in words
    assert CAROL in words
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe", "a"})
    assert not [each for _, attributes in page.tags for each in attributes if each.startswith("on")]
    policy = dict(page.tags[[tag for tag, _ in page.tags].index("meta") + 1][1])
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_nothing_in_an_entry_becomes_part_of_the_page(ledger: Ledger) -> None:
    hostile = "</dd><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7|add:1 }} & \u202ex"
    subject = "<b>carol</b>"
    chain(
        ledger,
        [
            about(
                subject,
                reason=hostile,
                personal={hostile: {"<i>": hostile}},
                agent={"id": "<u>agent</u>", "name": hostile},
            )
        ],
    )

    _, archive = given(ledger, subject)

    page = archive.read("index.html").decode()
    tags = {tag for tag, _ in _Page(page).tags}
    assert tags.isdisjoint({"script", "img", "b", "i", "u"})
    assert "{{ 7|add:1 }}" in page
    assert "\u202e" not in page
    assert "⟨U+202E⟩" in page
    assert re.search(r"<b>|<script", archive.read("README.txt").decode()) is None


# --- The act --------------------------------------------------------------------------------------


def test_it_leaves_an_entry_that_names_the_key_and_never_the_subject(ledger: Ledger) -> None:
    chain(ledger, [about()])
    out = io.BytesIO()

    facts = write_access(ledger, CAROL, out, by="alice")

    append_pending(ledger.id)
    last = Entry.objects.filter(ledger=ledger).order_by("-seq")[0]
    event = last.parsed()["event"]
    assert last.action == "audit.exported"
    assert event["actor"] == {"type": "human", "id": "alice"}
    assert event["target"] == {"type": "data_subject", "id": str(facts.key_id)}
    assert event["data"]["purpose"] == PURPOSE == "GDPR 15 access"
    assert event["details"]["sha256"] == facts.sha256
    assert facts.sha256 == hashlib.sha256(out.getvalue()).hexdigest()
    assert event["details"]["bytes"] == facts.file_size == len(out.getvalue())
    record = bytes(last.record).decode()
    assert "carol" not in record
    assert facts.pseudonym not in record


def test_a_person_nobody_named_has_no_file_and_gets_no_key(ledger: Ledger) -> None:
    chain(ledger, [about()])
    out = io.BytesIO()

    with pytest.raises(NoLivingKey) as refusal:
        write_access(ledger, "erin", out, by="alice")

    assert "erin" not in str(refusal.value)
    assert out.getvalue() == b""
    assert read_subject(ledger.id, ledger.name, "erin") is None


def test_an_erasure_meanwhile_ends_it_without_an_entry(ledger: Ledger, as_role: AsRole) -> None:
    chain(ledger, [about(), about()])
    superuser = as_role("superuser")

    def erased_meanwhile() -> Iterator[int]:
        yield 0
        superuser.execute(
            "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL WHERE ledger_id = %s",
            [ledger.id],
        )
        yield 1

    with pytest.raises(NoLivingKey, match="erased meanwhile"):
        write_access(ledger, CAROL, io.BytesIO(), by="alice", seqs=erased_meanwhile())

    append_pending(ledger.id)
    assert "audit.exported" not in {each.action for each in entries(ledger)}


def test_an_entry_that_was_changed_in_the_database_is_not_handed_out(
    ledger: Ledger, superuser: Connection
) -> None:
    chain(ledger, [about(), about()])
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_entry SET record = overlay(record placing '\\x58' from 30) "
            "WHERE ledger_id = %s AND seq = 1",
            [ledger.id],
        )

    with pytest.raises(RecordUnreadable) as found:
        write_access(ledger, CAROL, io.BytesIO(), by="alice", seqs=[0, 1])

    assert found.value.seq == 1


# --- How it is written ----------------------------------------------------------------------------


class _Pipe(io.RawIOBase):
    """Takes bytes and can neither seek nor tell, as a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        self.length += len(chunk)
        return len(chunk)


def test_it_can_be_written_to_a_pipe(ledger: Ledger) -> None:
    chain(ledger, [about()])
    pipe = _Pipe()

    facts = write_access(ledger, CAROL, pipe, by="alice")  # type: ignore[arg-type]

    assert facts.file_size == pipe.length > 0


def test_memory_stays_flat_however_many_entries_there_are(ledger: Ledger) -> None:
    chain(ledger, [about(personal=None, details={"text": "x" * 5_000})])
    used = []
    for times in (600, size(1_200, 2_400)):
        tracemalloc.start()
        write_access(ledger, CAROL, _Pipe(), by="alice", seqs=[0] * times)  # type: ignore[arg-type]
        used.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert used[1] < used[0] * 1.2


def test_the_file_is_named_by_ledger_and_time_and_not_by_the_person(ledger: Ledger) -> None:
    made_at = datetime(2026, 11, 21, 10, 5, 7, tzinfo=UTC)

    assert access_file_name(ledger, made_at) == f"{ledger.name}-access-20261121T100507Z.zip"


def test_the_web_role_may_read_all_of_it(ledger: Ledger, as_role: AsRole) -> None:
    """Pages run under the web's role; the tests here under the owner's."""
    web = as_role("web")
    web.execute("BEGIN")

    for statement, parameters in (
        (_HEAD, (ledger.id,)),
        (_INDEXED_TO, (ledger.id, "subjects")),
        (_SEARCH, (ledger.id, 0, 1, b"x")),
        (_READ, ([0], ledger.id)),
        (_QUARANTINED, (ledger.id, b"x")),
    ):
        web.execute(statement, parameters)

    web.execute("SELECT seq FROM audit_subjectentry WHERE ledger_id = %s", [ledger.id])
    web.execute("SELECT FROM audit_subjectkey WHERE ledger_id = %s FOR SHARE", [ledger.id])
