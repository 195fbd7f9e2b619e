"""What each role of Postgres may do to the ledger's tables: tried for real, and written down.

Every act runs in a transaction that is rolled back. `denied`: the role lacks the right. `trigger`:
a row or TRUNCATE trigger refuses. `rule`: what is asked lacks two people or a plan. `limit`: a
CHECK refuses. `guard`: the event trigger refuses. `done`: it was done. The acts: acts.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pytest_django.plugin import DjangoDbBlocker

from audit.auth import make_key
from audit.database import rows
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.runs import run_verification
from tests.audit.pruning import person
from tests.audit.roles.acts import ACTS
from tests.audit.tampering import AsRole, Connection
from tests.conftest import chain, make_event, post

ROLES = ("web", "worker", "read", "owner", "superuser")


# What each act meets; the roles stand in the order of ROLES.
TABLE = """
                                      web      worker   read     owner    superuser
read entries                          done     done     done     done     done
insert an entry                       denied   done     denied   done     done
insert an entry into its month        denied   denied   denied   done     done
update an entry                       denied   denied   denied   trigger  trigger
update a month                        denied   denied   denied   trigger  trigger
update an entry as a replica          denied   denied   denied   denied   trigger
update a month as a replica           denied   denied   denied   denied   trigger
delete an entry                       denied   denied   denied   trigger  trigger
delete from a month                   denied   denied   denied   trigger  trigger
truncate entries                      denied   denied   denied   trigger  trigger
truncate a month                      denied   denied   denied   trigger  trigger
truncate a month as a replica         denied   denied   denied   denied   trigger
read a month                          denied   denied   denied   done     done
drop entries                          denied   denied   denied   guard    guard
drop a month                          denied   denied   denied   guard    guard
detach a month                        denied   denied   denied   guard    guard
disable the triggers of entries       denied   denied   denied   guard    guard
disable the triggers of a month       denied   denied   denied   guard    guard
make a trigger an ordinary one        denied   denied   denied   guard    guard
drop a trigger of entries             denied   denied   denied   guard    guard
own entries                           denied   denied   denied   denied   guard
rename entries                        denied   denied   denied   guard    guard
rewrite hashes by type                denied   denied   denied   guard    guard
hide entries by policy                denied   denied   denied   guard    guard
divert inserts by rule                denied   denied   denied   guard    guard
make a month                          denied   done     denied   done     done
read event keys                       done     done     done     done     done
insert an event key                   denied   done     denied   done     done
update an event key                   denied   denied   denied   trigger  trigger
delete an event key                   denied   denied   denied   trigger  trigger
truncate event keys                   denied   denied   denied   trigger  trigger
drop event keys                       denied   denied   denied   guard    guard
disable the triggers of event keys    denied   denied   denied   guard    guard
read a head                           done     done     done     done     done
lock a head                           denied   done     denied   done     done
insert a head                         denied   denied   denied   done     done
grow a head                           denied   done     denied   done     done
shrink a head                         denied   trigger  denied   trigger  trigger
change a head's hash                  denied   trigger  denied   trigger  trigger
shrink a head as a replica            denied   denied   denied   denied   trigger
delete a head                         denied   denied   denied   trigger  trigger
truncate heads                        denied   denied   denied   trigger  trigger
drop heads                            denied   denied   denied   done     done
disable the triggers of heads         denied   denied   denied   done     done
make a ledger                         denied   denied   denied   done     done
rename a ledger                       denied   denied   denied   trigger  trigger
change a ledger's origin              denied   denied   denied   trigger  trigger
make a ledger read-only               denied   done     denied   done     done
delete a ledger                       denied   denied   denied   trigger  trigger
truncate ledgers                      denied   denied   denied   trigger  trigger
drop ledgers                          denied   denied   denied   guard    guard
disable the triggers of ledgers       denied   denied   denied   done     done
make a ledger public                  done     denied   denied   done     done
insert a tile                         denied   done     denied   done     done
update a tile                         denied   denied   denied   trigger  trigger
delete a tile                         denied   denied   denied   trigger  trigger
truncate tiles                        denied   denied   denied   trigger  trigger
drop tiles                            denied   denied   denied   guard    guard
disable the triggers of tiles         denied   denied   denied   guard    guard
insert a checkpoint                   denied   done     denied   done     done
update a checkpoint                   denied   denied   denied   trigger  trigger
delete a checkpoint                   denied   denied   denied   trigger  trigger
truncate checkpoints                  denied   denied   denied   trigger  trigger
drop checkpoints                      denied   denied   denied   guard    guard
disable the triggers of checkpoints   denied   denied   denied   guard    guard
add a signing key                     denied   done     denied   done     done
delete a signing key                  denied   denied   denied   trigger  trigger
say how sealing goes                  denied   done     denied   done     done
add an anchor's receipt               denied   done     denied   done     done
delete an anchor's receipt            denied   denied   denied   trigger  trigger
read quarantine                       done     done     denied   done     done
put into quarantine                   done     done     denied   done     done
resolve what is in quarantine         done     done     denied   done     done
say that quarantine was announced     denied   done     denied   done     done
change what is in quarantine          denied   trigger  denied   trigger  trigger
change whose key it came with         denied   denied   denied   trigger  trigger
change when it came to quarantine     denied   denied   denied   trigger  trigger
change which request it came with     denied   denied   denied   trigger  trigger
delete from quarantine                denied   denied   denied   trigger  trigger
truncate quarantine                   denied   denied   denied   trigger  trigger
drop quarantine                       denied   denied   denied   done     done
disable the triggers of quarantine    denied   denied   denied   done     done
read the inbox                        done     done     denied   done     done
insert into the inbox                 done     done     denied   done     done
update the inbox                      denied   denied   denied   trigger  trigger
delete from the inbox                 denied   done     denied   done     done
truncate the inbox                    denied   denied   denied   trigger  trigger
drop the inbox                        denied   denied   denied   done     done
disable the triggers of the inbox     denied   denied   denied   done     done
read subject keys                     done     done     denied   done     done
hold a subject key                    done     done     denied   done     done
make a subject key                    done     done     denied   done     done
erase a subject key                   denied   done     denied   done     done
blank half of a subject key           denied   trigger  denied   trigger  trigger
change a subject key                  denied   trigger  denied   trigger  trigger
bring a subject key back              denied   trigger  denied   trigger  trigger
ask for an erasure                    done     done     denied   done     done
say that an erasure was done          denied   limit    denied   limit    limit
delete an erasure                     denied   denied   denied   trigger  trigger
make a destination                    done     denied   denied   done     done
read a destination's secret           done     done     denied   done     done
say how far a destination is          done     done     denied   done     done
say what a destination took           denied   done     denied   done     done
delete a destination                  denied   denied   denied   done     done
delete a subject key                  denied   denied   denied   trigger  trigger
truncate subject keys                 denied   denied   denied   trigger  trigger
drop subject keys                     denied   denied   denied   done     done
disable the triggers of subject keys  denied   denied   denied   done     done
read API keys                         done     done     denied   done     done
make an API key                       done     denied   denied   done     done
revoke an API key                     done     denied   denied   done     done
move an API key to another ledger     denied   denied   denied   done     done
change an API key's secret            denied   denied   denied   done     done
delete an API key                     denied   denied   denied   done     done
read verification runs                done     done     done     done     done
start a verification run              done     done     denied   done     done
make up what a run found              denied   done     denied   done     done
change what a run found               denied   done     denied   done     done
cancel a run                          done     done     denied   done     done
delete a run                          denied   denied   denied   done     done
read exports                          done     done     done     done     done
ask for an export                     done     done     denied   done     done
make up an export                     denied   done     denied   done     done
put a manifest before the signer      denied   done     denied   done     done
cancel an export                      done     done     denied   done     done
delete an export                      denied   denied   denied   done     done
set a policy                          done     denied   denied   done     done
read policies                         done     done     done     done     done
apply a hold                          done     denied   denied   done     done
release a hold                        done     denied   denied   done     done
change what is held                   denied   denied   denied   trigger  trigger
delete a hold                         denied   denied   denied   trigger  trigger
truncate holds                        denied   denied   denied   trigger  trigger
ask for a purge                       done     denied   denied   done     done
make up what a plan says              denied   trigger  denied   trigger  trigger
withdraw a purge                      done     denied   denied   done     done
delete a plan                         denied   denied   denied   trigger  trigger
approve as nobody                     rule     denied   denied   rule     rule
approve under another name            denied   denied   denied   rule     rule
delete approvals                      denied   denied   denied   trigger  trigger
truncate approvals                    denied   denied   denied   trigger  trigger
drop approvals                        denied   denied   denied   guard    guard
disable the triggers of approvals     denied   denied   denied   guard    guard
write a purge                         denied   denied   denied   rule     rule
truncate purges                       denied   denied   denied   trigger  trigger
drop purges                           denied   denied   denied   guard    guard
disable the triggers of purges        denied   denied   denied   guard    guard
prune what nobody approved            denied   rule     denied   rule     rule
ask to drop the month that runs       denied   done     denied   done     done
drop a month behind the guard         denied   denied   denied   guard    guard
replace the rule of two people        denied   denied   denied   guard    guard
replace who may approve               denied   denied   denied   guard    guard
let another wording follow            denied   denied   denied   denied   done
freeze a carry                        denied   done     denied   done     done
change a carry                        denied   denied   denied   trigger  trigger
say that a bundle was verified        denied   done     denied   done     done
blank young content of quarantine     denied   trigger  denied   trigger  trigger
replace the function that refuses     denied   denied   denied   guard    guard
drop the function that refuses        denied   denied   denied   guard    guard
replace the function of heads         denied   denied   denied   done     done
drop an event trigger                 denied   denied   denied   denied   done
disable an event trigger              denied   denied   denied   denied   done
forget a guard                        denied   denied   denied   denied   done
make a table                          denied   denied   denied   done     done
make a function                       denied   denied   denied   done     done
make a temporary table                denied   done     denied   done     done
become another role                   denied   denied   denied   done     done
act as the superuser                  denied   denied   denied   denied   done
read a file of the server             denied   denied   denied   denied   done
run a program on the server           denied   denied   denied   denied   done
"""


EXPECTED = {
    " ".join(words[:-5]): words[-5:] for words in map(str.split, TABLE.strip().splitlines()[1:])
}


_REFUSALS = {"OBS01": "trigger", "OBS02": "rule", "23514": "limit"}


def outcome(connection: Connection, statement: str) -> str:
    """Try the statements, undo them, and say in one word what happened."""
    try:
        with connection.transaction(force_rollback=True):
            for each in statement.split("; "):
                found = connection.execute(each)
                assert found.rowcount != 0, f"this touched nothing: {each}"
    except psycopg.errors.InsufficientPrivilege as error:
        return "guard" if "refused" in str(error) else "denied"
    except psycopg.DatabaseError as error:
        return _REFUSALS.get(error.sqlstate or "") or f"{error.sqlstate}: {error}"
    return "done"


# One row in each table that needs 256 entries, a signer or a sink to get one by itself.
_ROWS = (
    "INSERT INTO audit_tile VALUES (%(ledger)s, 0, 0, repeat('x', 8192)::bytea, sha256('')) "
    "RETURNING 1",
    "INSERT INTO audit_checkpoint (ledger_id, size, root, note) "
    "VALUES (%(ledger)s, 1, sha256(''), '') RETURNING 1",
    "INSERT INTO audit_signingkey (ledger_id, vkey, first_size) VALUES (%(ledger)s, 'a', 1) "
    "RETURNING 1",
    "INSERT INTO audit_anchorreceipt (ledger_id, sink, size, root, reference, proof) "
    "VALUES (%(ledger)s, 's', 1, sha256(''), '', '') RETURNING 1",
    "INSERT INTO audit_export (ledger_id, asked_at, size, format, query, via, requested_by, state) "
    "VALUES (%(ledger)s, now(), 1, 'csv', '{}', 'admin', 'Alice', 'failed') RETURNING 1",
    "INSERT INTO audit_hold (ledger_id, kind, value, matter, reason, applied_by) "
    "VALUES (%(ledger)s, 'agent', 'a', 'm', 'r', 'Alice') RETURNING 1",
    "INSERT INTO audit_purgeplan (ledger_id, proposed_by, reason, from_seq, to_seq, planned_at, "
    "report, state) VALUES (%(ledger)s, 'Alice', 'r', 0, 256, now(), '{}', 'proposed') RETURNING 1",
    "INSERT INTO audit_carry (ledger_id, to_seq, projection, digest, rows) "
    "VALUES (%(ledger)s, 512, 'x', sha256(''), '') RETURNING 1",
    "INSERT INTO audit_erasure (ledger_id, key_id, case_id, reason, via, asked_by, typed) "
    "VALUES (%(ledger)s, gen_random_uuid(), 'c', 'r', 'admin', 'Alice', 'x') RETURNING 1",
    "INSERT INTO audit_destination (ledger_id, name, kind, address, next_seq, made_by) "
    "VALUES (%(ledger)s, 'a', 'http', 'https://a.example', 0, 'Alice') RETURNING 1",
    "INSERT INTO audit_purgeapproval (ledger_id, plan_id, user_id) "
    "SELECT ledger_id, id, %(person)s FROM audit_purgeplan WHERE ledger_id = %(ledger)s "
    "RETURNING 1",
    "INSERT INTO audit_retention (ledger_id, kind, days, changed_by) "
    "VALUES (%(ledger)s, 'ledger', 365, 'Alice') RETURNING 1",
)


@pytest.fixture(scope="module")
def places(django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Any]]:
    """Return names for the statements: a ledger with a row in every table, and one with none."""
    with django_db_blocker.unblock():
        ledger = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
        empty = Ledger.objects.create(name=f"t.{uuid.uuid4().hex[:16]}", origin="none")
        make_key(ledger=ledger, name="roles", scopes=["events:write"], created_by="tests")
        event = make_event(personal={"name": "Carol"}, data={"subject_ids": ["carol"]})
        moment = chain(ledger, [event])[0].received_at
        post(ledger, [event | {"outcome": "failure"}])
        run_verification(ledger, kind="manual")
        approver = person()
        for statement in _ROWS:
            rows(statement, {"ledger": ledger.id, "person": approver.pk})
        yield {
            "ledger": ledger.id,
            "empty": empty.id,
            "month": f"audit_entry_{moment:%Y%m}",
            "moment": moment.isoformat(),
        }


@pytest.mark.parametrize("act", ACTS)
def test_each_role_meets_what_this_table_says(
    act: str, places: dict[str, Any], as_role: AsRole
) -> None:
    statement = ACTS[act].format(**places)

    found = [outcome(as_role(role), statement) for role in ROLES]

    assert EXPECTED[act] == found


def test_every_act_stands_in_the_table() -> None:
    assert EXPECTED.keys() == ACTS.keys()
