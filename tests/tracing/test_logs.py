"""What a reader of the log can rely on: one JSON object a line, an id, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from audit.models import Inbox, Ledger
from audit.redact import Redactor
from obsplatform.urls import urlpatterns as platform_urls
from tests.conftest import make_event
from tracing import logs
from tracing.request_log import query_names

ROOT = Path(__file__).resolve().parents[2]
log = structlog.get_logger("tests.log")

# Made here, valid nowhere. Each is a secret by its shape or stands under a secret's name.
_TAIL = "Zq81Kd07Vn35"
CANARIES: dict[str, str] = {
    "Authorization": f"Bearer canary.{_TAIL}aaaa1111",
    "Proxy-Authorization": f"Basic {_TAIL}bbbb2222==",
    "X-Api-Key": f"canary-{_TAIL}-c3",
    "Cookie": f"sessionid={_TAIL}dddd4444",
    "password": f"hunter2-{_TAIL}-e5",
    "db_password": f"hunter2-{_TAIL}-f6",
    "client_secret": f"cs-{_TAIL}-g7",
    "access_token": f"at-{_TAIL}-h8",
    "refresh_token": f"rt-{_TAIL}-i9",
    "openai": f"sk-proj-{_TAIL}jjjj1010jjjj",
    "anthropic": f"sk-ant-{_TAIL}kkkk1111kkkk",
    "stripe": f"sk_live_{_TAIL}llll1212",
    "github": f"ghp_{_TAIL}mmmm1313mmmmmmmm",
    "gitlab": f"glpat-{_TAIL}nnnn1414nnnn",
    "slack": f"xoxb-1234567890-{_TAIL}",
    "aws": "AKIAZQ81KD07VN35PPPP",
    "jwt": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{_TAIL}.{_TAIL}qqqq",
    "ours": f"obs_live_7Q2mX9aB_{_TAIL}rrrr1515rrrrrrrrrrrrrrrrrrrrrrr_abcdef",
    "dsn": f"postgresql://obs_web:pw-{_TAIL}-s16@db.example/obs",
    "private_key": f"-----BEGIN PRIVATE KEY-----\n{_TAIL}tttt\n-----END PRIVATE KEY-----",
}
HEARTS = {name: _TAIL if _TAIL in text else text for name, text in CANARIES.items()}
"""The part of each canary that must not be seen."""


def raising(request: HttpRequest) -> HttpResponse:
    """Fail as code fails: with the values at hand in the error's text."""
    raise ValueError(f"cannot read {dict(request.headers)} and {request.body.decode()!r}")


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"a", b"b"]))


urlpatterns = [*platform_urls, path("raising", raising), path("streaming", streaming)]


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Open the database for every test here."""


class Lines:
    """What was written, as text and as objects."""

    def __init__(self) -> None:
        self.output = io.StringIO()

    @property
    def text(self) -> str:
        return self.output.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def event(self, name: str) -> dict[str, Any]:
        (found,) = [line for line in self.objects if line["event"] == name]
        return found


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Collect what the installed formatter makes of each record of this thread.

    The client of a test answers in it; a bell that another test has rung may end meanwhile.
    """
    found = Lines()
    here = threading.get_ident()
    root = logging.getLogger()
    handler = logging.StreamHandler(found.output)
    (installed,) = {
        each.formatter
        for each in root.handlers
        if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)
    }
    handler.setFormatter(installed)
    handler.addFilter(lambda record: record.thread == here)
    root.addHandler(handler)
    yield found
    root.removeHandler(handler)


@pytest.fixture
def site(settings: Settings) -> Client:
    """Return a client of the platform with two more addresses, one of which fails."""
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


# --- The shape of a line -------------------------------------------------------------------------


def test_our_line_has_time_level_event_and_logger_first(lines: Lines) -> None:
    log.info("chain.sealed", size=7)

    (line,) = lines.objects
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["event"], line["logger"], line["size"]) == (
        "info",
        "chain.sealed",
        "tests.log",
        7,
    )


def test_line_of_a_library_has_the_same_shape(lines: Lines) -> None:
    logging.getLogger("library").warning("took %d ms", 12)

    (line,) = lines.objects
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
    assert (line["level"], line["event"], line["logger"]) == ("warning", "took 12 ms", "library")


