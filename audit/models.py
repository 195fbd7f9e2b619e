"""The rows of the ledger. The tables, triggers and grants are SQL: audit/sql/.

Django describes them here for reading and for the admin; it never makes or changes them. Some
tables carry a composite key in Postgres and a single-column one here, since the admin refuses
composite keys: an entry is known by its hash, an API key by its eight characters, a run and a
quarantined event by the number that Postgres gave it. An agent's id is its own within one ledger
only, so whoever asks for an agent names the ledger too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self, TypeAlias

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

HexHash: TypeAlias = str
"""A SHA-256 in 64 lower-case hexadecimal digits."""


class HashField(models.BinaryField):  # type: ignore[type-arg]  # stubs give it no parameters at run time
    """32 bytes in Postgres, 64 hexadecimal digits in Python and in addresses."""

    def from_db_value(self, value: bytes | None, *_: object) -> HexHash | None:
        """Return the column's bytes in hex."""
        return None if value is None else bytes(value).hex()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Turn hex back into bytes for a query."""
        return super().get_db_prep_value(self.to_python(value), connection, prepared)

    def to_python(self, value: Any) -> Any:
        """Accept hex or bytes; raise ValueError for hex that is none."""
        return bytes.fromhex(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        """Return the hex that serialisers write."""
        return str(self.value_from_object(obj))


class Ledger(models.Model):
    """One chain: a tenant's or an environment's. Its name and origin never change."""

    id = models.AutoField(primary_key=True)
    name = models.TextField(unique=True)
    origin = models.TextField()
    is_read_only = models.BooleanField(default=False)
    read_only_reason = models.TextField(default="")
    is_public = models.BooleanField(default=False)
    succeeded_by = models.TextField(default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False
        db_table = "audit_ledger"

    def __str__(self) -> str:
        """Return the ledger's name."""
        return self.name


class Head(models.Model):
    """How long a ledger is and the hash of its last entry; the lock of its one writer."""

    ledger = models.OneToOneField(Ledger, models.DO_NOTHING, primary_key=True)
    size = models.BigIntegerField()
    hash = HashField()

    class Meta:
        managed = False
        db_table = "audit_head"


