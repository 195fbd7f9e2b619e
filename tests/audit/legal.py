"""Apply legal holds in tests the way a person does."""

from __future__ import annotations

from typing import Any

from audit.hold import apply_hold
from audit.models import Hold, Ledger


def hold(ledger: Ledger, **fields: Any) -> Hold:
    """Apply a hold; fields that are not given name the whole ledger."""
    asked = {
        "kind": "ledger",
        "value": "",
        "matter": "Doe v. Acme",
        "reason": "counsel asked",
        "by": "alice",
    } | fields
    return apply_hold(ledger, **asked)
