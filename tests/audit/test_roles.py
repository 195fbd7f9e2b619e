"""What each role of Postgres may do to the ledger's tables: tried for real, and written down.

Every act runs in a transaction that is rolled back. `denied`: the role lacks the right. `trigger`:
a row or TRUNCATE trigger refuses. `rule`: what is asked lacks two people or a plan. `limit`: a
CHECK refuses. `guard`: the event trigger refuses. `done`: it was done.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict
from pytest_django.plugin import DjangoDbBlocker

from audit.announce import announce_quarantined
from audit.append import append_pending
from audit.auth import make_key, revoke_key
from audit.database import rows
from audit.ledgers import open_ledger
from audit.models import Agent, Head, Inbox, Ledger, Quarantine
from audit.project import catch_up, projections, rebuild
from audit.runs import run_verification, verify_new, verify_sample
from metrics.boards.grafana_views import BY_NAME as VIEWS
from tests.audit.pruning import person
from tests.audit.tampering import AsRole
from tests.conftest import chain, make_event, post

Connection: TypeAlias = psycopg.Connection[Any]

ROLES = ("web", "worker", "read", "owner", "superuser")

AN_ENTRY = """INSERT INTO {} (ledger_id, seq, received_at, occurred_at, is_backfill, event_id,
    hash, agent_id, actor_id, category, action, outcome, severity, environment, record)
    VALUES ({{ledger}}, 1000, '{{moment}}', '{{moment}}', false, gen_random_uuid(), sha256(''), 'a',
    'a', 'action', 'x.a.b', 'success', 'info', 'prod', '')"""

ACTS: dict[str, str] = {
    # Entries and their months.
    "read entries": "SELECT record FROM audit_entry WHERE ledger_id = {ledger}",
    "insert an entry": AN_ENTRY.format("audit_entry"),
    "insert an entry into its month": AN_ENTRY.format("{month}"),
    "update an entry": "UPDATE audit_entry SET outcome = 'x' WHERE ledger_id = {ledger}",
    "update a month": "UPDATE {month} SET outcome = 'x' WHERE ledger_id = {ledger}",
    "update an entry as a replica": "SET LOCAL session_replication_role = replica; "
    "UPDATE audit_entry SET outcome = 'x' WHERE ledger_id = {ledger}",
    "update a month as a replica": "SET LOCAL session_replication_role = replica; "
    "UPDATE {month} SET outcome = 'x' WHERE ledger_id = {ledger}",
    "delete an entry": "DELETE FROM audit_entry WHERE ledger_id = {ledger}",
    "delete from a month": "DELETE FROM {month} WHERE ledger_id = {ledger}",
    "truncate entries": "TRUNCATE audit_entry",
    "truncate a month": "TRUNCATE {month}",
    "truncate a month as a replica": "SET LOCAL session_replication_role = replica; "
    "TRUNCATE {month}",
    "read a month": "SELECT record FROM {month} WHERE ledger_id = {ledger}",
    "drop entries": "DROP TABLE audit_entry CASCADE",
    "drop a month": "DROP TABLE {month}",
    "detach a month": "ALTER TABLE audit_entry DETACH PARTITION {month}",
    "disable the triggers of entries": "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
    "disable the triggers of a month": "ALTER TABLE {month} DISABLE TRIGGER ALL",
    "make a trigger an ordinary one": "ALTER TABLE audit_entry ENABLE TRIGGER audit_no_change",
    "drop a trigger of entries": "DROP TRIGGER audit_no_change ON audit_entry",
    "own entries": "ALTER TABLE audit_entry OWNER TO obs_web",
    "rename entries": "ALTER TABLE audit_entry RENAME TO gone",
    # Of a column that no view reads: Postgres itself refuses to change the others.
    "rewrite hashes by type": "ALTER TABLE audit_entry ALTER COLUMN hash TYPE bytea USING ''",
    "hide entries by policy": "ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY",
    "divert inserts by rule": "CREATE RULE gone AS ON INSERT TO audit_entry DO INSTEAD NOTHING",
    "make a month": "SELECT audit_make_month('2031-05-05')",
    # Event keys.
    "read event keys": "SELECT digest FROM audit_eventkey WHERE ledger_id = {ledger}",
    "insert an event key": "INSERT INTO audit_eventkey (ledger_id, event_id, seq, digest) "
    "VALUES ({ledger}, gen_random_uuid(), 1000, sha256(''))",
    "update an event key": "UPDATE audit_eventkey SET digest = sha256('') "
    "WHERE ledger_id = {ledger}",
    "delete an event key": "DELETE FROM audit_eventkey WHERE ledger_id = {ledger}",
    "truncate event keys": "TRUNCATE audit_eventkey",
    "drop event keys": "DROP TABLE audit_eventkey",
    "disable the triggers of event keys": "ALTER TABLE audit_eventkey DISABLE TRIGGER ALL",
    # The head.
    "read a head": "SELECT size FROM audit_head WHERE ledger_id = {ledger}",
    "lock a head": "SELECT size FROM audit_head WHERE ledger_id = {ledger} FOR UPDATE",
    "insert a head": "INSERT INTO audit_head VALUES ({empty}, 0, sha256(''))",
    "grow a head": "UPDATE audit_head SET size = size + 1 WHERE ledger_id = {ledger}",
    "shrink a head": "UPDATE audit_head SET size = size - 1 WHERE ledger_id = {ledger}",
    "change a head's hash": "UPDATE audit_head SET hash = sha256('') WHERE ledger_id = {ledger}",
    "shrink a head as a replica": "SET LOCAL session_replication_role = replica; "
    "UPDATE audit_head SET size = size - 1 WHERE ledger_id = {ledger}",
    "delete a head": "DELETE FROM audit_head WHERE ledger_id = {ledger}",
    "truncate heads": "TRUNCATE audit_head",
    "drop heads": "DROP TABLE audit_head",
    "disable the triggers of heads": "ALTER TABLE audit_head DISABLE TRIGGER USER",
    # Ledgers.
    "make a ledger": "INSERT INTO audit_ledger (name, origin, created_at) "
    "VALUES ('t.roles', 'o', now())",
    "rename a ledger": "UPDATE audit_ledger SET name = 't.renamed' WHERE id = {ledger}",
    "change a ledger's origin": "UPDATE audit_ledger SET origin = 'x' WHERE id = {ledger}",
    "make a ledger read-only": "UPDATE audit_ledger SET is_read_only = true WHERE id = {ledger}",
    "delete a ledger": "DELETE FROM audit_ledger WHERE id = {empty}",
    "truncate ledgers": "TRUNCATE audit_ledger CASCADE",
    "drop ledgers": "DROP TABLE audit_ledger CASCADE",
    "disable the triggers of ledgers": "ALTER TABLE audit_ledger DISABLE TRIGGER USER",
    "make a ledger public": "UPDATE audit_ledger SET is_public = true WHERE id = {ledger}",
    # Tiles, checkpoints and what others hold.
    "insert a tile": "INSERT INTO audit_tile VALUES ({ledger}, 9, 9, repeat('x', 8192)::bytea, "
    "sha256(''))",
    "update a tile": "UPDATE audit_tile SET root = sha256('') WHERE ledger_id = {ledger}",
    "delete a tile": "DELETE FROM audit_tile WHERE ledger_id = {ledger}",
    "truncate tiles": "TRUNCATE audit_tile",
    "drop tiles": "DROP TABLE audit_tile",
    "disable the triggers of tiles": "ALTER TABLE audit_tile DISABLE TRIGGER USER",
    "insert a checkpoint": "INSERT INTO audit_checkpoint (ledger_id, size, root, note) "
    "VALUES ({ledger}, 99, sha256(''), '')",
    "update a checkpoint": "UPDATE audit_checkpoint SET note = '' WHERE ledger_id = {ledger}",
    "delete a checkpoint": "DELETE FROM audit_checkpoint WHERE ledger_id = {ledger}",
    "truncate checkpoints": "TRUNCATE audit_checkpoint",
    "drop checkpoints": "DROP TABLE audit_checkpoint",
    "disable the triggers of checkpoints": "ALTER TABLE audit_checkpoint DISABLE TRIGGER USER",
    "add a signing key": "INSERT INTO audit_signingkey (ledger_id, vkey, first_size) "
    "VALUES ({ledger}, 'k', 1)",
    "delete a signing key": "DELETE FROM audit_signingkey WHERE ledger_id = {ledger}",
    "say how sealing goes": "INSERT INTO audit_sealing (ledger_id, state, tried_at, since) "
    "VALUES ({ledger}, 'ok', now(), now())",
    "add an anchor's receipt": "INSERT INTO audit_anchorreceipt "
    "(ledger_id, sink, size, root, reference, proof) VALUES ({ledger}, 's', 9, sha256(''), '', '')",
    "delete an anchor's receipt": "DELETE FROM audit_anchorreceipt WHERE ledger_id = {ledger}",
    # Quarantine.
    "read quarantine": "SELECT event FROM audit_quarantine WHERE ledger_id = {ledger}",
    "put into quarantine": "INSERT INTO audit_quarantine (ledger_id, received_at, event_id, "
    "digest, reason, error, source, event) VALUES ({ledger}, now(), gen_random_uuid(), sha256(''), "
    "'refused', '', '', '')",
    "resolve what is in quarantine": "UPDATE audit_quarantine SET state = 'resolved', note = 'n', "
    "settled_at = now(), settled_by = 'Alice' WHERE ledger_id = {ledger}",
    "say that quarantine was announced": "UPDATE audit_quarantine SET is_announced = true "
    "WHERE ledger_id = {ledger}",
    "change what is in quarantine": "UPDATE audit_quarantine SET event = '' "
    "WHERE ledger_id = {ledger}",
    "change whose key it came with": "UPDATE audit_quarantine SET key_id = 'x' "
    "WHERE ledger_id = {ledger}",
    "change when it came to quarantine": "UPDATE audit_quarantine SET quarantined_at = now() "
    "WHERE ledger_id = {ledger}",
    "change which request it came with": "UPDATE audit_quarantine SET request_id = 'x' "
    "WHERE ledger_id = {ledger}",
    "delete from quarantine": "DELETE FROM audit_quarantine WHERE ledger_id = {ledger}",
    "truncate quarantine": "TRUNCATE audit_quarantine",
    "drop quarantine": "DROP TABLE audit_quarantine",
    "disable the triggers of quarantine": "ALTER TABLE audit_quarantine DISABLE TRIGGER USER",
    # The inbox.
    "read the inbox": "SELECT events FROM audit_inbox WHERE ledger_id = {ledger}",
    "insert into the inbox": "INSERT INTO audit_inbox (ledger_id, received_at, count, event_ids, "
    "digests, source, events) VALUES ({ledger}, now(), 1, ARRAY[gen_random_uuid()], sha256(''), "
    "'', '')",
    "update the inbox": "UPDATE audit_inbox SET received_at = now() WHERE ledger_id = {ledger}",
    "delete from the inbox": "DELETE FROM audit_inbox WHERE ledger_id = {ledger}",
    "truncate the inbox": "TRUNCATE audit_inbox",
    "drop the inbox": "DROP TABLE audit_inbox",
    "disable the triggers of the inbox": "ALTER TABLE audit_inbox DISABLE TRIGGER USER",
    # Keys of data subjects.
    "read subject keys": "SELECT wrapped FROM audit_subjectkey WHERE ledger_id = {ledger}",
    "hold a subject key": "SELECT key_id FROM audit_subjectkey "
    "WHERE ledger_id = {ledger} FOR SHARE",
    "make a subject key": "INSERT INTO audit_subjectkey (ledger_id, key_id, lookup, wrapped) "
    "VALUES ({ledger}, gen_random_uuid(), sha256('new'), '')",
    "erase a subject key": "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL "
    "WHERE ledger_id = {ledger}",
    "blank half of a subject key": "UPDATE audit_subjectkey SET wrapped = NULL "
    "WHERE ledger_id = {ledger}",
    "change a subject key": "UPDATE audit_subjectkey SET wrapped = 'x' WHERE ledger_id = {ledger}",
    "bring a subject key back": "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL "
    "WHERE ledger_id = {ledger}; UPDATE audit_subjectkey SET lookup = 'x', wrapped = 'x' "
    "WHERE ledger_id = {ledger}",
    "ask for an erasure": "INSERT INTO audit_erasure (ledger_id, key_id, case_id, reason, via, "
    "asked_by, typed) VALUES ({ledger}, gen_random_uuid(), 'c', 'r', 'admin', 'Alice', 'x')",
    "say that an erasure was done": "UPDATE audit_erasure SET state = 'done', typed = NULL, "
    "erased_at = now() WHERE ledger_id = {ledger}",
    "delete an erasure": "DELETE FROM audit_erasure WHERE ledger_id = {ledger}",
    "make a destination": "INSERT INTO audit_destination (ledger_id, name, kind, address, "
    "next_seq, made_by) VALUES ({ledger}, 'b', 'http', 'https://b.example', 0, 'Alice')",
    "read a destination's secret": "SELECT secret FROM audit_destination "
    "WHERE ledger_id = {ledger}",
    "say how far a destination is": "UPDATE audit_destination SET next_seq = 9 "
    "WHERE ledger_id = {ledger}",
    "say what a destination took": "UPDATE audit_destination SET sent_to = 9, ok_at = now() "
    "WHERE ledger_id = {ledger}",
    "delete a destination": "DELETE FROM audit_destination WHERE ledger_id = {ledger}",
    "delete a subject key": "DELETE FROM audit_subjectkey WHERE ledger_id = {ledger}",
    "truncate subject keys": "TRUNCATE audit_subjectkey",
    "drop subject keys": "DROP TABLE audit_subjectkey",
    "disable the triggers of subject keys": "ALTER TABLE audit_subjectkey DISABLE TRIGGER USER",
    # API keys.
    "read API keys": "SELECT secret_hmac FROM audit_agentkey WHERE ledger_id = {ledger}",
    "make an API key": "INSERT INTO audit_agentkey (ledger_id, key_id, name, secret_hmac, scopes, "
    "created_at, created_by) VALUES ({ledger}, 'rolekey1', '', sha256(''), '{{}}', now(), '')",
    "revoke an API key": "UPDATE audit_agentkey SET revoked_at = now() WHERE ledger_id = {ledger}",
    "move an API key to another ledger": "UPDATE audit_agentkey SET ledger_id = {empty} "
    "WHERE ledger_id = {ledger}",
    "change an API key's secret": "UPDATE audit_agentkey SET secret_hmac = sha256('') "
    "WHERE ledger_id = {ledger}",
    "delete an API key": "DELETE FROM audit_agentkey WHERE ledger_id = {ledger}",
    # Verification runs, which say what was found.
    "read verification runs": "SELECT result FROM audit_verification WHERE ledger_id = {ledger}",
    "start a verification run": "INSERT INTO audit_verification (ledger_id, kind, from_seq, "
    "to_seq, started_at) VALUES ({ledger}, 'manual', 0, 1, now())",
    "make up what a run found": "INSERT INTO audit_verification (ledger_id, kind, from_seq, "
    "to_seq, started_at, state, result) VALUES ({ledger}, 'manual', 0, 1, now(), 'done', 'intact')",
    "change what a run found": "UPDATE audit_verification SET result = 'intact' "
    "WHERE ledger_id = {ledger}",
    "cancel a run": "UPDATE audit_verification SET state = 'cancelled' WHERE ledger_id = {ledger}",
    "delete a run": "DELETE FROM audit_verification WHERE ledger_id = {ledger}",
    # Exports.
    "read exports": "SELECT sha256 FROM audit_export WHERE ledger_id = {ledger}",
    "ask for an export": "INSERT INTO audit_export (ledger_id, asked_at, size, format, query, via, "
    "requested_by) VALUES ({ledger}, now(), 1, 'csv', '{{}}', 'admin', 'Alice')",
    "make up an export": "INSERT INTO audit_export (ledger_id, asked_at, size, format, query, via, "
    "requested_by, state, sha256, expires_at) VALUES ({ledger}, now(), 1, 'csv', '{{}}', 'admin', "
    "'Alice', 'done', sha256(''), now())",
    "put a manifest before the signer": "UPDATE audit_export SET manifest = 'x' "
    "WHERE ledger_id = {ledger}",
    "cancel an export": "UPDATE audit_export SET state = 'cancelled' WHERE ledger_id = {ledger}",
    "delete an export": "DELETE FROM audit_export WHERE ledger_id = {ledger}",
    # Forgetting on purpose: people say it, two agree, the worker does it, one function alone.
    "set a policy": "INSERT INTO audit_retention (ledger_id, kind, name, days, changed_by) "
    "VALUES ({ledger}, 'category', 'data_access', 30, 'Alice')",
    "read policies": "SELECT days FROM audit_retention WHERE ledger_id = {ledger}",
    "apply a hold": "INSERT INTO audit_hold (ledger_id, kind, value, matter, reason, applied_by) "
    "VALUES ({ledger}, 'agent', 'a', 'm', 'r', 'Alice')",
    "release a hold": "UPDATE audit_hold SET released_at = now(), released_by = 'Alice', "
    "release_reason = 'over' WHERE ledger_id = {ledger}",
    "change what is held": "UPDATE audit_hold SET value = 'b' WHERE ledger_id = {ledger}",
    "delete a hold": "DELETE FROM audit_hold WHERE ledger_id = {ledger}",
    "truncate holds": "TRUNCATE audit_hold",
    "ask for a purge": "INSERT INTO audit_purgeplan (ledger_id, proposed_by, reason) "
    "VALUES ({empty}, 'Alice', 'r')",
    "make up what a plan says": "UPDATE audit_purgeplan SET report = '{{}}', planned_at = now(), "
    "from_seq = 0, to_seq = 512 WHERE ledger_id = {ledger}",
    "withdraw a purge": "UPDATE audit_purgeplan SET state = 'withdrawn', withdrawn_by = 'Alice' "
    "WHERE ledger_id = {ledger}",
    "delete a plan": "DELETE FROM audit_purgeplan WHERE ledger_id = {ledger}",
    "approve as nobody": "INSERT INTO audit_purgeapproval (ledger_id, plan_id, user_id) "
    "SELECT {ledger}, id, 0 FROM audit_purgeplan WHERE ledger_id = {ledger}",
    "approve under another name": "INSERT INTO audit_purgeapproval "
    "(ledger_id, plan_id, user_id, username) "
    "SELECT {ledger}, id, 0, 'Bob' FROM audit_purgeplan WHERE ledger_id = {ledger}",
    "delete approvals": "DELETE FROM audit_purgeapproval WHERE ledger_id = {ledger}",
    "truncate approvals": "TRUNCATE audit_purgeapproval",
    "drop approvals": "DROP TABLE audit_purgeapproval CASCADE",
    "disable the triggers of approvals": "ALTER TABLE audit_purgeapproval DISABLE TRIGGER USER",
    "write a purge": "INSERT INTO audit_purge "
    "(ledger_id, from_seq, to_seq, plan_id, first_approver, second_approver) "
    "SELECT {ledger}, 0, 256, id, 'Alice', 'Bob' FROM audit_purgeplan WHERE ledger_id = {ledger}",
    "truncate purges": "TRUNCATE audit_purge",
    "drop purges": "DROP TABLE audit_purge CASCADE",
    "disable the triggers of purges": "ALTER TABLE audit_purge DISABLE TRIGGER ALL",
    "prune what nobody approved": "SELECT audit_prune(ledger_id, id, 1) FROM audit_purgeplan "
    "WHERE ledger_id = {ledger}",
    "ask to drop the month that runs": "SELECT audit_drop_month(CURRENT_DATE)",
    "drop a month behind the guard": "SELECT obs_guard.drop_month('{month}')",
    "replace the rule of two people": "CREATE OR REPLACE FUNCTION audit_purge_needs_two_people() "
    "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END'",
    "replace who may approve": "CREATE OR REPLACE FUNCTION audit_approval_is_a_persons() "
    "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END'",
    "let another wording follow": "INSERT INTO obs_guard.successor VALUES ('a', 'b')",
    "freeze a carry": "INSERT INTO audit_carry (ledger_id, to_seq, projection, digest, rows) "
    "VALUES ({ledger}, 256, 'x', sha256(''), '')",
    "change a carry": "UPDATE audit_carry SET rows = 'x' WHERE ledger_id = {ledger}",
    "say that a bundle was verified": "UPDATE audit_export SET verified_at = now() "
    "WHERE ledger_id = {ledger}",
    "blank young content of quarantine": "UPDATE audit_quarantine SET event = '' "
    "WHERE ledger_id = {ledger}",
    # What is behind the guard.
    "replace the function that refuses": "CREATE OR REPLACE FUNCTION audit_refuse_change() "
    "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END'",
    "drop the function that refuses": "DROP FUNCTION audit_refuse_change() CASCADE",
    "replace the function of heads": "CREATE OR REPLACE FUNCTION audit_head_only_grows() "
    "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END'",
    "drop an event trigger": "DROP EVENT TRIGGER obs_guard_after",
    "disable an event trigger": "ALTER EVENT TRIGGER obs_guard_after DISABLE",
    "forget a guard": "DELETE FROM obs_guard.fact",
    "make a table": "CREATE TABLE public.mine (id int)",
    "make a function": "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "make a temporary table": "CREATE TEMPORARY TABLE mine (id int)",
    "become another role": "SET LOCAL ROLE obs_owner",
    "act as the superuser": "SET LOCAL ROLE postgres",
    "read a file of the server": "SELECT pg_read_file('PG_VERSION')",
    "run a program on the server": "COPY (SELECT 1) TO PROGRAM 'cat'",
}

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


# --- The rights as Postgres keeps them ------------------------------------------------------------

_DESTINATION = " ".join(
    f"{column}:SELECT"
    for column in (
        *("address", "batch_to", "error", "failing_since", "failures", "gaps", "id", "kind"),
        *("ledger_id", "made_at", "made_by", "name", "next_seq", "ok_at", "options", "removed_at"),
        *("removed_by", "sent_to", "state", "tried_at"),
    )
)  # every column but the secret

RIGHTS: dict[str, dict[str, str]] = {
    # table: what web, worker and read hold; `column:right` where it is one column's
    "audit_ledger": {
        "web": "SELECT is_public:UPDATE",
        "worker": "SELECT is_read_only:UPDATE read_only_reason:UPDATE",
        "read": "SELECT",
    },
    "audit_tile": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_checkpoint": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_cosignature": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_signingkey": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_sealing": {"web": "SELECT", "worker": "INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_anchor": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_anchorreceipt": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_head": {"web": "SELECT", "worker": "SELECT UPDATE", "read": "SELECT"},
    "audit_inbox": {"web": "INSERT SELECT", "worker": "DELETE INSERT SELECT"},
    "audit_entry": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_eventkey": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_retention": {
        "web": "DELETE SELECT changed_at:UPDATE changed_by:INSERT changed_by:UPDATE days:INSERT "
        "days:UPDATE kind:INSERT ledger_id:INSERT name:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "audit_hold": {
        "web": "SELECT applied_by:INSERT key_id:INSERT kind:INSERT ledger_id:INSERT matter:INSERT "
        "reason:INSERT release_reason:UPDATE released_at:UPDATE released_by:UPDATE value:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "audit_purgeplan": {
        "web": "SELECT finished_at:UPDATE ledger_id:INSERT proposed_by:INSERT reason:INSERT "
        "state:UPDATE withdrawn_by:UPDATE",
        "worker": "SELECT finished_at:UPDATE from_seq:UPDATE next_seq:UPDATE note:UPDATE "
        "planned_at:UPDATE report:UPDATE state:UPDATE to_seq:UPDATE",
        "read": "SELECT",
    },
    "audit_purgeapproval": {
        "web": "SELECT ledger_id:INSERT plan_id:INSERT user_id:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "audit_purge": {"web": "SELECT", "worker": "SELECT", "read": "SELECT"},
    "audit_minimum": {"web": "SELECT", "worker": "SELECT", "read": "SELECT"},
    "audit_carry": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_quarantine": {
        "web": "INSERT SELECT note:UPDATE settled_at:UPDATE settled_by:UPDATE state:UPDATE",
        "worker": "INSERT SELECT event:UPDATE is_announced:UPDATE note:UPDATE settled_at:UPDATE "
        "settled_by:UPDATE state:UPDATE",
    },
    "audit_subjectkey": {
        "web": "INSERT SELECT used_on:UPDATE",
        "worker": "INSERT SELECT erased_at:UPDATE lookup:UPDATE used_on:UPDATE wrapped:UPDATE",
    },
    "audit_subjectentry": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE"},
    "audit_erasure": {
        "web": "SELECT asked_by:INSERT cancelled_by:UPDATE case_id:INSERT confirmed_at:UPDATE "
        "confirmed_by:UPDATE finished_at:UPDATE key_id:INSERT ledger_id:INSERT reason:INSERT "
        "reason:UPDATE state:UPDATE typed:INSERT typed:UPDATE via:INSERT",
        "worker": "INSERT SELECT UPDATE",
    },
    "audit_destination": {
        "web": "SELECT address:INSERT address:UPDATE batch_to:UPDATE error:UPDATE "
        "failing_since:UPDATE failures:UPDATE kind:INSERT ledger_id:INSERT made_by:INSERT "
        "name:INSERT next_seq:INSERT next_seq:UPDATE options:INSERT options:UPDATE "
        "removed_at:UPDATE removed_by:UPDATE secret:INSERT secret:UPDATE state:UPDATE",
        "worker": "SELECT batch_to:UPDATE error:UPDATE failing_since:UPDATE failures:UPDATE "
        "gaps:UPDATE next_seq:UPDATE ok_at:UPDATE sent_to:UPDATE state:UPDATE tried_at:UPDATE",
        "read": _DESTINATION,
    },
    "audit_agentkey": {
        "web": "INSERT SELECT events_per_day:UPDATE events_per_second:UPDATE expires_at:UPDATE "
        "last_used_at:UPDATE name:UPDATE paused_at:UPDATE paused_by:UPDATE "
        "revoked_at:UPDATE revoked_by:UPDATE scopes:UPDATE",
        "worker": "SELECT",
    },
    "audit_keyusage": {"web": "SELECT", "worker": "INSERT SELECT UPDATE"},
    "audit_projection": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_agent": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_agentversion": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_agentday": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_verification": {
        "web": "SELECT cancelled_by:UPDATE finished_at:UPDATE from_seq:INSERT kind:INSERT "
        "ledger_id:INSERT requested_by:INSERT started_at:INSERT state:INSERT state:UPDATE "
        "to_seq:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_export": {
        "web": "SELECT asked_at:INSERT cancelled_by:UPDATE finished_at:UPDATE format:INSERT "
        "ledger_id:INSERT owner:INSERT query:INSERT reason:INSERT renderings:INSERT "
        "requested_by:INSERT size:INSERT "
        "state:UPDATE via:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_signature": {
        "web": "SELECT",
        "worker": "SELECT id:INSERT ledger_id:INSERT note:UPDATE refusal:UPDATE settled_at:UPDATE "
        "text:INSERT",
        "read": "SELECT",
    },
    "audit_standing": {"web": "SELECT", "worker": "SELECT", "read": "SELECT"},
    "audit_appendstat": {"web": "SELECT", "worker": "INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_appendfailure": {"web": "SELECT", "worker": "INSERT SELECT UPDATE", "read": "SELECT"},
    **{
        f"compliance_{table}": {
            "web": "SELECT",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("act", "bucket", "clock", "day", "item", "lens", "state", "tally")
    },
    "compliance_snapshot": {"web": "INSERT SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "compliance_approvalrequest": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_approvalanswer": {"web": "INSERT SELECT", "worker": "SELECT", "read": "SELECT"},
    "compliance_review": {"web": "INSERT SELECT", "worker": "SELECT", "read": "SELECT"},
    **{
        f"compliance_{table}": {"web": "INSERT SELECT UPDATE", "worker": "SELECT", "read": "SELECT"}
        for table in ("finding", "framework", "nilreturn")
    },
    **{
        f"compliance_{table}": {
            "web": "INSERT SELECT UPDATE",
            "worker": "SELECT reminded:UPDATE",
            "read": "SELECT",
        }
        for table in ("decision", "statement")
    },
    "compliance_delivery": {
        "web": "SELECT address:INSERT asked_by:INSERT asked_by:UPDATE attempts:UPDATE "
        "kind:INSERT ledger_id:INSERT next_try_at:UPDATE note:UPDATE options:INSERT "
        "position:INSERT report_id:INSERT schedule_id:INSERT state:UPDATE",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_report": {
        "web": "SELECT asked_by:INSERT cancelled_by:UPDATE end_day:INSERT "
        "environment:INSERT finished_at:UPDATE formats:INSERT framework:INSERT "
        "ledger_id:INSERT note:UPDATE owner:INSERT reason:INSERT snapshot_id:INSERT "
        "start_day:INSERT state:UPDATE via:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_reportfile": {
        "web": "SELECT",
        "worker": "INSERT SELECT",
        "read": "SELECT",
    },
    "compliance_sample": {
        "web": "SELECT asked_by:INSERT check_id:INSERT concluded_at:UPDATE "
        "concluded_by:UPDATE conclusion:UPDATE control:INSERT framework:INSERT "
        "ledger_id:INSERT lens_id:INSERT number:INSERT seed:INSERT "
        "snapshot_id:INSERT state:UPDATE uid:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_sampleitem": {
        "web": "SELECT file:UPDATE file_name:UPDATE file_sha256:UPDATE note:UPDATE "
        "ticked_at:UPDATE ticked_by:UPDATE verdict:UPDATE",
        "worker": "INSERT SELECT",
        "read": "SELECT",
    },
    "compliance_schedule": {
        "web": "INSERT SELECT UPDATE",
        "worker": "SELECT",
        "read": "changed_at:SELECT changed_by:SELECT counts_from:SELECT cron:SELECT "
        "environment:SELECT formats:SELECT framework:SELECT id:SELECT is_on:SELECT "
        "ledger_id:SELECT made_at:SELECT made_by:SELECT name:SELECT period:SELECT "
        "recipients:SELECT removed_at:SELECT removed_by:SELECT uid:SELECT "
        "zone:SELECT",
    },
    "compliance_slot": {
        "web": "SELECT attempts:UPDATE next_try_at:UPDATE note:UPDATE state:UPDATE",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    **{
        f"metrics_{table}": {
            "web": "SELECT",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("total", "minute", "exemplar", "gauge", "spend", "seen", "state", "fact")
    },
    "metrics_past": {"web": "SELECT", "worker": "DELETE INSERT SELECT", "read": "SELECT"},
    "metrics_name": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    # What a process counts of itself, and the page that all of them serve.
    **{
        f"metrics_{table}": {
            "web": "INSERT SELECT UPDATE",
            "worker": "INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("process", "processminute")
    },
    **{
        f"metrics_{table}": {
            "web": "INSERT SELECT UPDATE",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("flush", "page")
    },
    "metrics_switch": {"web": "INSERT SELECT UPDATE", "worker": "SELECT", "read": "SELECT"},
    "metrics_budget": {"web": "INSERT SELECT UPDATE", "worker": "SELECT", "read": "SELECT"},
    "metrics_custommetric": {
        "web": "SELECT allowed_by:INSERT ended_at:UPDATE ended_by:UPDATE help:INSERT "
        "help:UPDATE kind:INSERT labels:INSERT name:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "metrics_price": {
        "web": "SELECT cache_read:INSERT entered_by:INSERT input:INSERT model:INSERT "
        "output:INSERT provider:INSERT reasoning:INSERT removed_at:UPDATE "
        "removed_by:UPDATE starts_at:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "metrics_agentwork": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "metrics_gaugeminute": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "metrics_span": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE", "read": "SELECT"},
    "metrics_spandone": {
        "web": "DELETE SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    # What people operate by.
    **{
        f"metrics_{table}": {
            "web": "DELETE INSERT SELECT UPDATE",
            "worker": "SELECT",
            "read": "SELECT",
        }
        for table in ("alertrule", "objective")
    },
    **{
        f"metrics_{table}": {
            "web": "SELECT",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("alert", "alertlook")
    },
    "metrics_incident": {
        **dict.fromkeys(
            ("web", "worker"),
            "INSERT SELECT acknowledged_at:UPDATE acknowledged_by:UPDATE ended_at:UPDATE "
            "resolved_at:UPDATE resolved_by:UPDATE",
        ),
        "read": "SELECT",
    },
    "metrics_incidentact": {"web": "INSERT SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "metrics_receiver": {
        "web": "INSERT SELECT ended_at:UPDATE ended_by:UPDATE",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "metrics_notification": {
        "web": "INSERT SELECT",
        "worker": "INSERT SELECT due_at:UPDATE error:UPDATE given_up_at:UPDATE sent_at:UPDATE "
        "tries:UPDATE",
        "read": "SELECT",
    },
    "metrics_anomaly": {
        "web": "SELECT is_real:UPDATE judged_at:UPDATE judged_by:UPDATE reason:UPDATE",
        "worker": "INSERT SELECT ended_at:UPDATE evidence:UPDATE expected:UPDATE score:UPDATE "
        "seen:UPDATE severity:UPDATE",
        "read": "SELECT",
    },
    "metrics_remedy": {
        "web": "SELECT decided_at:UPDATE decided_by:UPDATE done_at:UPDATE is_approved:UPDATE "
        "outcome:UPDATE",
        "worker": "INSERT SELECT done_at:UPDATE outcome:UPDATE",
        "read": "SELECT",
    },
    "tracing_span": {"web": "INSERT SELECT", "worker": "INSERT SELECT"},
    "tracing_line": {"web": "INSERT SELECT", "worker": "INSERT SELECT"},
    "tracing_trace": {
        "web": "INSERT SELECT UPDATE",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "tracing_capture": {
        "web": "SELECT ended_by:UPDATE ends_at:INSERT ends_at:UPDATE made_by:INSERT "
        "slower_ms:INSERT sort:INSERT",
        "worker": "SELECT",
    },
    "tracing_profile": {"web": "INSERT SELECT", "worker": "DELETE INSERT SELECT"},
    # What dashboards read; the views read with the rights of the owner.
    **{view: {"grafana": "SELECT"} for view in VIEWS},
}
NOBODYS = {"metrics_grafanakey", "metrics_agentlabel"}
"""What the owner alone reads, through views."""

_RIGHTS = """
SELECT c.relname, c.relispartition, coalesce(r.rolname, 'PUBLIC'), NULL AS attname, a.privilege_type
FROM pg_class AS c
CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
LEFT JOIN pg_roles AS r ON r.oid = a.grantee
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT c.relname, c.relispartition, coalesce(r.rolname, 'PUBLIC'), t.attname, a.privilege_type
FROM pg_attribute AS t
JOIN pg_class AS c ON c.oid = t.attrelid
CROSS JOIN aclexplode(t.attacl) AS a
LEFT JOIN pg_roles AS r ON r.oid = a.grantee
WHERE c.relnamespace = 'public'::regnamespace AND t.attacl IS NOT NULL
"""


def test_no_role_holds_another_right_than_these(as_role: AsRole) -> None:
    held: dict[str, dict[str, set[str]]] = {}
    others = set()
    for table, is_partition, grantee, column, right in as_role("superuser").execute(_RIGHTS):
        if grantee in {"obs_owner", "postgres"}:
            continue
        if grantee not in {"obs_web", "obs_worker", "obs_read", "obs_grafana"} or is_partition:
            others.add((table, grantee, right))
        elif (
            table.startswith(("audit_", "compliance_", "metrics_", "tracing_"))
            or grantee == "obs_grafana"
        ):
            said = right if column is None else f"{column}:{right}"
            held.setdefault(table, {}).setdefault(grantee.removeprefix("obs_"), set()).add(said)

    assert others == set()  # nobody else, and no month but through its parent
    assert {t: {r: " ".join(sorted(s)) for r, s in each.items()} for t, each in held.items()} == (
        RIGHTS
    )


def test_every_table_of_the_ledger_has_its_line(as_role: AsRole) -> None:
    found = as_role("superuser").execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition "
        "AND relname ~ '^(audit|compliance|metrics|obs|tracing)_'"
    )

    assert {name for (name,) in found} == RIGHTS.keys() | NOBODYS


def test_the_auditors_role_reads_no_table_of_people_sessions_or_secrets(as_role: AsRole) -> None:
    found = as_role("read").execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm') AND has_any_column_privilege(oid, 'SELECT')"
    )

    assert {name for (name,) in found} == {t for t, held in RIGHTS.items() if "read" in held}


def test_no_running_role_may_do_more_than_its_tables_say(as_role: AsRole) -> None:
    found = (
        as_role("superuser")
        .execute(
            "SELECT r.rolname, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication "
            "OR rolbypassrls, EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid) "
            "FROM pg_roles AS r WHERE rolname ~ '^obs_'"
        )
        .fetchall()
    )

    assert sorted(found) == [
        (name, False, False)
        for name in ("obs_grafana", "obs_owner", "obs_read", "obs_web", "obs_worker")
    ]


def test_functions_with_the_owners_rights_are_the_workers_but_for_one(as_role: AsRole) -> None:
    found = (
        as_role("superuser")
        .execute(
            "SELECT p.proname, r.rolname FROM pg_proc AS p, pg_roles AS r "
            "WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace "
            "AND r.rolname IN ('obs_web', 'obs_worker', 'obs_read', 'obs_grafana') "
            "AND has_function_privilege(r.oid, p.oid, 'EXECUTE')"
        )
        .fetchall()
    )

    assert sorted(found) == [
        ("audit_drop_month", "obs_worker"),
        ("audit_make_month", "obs_worker"),
        ("audit_prune", "obs_worker"),
        ("metrics_drop_days", "obs_worker"),
        ("metrics_make_days", "obs_worker"),
        ("tracing_drop_days", "obs_worker"),
        ("tracing_make_days", "obs_web"),  # by who takes spans of a day that nobody made yet
        ("tracing_make_days", "obs_worker"),
    ]


# --- Triggers -------------------------------------------------------------------------------------

_NEVER_DELETED = {"compliance_no_delete", "compliance_no_truncate"}
TRIGGERS: dict[str, set[str]] = {
    "audit_entry": {"audit_no_change", "audit_no_truncate"},
    "audit_eventkey": {"audit_no_change", "audit_no_truncate"},
    "audit_head": {"audit_only_grows", "audit_no_truncate"},
    "audit_ledger": {"audit_keeps_name", "audit_no_truncate"},
    "audit_quarantine": {"audit_keeps_content", "audit_no_truncate"},
    "audit_inbox": {"audit_no_change", "audit_no_truncate"},
    "audit_subjectkey": {"audit_only_erased", "audit_no_delete", "audit_no_truncate"},
    "audit_hold": {"audit_only_released", "audit_no_truncate", "audit_waits_for_erasure"},
    "audit_erasure": {"audit_keeps_end", "audit_no_truncate"},
    "audit_purgeplan": {"audit_keeps_range", "audit_no_truncate"},
    "audit_purgeapproval": {"audit_a_person", "audit_no_change", "audit_no_truncate"},
    "audit_purge": {"audit_two_people", "audit_no_change", "audit_no_truncate"},
    "audit_carry": {"audit_no_change", "audit_no_truncate"},
    "audit_tile": {"audit_no_change", "audit_no_truncate"},
    "audit_checkpoint": {"audit_no_change", "audit_no_truncate"},
    "audit_cosignature": {"audit_no_change", "audit_no_truncate"},
    "audit_signingkey": {"audit_no_change", "audit_no_truncate"},
    "audit_anchorreceipt": {"audit_no_change", "audit_no_truncate"},
    "compliance_snapshot": {"compliance_snapshot_stays"},
    "compliance_statement": {"compliance_prepared", "compliance_signed", *_NEVER_DELETED},
    "compliance_decision": {"compliance_approved", "compliance_asked", *_NEVER_DELETED},
    "compliance_nilreturn": _NEVER_DELETED,
    "compliance_review": _NEVER_DELETED,
    "compliance_approvalanswer": {
        "compliance_another_person",
        "compliance_stays",
        "compliance_no_truncate",
    },
    "compliance_finding": {"compliance_closed", *_NEVER_DELETED},
    "compliance_framework": _NEVER_DELETED,
    "compliance_report": {"compliance_stays"},
    "compliance_reportfile": {"compliance_stays"},
    "compliance_sample": {"compliance_stays"},
    "compliance_sampleitem": {"compliance_stays"},
    "audit_signature": {"audit_stays"},
}


def triggers(connection: Connection) -> dict[str, set[str]]:
    """Return the triggers no session setting can skip, by table; each other one is a failure."""
    found: dict[str, set[str]] = {}
    rows = connection.execute(
        "SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger AS t "
        "JOIN pg_class AS c ON c.oid = t.tgrelid "
        "WHERE NOT t.tgisinternal "
        "AND (c.relname LIKE 'audit\\_%' OR c.relname LIKE 'compliance\\_%')"
    )
    for table, name, enabled in rows:
        assert enabled == "A", f"{name} of {table} can be skipped: {enabled}"
        found.setdefault(table, set()).add(name)
    return found


def test_every_guarded_table_and_every_month_has_its_triggers_always_enabled(
    as_role: AsRole,
) -> None:
    superuser = as_role("superuser")
    months = {
        name
        for (name,) in superuser.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits "
            "WHERE inhparent = 'audit_entry'::regclass"
        )
    }
    assert len(months) >= 4, "this month and three ahead are made by the migration"

    assert triggers(superuser) == TRIGGERS | dict.fromkeys(months, TRIGGERS["audit_entry"])


def test_a_month_made_by_the_worker_is_guarded_like_the_others(as_role: AsRole) -> None:
    worker = as_role("worker")
    made = worker.execute("SELECT audit_make_month('2035-03-31')").fetchone()
    again = worker.execute("SELECT audit_make_month('2035-03-01')").fetchone()

    assert (made, again) == ((True,), (False,))
    superuser = as_role("superuser")
    assert triggers(superuser)["audit_entry_203503"] == TRIGGERS["audit_entry"]
    bounds = superuser.execute(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'audit_entry_203503'"
    ).fetchone()
    assert bounds == ("FOR VALUES FROM ('2035-03-01 00:00:00+00') TO ('2035-04-01 00:00:00+00')",)


# --- What is allowed is enough --------------------------------------------------------------------


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """Let Django's connection log in as another role."""
    usual = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD")}
    address = conninfo_to_dict(
        os.environ["DATABASE_WORKER_URL" if role == "worker" else "DATABASE_URL"]
    )
    connection.close()
    connection.settings_dict |= {"USER": address["user"], "PASSWORD": address["password"]}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict |= usual


