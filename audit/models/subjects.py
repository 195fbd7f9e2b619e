"""The rows of data subjects: their keys, the entries that name them, and erasures."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.models.chain import Ledger
from audit.models.fields import HashField


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
