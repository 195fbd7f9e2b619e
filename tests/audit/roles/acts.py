"""What somebody with the database might try on the ledger's tables, each act as SQL.

What each role of Postgres meets when it tries: test_acts.py.
"""

from __future__ import annotations

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
