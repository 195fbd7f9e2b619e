"""Print the JSON Schema of a report's content: docs/report-schema.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.report_schema import report_schema


class Command(BaseCommand):
    """`manage.py reportschema`."""

    help = (
        "Print the JSON Schema of a report's format json. Needs no database. "
        "Exit 0 done, 1 the file cannot be written, 2 usage. "
        "Example: manage.py reportschema --out report-schema.json"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--out", type=Path, help="write it to this file, not to stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print or write the schema."""
        if options["out"] is None:
            self.stdout.write(report_schema(), ending="")
            return
        try:
            options["out"].write_text(report_schema(), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {options['out']}: {error.strerror}") from error
