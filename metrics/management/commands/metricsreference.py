"""Print the reference of metrics: docs/metrics.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metrics.reference_page import reference_page


class Command(BaseCommand):
    """`manage.py metricsreference`."""

    help = (
        "Print a page of every family of metrics: what it means, what it costs, what feeds it, a "
        "query. It needs no database. Exit 0 done, 1 the file cannot be written, 2 usage. "
        "Example: manage.py metricsreference --out metrics.md"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--out", type=Path, help="write it to this file, not to stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print or write the page."""
        page = reference_page()
        if options["out"] is None:
            self.stdout.write(page, ending="")
            return
        try:
            options["out"].write_text(page, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {options['out']}: {error.strerror}") from error
