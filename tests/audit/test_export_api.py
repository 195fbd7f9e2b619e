"""Exports over the API: who may ask, what is answered, and a file that comes in parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from audit.download import _span
from audit.exportfile import make_token, path_of
from audit.ledgers import open_ledger
from audit.models import Export, Ledger
from tests.audit.exporting import finish, made, sealed
from tests.conftest import chain, make_event

ApiKey = Callable[..., str]


@pytest.fixture
def ten(ledger: Ledger) -> Ledger:
    """Return a sealed ledger of ten entries."""
    return sealed(ledger, 10)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def ask(ledger: Ledger, token: str, body: Any = None) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return Client(enforce_csrf_checks=True).post(
        f"/api/v1/ledgers/{ledger.name}/exports",
        data,
        content_type="application/json",
        headers=bearer(token),
    )


def get(token: str, address: str, **headers: str) -> Any:
    return Client().get(address, headers=bearer(token) | headers)


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_an_export_is_asked_for_followed_and_downloaded(ten: Ledger, api_key: ApiKey) -> None:
    token = api_key(ten, "entries:read")

    asked = ask(ten, token, {"renderings": ["csv"], "filter": {"outcome": ["denied"]}})

    assert asked.status_code == 202, asked.content
    item, address = asked.json(), asked["Location"]
    assert (item["state"], item["size"], item["link"]) == ("queued", 10, None)
    assert item["filter"] == {"ledger": [ten.name], "outcome": ["denied"]}
    waiting = get(token, f"{address}/file")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "export-not-ready")
    finish(ten)
    item = get(token, address).json()
    assert (item["state"], item["entries"], item["percent"]) == ("done", 4, 100)
    file = get(token, f"{address}/file")
    data = body_of(file)
    assert file["Content-Type"] == "application/zip"
    assert file["Content-Disposition"].startswith(f'attachment; filename="{ten.name}-10-export-')
    assert sha256(data).hexdigest() == item["sha256"] == file["ETag"].strip('"')
    assert len(data) == item["file_size"] == int(file["Content-Length"])
    export = Export.objects.get(id=item["id"])
    assert (export.via, export.requested_by[:4]) == ("api", "key:")


def test_a_broken_download_goes_on_where_it_stopped(ten: Ledger, api_key: ApiKey) -> None:
    export = made(ten)
    token = api_key(ten, "entries:read")
    address = f"/api/v1/ledgers/{ten.name}/exports/{export.id}/file"
    whole = path_of(export).read_bytes()

    first = get(token, address, range="bytes=0-999")
    rest = get(token, address, range="bytes=1000-", if_range=first["ETag"])
    tail = get(token, address, range="bytes=-10")
    other = get(token, address, range="bytes=1000-", if_range='"another file"')
    beyond = get(token, address, range=f"bytes={len(whole)}-")

    assert [each.status_code for each in (first, rest, tail, other)] == [206, 206, 206, 200]
    assert body_of(first) + body_of(rest) == whole
    assert rest["Content-Range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
    assert body_of(tail) == whole[-10:]
    assert body_of(other) == whole
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range")
    assert beyond["Content-Range"] == f"bytes */{len(whole)}"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("", None),
        ("bytes=0-4", range(5)),
        ("bytes=8-99", range(8, 10)),
        ("bytes=9-", range(9, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("bytes=4-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=10-", range(0)),
        ("bytes=-0", range(10, 10)),
    ],
)
def test_which_bytes_a_range_names(said: str, found: range | None) -> None:
    request = Client().get("/health", headers={"range": said} if said else {}).wsgi_request

    span = _span(request, 10, '"tag"')

    assert (span is None) == (found is None)
    assert list(span or []) == list(found or [])


def test_a_key_asks_for_its_own_ledger_only(ten: Ledger, api_key: ApiKey) -> None:
    other = open_ledger(f"{ten.name}.other")
    export = made(ten)
    stranger = api_key(other, "entries:read")
    writer = api_key(ten, "events:write")
    address = f"/api/v1/ledgers/{ten.name}/exports/{export.id}"

    assert ask(ten, stranger).json()["code"] == "wrong-ledger"
    assert ask(ten, writer).json()["code"] == "scope-missing"
    assert ask(ten, "none").json()["code"] == "key-malformed"
    for suffix in ("", "/file"):
        assert get(stranger, address + suffix).json()["code"] == "wrong-ledger"
        assert get(writer, address + suffix).json()["code"] == "scope-missing"
        elsewhere = f"/api/v1/ledgers/{other.name}/exports/{export.id}{suffix}"
        assert get(stranger, elsewhere).json()["code"] == "not-found"
    reader = api_key(ten, "entries:read")
    asked = ask(ten, reader, {"filter": {"ledger": other.name}})
    assert asked.json()["code"] == "wrong-ledger"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"{", "not-json", "no JSON"),
        (b"\xff", "not-json", "no JSON"),
        ({"format": "pdf"}, "parameter", "format"),
        ({"colour": "red"}, "parameter", "colour"),
        ({"filter": {"colour": "red"}}, "parameter", "filter.colour"),
        ({"filter": {"outcome": "maybe"}}, "parameter", "filter.outcome"),
        ({"format": "csv", "renderings": ["csv"]}, "parameter", "only a bundle"),
        ({"size": 0}, "parameter", "size"),
    ],
)
def test_what_cannot_be_asked_for_is_named(
    ten: Ledger, api_key: ApiKey, body: Any, code: str, said: str
) -> None:
    answer = ask(ten, api_key(ten, "entries:read"), body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert said in answer.json()["detail"]


def test_without_a_checkpoint_the_answer_says_what_to_do(ledger: Ledger, api_key: ApiKey) -> None:
    chain(ledger, [make_event()])

    answer = ask(ledger, api_key(ledger, "entries:read"))

    assert (answer.status_code, answer.json()["code"]) == (409, "no-checkpoint")
    assert "makesigningkey" in answer.json()["detail"]


def test_too_many_unfinished_exports_have_to_wait(
    ten: Ledger, api_key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.export.MOST_GOING", 1)
    token = api_key(ten, "entries:read")
    assert ask(ten, token).status_code == 202

    answer = ask(ten, token)

    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-exports")
    assert answer["Retry-After"]


def test_a_file_whose_time_is_over_is_gone(ten: Ledger, api_key: ApiKey) -> None:
    export = made(ten)
    token = api_key(ten, "entries:read")
    address = f"/api/v1/ledgers/{ten.name}/exports/{export.id}"
    Export.objects.filter(id=export.id).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert get(token, f"{address}/file").json()["code"] == "export-expired"
    assert get(token, address).json()["state"] == "expired"
    assert get(token, address).json()["link"] is None


# --- Links ----------------------------------------------------------------------------------------


def test_a_link_opens_its_file_for_whoever_holds_it(ten: Ledger, api_key: ApiKey) -> None:
    export = made(ten)
    token = api_key(ten, "entries:read")
    item = get(token, f"/api/v1/ledgers/{ten.name}/exports/{export.id}").json()
    link = urlsplit(item["link"])

    answer = Client().get(f"{link.path}?{link.query}")

    assert answer.status_code == 200
    assert body_of(answer) == path_of(export).read_bytes()
    assert "no-store" in answer["Cache-Control"]


def test_a_link_opens_no_other_file_and_not_for_ever(
    ten: Ledger, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = made(ten), made(ten)
    token = make_token(one)

    def status(export: Export, link: str) -> int:
        return Client().get(f"/exports/{export.id}/file", {"link": link}).status_code

    assert status(one, token) == 200
    assert status(other, token) == 403
    assert status(one, token[:-1] + ("A" if token[-1] != "A" else "B")) == 403
    assert status(one, "") == 403
    settings.EXPORT_LINK_SECONDS = -1
    assert status(one, token) == 403


def test_nothing_tells_a_stranger_which_numbers_there_are(ten: Ledger) -> None:
    export = made(ten)

    there = Client().get(f"/exports/{export.id}/file")
    nowhere = Client().get(f"/exports/{export.id + 10**9}/file")

    assert (there.status_code, nowhere.status_code) == (403, 403)


def test_a_link_to_a_file_that_is_gone_says_so_in_words(ten: Ledger, tmp_path: Path) -> None:
    export = made(ten)
    path_of(export).unlink()

    answer = Client().get(f"/exports/{export.id}/file", {"link": make_token(export)})

    assert answer.status_code == 410
    assert "deleted" in answer.content.decode()
