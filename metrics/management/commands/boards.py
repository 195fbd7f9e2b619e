"""Write the dashboards: the files that Grafana reads, and docs/dashboards.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metrics.boards.d12_one_agent import NoSuchAgentName, board_of
from metrics.boards.every import BOARDS
from metrics.boards.grafana import DESK, file_of, text_of
from metrics.boards.reference import boards_page


class Command(BaseCommand):
    """`manage.py boards`."""

    help = (
        "Write the twelve dashboards as files for Grafana, or the page about them. It needs no "
        "database. Exit 0 done, 1 a file cannot be written or an agent has no such name, 2 usage. "
        "Example: manage.py boards --out dashboards --desk https://audit.example.com"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--out", type=Path, help="write a file a board into this folder")
        parser.add_argument("--page", type=Path, help="write the page about them to this file")
        parser.add_argument("--desk", default=DESK, help="where their links lead")
        parser.add_argument(
            "--agent", action="append", default=[], help="a board for this agent too; repeatable"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Write what was asked for."""
        if options["out"] is None and options["page"] is None:
            raise CommandError("say --out DIR or --page FILE", returncode=2)
        if options["out"] is not None:
            self._write_boards(options["out"], desk=options["desk"], agents=options["agent"])
        if options["page"] is not None:
            _write(options["page"], boards_page())

    def _write_boards(self, folder: Path, *, desk: str, agents: list[str]) -> None:
        try:
            boards = [*BOARDS, *(board_of(name) for name in agents)]
        except NoSuchAgentName as error:
            raise CommandError(str(error)) from error
        for board in boards:
            _write(folder / file_of(board), text_of(board, desk=desk.rstrip("/")))
        self.stdout.write(f"{len(boards)} boards in {folder}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
