"""Export entries of a ledger into a file, here and now."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.errors import NoCheckpoint, NotExported
from audit.export import cancel_export, want
from audit.export_attempt import Job, Reach
from audit.exportfile import KINDS, path_of
from audit.exporting import start_export, work_on_export, work_through_exports
from audit.models import Export, Ledger
from audit.query import NAMES, EntryFilter
from audit.renderings import RENDERINGS

_LOOK_SECONDS = 0.2


class Command(BaseCommand):
    """`manage.py exportledger --out FILE [--format …] [filters]`."""

    help = (
        "Export entries of a ledger at a tree size: an evidence bundle, or one rendering. Exit 0 "
        "done, 1 failed, 2 usage, 4 no signature came. "
        "Example: manage.py exportledger --out october.zip --from 2026-10-01T00:00:00Z "
        "--to 2026-11-01T00:00:00Z --with csv"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument("--out", required=True, metavar="FILE", help="where to put it")
        parser.add_argument("--format", default="bundle", choices=list(KINDS))
        parser.add_argument(
            "--with",
            dest="renderings",
            action="append",
            default=[],
            choices=list(RENDERINGS),
            help="a rendering inside the bundle; may be repeated",
        )
        parser.add_argument(
            "--size", type=int, help="the tree size, a checkpoint's; default: the newest"
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=60.0,
            metavar="SECONDS",
            help="for the signature of the sealing process (default: %(default)s)",
        )
        parser.add_argument("--reason", default="", help="why; stands in the ledger for ever")
        parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
        filters = parser.add_argument_group("filters, as on the entries page; each may be repeated")
        for name in NAMES:
            if name != "ledger":
                option = f"--{name.replace('_', '-')}"
                filters.add_argument(option, dest=f"filter_{name}", action="append", default=[])

    def handle(self, *_: Any, **options: Any) -> None:
        """Make the file and say what is in it."""
        out = Path(options["out"])
        if out.exists() and not options["force"]:
            raise CommandError(f"{out} is there already; name another, or --force", returncode=2)
        if not out.parent.is_dir():
            raise CommandError(f"there is no folder {out.parent}; make it first", returncode=2)
        job = self._begin(options)
        try:
            export = self._make(job, wait=options["wait"])
        except KeyboardInterrupt:
            cancel_export(job.export, by="exportledger")
            raise
        if export.state != "done":
            why = export.note or f"it is {export.state}"
            raise CommandError(f"export {export.id} was not made: {why}", returncode=1)
        _copy(path_of(export), out)
        self._tell(export, out, as_json=options["json"])

    def _begin(self, options: dict[str, Any]) -> Job:
        ledger = Ledger.objects.filter(name=options["ledger"]).first()
        if ledger is None:
            names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                returncode=2,
            )
        given = {name: options.get(f"filter_{name}") for name in NAMES}
        asked = EntryFilter.parse(
            {name: values for name, values in given.items() if values}, default_ledger=ledger.name
        )
        try:
            wanted = want(
                ledger,
                asked,
                format=options["format"],
                renderings=options["renderings"],
                size=options["size"],
                reason=options["reason"],
                owner=getpass.getuser(),
            )
            return start_export(wanted, requested_by="exportledger")
        except (NoCheckpoint, NotExported) as error:
            raise CommandError(str(error), returncode=2) from error

    def _make(self, job: Job, *, wait: float) -> Export:
        shown = _Shown()
        for reach in work_on_export(job):
            shown.show(reach)
        export = _again(job)
        until = time.monotonic() + wait
        while export.state in Export.GOING:
            if export.state == "signing" and export.signed_manifest is None:
                if time.monotonic() > until:
                    raise CommandError(
                        f"no signature came within {wait:g} s: is manage.py seal --follow running, "
                        f"and has {export.ledger.name} a key? Export {export.id} is kept, and is "
                        "finished as soon as it is signed; see Bundles in the desk",
                        returncode=4,
                    )
                time.sleep(_LOOK_SECONDS)
            elif not work_through_exports(export.ledger):
                time.sleep(_LOOK_SECONDS)  # a worker has it
            export = _again(job)
        return export

    def _tell(self, export: Export, out: Path, *, as_json: bool) -> None:
        if as_json:
            said = {
                "export": export.id,
                "ledger": export.ledger.name,
                "format": export.format,
                "query": export.parsed_query(),
                "size": export.size,
                "entries": export.entries,
                "first_seq": export.first_seq,
                "last_seq": export.last_seq,
                "bytes": export.file_size,
                "sha256": export.sha256,
                "warning": export.warning,
                "file": str(out),
            }
            self.stdout.write(json.dumps(said))
            return
        self.stdout.write(
            f"{out}: {export.entries:,} entries of {export.ledger.name} at tree size "
            f"{export.size:,}, {export.file_size:,} bytes, SHA-256 {export.sha256}"
        )
        if export.warning:
            self.stderr.write(export.warning)


def _again(job: Job) -> Export:
    return Export.objects.select_related("ledger").get(id=job.export.id)


def _copy(made: Path, out: Path) -> None:
    """Put the file where it was asked for: all of it, or none."""
    part = out.with_name(f".{out.name}.part")
    try:
        with made.open("rb") as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


class _Shown:
    """Progress on stderr: in place on a terminal, a line each five seconds elsewhere."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def show(self, reach: Reach) -> None:
        """Say entries a second, share done and time left."""
        is_terminal = sys.stderr.isatty()
        now = time.monotonic()
        if now - self._at < (0.2 if is_terminal else 5.0) or not reach.next_seq:
            return
        self._at = now
        rate = reach.entries / max(reach.seconds, 1e-9)
        left = reach.seconds * (reach.size - reach.next_seq) / reach.next_seq
        line = (
            f"{reach.entries:,} entries, {reach.next_seq / reach.size:.0%} looked through, "
            f"{rate:,.0f}/s, {left:,.0f} s left"
        )
        sys.stderr.write(f"\r{line}\033[K" if is_terminal else f"{line}\n")
        sys.stderr.flush()
