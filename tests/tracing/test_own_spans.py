"""The platform's own spans, as a real receiver gets them: whole, rightly placed, no secrets."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from obsplatform.local import Valkey
from tests.conftest import make_event
from tests.installation import ROOT, running
from tests.sizes import size
from tests.sources import parsed
from tests.tracing.receiver import Got, Receiver, over_grpc, over_http

AGENT = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
CHILDREN = size(4, 10)  # of a pool of two: each place is taken again
HANGS = 240  # seconds; a bound against hanging, not a claim about speed


def by_id(receiver: Receiver) -> dict[str, Got]:
    return {each.span_id: each for each in receiver.spans}


# --- One installation, seen from its receiver ----------------------------------------------------


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with over_http() as made:
        yield made


@pytest.fixture(scope="module")
def ready(receiver: Receiver) -> Iterator[dict[str, Any]]:
    """Run an installation that sends its spans, and post one event to it as an agent does."""
    with running(
        port=18280,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address,
        OTEL_EXPORTER_OTLP_HEADERS="x-team=audit%20team",
        OTEL_SERVICE_NAME="the-platform",
    ) as found:
        event = make_event(trace={"trace_id": AGENT[0], "span_id": AGENT[1]})
        post(found, event, traceparent=f"00-{AGENT[0]}-{AGENT[1]}-01")
        receiver.wait(
            lambda: bool(
                receiver.named("POST /api/v1/events")
                and [each for each in receiver.named("audit.append") if each.links]
                and [each for each in receiver.named("audit.project") if each.links]
                and [each for each in receiver.named("audit.seal") if each.links]
            ),
            what="POST, append, project and seal",
        )
        yield found


def post(ready: dict[str, Any], event: dict[str, Any], **headers: str) -> None:
    request = urllib.request.Request(
        f"{ready['url']}/api/v1/events?wait=chained",
        data=json.dumps(event).encode(),
        headers={
            "Authorization": f"Bearer {ready['key']}",
            "Content-Type": "application/json",
            "User-Agent": "alice-browser/1",
            **headers,
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in {200, 202}


def test_a_post_continues_the_trace_of_its_agent(ready: dict[str, Any], receiver: Receiver) -> None:
    (span,) = receiver.named("POST /api/v1/events")

    assert (span.trace_id, span.parent_id) == AGENT
    assert span.attributes["http.request.method"] == "POST"
    assert span.attributes["http.route"] == "/api/v1/events"
    assert span.attributes["http.response.status_code"] in {200, 202}
    assert span.resource["service.name"] == "the-platform"
    assert span.resource["obs.process"] == "web"


def test_statements_and_the_bell_of_a_post_are_its_children(
    ready: dict[str, Any], receiver: Receiver
) -> None:
    (span,) = receiver.named("POST /api/v1/events")

    children = {each.name for each in receiver.spans if each.parent_id == span.span_id}
    assert "apply_async/audit.append" in children
    assert any(
        each.attributes.get("db.system.name") == "postgresql"
        for each in receiver.spans
        if each.parent_id == span.span_id
    )


def test_a_task_in_the_worker_is_the_child_of_who_rang(
    ready: dict[str, Any], receiver: Receiver
) -> None:
    receiver.wait(
        lambda: any(each.trace_id == AGENT[0] for each in receiver.named("run/audit.append")),
        what="run/audit.append in the agent's trace",
    )
    (run,) = [each for each in receiver.named("run/audit.append") if each.trace_id == AGENT[0]]

    rang = by_id(receiver)[run.parent_id]
    (posted,) = receiver.named("POST /api/v1/events")
    assert rang.name == "apply_async/audit.append"
    assert rang.parent_id == posted.span_id
    assert (rang.resource["obs.process"], run.resource["obs.process"]) == ("web", "worker")


def test_append_links_to_the_post_and_project_and_seal_to_the_act(
    ready: dict[str, Any], receiver: Receiver
) -> None:
    (posted,) = receiver.named("POST /api/v1/events")

    linked = {link for each in receiver.named("audit.append") for link in each.links}
    assert (AGENT[0], posted.span_id) in linked
    for name in ("audit.project", "audit.seal"):
        assert AGENT in {link for each in receiver.named(name) for link in each.links}, name
    (sealed,) = [each for each in receiver.named("audit.seal") if AGENT in each.links]
    assert sealed.resource["obs.process"] == "seal"
    assert sealed.attributes["obs.entries"] >= 1


def test_every_span_has_its_parent_or_is_where_a_trace_begins(
    ready: dict[str, Any], receiver: Receiver
) -> None:
    receiver.wait(lambda: not orphans(receiver), what="the parents of every span")


def orphans(receiver: Receiver) -> list[str]:
    known = by_id(receiver)
    return [
        each.name
        for each in receiver.spans
        if each.parent_id and each.parent_id not in known and each.parent_id != AGENT[1]
    ]


def test_loops_that_ask_make_no_traces_of_single_statements(
    ready: dict[str, Any], receiver: Receiver
) -> None:
    roots = {each.name for each in receiver.spans if not each.parent_id}

    assert not {each for each in roots if each in {"SELECT", "UPDATE", "INSERT", "WITH", "SET"}}


def test_probes_and_otlp_make_no_span(ready: dict[str, Any], receiver: Receiver) -> None:
    for path in ("/health", "/ready", "/v1/traces", "/static/obs/desk.css", "/nowhere"):
        try:
            urllib.request.urlopen(f"{ready['url']}{path}", timeout=30).close()
        except urllib.error.HTTPError as refused:
            refused.close()

    receiver.wait(lambda: bool(receiver.named("GET")), what="GET of what is nowhere")
    routes = {each.name for each in receiver.spans if each.kind == 2}
    assert not {name for name in routes if "health" in name or "v1/traces" in name}


def test_no_span_tells_of_a_person_or_a_value(ready: dict[str, Any], receiver: Receiver) -> None:
    everything = "\n".join(each.raw for each in receiver.spans)

    for secret in ("alice-browser", ready["key"], ready["password"], "127.0.0.1"):
        assert secret not in everything


def test_each_request_to_the_receiver_carries_the_headers_that_are_set(
    ready: dict[str, Any], receiver: Receiver
) -> None:
    assert {each["x-team"] for each in receiver.requests} == {"audit team"}


# --- Children that are recycled ------------------------------------------------------------------


@pytest.fixture
def broker() -> Iterator[str]:
    """Return the address of a Valkey of one's own."""
    folder = Path(tempfile.mkdtemp(prefix="obs-broker-"))
    server = Valkey(folder)
    server.start()
    yield server.url
    server.stop()
    shutil.rmtree(folder)


