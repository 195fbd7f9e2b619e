"""What may be wrong with an embedded server: it died, or its data is not ours."""

from __future__ import annotations


class ServerDied(Exception):
    """An embedded server ended instead of answering; the text ends with what it said last."""


class DataNotOurs(Exception):
    """The cluster belongs to another user, or its passwords are gone."""
