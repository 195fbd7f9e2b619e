"""Verify all that there is of a ledger up to its head, or a range of it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.errors import HeldUnusable, RunStopped
from audit.held import Holder, NoteFile, SignerState, SinkNotes
from audit.ledger.errors import KeyMalformed
from audit.ledger.note import COSIGNATURE, VerifierKey, parse_verifier_key
from audit.models import Ledger
from audit.runs import run_verification
from audit.sinks.configured import sinks_from_settings
from audit.verify import Progress, Report

_EXIT = {"intact": 0, "tampered": 1, "not_proven": 3}


class Command(BaseCommand):
    """`manage.py verifychain [--ledger NAME] [--from SEQ] [--to SEQ] [--key VKEY] [--anchor FILE]`.

    Compares with the state of the signer and with the sinks of this installation, too.
    """

    help = (
        "Derive every hash, link, column, tile and root again and compare. Exit 0 intact, "
        "1 tampered, 2 usage, 3 not proven. Example: manage.py verifychain --ledger main "
        "--key VKEY --anchor checkpoint-of-october.txt"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument(
            "--from",
            dest="from_seq",
            type=int,
            metavar="SEQ",
            help="default: the first entry that is kept, with the tiles of what was pruned",
        )
        parser.add_argument(
            "--to",
            dest="to_seq",
            type=int,
            metavar="SEQ",
            help="one past the last; default: the head",
        )
        parser.add_argument(
            "--key",
            dest="keys",
            action="append",
            default=[],
            metavar="VKEY",
            help="a key of the ledger or of a witness, as you know it; repeatable",
        )
        parser.add_argument(
            "--anchor",
            dest="anchors",
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            help="a checkpoint that you kept, or a file of the sink `file`; repeatable",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Verify and say one of three results."""
        ledger = Ledger.objects.filter(name=options["ledger"]).first()
        if ledger is None:
            names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                returncode=2,
            )
        if (options["from_seq"] or 0) < 0 or (options["to_seq"] or 0) < 0:
            raise CommandError("a seq is 0 or more", returncode=2)
        keys = [_key(ledger, text) for text in options["keys"]]
        kept = [_kept(ledger, path) for path in options["anchors"]]
        holders: list[Holder] = [SignerState(), SinkNotes(sinks=sinks_from_settings()), *kept]
        try:
            report = run_verification(
                ledger,
                kind="manual",
                requested_by="verifychain",
                from_seq=options["from_seq"],
                to_seq=options["to_seq"],
                keys=keys,
                holders=holders,
                on_progress=_Shown().show,
            )
        except RunStopped as stopped:
            raise CommandError(f"{ledger.name}: not proven, {stopped}", returncode=3) from stopped
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict()))
        else:
            self.stdout.write(_sentence(report))
        sys.exit(_EXIT[report.result])


def _key(ledger: Ledger, text: str) -> VerifierKey:
    try:
        key = parse_verifier_key(text.strip())
    except KeyMalformed as problem:
        raise CommandError(f"--key {text}: {problem}", returncode=2) from problem
    if key.algorithm != COSIGNATURE and key.name != ledger.origin:
        raise CommandError(
            f"--key {key} is of another ledger; the origin of {ledger.name} is {ledger.origin}",
            returncode=2,
        )
    return key


def _kept(ledger: Ledger, path: Path) -> NoteFile:
    kept = NoteFile(path=path)
    try:
        kept.held(ledger)
    except HeldUnusable as problem:
        raise CommandError(f"--anchor {problem}", returncode=2) from problem
    return kept


class _Shown:
    """Progress on stderr: in place on a terminal, a line each five seconds elsewhere."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Say rows a second, share done and time left."""
        is_terminal = sys.stderr.isatty()
        now = time.monotonic()
        if now - self._at < (0.2 if is_terminal else 5.0):
            return
        self._at = now
        rate = progress.checked / max(progress.seconds, 1e-9)
        left = (progress.total - progress.checked) / max(rate, 1e-9)
        line = (
            f"{progress.checked:,} of {progress.total:,} entries, "
            f"{progress.checked / progress.total:.0%}, {rate:,.0f}/s, {left:,.0f} s left"
        )
        sys.stderr.write(f"\r{line}\033[K" if is_terminal else f"{line}\n")
        sys.stderr.flush()


def _sentence(report: Report) -> str:
    rate = report.checked / max(report.seconds, 1e-9)
    checked = f"{report.checked:,} entries checked in {report.seconds:.1f} s ({rate:,.0f}/s)"
    if report.result == "intact":
        return f"{report.ledger}: intact, {checked}; {report.note}"
    if report.first is None:
        return f"{report.ledger}: not proven, {report.note}"
    first = report.first
    return (
        f"{report.ledger}: TAMPERED at seq {first.seq}, field {first.field}: "
        f"expected {first.expected}, found {first.found}; "
        f"{report.broken:,} faults, {checked}"
    )
