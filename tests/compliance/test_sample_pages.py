"""Samples at the desk: who draws, who ticks, what a paper shows, and that its files never open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.append import append_pending
from audit.models import Ledger
from compliance.draw_sample import draw_samples
from compliance.models import Sample, Snapshot
from compliance.work_paper import items_of
from tests.compliance.people.test_people_pages import client, see, send
from tests.compliance.sampling import asked, drawn, largest_leg, sealed_period

SAMPLES = "/admin/compliance/sample/"


@pytest.fixture
def period(ledger: Ledger, settings: Any, tmp_path: Path) -> Snapshot:
    settings.SIGNING_DIR = str(tmp_path / "signing")
    return sealed_period(ledger, events=60)


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


def paper_url(sample: Sample) -> str:
    return f"{SAMPLES}{sample.id}/change/"


def leg(snapshot: Snapshot) -> str:
    return "|".join(largest_leg(snapshot))


def test_an_empty_list_says_what_to_do(ledger: Ledger, auditor: Client) -> None:
    said = see(auditor, f"{SAMPLES}?ledger={ledger.name}")

    assert "No sample here" in said
    assert "Choose a sealed period" in said


def test_an_auditor_draws_ticks_and_concludes(period: Snapshot, auditor: Client) -> None:
    form = f"{SAMPLES}new/?snapshot={period.id}"
    assert "Your number" in see(auditor, form)

    said = send(auditor, form, leg=leg(period), number="0815")
    assert "waits for a worker" in said

    draw_samples(period.ledger_id)
    append_pending(period.ledger_id)
    sample = Sample.objects.get(snapshot=period)
    items = items_of(sample)
    said = see(auditor, paper_url(sample))
    assert f"0 of {len(items)} ticked" in said
    assert "0815" in said
    assert sample.rule in said
    for item in items:
        send(
            auditor,
            f"{SAMPLES}{sample.id}/{item.position}/tick/",
            verdict="no exception",
            note="",
        )
    assert f"{len(items)} of {len(items)} ticked" in see(auditor, paper_url(sample))
    said = send(auditor, f"{SAMPLES}{sample.id}/conclude/", conclusion="All of them hold.")
    assert "nothing of it changes any more" in said
    assert "All of them hold." in said
    assert f"{len(items)} of {len(items)}" in see(
        auditor, f"{SAMPLES}?show=concluded&ledger={period.ledger.name}"
    )


def test_a_refused_number_comes_back_to_its_field(period: Snapshot, auditor: Client) -> None:
    said = send(
        auditor,
        f"{SAMPLES}new/?snapshot={period.id}",
        status=400,
        leg=leg(period),
        number="twelve",
    )

    assert "Your number: type a number of 1 to 40 digits" in said
    assert not Sample.objects.filter(snapshot=period).exists()


def test_a_refused_tick_comes_back_to_its_item_with_what_was_typed(
    period: Snapshot, auditor: Client
) -> None:
    sample = drawn(period)

    said = send(auditor, f"{SAMPLES}{sample.id}/2/tick/", status=409, verdict="exception", note=" ")

    assert "Nothing was done: say why" in said
    assert said.count("Nothing was done") == 1


def test_a_file_is_only_ever_offered_as_a_download(period: Snapshot, auditor: Client) -> None:
    sample = drawn(period)
    page = b"<script>alert(1)</script>"
    file = SimpleUploadedFile("note <b>.html", page, content_type="text/html")

    send(auditor, f"{SAMPLES}{sample.id}/1/tick/", verdict="no exception", note="Seen.", file=file)

    answer = auditor.get(f"{SAMPLES}{sample.id}/1/file/")
    assert answer.content == page
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")
    assert auditor.get(f"{SAMPLES}{sample.id}/2/file/").status_code == 404


def test_text_of_people_is_never_markup(period: Snapshot, auditor: Client) -> None:
    sample = drawn(period)

    auditor.post(
        f"{SAMPLES}{sample.id}/1/tick/",
        {"verdict": "exception", "note": "<img src=x onerror=alert(1)>"},
    )

    page = auditor.get(paper_url(sample)).content.decode()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_a_draw_under_way_shows_how_far_it_is_and_loads_again(
    period: Snapshot, auditor: Client
) -> None:
    sample = asked(period)
    Sample.objects.filter(id=sample.id).update(state="drawing", done=25, total=100)

    answer = auditor.get(paper_url(sample))

    assert b'http-equiv="refresh"' in answer.content
    assert "25 of 100 entries read" in see(auditor, paper_url(sample))


def test_a_failed_draw_says_why_and_is_tried_again(period: Snapshot, auditor: Client) -> None:
    sample = asked(period)
    Sample.objects.filter(id=sample.id).update(state="drawing", attempt=1)
    Sample.objects.filter(id=sample.id).update(state="failed", note="entries were pruned")

    assert "entries were pruned" in see(auditor, paper_url(sample))
    said = send(auditor, f"{SAMPLES}{sample.id}/again/")

    assert "It waits for a worker again" in said


def test_the_sealed_period_and_its_control_lead_to_a_draw(
    period: Snapshot, auditor: Client
) -> None:
    control, _ = largest_leg(period)
    pages = (
        f"/admin/compliance/snapshot/{period.id}/change/",
        f"/admin/compliance/score/soc2/control/{control}/?ledger={period.ledger.name}&snapshot={period.id}",
    )

    for page in pages:
        answer = auditor.get(page)
        assert answer.status_code == 200
        assert f"sample/new/?snapshot={period.id}".encode() in answer.content, page


def test_without_the_right_nothing_is_drawn_ticked_or_concluded(
    period: Snapshot, database: None
) -> None:
    sample = drawn(period)
    viewer = client("compliance officer")

    assert viewer.get(f"{SAMPLES}new/?snapshot={period.id}").status_code == 403
    for act in ("1/tick", "conclude", "again"):
        assert viewer.post(f"{SAMPLES}{sample.id}/{act}/").status_code == 403
    assert "Keep it" not in see(viewer, paper_url(sample))
    assert "Draw a sample" not in see(viewer, f"/admin/compliance/snapshot/{period.id}/change/")


def test_acts_are_posts_alone_and_unknown_papers_are_not_found(
    period: Snapshot, auditor: Client
) -> None:
    sample = drawn(period)

    assert auditor.get(f"{SAMPLES}{sample.id}/conclude/").status_code == 405
    assert auditor.get(f"{SAMPLES}999999/change/").status_code == 404
    assert auditor.get(f"{SAMPLES}new/?snapshot=none").status_code == 404
    assert auditor.get(f"{SAMPLES}new/").status_code == 404
