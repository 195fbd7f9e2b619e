"""Write minute history as a file that Prometheus can load."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metrics.families import BY_NAME
from metrics.openmetrics_history import MINUTE, Written, write_history


class Command(BaseCommand):
    """`manage.py metricshistory`."""

    help = (
        "Write what was counted by the minute as OpenMetrics with times, for a Prometheus that was "
        "added later: promtool tsdb create-blocks-from openmetrics FILE DATA. Exit 0 done, 1 the "
        "file cannot be written, 2 usage. "
        "Example: manage.py metricshistory --from 2026-11-20 --out history.om"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument(
            "--from", dest="start", required=True, help="ISO 8601; UTC unless it says otherwise"
        )
        parser.add_argument("--to", dest="end", help="the same; default: now")
        parser.add_argument(
            "--step", type=int, default=MINUTE, help="seconds between samples (default %(default)s)"
        )
        parser.add_argument(
            "--family", action="append", default=[], help="only this one; may be repeated"
        )
        parser.add_argument("--out", type=Path, help="write it to this file, not to stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the file whole or not at all."""
        start = _moment(options["start"], "--from")
        end = _moment(options["end"], "--to") if options["end"] else datetime.now(UTC)
        if end <= start:
            raise CommandError("--to is later than --from", returncode=2)
        if options["step"] < MINUTE or options["step"] % MINUTE:
            raise CommandError(f"--step is a multiple of {MINUTE} seconds", returncode=2)
        unknown = sorted(set(options["family"]) - BY_NAME.keys())
        if unknown:
            raise CommandError(f"there is no family {', '.join(unknown)}", returncode=2)
        asked = {
            "start": start,
            "end": min(end, datetime.now(UTC)),
            "step": options["step"],
            "families": options["family"] or None,
        }
        if options["out"] is None:
            write_history(self.stdout.write, **asked)
            return
        written = _to_file(options["out"], asked)
        self.stderr.write(
            f"{written.samples:,} samples of {written.series:,} series of {written.families} "
            f"families in {options['out']}"
        )


def _to_file(path: Path, asked: dict[str, Any]) -> Written:
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("w", encoding="utf-8") as out:
            written = write_history(out.write, **asked)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
    return written


def _moment(text: str, option: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{option} is a time such as 2026-11-20 or 2026-11-20T08:30Z", returncode=2
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
