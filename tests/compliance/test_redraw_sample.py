"""A sample is drawn again by anyone who has the bundle, and an entry that lies is found out."""

from __future__ import annotations

import json
import uuid
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.append import append_pending
from audit.models import Ledger
from audit.project import catch_up_all
from audit.prune import work_through_plans
from audit.receive import receive_own
from compliance.draw_sample import ask_again, ask_sample, draw_samples
from compliance.models import Snapshot
from compliance.redraw_sample import redraw_from_bundle, redraw_from_ledger
from compliance.sample_lines import ACTION
from compliance.sample_source import NotDrawable
from tests.audit.retaining import agreed, make_ready, proposed, seed
from tests.compliance.drawing import bundle, details, items, its_entry, period
from tests.compliance.sampling import ALICE, asked, calls, drawn, sealed_again, unchained_period
from tests.conftest import chain

__all__ = ["period"]  # fixtures, which pytest finds by their names here


def redrawn(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("redrawsample", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_bundle_alone_draws_the_same_sample(period: Snapshot, tmp_path: Path) -> None:
    sample = drawn(period)
    path = bundle(period.ledger, tmp_path)

    from_bundle = redraw_from_bundle(path, str(sample.uid))

    assert from_bundle == redraw_from_ledger(period.ledger, str(sample.uid))
    assert from_bundle.differences == ()
    assert from_bundle.drawn.named() == [[one.seq, one.item, one.stratum] for one in items(sample)]


def test_a_bundle_needs_no_row_of_the_sample(period: Snapshot, tmp_path: Path) -> None:
    sample = drawn(period)
    path = bundle(period.ledger, tmp_path)

    with connection.execute_wrapper(_no_sample_rows):
        code, said = redrawn(str(sample.uid), "--bundle", str(path))

    assert code == 0
    assert "EQUAL" in said


def _no_sample_rows(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    assert "compliance_sample" not in sql, sql
    return execute(sql, params, many, context)


def test_the_command_says_equal_and_exits_with_0(period: Snapshot) -> None:
    sample = drawn(period)

    code, said = redrawn(str(sample.uid), "--ledger", period.ledger.name)

    assert code == 0
    assert "EQUAL  drawn again, it is the same sample" in said


def test_an_entry_that_names_another_item_is_found_out(period: Snapshot) -> None:
    sample = drawn(period)
    entry = its_entry(sample)
    said = details(entry)
    forged = said | {"sample": str(uuid.uuid4()), "items": [[0, "0", "x"], *said["items"][1:]]}
    receive_own(period.ledger, ACTION, by="mallory", details=forged)
    append_pending(period.ledger_id)

    code, text = redrawn(forged["sample"], "--ledger", period.ledger.name, "--json")

    assert code == 1
    (line,) = json.loads(text)["differences"]
    assert line.startswith("items: at 1 the entry has '0'")


def test_what_the_command_cannot_draw_ends_with_1_and_nonsense_with_2(period: Snapshot) -> None:
    with pytest.raises(CommandError, match="no entry of the sample") as unknown:
        redrawn(str(uuid.uuid4()), "--ledger", period.ledger.name)
    with pytest.raises(CommandError, match="known by its id") as nonsense:
        redrawn("twelve", "--ledger", period.ledger.name)
    with pytest.raises(CommandError, match="--key none") as no_key:
        redrawn(str(uuid.uuid4()), "--bundle", "x.zip", "--key", "none")
    with pytest.raises(CommandError, match=r"x\.zip") as no_file:
        redrawn(str(uuid.uuid4()), "--bundle", "x.zip")

    assert unknown.value.returncode == 1
    assert {each.value.returncode for each in (nonsense, no_key, no_file)} == {2}


OWN = """\
schema: obs-framework/1
id: house
name: House rules
authority: us
version: 1.0.0
controls:
  - {id: H1, area: H, title: Calls, mode: automated, checks: [LOG-04], weight: critical}
"""
FILTERED = OWN.replace(
    "weight: critical}", "weight: critical, check_filter: {all: [[tool.name, eq, search]]}}"
)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (FILTERED, "the catalogue has changed"),
        (OWN.replace("H1", "H2"), "has no check LOG-04 in control H1"),
        (OWN.replace("house", "home"), "there is no framework 'house'"),
    ],
)
def test_a_catalogue_that_has_changed_draws_nothing_and_says_so(
    period: Snapshot, settings: Any, tmp_path: Path, changed: str, said: str
) -> None:
    own = tmp_path / "catalogue"
    own.mkdir()
    (own / "own.yaml").write_text(OWN)
    settings.CATALOGUE_DIR = str(own)
    sealed = sealed_again(period.ledger, "house")
    sample = ask_sample(sealed, control="H1", check="LOG-04", number="1", by=ALICE)
    (own / "own.yaml").write_text(changed)

    draw_samples(period.ledger_id)

    sample.refresh_from_db()
    assert sample.state == "failed"
    assert said in sample.note
    (own / "own.yaml").write_text(OWN)
    ask_again(sample)
    draw_samples(period.ledger_id)
    sample.refresh_from_db()
    assert sample.state == "open"


SEPTEMBER = (date(2025, 9, 1), date(2025, 10, 1))


def test_a_pruned_period_is_drawn_again_from_a_bundle_of_before(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.EXPORT_DIR = str(tmp_path / "exports")
    settings.SIGNING_DIR = str(tmp_path / "signing")
    seed(ledger, 700)
    catch_up_all(ledger.id)
    old = unchained_period(ledger, days=SEPTEMBER)
    append_pending(ledger.id)
    sample = asked(old)
    draw_samples(ledger.id)
    append_pending(ledger.id)
    make_ready(ledger)
    path = bundle(ledger, tmp_path)

    agreed(proposed(ledger))
    work_through_plans(ledger.id)

    with pytest.raises(NotDrawable, match="below #512, were pruned"):
        redraw_from_ledger(ledger, str(sample.uid))
    again = redraw_from_bundle(path, str(sample.uid))
    assert again.differences == ()
    assert again.drawn.population == 700


def test_a_period_after_what_was_pruned_is_drawn_as_ever(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.EXPORT_DIR = str(tmp_path / "exports")
    settings.SIGNING_DIR = str(tmp_path / "signing")
    seed(ledger, 700)
    make_ready(ledger)
    agreed(proposed(ledger))
    work_through_plans(ledger.id)
    chain(ledger, calls(60))
    catch_up_all(ledger.id)
    recent = unchained_period(ledger)
    append_pending(ledger.id)

    sample = drawn(recent)

    assert redraw_from_ledger(ledger, str(sample.uid)).differences == ()
    assert sample.population is not None
    assert sample.population >= 60