def test_whatever_a_field_holds_the_line_is_json(lines: Lines) -> None:
    loop: list[Any] = []
    loop.append(loop)

    log.info(
        "odd", surrogate="\ud800", bytes=b"\xff", set={1}, error=ValueError("x"), loop=loop, n=1e400
    )
    log.info("long", text="a" * 100_000)

    assert lines.objects[0]["surrogate"] == "\\ud800"
    assert len(lines.objects[1]["text"]) < 20_000


def test_exception_is_text_without_the_values_of_its_variables(lines: Lines) -> None:
    try:
        unlucky = "value of a variable"
        raise ValueError("named")
    except ValueError:
        log.exception("failed", note=len(unlucky))

    (line,) = lines.objects
    assert "ValueError: named" in line["exception"]
    assert "value of a variable" not in lines.text.replace('unlucky = \\"value of a variable', "")


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    log.debug("quiet")

    assert lines.text == ""


def test_console_form_is_masked_too() -> None:
    mask = logs.mask(Redactor(extra_patterns=logs.LOG_PATTERNS))

    assert _TAIL not in str(mask(None, "info", {"event": "x", "password": CANARIES["password"]}))
    formatter = logs.configure("INFO", "console")["formatters"]["line"]
    assert type(formatter["processors"][-1]) is structlog.dev.ConsoleRenderer
    assert formatter["processors"][-2].__qualname__ == mask.__qualname__


def test_commands_keep_stdout_for_their_data() -> None:
    assert logs.configure("INFO", "json", stream="stderr")["handlers"]["line"]["stream"] == (
        "ext://sys.stderr"
    )
    found = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "-v0",
            "-c",
            "import structlog; structlog.get_logger().info('x'); print(1)",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )

    assert found.stdout == "1\n"
    assert json.loads(found.stderr)["event"] == "x"


# --- A request's id ------------------------------------------------------------------------------


def test_request_id_of_the_client_is_kept_and_sent_back(site: Client, lines: Lines) -> None:
    response = site.get("/nowhere", HTTP_X_REQUEST_ID="alice.42_A-b")

    assert response["X-Request-ID"] == "alice.42_A-b"
    assert lines.event("request_finished")["request_id"] == "alice.42_A-b"


@pytest.mark.parametrize("sent", ["", "a" * 65, "a b", "a\nb", "é", '{"a":1}'])
def test_request_id_that_is_none_is_replaced(site: Client, sent: str) -> None:
    response = site.get("/nowhere", HTTP_X_REQUEST_ID=sent)

    assert uuid.UUID(response["X-Request-ID"]).version == 4


def test_each_request_has_an_id_of_its_own_and_leaves_nothing_bound(site: Client) -> None:
    first, second = site.get("/health"), site.get("/nowhere")

    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert structlog.contextvars.get_contextvars() == {}


def test_request_id_reaches_the_inbox_row_and_the_line_names_ledger_and_key(
    site: Client, lines: Lines, ledger: Ledger, api_key: Callable[..., str]
) -> None:
    response = site.post(
        "/api/v1/events",
        data=json.dumps(make_event()),
        content_type="application/json",
        HTTP_AUTHORIZATION=f"Bearer {api_key(ledger, 'events:write')}",
        HTTP_X_REQUEST_ID="through-the-inbox",
    )

    assert response.status_code == 202, response.content
    line = lines.event("request_finished")
    assert (line["ledger"], len(line["key"])) == (ledger.name, 8)
    ids = Inbox.objects.filter(ledger=ledger).values_list("request_id", flat=True)
    assert "through-the-inbox" in ids


def test_failure_is_logged_once_with_its_id(site: Client, lines: Lines) -> None:
    response = site.get("/raising", HTTP_X_REQUEST_ID="fails")

    assert response.status_code == 500
    assert response["X-Request-ID"] == "fails"
    (line,) = lines.objects
    assert (line["event"], line["request_id"], line["code"]) == ("request_failed", "fails", 500)


def test_streamed_answer_keeps_its_id_to_the_end(site: Client, lines: Lines) -> None:
    response = site.get("/streaming", HTTP_X_REQUEST_ID="streams")
    assert isinstance(response, StreamingHttpResponse)

    assert b"".join(response) == b"ab"

    assert {line["request_id"] for line in lines.objects} == {"streams"}


