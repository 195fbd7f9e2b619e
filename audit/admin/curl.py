"""The lines of shell that post one event to this installation, or ask it for entries."""

from __future__ import annotations

import json
import shlex
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils import timezone

from audit.actions import ACTIONS
from audit.query import EntryFilter


def curl_line(
    request: HttpRequest, key: str, action: str = "agent.started", **blocks: object
) -> str:
    """Return a command that posts one event here, complete but for the key when it is not known.

    `blocks` are members of the event besides those that every event needs.
    """
    event = {
        "occurred_at": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "category": ACTIONS[action],
        "action": action,
        "outcome": "success",
        "agent": {"id": "my-agent", "version": "1"},
        "actor": {"type": "agent", "id": "my-agent"},
        "target": {"type": "agent", "id": "my-agent"},
        **blocks,
    }
    return (
        f"curl {request.build_absolute_uri('/api/v1/events')} \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{json.dumps(event)}'"
    )


def curl_entries(request: HttpRequest, asked: EntryFilter) -> str:
    """Return a command that streams every entry the filter matches; its key is left to the caller.

    The key must be one of the same ledger: the API shows a key no other.
    """
    query = urlencode(asked.as_params(), doseq=True)
    address = request.build_absolute_uri(f"/api/v1/entries?{query}")
    return (
        f"curl {shlex.quote(address)} \\\n"
        '  -H "Authorization: Bearer $OBS_KEY" \\\n'
        '  -H "Accept: application/x-ndjson"'
    )
