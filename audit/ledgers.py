"""Make a ledger. Its name and origin stay for ever."""

from __future__ import annotations

import re

from django.db import transaction

from audit.ledger.record import GENESIS
from audit.models import Head, Ledger

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


def open_ledger(name: str, *, origin: str = "") -> Ledger:
    """Return the ledger of that name, making it with an empty head when there is none.

    `origin` is what its checkpoints will be signed as; the default is made of the name once and
    stored, never derived from a request or a port. Raises ValueError for a name that is none.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no ledger name: up to 63 of a-z, 0-9, dot and hyphen, "
            "a letter or digit first"
        )
    with transaction.atomic():
        ledger, is_new = Ledger.objects.get_or_create(
            name=name, defaults={"origin": origin or f"obsplatform.local/{name}"}
        )
        if is_new:
            Head.objects.create(ledger=ledger, size=0, hash=GENESIS)
    return ledger
