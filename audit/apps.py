"""Registers the app with Django, and what follows its migrations."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    """The audit app."""

    name = "audit"
    verbose_name = "Evidence"

    def ready(self) -> None:
        """Have `migrate` make missing tiles and destroy erased keys that a restore brought back."""
        post_migrate.connect(_fill_tiles, sender=self)
        post_migrate.connect(_erase_again, sender=self)


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


def _erase_again(*, verbosity: int, **_: object) -> None:
    # Here, since `up` lets the web server in right after it has migrated.
    from audit.erasing import erase_again, has_erasures

    if has_erasures() and (count := erase_again()) and verbosity:
        print(f"  {count:,} keys of erased data subjects were back, and are destroyed again")  # noqa: T201