RING = (
    "import django; django.setup()\n"
    "from tracing import own_spans; own_spans.start('command')\n"
    "from opentelemetry import trace\n"
    "from audit.tasks import announce_quarantined as task\n"
    "with trace.get_tracer('test').start_as_current_span('some tasks'):\n"
    f"    [task.delay() for _ in range({CHILDREN})]\n"
    "own_spans.flush()\n"
)


@pytest.mark.timeout(2 * HANGS)
@pytest.mark.parametrize(("protocol", "serve"), [("http/protobuf", over_http), ("grpc", over_grpc)])
def test_every_span_of_children_that_are_recycled_arrives(
    protocol: str, serve: Any, broker: str, database: None
) -> None:
    with serve() as receiver:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "obsplatform.settings",
            "REDIS_URL": broker,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        subprocess.run(
            [sys.executable, "-c", RING], cwd=ROOT, env=environment, check=True, timeout=HANGS
        )
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "obsplatform", "worker", "-c", "2"),
                *("--max-tasks-per-child", "1", "--without-gossip", "--without-mingle"),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            name = "run/audit.announce"
            receiver.wait(
                lambda: len(receiver.named(name)) >= CHILDREN,
                what=f"{CHILDREN} of {CHILDREN}",
                seconds=HANGS,
            )
        finally:
            worker.terminate()
            worker.wait(30)

        rang = {each.span_id for each in receiver.named("apply_async/audit.announce")}
        (begun,) = receiver.named("some tasks")
        assert len(rang) == CHILDREN
        assert {each.parent_id for each in receiver.named(name)} == rang
        assert {each.trace_id for each in receiver.named(name)} == {begun.trace_id}


# --- Nothing where nothing is asked for ----------------------------------------------------------


def test_without_an_address_nothing_is_loaded() -> None:
    code = (
        "import django, sys; django.setup()\n"
        "from obsplatform import wsgi\n"
        "ours = ('opentelemetry.sdk.trace', 'tracing.otel')\n"
        "print([each for each in sys.modules if each.startswith(ours)])\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings"}
    environment.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == "[]"


def test_one_module_alone_knows_the_sdk() -> None:
    knows = {
        path.relative_to(ROOT).as_posix()
        for app in ("audit", "metrics", "tracing", "compliance", "obsplatform")
        for path in (ROOT / app).rglob("*.py")
        if any(
            module.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))
            for node in ast.walk(parsed(path))
            for module in imported(node)
        )
    }

    assert knows == {"tracing/otel.py"}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


READ_SETTINGS = """
import importlib, json, os, sys
from django.core.exceptions import ImproperlyConfigured

said = []
for address, insecure in json.load(sys.stdin):
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OBS_TRACING_INSECURE": insecure}
    sys.modules.pop("obsplatform.settings", None)
    try:
        importlib.import_module("obsplatform.settings")
    except ImproperlyConfigured as refused:
        said.append(str(refused))
    else:
        said.append("")
print(json.dumps(said))
"""
ADDRESSES = {
    ("collector:4318", "false"): "must be an address like",
    ("http://collector.example:4318", "false"): "OBS_TRACING_INSECURE",
    ("http://collector.example:4318", "true"): "",
    ("http://127.0.0.1:4318", "false"): "",
    ("https://collector.example", "false"): "",
}


@pytest.fixture(scope="module")
def refused() -> dict[tuple[str, str], str]:
    """Return what settings.py says to each address, read anew for each by one process."""
    done = subprocess.run(
        [sys.executable, "-c", READ_SETTINGS],
        cwd=ROOT,
        input=json.dumps(list(ADDRESSES)),
        capture_output=True,
        text=True,
        check=True,
        timeout=HANGS,
    )
    return dict(zip(ADDRESSES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("address", "insecure"), ADDRESSES)
def test_spans_go_in_clear_to_this_machine_alone_unless_allowed(
    address: str, insecure: str, refused: dict[tuple[str, str], str]
) -> None:
    found, expected = refused[address, insecure], ADDRESSES[address, insecure]

    assert bool(found) is bool(expected)
    assert expected in found
    assert settings.OTLP_ENDPOINT == "", "tests send nothing anywhere"
