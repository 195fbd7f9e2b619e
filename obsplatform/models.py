"""What the platform itself keeps about people, beside Django's own accounts.

Evidence stands in the ledger (audit.models); nothing here is evidence and all of it may be lost.
"""

from __future__ import annotations

from django.db import models


class LogInAttempts(models.Model):
    """How often somebody has lately tried to log in; rows older than the window are removed."""

    who = models.CharField(primary_key=True, max_length=64)
    """A keyed hash of account and address: what was typed may be a password, so it is not kept."""
    attempts = models.IntegerField()
    """Attempts in this window that did not end in a log-in."""
    first_at = models.DateTimeField(db_index=True)
    """When the window began."""