class Inbox(models.Model):
    """The events of one accepted POST, waiting to be chained."""

    pk = models.CompositePrimaryKey("ledger_id", "id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    id = models.BigIntegerField()
    received_at = models.DateTimeField()
    count = models.IntegerField()
    event_ids = ArrayField(models.UUIDField())
    digests = models.BinaryField()
    source = models.BinaryField()
    source_ids = ArrayField(models.TextField(null=True), null=True)
    request_id = models.TextField()
    traceparent = models.TextField()
    events = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_inbox"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Ways to ask for entries; each follows an index."""

    def newest_first(self) -> Self:
        """Order by seq, never by a clock."""
        return self.order_by("-seq")


class Entry(models.Model):
    """One link of the chain: the record that was hashed, and what is copied out of it."""

    hash = HashField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    seq = models.BigIntegerField()
    received_at = models.DateTimeField()
    occurred_at = models.DateTimeField()
    is_backfill = models.BooleanField()
    event_id = models.UUIDField()
    agent_id = models.TextField()
    actor_id = models.TextField()
    category = models.TextField()
    action = models.TextField()
    outcome = models.TextField()
    severity = models.TextField()
    environment = models.TextField()
    run_id = models.TextField(null=True)
    trace_id = models.TextField(null=True)
    key_id = models.TextField(null=True)
    data_classes = ArrayField(models.TextField(), null=True)
    record = models.BinaryField()

    objects = EntryQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "audit_entry"
        verbose_name = "entry"
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        """Return the address people use: ledger and seq."""
        return f"{self.ledger.name} #{self.seq:,}"

    def parsed(self) -> dict[str, Any]:
        """Return the record as JSON values. What counts are the bytes of `record`."""
        found: dict[str, Any] = json.loads(bytes(self.record))
        return found


class EventKey(models.Model):
    """An event id that is taken, and the entry that took it."""

    pk = models.CompositePrimaryKey("ledger_id", "event_id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    event_id = models.UUIDField()
    seq = models.BigIntegerField()
    digest = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_eventkey"


class Quarantine(models.Model):
    """An event that was accepted and could not be chained."""

    CONFLICT = "conflict"  # its id is taken by other content
    UNREADABLE = "unreadable"  # our own code cannot read what the inbox holds
    REFUSED = "refused"  # Postgres refuses the row

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    received_at = models.DateTimeField()
    quarantined_at = models.DateTimeField()
    is_announced = models.BooleanField(default=False)
    event_id = models.UUIDField()
    digest = HashField()
    reason = models.TextField()
    error = models.TextField()
    key_id = models.TextField()
    source = models.BinaryField()
    source_id = models.TextField()
    request_id = models.TextField()
    traceparent = models.TextField()
    event = models.BinaryField()
    state = models.TextField(default="open")
    note = models.TextField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_quarantine"
        verbose_name = "quarantined event"
        verbose_name_plural = "quarantine"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Quarantine {self.id:,}"


class SubjectKey(models.Model):
    """The wrapped data key of one data subject. Both values are empty after erasure."""

    pk = models.CompositePrimaryKey("ledger_id", "key_id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    key_id = models.UUIDField()
    lookup = models.BinaryField(null=True)
    wrapped = models.BinaryField(null=True)
    used_on = models.DateField()
    created_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "audit_subjectkey"


class AgentKeyQuerySet(models.QuerySet["AgentKey"]):
    """Ways to ask for API keys."""

    def live(self) -> Self:
        """Return the keys that are accepted now."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, revoked_at=None, paused_at=None)


class AgentKey(models.Model):
    """An API key, without its secret: what it may do, for which ledger, until when."""

    key_id = models.TextField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    name = models.TextField(help_text="Who uses it: a team, an agent, a machine.")
    secret_hmac = models.BinaryField()
    scopes = ArrayField(models.TextField())
    events_per_second = models.IntegerField(null=True, blank=True)
    events_per_day = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.TextField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.TextField(default="")
    paused_at = models.DateTimeField(null=True)
    paused_by = models.TextField(default="")
    last_used_at = models.DateTimeField(null=True)

    objects = AgentKeyQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "audit_agentkey"
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        """Return the name and the eight characters that entries carry."""
        return f"{self.name} ({self.key_id})"

    def state(self) -> str:
        """Return `live`, `paused`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "live" if self.paused_at is None else "paused"


class KeyUsage(models.Model):
    """How many events of a key were chained on a day (UTC)."""

    pk = models.CompositePrimaryKey("ledger_id", "key_id", "day")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    key_id = models.TextField()
    day = models.DateField()
    events = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_keyusage"


class Projection(models.Model):
    """How far a projection has read a ledger."""

    pk = models.CompositePrimaryKey("ledger_id", "name")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    name = models.TextField()
    next_seq = models.BigIntegerField()
    updated_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_projection"


class Agent(models.Model):
    """An agent as its entries show it. Derived: `manage.py rebuild agents` makes it anew."""

    agent_id = models.TextField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    name = models.TextField()
    owner = models.TextField()
    environments = ArrayField(models.TextField())
    is_registered = models.BooleanField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    entries = models.BigIntegerField()
    failures = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_agent"

    def __str__(self) -> str:
        """Return the agent's id."""
        return self.agent_id


class AgentVersion(models.Model):
    """A version of an agent and the entry that showed it first."""

    pk = models.CompositePrimaryKey("ledger_id", "agent_id", "version")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    agent_id = models.TextField()
    version = models.TextField()
    first_seq = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seq = models.BigIntegerField()
    entries = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_agentversion"


class AgentDay(models.Model):
    """What an agent did on one day (UTC), by when it happened."""

    pk = models.CompositePrimaryKey("ledger_id", "agent_id", "day")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    agent_id = models.TextField()
    day = models.DateField()
    entries = models.BigIntegerField()
    failures = models.BigIntegerField()
    denied = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_agentday"


class Verification(models.Model):
    """One run of verification, how far it is and what it found."""

    RESULTS: Sequence[str] = ("intact", "tampered", "not_proven")
    STALLED_AFTER = 30.0  # seconds without a sign of its worker

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    kind = models.TextField()
    state = models.TextField(default="running")
    requested_by = models.TextField(default="")
    from_seq = models.BigIntegerField()
    to_seq = models.BigIntegerField()
    checked = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    result = models.TextField(null=True)
    broken = models.BigIntegerField(default=0)
    bad_seq = models.BigIntegerField(null=True)
    bad_field = models.TextField(default="")
    expected = models.TextField(default="")
    found = models.TextField(default="")
    note = models.TextField(default="")
    next_seq = models.BigIntegerField(null=True)
    attempt = models.IntegerField(default=0)
    attempt_at = models.DateTimeField(null=True)
    attempt_from = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    cancelled_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_verification"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Verification {self.id:,}"

    def is_stalled(self, now: datetime) -> bool:
        """Tell whether its worker has given no sign for so long that it must be gone."""
        seen = self.seen_at or self.started_at
        return self.state == "running" and (now - seen).total_seconds() > self.STALLED_AFTER

    def word(self, now: datetime) -> str:
        """Return its result once it has one, else its state, or `stalled`."""
        if self.result is not None:
            return self.result
        return "stalled" if self.is_stalled(now) else self.state

    def may_resume(self, now: datetime) -> bool:
        """Tell whether it stopped before its end."""
        return self.result is None and (
            self.state in {"cancelled", "failed"} or self.is_stalled(now)
        )

    def total(self) -> int | None:
        """Return how many seqs it goes over; None until its end is known."""
        return None if self.to_seq < 0 else max(self.to_seq - self.from_seq, 0)

    def seconds(self) -> float:
        """Return how long its latest attempt took, or has taken up to its worker's last sign."""
        end = self.finished_at or self.seen_at
        start = self.attempt_at or self.started_at
        return max((end - start).total_seconds(), 0.0) if end else 0.0

    def rate(self) -> float:
        """Return entries a second of its latest attempt; 0 while nothing can be said."""
        seconds = self.seconds()
        return (self.checked - self.attempt_from) / seconds if seconds > 0 else 0.0


class Tile(models.Model):
    """A full tile of a ledger's Merkle tree: 256 hashes and the root over them. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "level", "index")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()
    root = HashField()

    class Meta:
        managed = False
        db_table = "audit_tile"


class CheckpointNote(models.Model):
    """A signed note that says how large a ledger was and what its root was. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "size")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    size = models.BigIntegerField()
    root = HashField()
    note = models.BinaryField()
    signed_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_checkpoint"


class Cosignature(models.Model):
    """A witness's signature over a checkpoint that came after it was published."""

    pk = models.CompositePrimaryKey("ledger_id", "size", "witness")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    size = models.BigIntegerField()
    witness = models.TextField()
    line = models.TextField()
    cosigned_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_cosignature"


class SigningKey(models.Model):
    """A public key that a ledger is or was signed with."""

    pk = models.CompositePrimaryKey("ledger_id", "vkey")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    vkey = models.TextField()
    first_size = models.BigIntegerField()
    first_used_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_signingkey"


class Sealing(models.Model):
    """How signing goes for a ledger: ok, or why nothing is signed."""

    ledger = models.OneToOneField(Ledger, models.DO_NOTHING, primary_key=True)
    state = models.TextField()
    error = models.TextField(default="")
    witnessed = models.TextField(default="")
    tried_at = models.DateTimeField()
    since = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_sealing"


class Anchor(models.Model):
    """How publishing checkpoints to one place outside the database goes."""

    pk = models.CompositePrimaryKey("ledger_id", "sink")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    sink = models.TextField()
    state = models.TextField()
    interval_seconds = models.FloatField()
    tried_at = models.DateTimeField()
    ok_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(null=True)
    root = HashField(null=True)
    failures = models.IntegerField(default=0)
    error = models.TextField(default="")
    reference = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_anchor"


class AnchorReceipt(models.Model):
    """What a place outside the database gave for a checkpoint: a token, an object's version."""

    pk = models.CompositePrimaryKey("ledger_id", "sink", "size")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    sink = models.TextField()
    size = models.BigIntegerField()
    root = HashField()
    anchored_at = models.DateTimeField()
    reference = models.TextField()
    proof = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_anchorreceipt"


class Export(models.Model):
    """An export of entries: what was asked for, how far it is, and the file it became."""

    LOST_AFTER = 30.0  # seconds without a sign of its worker, then another one begins again
    GOING: Sequence[str] = ("queued", "running", "signing")

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    asked_at = models.DateTimeField()
    via = models.TextField()
    requested_by = models.TextField()
    reason = models.TextField(default="")
    owner = models.TextField(default="")
    format = models.TextField()
    renderings = ArrayField(models.TextField(), default=list)
    query = models.TextField()
    size = models.BigIntegerField()
    state = models.TextField(default="queued")
    next_seq = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    first_seq = models.BigIntegerField(null=True)
    last_seq = models.BigIntegerField(null=True)
    attempt = models.IntegerField(default=0)
    attempt_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    lost = models.IntegerField(default=0)
    manifest = models.TextField(null=True)
    signed_manifest = models.BinaryField(null=True)
    signed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    file_size = models.BigIntegerField(null=True)
    sha256 = HashField(null=True)
    verified_at = models.DateTimeField(null=True)
    note = models.TextField(default="")
    warning = models.TextField(default="")
    cancelled_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_export"
        verbose_name = "bundle"
        verbose_name_plural = "bundles"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Export {self.id:,}"

    def parsed_query(self) -> dict[str, list[str]]:
        """Return the filter by its names, the ledger among them."""
        found: dict[str, list[str]] = json.loads(self.query)
        return found

    def is_going(self) -> bool:
        """Tell whether it waits, is made, or waits for the signature."""
        return self.state in self.GOING

    def has_file(self, now: datetime) -> bool:
        """Tell whether its file may be had."""
        return self.state == "done" and self.expires_at is not None and now < self.expires_at

    def word(self, now: datetime) -> str:
        """Return its state; `expired` from the moment on at which its file may not be had."""
        return "expired" if self.state == "done" and not self.has_file(now) else self.state

    def may_resume(self) -> bool:
        """Tell whether it stopped before its end."""
        return self.state in {"cancelled", "failed"}

    def percent(self) -> int:
        """Return the share of the ledger that was looked through, 0 to 100."""
        return min(100 * self.next_seq // self.size, 100)

    def seconds(self) -> float:
        """Return how long its latest attempt took, or has taken up to its worker's last sign."""
        end = self.finished_at or self.seen_at
        if self.attempt_at is None or end is None:
            return 0.0
        return max((end - self.attempt_at).total_seconds(), 0.0)

    def rate(self) -> float:
        """Return entries written a second in its latest attempt; 0 while nothing can be said."""
        seconds = self.seconds()
        return self.entries / seconds if seconds > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Return how long looking through the rest will take; None while it cannot be said."""
        seconds = self.seconds()
        if self.state != "running" or seconds <= 0 or self.next_seq == 0:
            return None
        return seconds * (self.size - self.next_seq) / self.next_seq


class Retention(models.Model):
    """How many days a ledger, or a category or data class of it, is kept at least."""

    DEFAULT_DAYS = 365
    PHI_DAYS = 2192  # 45 CFR 164.316(b)(2)(i): six years

    pk = models.CompositePrimaryKey("ledger_id", "kind", "name")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    kind = models.TextField()
    name = models.TextField(default="")
    days = models.IntegerField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_retention"
        verbose_name = "retention policy"
        verbose_name_plural = "retention policies"


class Hold(models.Model):
    """A legal hold: what it names is neither pruned nor erased until somebody releases it."""

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    kind = models.TextField()
    value = models.TextField(default="")
    key_id = models.UUIDField(null=True)
    matter = models.TextField()
    reason = models.TextField()
    applied_at = models.DateTimeField()
    applied_by = models.TextField()
    released_at = models.DateTimeField(null=True)
    released_by = models.TextField(default="")
    release_reason = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_hold"
        verbose_name = "legal hold"
        verbose_name_plural = "legal holds"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Hold {self.id:,}"

    def is_standing(self) -> bool:
        """Tell whether it still holds."""
        return self.released_at is None


class PurgePlan(models.Model):
    """A proposal to prune a ledger: how far, what a worker saw, and what became of it."""

    OPEN: Sequence[str] = ("asked", "proposed", "approved", "pruning")

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    proposed_at = models.DateTimeField()
    proposed_by = models.TextField()
    reason = models.TextField()
    planned_at = models.DateTimeField(null=True)
    from_seq = models.BigIntegerField(default=0)
    to_seq = models.BigIntegerField(null=True)
    next_seq = models.BigIntegerField(default=0)
    report = models.JSONField(null=True)
    state = models.TextField(default="asked")
    note = models.TextField(default="")
    withdrawn_by = models.TextField(default="")
    deleted = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "audit_purgeplan"
        verbose_name = "purge"
        verbose_name_plural = "purges"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Purge {self.id:,}"

    def is_open(self) -> bool:
        """Tell whether it may still come to something."""
        return self.state in self.OPEN


class PurgeApproval(models.Model):
    """A person's yes to a purge. Never changed; two different ones make it approved."""

    pk = models.CompositePrimaryKey("ledger_id", "plan_id", "user_id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    plan_id = models.BigIntegerField()
    user_id = models.IntegerField()
    username = models.TextField(default="")
    transaction_id = models.BigIntegerField(default=0)
    approved_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_purgeapproval"
        verbose_name = "approval of a purge"
        verbose_name_plural = "approvals of purges"


class Purge(models.Model):
    """A purge that two people approved and that has begun. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "to_seq")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    begun_at = models.DateTimeField()
    from_seq = models.BigIntegerField()
    to_seq = models.BigIntegerField()
    plan_id = models.BigIntegerField()
    first_approver = models.TextField()
    second_approver = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_purge"
        verbose_name = "begun purge"
        verbose_name_plural = "begun purges"


class Carry(models.Model):
    """What a projection had counted up to a minimum index. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "to_seq", "projection")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    to_seq = models.BigIntegerField()
    projection = models.TextField()
    frozen_at = models.DateTimeField()
    digest = HashField()
    rows = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_carry"


class Destination(models.Model):
    """Where a ledger's entries are sent on to, how far it has them, and how it does."""

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    name = models.TextField()
    kind = models.TextField()
    address = models.TextField()
    options = models.JSONField(default=dict)
    secret = models.BinaryField(null=True)
    state = models.TextField(default="active")
    next_seq = models.BigIntegerField(default=0)
    batch_to = models.BigIntegerField(null=True)
    sent_to = models.BigIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    ok_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    error = models.TextField(default="")
    gaps = models.JSONField(default=list)
    made_at = models.DateTimeField()
    made_by = models.TextField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_destination"
        verbose_name = "destination"
        verbose_name_plural = "destinations"

    def __str__(self) -> str:
        """Return the name that people gave it."""
        return self.name

    def word(self) -> str:
        """Return its state: `removed`, `paused`, `dead`, `failing` or `ok`."""
        if self.removed_at is not None:
            return "removed"
        if self.state != "active":
            return self.state
        return "failing" if self.failures else "ok"

    def is_replaying(self) -> bool:
        """Tell whether it is sent again what it has had."""
        return self.next_seq < self.sent_to


class SubjectEntry(models.Model):
    """An entry that names a data subject. Derived: `manage.py rebuild subjects` makes it anew."""

    pk = models.CompositePrimaryKey("ledger_id", "pseudonym", "seq")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    pseudonym = models.TextField()
    seq = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_subjectentry"


class Erasure(models.Model):
    """An erasure of a data subject: who asked, what a worker found, what became of it.

    The subject stands in it as the id of its key; its own id only sealed, until the erasure ends.
    """

    OPEN: Sequence[str] = ("asked", "looking", "ready", "erasing")
    LOST_AFTER = 30.0  # seconds without a sign of its worker, then another one goes on

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    key_id = models.UUIDField()
    case_id = models.TextField()
    reason = models.TextField()
    via = models.TextField()
    asked_at = models.DateTimeField()
    asked_by = models.TextField()
    state = models.TextField(default="asked")
    note = models.TextField(default="")
    typed = models.BinaryField(null=True)
    size = models.BigIntegerField(default=0)
    next_seq = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    personal_entries = models.BigIntegerField(default=0)
    clear_entries = models.BigIntegerField(default=0)
    clear_seqs = ArrayField(models.BigIntegerField(), default=list)
    first_seq = models.BigIntegerField(null=True)
    last_seq = models.BigIntegerField(null=True)
    held_by = ArrayField(models.BigIntegerField(), default=list)
    attempt = models.IntegerField(default=0)
    attempt_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.TextField(default="")
    cancelled_by = models.TextField(default="")
    erased_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    completed_id = models.UUIDField(null=True)
    head_size = models.BigIntegerField(null=True)
    head_hash = HashField(null=True)

    class Meta:
        managed = False
        db_table = "audit_erasure"
        verbose_name = "erasure"
        verbose_name_plural = "data subjects"
        permissions = [  # noqa: RUF012  # as Django has it
            ("access_subject", "Can hand out what is kept about a data subject")
        ]

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Erasure {self.id:,}"

    def is_going(self) -> bool:
        """Tell whether it waits for a worker or is in a worker's hands."""
        return self.state in {"asked", "looking", "erasing"}

    def may_cancel(self) -> bool:
        """Tell whether it can still be called off: until somebody has confirmed it."""
        return self.state in {"asked", "looking", "ready"}

    def percent(self) -> int:
        """Return the share of the ledger that was looked through, 0 to 100."""
        return min(100 * self.next_seq // self.size, 100) if self.size else 0