@pytest.mark.parametrize("address", ["/health", "/metrics", "/status"])
def test_probes_that_succeed_are_no_news(site: Client, lines: Lines, address: str) -> None:
    assert site.get(address).status_code == 200

    assert lines.text == ""


def test_probe_that_is_refused_is_news(site: Client, lines: Lines) -> None:
    site.get("/metrics", REMOTE_ADDR="203.0.113.9")

    assert lines.event("request_finished")["code"] == 401


def test_query_shows_its_names_alone(site: Client, lines: Lines) -> None:
    site.get("/nowhere?agent=alice&obs_live_7Q2mX9aB_sdlkfjsdlkfjsldkfjsdlkfjlskdfj=1&to=x")

    assert lines.event("request_finished")["request"] == "GET /nowhere?agent&…&to"
    assert query_names("&".join(["a"] * 5_000)) == "&".join(["a"] * 20)
    assert query_names("") == ""


# --- Secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CANARIES)
def test_secret_in_a_request_is_nowhere_in_the_log(
    name: str, site: Client, lines: Lines, ledger: Ledger, api_key: Callable[..., str]
) -> None:
    canary = CANARIES[name]
    header = canary.replace("\n", " ")
    body = json.dumps(make_event(details={name: canary}) | {name: canary})
    key = api_key(ledger, "events:write")

    for address in ("/api/v1/events", "/raising", "/admin/", "/nowhere"):
        # Under a name that says nothing, quoted by an error, no mask could know it.
        unnamed = {} if address == "/raising" else {"X-Canary": header}
        for authorization in (f"Bearer {key}", header):
            site.post(
                f"{address}?{quote(name)}={quote(canary)}&{quote(canary)}",
                data=body,
                content_type="application/json",
                headers={"Authorization": authorization, name: header, **unnamed},
            )

    assert "request_failed" in lines.text
    assert HEARTS[name] not in lines.text
    assert key.split("_")[3] not in lines.text


@pytest.mark.parametrize("name", ["openai", "github", "jwt", "ours", "dsn"])
def test_secret_that_is_known_by_its_look_is_masked_in_a_path_too(
    name: str, site: Client, lines: Lines
) -> None:
    site.get(f"/nowhere/{quote(CANARIES[name])}")

    assert lines.event("request_finished")["request"].startswith("GET /nowhere/")
    assert HEARTS[name] not in lines.text


@pytest.mark.parametrize("name", CANARIES)
def test_secret_that_code_logs_is_masked(name: str, lines: Lines) -> None:
    canary = CANARIES[name]

    log.info("fields", **{name.replace("-", "_"): canary}, nested={"list": [{name: canary}]})
    log.info("text", said=f'{{"{name}": "{canary}"}} {name}={canary}')
    logging.getLogger("library").warning("sent %s: %s", {name: canary}, f"{name}: {canary}")
    try:
        raise ValueError(f"{name}={canary}")
    except ValueError:
        log.exception("failed")

    shown = [line for line in lines.objects if HEARTS[name] in json.dumps(line)]
    assert shown == []


def test_ordinary_words_and_digests_stay(lines: Lines) -> None:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

    log.info("append", hash=digest, request_id="7f0c", key="7Q2mX9aB", tokens=12, ledger="main")
    logging.getLogger("library").info("the token bucket of %s holds 5", digest)

    first, second = lines.objects
    assert first.items() >= {"hash": digest, "key": "7Q2mX9aB", "tokens": 12}.items()
    assert second["event"] == f"the token bucket of {digest} holds 5"


# --- Celery --------------------------------------------------------------------------------------


def test_worker_logs_as_the_web_does() -> None:
    code = (
        "import logging, django; django.setup()\n"
        "from obsplatform.celery import app\n"
        "app.log.setup(loglevel='INFO', redirect_stdouts=False)\n"
        "logging.getLogger('celery.worker').warning('password=%s', 'hunter2-canary')\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "obsplatform.settings"}

    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )

    (line,) = [json.loads(each) for each in found.stdout.splitlines()]
    assert line["logger"] == "celery.worker"
    assert line["event"] == "password=***REDACTED***"
