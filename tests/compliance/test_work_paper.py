"""What a person finds is kept item by item, and once concluded never changed."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from audit.append import append_pending
from audit.models import Entry, Ledger
from compliance.acting import ActRefused, Person
from compliance.models import Sample, SampleItem
from compliance.report_drawn import samples_of
from compliance.report_entries import LedgerEvidence
from compliance.result import canonical
from compliance.sample_lines import (
    ACTION,
    CUT,
    MOST_DETAILS,
    TooLarge,
    Verdict,
    concluded_details,
)
from compliance.work_paper import (
    MOST_FILE,
    Attached,
    conclude_sample,
    found_of,
    items_of,
    tick_item,
    ticked,
)
from tests.compliance.sampling import ALICE, drawn, sealed_period
from tests.conftest import entries

BOB = Person(id=2, name="bob")
FILE = Attached(name="../shot <1>.png", content=b"\x89PNG of a screen")


@pytest.fixture
def paper(ledger: Ledger, settings: Any, tmp_path: Path) -> Sample:
    """Return the open paper of a sample."""
    settings.SIGNING_DIR = str(tmp_path / "signing")
    return drawn(sealed_period(ledger, events=60))


def tick_all(paper: Sample) -> None:
    for item in items_of(paper):
        tick_item(paper, item.position, verdict="no exception", note="", by=ALICE)


def the_item(paper: Sample, position: int = 1) -> SampleItem:
    return SampleItem.objects.get(ledger_id=paper.ledger_id, sample_id=paper.id, position=position)


def test_a_tick_keeps_verdict_note_file_and_who(paper: Sample) -> None:
    tick_item(paper, 1, verdict="exception", note="No name.", by=BOB, attached=FILE)

    item = the_item(paper)
    assert (item.verdict, item.note, item.ticked_by) == ("exception", "No name.", "bob")
    assert item.file_name == "shot <1>.png"
    assert item.file_sha256 == sha256(FILE.content).hexdigest()
    assert bytes(item.file or b"") == FILE.content


def test_a_tick_may_change_while_the_paper_is_open_and_its_file_stays(paper: Sample) -> None:
    tick_item(paper, 1, verdict="exception", note="No name.", by=ALICE, attached=FILE)

    tick_item(paper, 1, verdict="no exception", note="", by=BOB)

    item = the_item(paper)
    assert (item.verdict, item.note, item.ticked_by) == ("no exception", "", "bob")
    assert item.file_sha256 == sha256(FILE.content).hexdigest()


def test_a_tick_leaves_no_entry(paper: Sample) -> None:
    append_pending(paper.ledger_id)  # the key's announcement
    before = len(entries(paper.ledger))

    tick_item(paper, 1, verdict="no exception", note="", by=ALICE)
    append_pending(paper.ledger_id)

    assert len(entries(paper.ledger)) == before


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"verdict": "fine"}, "verdict"),
        ({"verdict": ""}, "verdict"),
        ({"verdict": "exception"}, "note"),
        ({"verdict": "not available", "note": "  "}, "note"),
        ({"note": "x" * 2_001}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"attached": Attached(name="a", content=b"")}, "file"),
        ({"attached": Attached(name="", content=b"a")}, "file"),
        ({"attached": Attached(name="a", content=bytes(MOST_FILE + 1))}, "file"),
        ({"position": 999}, "act"),
    ],
)
def test_what_is_no_tick_is_refused_with_its_field(
    paper: Sample, said: dict[str, Any], field: str
) -> None:
    tick: dict[str, Any] = {"position": 1, "verdict": "no exception", "note": "", "by": ALICE}

    with pytest.raises(ActRefused) as refused:
        tick_item(paper, **tick | said)

    assert refused.value.field == field
    assert the_item(paper).verdict == ""


def test_progress_counts_what_is_ticked(paper: Sample) -> None:
    tick_item(paper, 1, verdict="exception", note="No name.", by=ALICE)
    tick_item(paper, 2, verdict="not available", note="It was erased.", by=ALICE)
    tick_item(paper, 3, verdict="no exception", note="", by=ALICE)

    found = ticked([paper])[paper.id]

    assert (found.ticked, found.exceptions, found.not_available) == (3, 1, 1)
    assert found.items == len(items_of(paper))


def test_a_paper_is_concluded_only_when_every_item_is_ticked(paper: Sample) -> None:
    tick_item(paper, 1, verdict="no exception", note="", by=ALICE)

    with pytest.raises(ActRefused, match="items are not ticked, the first at 2"):
        conclude_sample(paper, conclusion="All is well.", by=ALICE)

    paper.refresh_from_db()
    assert paper.state == "open"


def test_a_conclusion_needs_words(paper: Sample) -> None:
    tick_all(paper)

    with pytest.raises(ActRefused, match="say what the sample shows"):
        conclude_sample(paper, conclusion="  ", by=ALICE)


def test_the_entry_of_a_conclusion_has_every_verdict_and_names_who(paper: Sample) -> None:
    tick_all(paper)
    tick_item(paper, 2, verdict="exception", note="No name.", by=ALICE, attached=FILE)

    concluded = conclude_sample(paper, conclusion="One of them has no name.", by=BOB)
    append_pending(paper.ledger_id)

    entry = Entry.objects.filter(ledger=paper.ledger, action=ACTION).order_by("-seq")[0]
    said = json.loads(bytes(entry.record))["event"]["details"]
    assert entry.actor_id == "bob"
    assert (said["act"], said["sample"]) == ("concluded", str(paper.uid))
    assert said["conclusion"] == "One of them has no name."
    assert len(said["verdicts"]) == len(items_of(paper))
    assert said["verdicts"][0] == [1, "no exception", "", "", ""]
    assert said["verdicts"][1] == [
        2, "exception", "No name.", "shot <1>.png", sha256(FILE.content).hexdigest()
    ]  # fmt: skip
    assert (concluded.state, concluded.concluded_by) == ("concluded", "bob")


def test_reports_have_the_verdicts_once_concluded(paper: Sample) -> None:
    tick_all(paper)
    tick_item(paper, 1, verdict="exception", note="No name.", by=ALICE, attached=FILE)
    conclude_sample(paper, conclusion="One of them has no name.", by=BOB)
    append_pending(paper.ledger_id)
    evidence = LedgerEvidence(paper.ledger, head_seq=len(entries(paper.ledger)) - 1)

    (line,) = samples_of(str(paper.snapshot_id), evidence)

    assert (line.concluded_by, line.conclusion) == ("bob", "One of them has no name.")
    assert (line.items[0].verdict, line.items[0].note) == ("exception", "No name.")
    assert line.items[0].attachment == f"shot <1>.png {sha256(FILE.content).hexdigest()}"
    assert {one.verdict for one in line.items[1:]} == {"no exception"}


def test_nothing_of_a_concluded_paper_changes(paper: Sample) -> None:
    tick_all(paper)
    conclude_sample(paper, conclusion="All is well.", by=ALICE)

    with pytest.raises(ActRefused, match="as it was concluded"):
        tick_item(paper, 1, verdict="exception", note="After all.", by=ALICE)
    with pytest.raises(ActRefused, match="concluded already"):
        conclude_sample(paper, conclusion="Or not.", by=ALICE)
    for change in (
        "compliance_sample SET conclusion = 'x'",
        "compliance_sample SET concluded_by = 'x'",
        "compliance_sample SET state = 'open', concluded_by = ''",
    ):
        with pytest.raises(DatabaseError, match="stays as it was drawn"), transaction.atomic():
            _run(f"UPDATE {change} WHERE id = %s", paper.id)
    with pytest.raises(DatabaseError, match="as it was concluded"), transaction.atomic():
        _run("UPDATE compliance_sampleitem SET note = 'x' WHERE sample_id = %s", paper.id)


def test_postgres_concludes_no_paper_with_an_unticked_item(paper: Sample) -> None:
    with pytest.raises(DatabaseError, match="every item of it is ticked"), transaction.atomic():
        _run(
            "UPDATE compliance_sample SET state = 'concluded', concluded_by = 'x' WHERE id = %s",
            paper.id,
        )


def test_postgres_keeps_no_file_under_another_sum(paper: Sample) -> None:
    with (
        pytest.raises(DatabaseError, match="compliance_sampleitem_file_hash"),
        transaction.atomic(),
    ):
        _run(
            "UPDATE compliance_sampleitem SET file = 'a', file_name = 'a', "
            "file_sha256 = repeat('0', 64) WHERE sample_id = %s AND position = 1",
            paper.id,
        )


def test_what_the_check_found_stands_beside_the_items(paper: Sample) -> None:
    items = items_of(paper)
    first = items[0]
    _run(
        "INSERT INTO compliance_item (ledger_id, lens_id, item, state, day, agent_id, environment, "
        "seq, weight, why, evidence, is_restated) "
        "VALUES (%s, %s, %s, 'fail', current_date, '', '', %s, 1, 'It has no name.', '{}', false) "
        "ON CONFLICT (ledger_id, lens_id, item) DO UPDATE SET state = 'fail', why = excluded.why",
        paper.ledger_id,
        paper.lens_id,
        f"{first.item}/part",
        first.seq,
    )

    found = found_of(paper, items)

    assert (found[1].state, found[1].why) == ("fail", "It has no name.")


# --- What an entry holds --------------------------------------------------------------------------


def verdicts(count: int, note: str) -> list[Verdict]:
    return [
        Verdict(position=n, verdict="exception", note=note, file_name="a.png", file_sha256="0" * 64)
        for n in range(1, count + 1)
    ]


def test_notes_that_fit_are_whole() -> None:
    details = concluded_details("s", "p", "Done.", verdicts(40, "x" * 300))

    assert "notes_cut" not in details
    assert {len(one[2]) for one in details["verdicts"]} == {300}


def test_notes_that_do_not_fit_are_cut_to_the_longest_that_does_and_it_is_said() -> None:
    found = [*verdicts(40, "é" * 2_000), Verdict(position=41, verdict="exception", note="short")]

    details = concluded_details("s", "p", "Done.", found)

    assert len(canonical(details)) <= MOST_DETAILS
    assert details["notes_cut"] == 40
    cut = details["verdicts"][0][2]
    assert cut == "é" * details["notes_to"] + CUT
    assert details["verdicts"][40][2] == "short"
    longer = [
        [*one[:2], "é" * (details["notes_to"] + 1) + CUT, *one[3:]]
        for one in details["verdicts"][:40]
    ]
    more = details | {"verdicts": [*longer, details["verdicts"][40]]}
    assert len(canonical(more)) > MOST_DETAILS


def test_what_no_cut_makes_fit_is_refused() -> None:
    with pytest.raises(TooLarge, match="is more than an entry"):
        concluded_details("s", "p", "x" * 40_000, verdicts(1, ""))


def _run(statement: str, *params: int | str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