@pytest.mark.skipif(
    "OBS_TEST_READ_URL" not in os.environ, reason="needs roles of their own: unset DATABASE_URL"
)
def test_web_and_worker_can_do_their_whole_work_under_their_own_roles(ledger: Ledger) -> None:
    event = make_event(personal={"name": "Carol"}, data={"subject_ids": ["carol"]})
    with acting_as("web"):
        key, _ = make_key(ledger=ledger, name="k", scopes=["events:write"], created_by="Alice")
        assert [each.status for each in post(ledger, [event, make_event()])] == ["received"] * 2

    with acting_as("worker"):
        assert append_pending(ledger.id) == 3

    with acting_as("web"):
        statuses = [each.status for each in post(ledger, [event, event | {"outcome": "failure"}])]
        assert statuses == ["duplicate", "conflict"]
        revoke_key(key, by="Alice")

    with acting_as("worker"):
        assert announce_quarantined(ledger) == 1
        append_pending(ledger.id)
        assert {catch_up(ledger.id, each) for each in projections().values()} == {5}
        assert {rebuild(ledger, each) for each in projections().values()} == {5}
        for report in (verify_new(ledger), verify_sample(ledger)):
            assert report is not None
            assert report.result == "intact"
        assert run_verification(ledger, kind="manual").result == "intact"
        append_pending(ledger.id)

    assert not Inbox.objects.filter(ledger=ledger).exists()
    assert Head.objects.get(ledger=ledger).size == 7
    assert Agent.objects.filter(ledger=ledger).count() == 1
    assert Quarantine.objects.get(ledger=ledger).is_announced
