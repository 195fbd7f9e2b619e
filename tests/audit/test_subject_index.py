"""The index of subjects: each entry that names one, and nothing from free text."""

from __future__ import annotations

from audit import erase
from audit.models import Ledger, SubjectEntry, SubjectKey
from audit.project import catch_up, projections, rebuild
from tests.audit.erasing import CAROL, about, key_of, own_tombstones
from tests.conftest import chain, make_event

__all__ = ["own_tombstones"]  # fixtures, which pytest finds by their names here


def test_the_index_knows_each_entry_that_names_a_subject(ledger: Ledger) -> None:
    chain(ledger, [about(), make_event(), about("dave"), about()])
    index = projections()["subjects"]

    catch_up(ledger.id, index)

    found = erase.find_subject(ledger, CAROL)
    assert found is not None
    assert erase.subject_entries(ledger, found.pseudonym) == [0, 3]
    assert erase.subject_entries(ledger, found.pseudonym, after=0, limit=1) == [3]
    before = list(SubjectEntry.objects.filter(ledger=ledger).values_list("pseudonym", "seq"))
    rebuild(ledger, index)
    assert sorted(before) == sorted(
        SubjectEntry.objects.filter(ledger=ledger).values_list("pseudonym", "seq")
    )


def test_an_id_inside_free_text_makes_no_line_of_the_index(ledger: Ledger) -> None:
    chain(ledger, [make_event(details={"data": {"subject_ids": ["x"]}, "said": '"subject_ids":'})])

    catch_up(ledger.id, projections()["subjects"])

    assert not SubjectEntry.objects.filter(ledger=ledger).exists()


def test_nobody_is_found_who_was_never_named(ledger: Ledger) -> None:
    chain(ledger, [about()])

    assert erase.find_subject(ledger, "dave") is None
    assert erase.find_subject(ledger, "half \ud800 of one") is None
    assert not SubjectKey.objects.filter(ledger=ledger).exclude(key_id=key_of(ledger).key_id)
