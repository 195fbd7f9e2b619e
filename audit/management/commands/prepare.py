"""Make what an installation needs before its first request: ledger, its signing key, user, keys."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandParser

from audit.auth import key_id_of, make_key
from audit.erasing import erase_again
from audit.ledgers import open_ledger
from audit.models import AgentKey, Ledger
from audit.seal import known_keys
from audit.signer import keys_path, signs_by_file
from audit.signer import make_key as make_signing_key

_SCOPES = {
    "key": ["events:write", "events:backfill", "entries:read"],
    "governance_key": [
        "events:write",
        "events:backfill",
        "entries:read",
        "governance:write",
        "ops:write",
    ],
}


class Command(BaseCommand):
    """`manage.py prepare`."""

    help = (
        "Make the ledger, an admin user and development keys, and print them as one JSON object. "
        "What exists is kept. Example: manage.py prepare"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to print."""
        parser.add_argument(
            "--quiet",
            action="store_true",
            help="print nothing, where somebody keeps what is printed; the file has it all",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Make what is missing; secrets live in $OBS_DATA/credentials.json (0600), nowhere else."""
        path = settings.DATA / "credentials.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        ledger = open_ledger(settings.LEDGER)
        _make_signing_key(ledger)
        erase_again()  # a backup that was restored brought erased keys back
        found = {
            "ledger": ledger.name,
            "user": "admin",
            "password": _password(known.get("password", "")),
            **{name: _key(ledger, name, known.get(name, "")) for name in _SCOPES},
        }
        if found != known:
            _write(path, found)
        if not options["quiet"]:
            self.stdout.write(json.dumps(found))


def _make_signing_key(ledger: Ledger) -> None:
    """Make the key of a ledger that was never signed; a lost one is never replaced in silence."""
    if signs_by_file() and not keys_path(ledger.name).exists() and not known_keys(ledger):
        make_signing_key(ledger.name, origin=ledger.origin)


def _password(known: str) -> str:
    """Return the admin user's password, which stays as it is as long as we know it."""
    users = get_user_model().objects
    user = users.filter(username="admin").first()
    if user is not None and known:
        return known
    password = known or secrets.token_urlsafe(15)
    if user is None:
        user = users.create_superuser("admin", password=password)
    else:
        user.set_password(password)
        user.save()
    user.groups.add(Group.objects.get(name="administrator"))
    return password


def _key(ledger: Ledger, name: str, known: str) -> str:
    key_id = key_id_of(known)
    if key_id and AgentKey.objects.live().filter(key_id=key_id, ledger=ledger).exists():
        return known
    _, token = make_key(
        ledger=ledger,
        name="development" if name == "key" else "development, governance",
        scopes=_SCOPES[name],
        created_by="prepare",
    )
    return token


def _write(path: Path, found: dict[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(found, indent=2) + "\n")
