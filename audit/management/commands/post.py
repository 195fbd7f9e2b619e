"""Send events of a file to an installation through its API."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.send import Answered, Sending, Unreachable, send_lines


class Command(BaseCommand):
    """`manage.py post FILE[.gz] [--url URL] [--key KEY] [--backfill]`."""

    help = (
        "Send NDJSON events through the API, with retries, and end with counts. '-' reads standard "
        "input. Example: manage.py post events.ndjson.gz --backfill"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options; address and key default to the installation that runs here."""
        parser.add_argument("file", help="NDJSON, plain or .gz; - for standard input")
        parser.add_argument("--url", help="default: the installation in $OBS_DATA")
        parser.add_argument("--key", help="an API key; default: that installation's own")
        parser.add_argument("--backfill", action="store_true", help="mark the events as history")
        parser.add_argument("--batch", type=int, default=500, help="events a POST; default: 500")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Send; exit 0 when every event is safe, 1 when some were refused, 4 when we gave up."""
        ready = _ready()
        url = options["url"] or ready.get("url")
        key = options["key"] or ready.get("key")
        if not url or not key:
            raise CommandError(
                "no installation runs here: give --url and --key, or start one with `make run`",
                returncode=2,
            )
        if not 1 <= options["batch"] <= 5000:
            raise CommandError("--batch must be between 1 and 5000", returncode=2)
        sending = Sending(url=url, key=key, backfill=options["backfill"], batch=options["batch"])
        shown = _Shown(_size(options["file"]))
        try:
            answered = send_lines(sending, options["file"], on_progress=shown.show)
        except OSError as error:
            raise CommandError(
                f"{options['file']}: {error.strerror or error}", returncode=2
            ) from None
        except Unreachable as error:
            raise CommandError(str(error), returncode=4) from None
        shown.end()
        for refusal in answered.refusals[:20]:
            self.stderr.write(refusal)
        self.stdout.write(json.dumps(answered.counts()) if options["json"] else _sentence(answered))
        sys.exit(1 if answered.rejected or answered.conflict else 0)


def _ready() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((settings.DATA / "ready.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return found


def _size(name: str) -> int:
    path = Path(name)
    return path.stat().st_size if name != "-" and path.is_file() else 0


class _Shown:
    """A bar on a terminal, nothing elsewhere: the counts at the end say it all."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._is_terminal = sys.stderr.isatty()

    def show(self, answered: Answered, read: int) -> None:
        """Say how much of the file is sent and how fast."""
        if not self._is_terminal:
            return
        share = read / self._size if self._size else 0.0
        width = min(os.get_terminal_size(sys.stderr.fileno()).columns, 100) - 50
        bar = (
            "█" * round(share * width) + "·" * (width - round(share * width)) if self._size else ""
        )
        sys.stderr.write(
            f"\r{bar} {share:4.0%} {answered.sent:>9,} events {answered.rate():>7,.0f}/s\033[K"
        )
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if self._is_terminal:
            sys.stderr.write("\n")


def _sentence(answered: Answered) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in answered.counts().items())
    return f"{counts} in {answered.seconds:.1f} s"
