"""Ask the API of a running installation, as a client of its own would: without Django."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def call(url: str, *, method: str = "GET", key: str = "", body: object = None) -> tuple[int, Any]:
    """Ask the API; return the status and what the answer holds, a refusal too."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=content, headers=headers, method=method)
    opener = urllib.request.build_opener(_Plain)
    with opener.open(request, timeout=60) as answer:
        text = answer.read()
        return answer.status, json.loads(text) if text else None


class _Plain(urllib.request.HTTPErrorProcessor):
    """Hand on every answer as it is; a refusal is what a test asks about."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response
