"""Print the page of controls and checks: docs/controls.md, or that of this installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.catalogue import load_catalogue
from compliance.controls_table import controls_page
from compliance.in_force import catalogue_in_force


class Command(BaseCommand):
    """`manage.py controls`."""

    help = (
        "Print a page of every framework, control and check: what each proves and what it cannot. "
        "Without --in-force it is of the catalogue that is shipped, which needs no database. "
        "Exit 0 done, 1 the file cannot be written, 2 usage. "
        "Example: manage.py controls --in-force --out controls.md"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument(
            "--in-force",
            action="store_true",
            help="the catalogue of this installation, its own frameworks too",
        )
        parser.add_argument("--out", type=Path, help="write it to this file, not to stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print or write the page."""
        catalogue = catalogue_in_force() if options["in_force"] else load_catalogue()
        page = controls_page(catalogue)
        if options["out"] is None:
            self.stdout.write(page, ending="")
            return
        try:
            options["out"].write_text(page, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {options['out']}: {error.strerror}") from error
