"""Registers the app with Django, and what follows its migrations."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    """The audit app."""

    name = "audit"
    verbose_name = "Evidence"

    def ready(self) -> None:
        """Have `migrate` make the tiles of what was chained before there were tiles."""
        post_migrate.connect(_fill_tiles, sender=self)


def _fill_tiles(*, verbosity: int, **_: object) -> None:
    # Only where the tables are there: `migrate audit 0003` goes no further than that.
    from audit.fill import fill_tiles, has_tiles
    from audit.models import Ledger

    if not has_tiles():
        return
    for ledger in Ledger.objects.order_by("id"):
        for now in fill_tiles(ledger):
            if verbosity:
                print(f"  {ledger.name}: {now.entries:,} of {now.total:,} entries have tiles")  # noqa: T201
