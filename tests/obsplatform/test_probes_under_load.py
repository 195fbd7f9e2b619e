"""Probes are asked by many at once, of a real web process: each is answered, and with the same."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

THREADS = 8
REQUESTS = 200
"""Of each thread."""


@pytest.mark.parametrize("path", ["/health", "/ready", "/status"])
def test_eight_clients_at_once_are_all_answered_alike(
    installation: dict[str, Any], path: str
) -> None:
    address = urlsplit(installation["url"])

    def ask_often(_: int) -> Counter[tuple[int, frozenset[str]]]:
        answers: Counter[tuple[int, frozenset[str]]] = Counter()
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        for _ in range(REQUESTS if path == "/health" else REQUESTS // 8):
            connection.request("GET", path)
            response = connection.getresponse()
            answers[response.status, shape_of(json.loads(response.read()))] += 1
        connection.close()
        return answers

    with ThreadPoolExecutor(THREADS) as crowd:
        answers = sum(crowd.map(ask_often, range(THREADS)), Counter[Any]())

    assert len(answers) == 1, answers
    ((status, shape),) = answers
    assert status == 200
    assert "status" in shape or "statistics" in shape


def shape_of(answer: dict[str, Any]) -> frozenset[str]:
    """Return the members of an answer and the names of its checks."""
    return frozenset(answer) | {each["name"] for each in answer.get("checks", [])}
