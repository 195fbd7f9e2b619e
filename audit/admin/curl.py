"""The line of shell that posts one event to this installation."""

from __future__ import annotations

import json

from django.http import HttpRequest
from django.utils import timezone


def curl_line(request: HttpRequest, key: str) -> str:
    """Return a command that posts one event here, complete but for the key when it is not known."""
    event = {
        "occurred_at": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "category": "agent_lifecycle",
        "action": "agent.started",
        "outcome": "success",
        "agent": {"id": "my-agent", "version": "1"},
        "actor": {"type": "agent", "id": "my-agent"},
        "target": {"type": "agent", "id": "my-agent"},
    }
    return (
        f"curl {request.build_absolute_uri('/api/v1/events')} \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{json.dumps(event)}'"
    )
