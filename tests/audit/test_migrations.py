"""Migrations: models and tables agree, and what was made for nothing can be undone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection

from tests.servers import empty_database

AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]

ROOT = Path(__file__).parents[2]

# Backward and forward, in one process: how it came forward once is how all tests began.
_BACK_AND_FORTH = """
import django
from django.core.management import call_command
django.setup()
from django.db import connection
print(len([name for name in connection.introspection.table_names() if name.startswith("audit_")]))
call_command("migrate", "audit", "zero", verbosity=0)
print(sorted(name for name in connection.introspection.table_names() if name.startswith("audit_")))
with connection.cursor() as cursor:
    cursor.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'audit%'")
    print(cursor.fetchall())
call_command("migrate", verbosity=0)
print(len([name for name in connection.introspection.table_names() if name.startswith("audit_")]))
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), attnotnull
FROM pg_attribute
WHERE attrelid = %s::regclass
  AND attnum > 0
  AND NOT attisdropped
"""


@pytest.fixture
def spare_database(as_role: AsRole) -> Iterator[str]:
    """Return the owner's address of a migrated database without the event triggers."""
    as_role("superuser")  # skips where we have none
    with empty_database() as addresses:
        with psycopg.connect(addresses["OBS_TEST_SUPERUSER_URL"], autocommit=True) as superuser:
            for guard in ("before", "after", "rewrite"):
                superuser.execute(f"DROP EVENT TRIGGER obs_guard_{guard}".encode())
        yield addresses["DATABASE_OWNER_URL"]


def test_no_model_has_changed_without_a_migration(database: None) -> None:
    out = StringIO()

    call_command("makemigrations", "--check", "--dry-run", stdout=out)

    assert "No changes detected" in out.getvalue()


def test_everything_is_migrated(database: None) -> None:
    out = StringIO()

    call_command("migrate", "--check", stdout=out)

    assert "[ ]" not in out.getvalue()


def test_every_column_has_its_field_and_every_field_its_column(database: None) -> None:
    """The tables are SQL and the models describe them: this holds them together."""
    for model in apps.get_app_config("audit").get_models():
        with connection.cursor() as cursor:
            cursor.execute(_COLUMNS, [model._meta.db_table])
            found = {name: (kind, not_null) for name, kind, not_null in cursor.fetchall()}
        fields = {f.column: f for f in model._meta.concrete_fields if f.column}

        assert found.keys() == fields.keys(), model._meta.db_table
        for name, field in fields.items():
            kind, not_null = found[name]
            wanted = (field.rel_db_type if field.is_relation else field.db_type)(connection)
            assert wanted == kind, f"{model._meta.db_table}.{name}"
            assert not_null != field.null, f"{model._meta.db_table}.{name}"


def test_an_empty_installation_can_go_back_and_forth(spare_database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BACK_AND_FORTH],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "obsplatform.settings",
            "OBS_DATABASE_ROLE": "owner",
            "DATABASE_URL": spare_database,
            "DATABASE_OWNER_URL": spare_database,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    before, tables, functions, again = done.stdout.strip().splitlines()[-4:]
    assert (tables, functions) == ("[]", "[]")
    assert int(again) == int(before) > 0


def test_a_ledger_with_entries_is_not_undone(database: None, as_role: AsRole) -> None:
    """The undo looks itself, so that it holds also where no event trigger stands."""
    owner = as_role("owner")
    owner.execute("SET lock_timeout = '5s'")
    undo = (ROOT / "audit" / "sql" / "0001_undo.sql").read_text()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_inbox (ledger_id, received_at, count, event_ids, digests, source, "
            "events) VALUES (-7, now(), 1, ARRAY[gen_random_uuid()], '', '', '')"
        )

    try:
        with (
            owner.transaction(force_rollback=True),
            pytest.raises(psycopg.errors.RaiseException, match="holds entries"),
        ):
            owner.execute(undo)
    finally:
        owner.execute("DELETE FROM audit_inbox WHERE ledger_id = -7")


def test_the_two_groups_hold_what_their_names_say(database: None) -> None:
    held = {
        group.name: set(group.permissions.values_list("codename", flat=True))
        for group in Group.objects.filter(name__in=["auditor", "administrator"])
    }

    assert held.keys() == {"auditor", "administrator"}
    # Exporting is reading: all that an auditor makes is a file, and an entry about it; so with a
    # report. An auditor draws samples and writes down what they show.
    made = {"add_export", "add_report", "add_sample", "change_sample"}
    assert all(each.startswith("view_") for each in held["auditor"] - made)
    assert "view_agentkey" not in held["auditor"]
    assert held["auditor"] < held["administrator"]
    assert not any(
        each.startswith(("add_", "change_", "delete_")) and each.endswith("_entry")
        for each in held["administrator"]
    )
