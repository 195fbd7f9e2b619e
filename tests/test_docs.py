"""The documentation says what the code does: nothing is left out, nothing is made up.

Where a page has a table, the table is compared with the code, both ways. Reading pages:
documents.py; the fields of an event: event_fields.py.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.management import BaseCommand, get_commands, load_command_class
from django.core.management.base import CommandParser
from django.test import Client
from django.urls import URLPattern, URLResolver, resolve
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from audit import auth, cloudevents, limits, openapi, query, stored
from audit.actions import ACTIONS, expected_fields, scope_needed
from audit.errors import EventRejected
from audit.events import MAX_SUBJECTS
from audit.ledger.columns import Columns
from audit.ledger.record import link
from audit.parse import parse_event
from metrics.families import BY_NAME
from metrics.target_limits import MOST_OVERHEAD
from metrics.targets import TARGETS
from obsplatform import readiness
from obsplatform.celery import app as celery
from obsplatform.settings import VERSION
from tests import documents
from tests.conftest import make_event, render_metrics_anew
from tests.documents import DOCS, ROOT
from tests.error_codes import codes_raised
from tests.event_fields import event_fields
from tests.sources import parsed

APPS = ("audit", "metrics", "tracing", "compliance", "obsplatform")
EVENTS, API, SETTINGS = DOCS / "events.md", DOCS / "api.md", DOCS / "settings.md"
COMMANDS, DESK, FORMAT = DOCS / "commands.md", DOCS / "desk.md", DOCS / "ledger-format.md"
OBSERVABILITY, ARCHITECTURE = DOCS / "observability.md", DOCS / "architecture.md"


def python_sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


# --- Settings -----------------------------------------------------------------------------------


def settings_read() -> dict[str, ast.expr | None]:
    """Return each variable that settings.py reads, with the expression of its default."""
    tree = ast.parse((ROOT / "obsplatform" / "settings.py").read_text())
    found: dict[str, ast.expr | None] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        reader, arguments = node.func, node.args
        if isinstance(reader.value, ast.Name) and reader.value.id == "env" and arguments:
            name = arguments[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                default = arguments[1] if len(arguments) > 1 else None
                found[name.value] = found.get(name.value) or default
    assert len(found) > 20, "settings.py is read in another way now"
    return found


def test_every_setting_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(SETTINGS, "setting", "default", "means")}

    assert documented == settings_read().keys()


def test_documented_defaults_are_the_defaults() -> None:
    defaults = {
        name: str(default.value).lower() if default.value in (True, False) else str(default.value)
        for name, default in settings_read().items()
        if isinstance(default, ast.Constant)
    }

    documented = {
        row.first(): row.cell("default").strip("`")
        for row in documents.table(SETTINGS, "setting", "default", "means")
        if row.first() in defaults
    }

    assert documented == defaults


def test_every_variable_that_a_page_names_is_read_somewhere() -> None:
    read = "".join(each.read_text() for each in python_sources(*APPS, "tests", "benchmarks"))
    read += (ROOT / "Makefile").read_text() + (ROOT / ".ci" / "run").read_text()
    known = set(re.findall(r"\bOBS_[A-Z_]+[A-Z]", read))
    named = {
        (page.name, name)
        for page in documents.pages()
        for name in re.findall(r"\bOBS_[A-Z_]+[A-Z]", documents.read(page))
        if name != "OBS_KEY"  # the reader's own shell variable
    }

    assert {each for each in named if each[1] not in known} == set()


# --- Commands -----------------------------------------------------------------------------------


def our_commands() -> dict[str, CommandParser]:
    """Return the parser of each command of ours."""
    return {
        name: load_command_class(app, name).create_parser("manage.py", name)
        for name, app in get_commands().items()
        if app in APPS
    }


def options_of(parser: CommandParser) -> set[str]:
    common = BaseCommand().create_parser("manage.py", "any")
    known = {option for action in common._actions for option in action.option_strings}
    return {max(a.option_strings, key=len) for a in parser._actions if a.option_strings} - known


def test_every_command_is_documented_and_no_other() -> None:
    documented = re.findall(r"^## ([a-z_]+)$", documents.read(COMMANDS), re.MULTILINE)

    assert set(documented) - {"make"} == our_commands().keys()


@pytest.mark.parametrize("name", sorted(our_commands()))
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    options = options_of(our_commands()[name])

    documented = {
        row.first()
        for row in documents.rows(COMMANDS)
        if row.section == name and row.header[0] == "option"
    }

    assert documented == options


@pytest.mark.parametrize("name", sorted(our_commands()))
def test_every_command_has_an_example_and_its_exit_codes(name: str) -> None:
    said = documents.section_of(COMMANDS, name)

    assert f"manage.py {name}" in said
    assert "exit code" in said.lower() or "ends with" in said


def test_every_command_that_a_page_names_exists() -> None:
    named = {
        (page.name, name)
        for page in documents.pages()
        for piece in documents.code(page)
        for name in re.findall(r"\bmanage\.py ([a-z_]+)", piece)
    }

    assert named
    assert {each for each in named if each[1] not in {*get_commands(), "help"}} == set()


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))


def test_every_make_target_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(COMMANDS, "target", "does")}

    assert documented == {f"make {target}" for target in make_targets()}


def test_every_make_target_that_a_page_names_exists() -> None:
    named = {
        (page.name, name)
        for page in documents.pages()
        for piece in documents.code(page)
        for name in re.findall(r"(?:^|[\s;&])make ([a-z][a-z-]*)", piece, re.MULTILINE)
    }

    assert named
    assert {each for each in named if each[1] not in make_targets()} == set()


# --- Events -------------------------------------------------------------------------------------


def test_every_action_is_documented_with_its_category_and_scope_and_no_other() -> None:
    expected = {
        (f"Category `{category}`", action, scope_needed(action))
        for action, category in ACTIONS.items()
    }

    documented = {
        (row.section, row.first(), row.cell("scope").strip("`"))
        for row in documents.table(EVENTS, "action", "scope", "says that")
    }

    assert {
        (section, action, "server" if scope == "the platform alone" else scope)
        for section, action, scope in documented
    } == expected


def test_every_audit_action_that_the_platform_writes_is_documented() -> None:
    said = {
        node.value
        for source in python_sources(*APPS)
        if source.name != "actions.py" and "fleet" not in source.parts
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    written = {action for action in said & ACTIONS.keys() if action.startswith("audit.")}

    documented = {
        action
        for row in documents.table(EVENTS, "action", "when")
        for action in documents.spans(row.cells[0])
    }

    assert {action for action in documented if action.startswith("audit.")} == written
    assert documented <= ACTIONS.keys()


def test_every_field_is_documented_with_its_type_and_no_other() -> None:
    expected = {field.path: field.shape for field in event_fields()}

    documented = {
        row.first(): row.cell("type").replace("`", "")
        for row in documents.table(EVENTS, "field", "type", "needed", "says")
    }

    assert documented == expected


def test_fields_that_are_needed_say_so() -> None:
    expected = {field.path for field in event_fields() if field.is_required}

    documented = {
        row.first()
        for row in documents.table(EVENTS, "field", "type", "needed", "says")
        if row.cell("needed") in {"always", "in its block"}
    }

    assert documented == expected


def test_every_field_says_what_it_is_for() -> None:
    table = documents.table(EVENTS, "field", "type", "needed", "says")

    assert [row.first() for row in table if not row.cell("says")] == []


def test_expected_fields_are_those_of_the_code() -> None:
    documented = [
        (row.first(), set(documents.spans(row.cell("expected"))))
        for row in documents.table(EVENTS, "of", "expected")
    ]

    for action, category in ACTIONS.items():
        event = {"action": action, "category": category, "outcome": "success"}
        said = {
            path for pattern, paths in documented if fnmatchcase(action, pattern) for path in paths
        }
        assert said == set(expected_fields(event, scope="ops")), action


def test_limits_of_an_event_are_those_of_the_code() -> None:
    said = " ".join(row.cell("value") for row in documents.table(EVENTS, "limit", "value", "error"))

    for limit in (
        limits.MAX_SENT,
        stored.MAX_EVENT,
        stored.MAX_DETAILS,
        limits.MAX_DEPTH,
        limits.MAX_KEYS,
        limits.MAX_STRING,
        MAX_SUBJECTS,
    ):
        assert re.search(rf"(?<![\d,]){limit:,}(?![\d,])", said), limit


def events_shown() -> list[tuple[str, str]]:
    """Return every event that a page shows as JSON, fenced or in a shell command."""
    found = []
    for page in documents.pages():
        shown = documents.fences(page, "json")
        for script in documents.fences(page, "sh"):
            shown += re.findall(r"-d '(\{.*?\})'", script, re.DOTALL)
        found += [(page.name, text) for text in shown if '"occurred_at"' in text]
    return found


@pytest.mark.parametrize(("page", "text"), events_shown())
def test_an_event_that_a_page_shows_is_accepted(page: str, text: str) -> None:
    assert parse_event(text.encode(), default_id=None).action in ACTIONS


@pytest.mark.parametrize(
    ("page", "text"),
    [(page.name, text) for page in documents.pages() for text in documents.fences(page, "json")],
)
def test_what_a_page_shows_as_json_is_json(page: str, text: str) -> None:
    assert json.loads(text)


# --- Errors -------------------------------------------------------------------------------------


def error_pages() -> dict[str, Path]:
    return {page.stem: page for page in (DOCS / "errors").glob("*.md")}


def test_every_error_code_has_a_page_and_every_page_a_code() -> None:
    assert error_pages().keys() == codes_raised(python_sources(*APPS))


def test_the_api_page_lists_every_error_code() -> None:
    listed = {
        re.sub(r"\[(.+)\]\(.+\)", r"\1", row.first())
        for row in documents.table(API, "code", "status", "says", section="Errors")
    }

    assert listed == codes_raised(python_sources(*APPS))


@pytest.mark.parametrize("code", sorted(error_pages()))
def test_an_error_page_says_what_to_do_and_shows_an_example(code: str) -> None:
    text = documents.read(error_pages()[code])

    assert re.search(r"^- .+", text, re.MULTILINE)
    assert re.search(r"^Example: .+", text, re.MULTILINE)
    assert text.endswith(f"\nCode: `{code}`.\n")


REFUSED = re.compile(r"^Example: an event with `(?P<part>\{.*\})` is refused at `(?P<path>[^`]+)`")


def refused_examples() -> list[tuple[str, str, str]]:
    """Return `(code, part of an event, path)` of each error page that shows such a part."""
    return [
        (code, match["part"], match["path"])
        for code, page in sorted(error_pages().items())
        for line in documents.read(page).splitlines()
        if (match := REFUSED.match(line))
    ]


def with_part(part: str) -> bytes:
    """Return a valid event in which this part, as it was written, replaces what it names."""
    try:
        replaced = dict.fromkeys(json.loads(part))
    except ValueError:
        replaced = {}
    rest = json.dumps(make_event(**replaced))
    return f"{rest[:-1]}, {part[1:]}".encode()


@pytest.mark.parametrize(("code", "part", "path"), refused_examples())
def test_an_example_of_an_error_is_refused_as_it_says(code: str, part: str, path: str) -> None:
    with pytest.raises(EventRejected) as refused:
        parse_event(with_part(part), default_id=None)

    assert (refused.value.code, refused.value.path) == (code, path)


# --- The API ------------------------------------------------------------------------------------


def test_every_filter_is_documented_and_no_other() -> None:
    documented = [row.first() for row in documents.table(API, "filter", "matches", "value")]

    assert documented == list(query.NAMES)


def test_every_scope_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(API, "scope", "lets a key")}

    assert documented == auth.SCOPES.keys()


def test_every_answer_of_a_post_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(API, "answer", "when")}

    assert documented == openapi.post_events()["responses"].keys()


def test_every_address_of_the_api_is_documented_and_no_other() -> None:
    schema = Client().get("/api/v1/openapi.json").json()
    served = {
        f"{method.upper()} {path}"
        for path, methods in schema["paths"].items()
        for method in methods
    }

    documented = {row.first() for row in documents.table(API, "address", "needs", "gives")}

    assert documented - {"GET /api/v1/openapi.json", "GET /api/v1/docs"} == served


def test_every_member_of_a_receipt_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(API, "member", "is", section="Receipts")}

    assert documented == openapi.schemas()["Receipt"]["properties"].keys()


def test_ids_are_made_as_the_format_says() -> None:
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "acme.prod")

    assert "UUIDv5(URL namespace, ledger name)" in documents.section_of(FORMAT, "Ids")
    assert cloudevents.idempotency_id("acme.prod", "order", 3) == uuid.uuid5(namespace, "order#3")


# --- The ledger's format ------------------------------------------------------------------------


def shown_entries() -> list[tuple[str, str]]:
    records = documents.fences(FORMAT, "record")
    hashes = documents.fences(FORMAT, "hash")
    assert len(records) == len(hashes) > 1
    return [(r.strip(), h.strip()) for r, h in zip(records, hashes, strict=True)]


def test_the_entries_shown_hash_and_link_as_they_say() -> None:
    prev = "0" * 64
    for seq, (record, digest) in enumerate(shown_entries()):
        assert digest == hashlib.sha256(b"\0" + record.encode()).hexdigest()
        assert (json.loads(record)["seq"], json.loads(record)["prev"]) == (seq, prev)
        prev = digest


def test_the_entries_shown_are_what_the_code_writes() -> None:
    parsed = [json.loads(record) for record, _ in shown_entries()]
    pieces = [
        (
            parse_event(json.dumps(each["event"]).encode(), default_id=None).canonical,
            each["received_at"],
            json.dumps(each["source"], separators=(",", ":"), sort_keys=True).encode(),
        )
        for each in parsed
    ]

    written = link(pieces, ledger="main", size=0, head=bytes(32))

    assert [(r.decode(), h.hex()) for _, r, h in written] == shown_entries()


def run_verifier(lines: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    (program,) = documents.fences(FORMAT, "python")
    return subprocess.run(
        [sys.executable, "-I", "-c", program, "main"],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def streamed_lines() -> list[dict[str, Any]]:
    """Return a ledger of twenty entries as the API streams it."""
    events = [
        (
            parse_event(json.dumps(make_event()).encode(), default_id=None).canonical,
            at,
            b'{"via":1}',
        )
        for at in ["2026-11-20T22:06:54.533696Z"] * 20
    ]
    return [
        {"seq": seq, "hash": digest.hex(), "record": record.decode()}
        for seq, record, digest in link(events, ledger="main", size=0, head=bytes(32))
    ]


def test_the_verifier_shown_accepts_a_ledger() -> None:
    lines = streamed_lines()

    done = run_verifier(lines)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"20 entries hold together; head {lines[-1]['hash']}\n"


@pytest.mark.parametrize("change", ["a byte", "a hash", "a seq", "a gap", "a swap", "twice"])
def test_the_verifier_shown_refuses_a_changed_ledger(change: str) -> None:
    lines = streamed_lines()
    match change:
        case "a byte":
            lines[7]["record"] = lines[7]["record"].replace("search", "saerch")
        case "a hash":
            lines[7]["hash"] = "0" * 64
        case "a seq":
            lines[7]["seq"] = 8
        case "a gap":
            del lines[7]
        case "a swap":
            lines[7], lines[8] = lines[8], lines[7]
        case "twice":
            lines.insert(8, lines[7])

    done = run_verifier(lines)

    assert done.returncode == 1
    assert "tampered at seq" in done.stderr


def test_the_verifier_shown_proves_nothing_of_nothing() -> None:
    assert "not proven" in run_verifier([]).stderr


def test_every_copied_column_is_documented_and_no_other() -> None:
    beside = {"seq", "received_at", "is_backfill", "key_id"}

    documented = {row.first() for row in documents.table(FORMAT, "column", "copied from")}

    assert documented == {*Columns._fields, *beside}


def test_every_table_is_documented_and_no_other() -> None:
    files = [
        each
        for app in ("audit", "compliance", "metrics", "tracing")
        for each in (ROOT / app / "sql").glob("*.sql")
    ]
    sql = "".join(each.read_text() for each in files)
    table = r"^CREATE (?:UNLOGGED )?TABLE ((?:audit|compliance|metrics|tracing)_\w+)"
    made = set(re.findall(table, sql, re.M))

    documented = {
        name
        for row in documents.table(ARCHITECTURE, "table", "holds", "changes")
        for name in documents.spans(row.cells[0])
    }

    assert documented == made


# --- What watches, and the desk -----------------------------------------------------------------


@pytest.fixture
def families(database: None, settings: Settings) -> dict[str, str]:
    """Return name and type of every family of a scrape, as the text form names them."""
    settings.SWITCHES = settings.SWITCHES | {"detail": ("full", True)}
    render_metrics_anew()
    page = Client().get("/metrics").content.decode()
    assert list(text_string_to_metric_families(page))
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))


def test_every_metric_family_is_documented_with_its_type_and_no_other(
    families: dict[str, str],
) -> None:
    documented = {
        row.first(): row.cell("type")
        for row in documents.rows(OBSERVABILITY)
        if row.header[0] == "family"
    }

    assert documented == families


def test_every_check_of_ready_is_documented_and_no_other() -> None:
    names = {"database", *readiness.DATABASE_CHECKS, *readiness.OTHER_CHECKS}
    checks = {name: readiness.weight_of(name) for name in names}

    table = documents.table(OBSERVABILITY, "check", "weight", "asks")

    assert {row.first(): int(row.cell("weight")) for row in table} == checks


def test_every_target_of_performance_is_documented_and_no_other() -> None:
    targets = {*TARGETS, *(f"{component}_overhead" for component in MOST_OVERHEAD)}

    documented = {row.first() for row in documents.table(OBSERVABILITY, "target", "is kept when")}

    assert documented == targets
    assert len(targets) == BY_NAME["obs_performance_target_met"].cap


def test_every_fact_that_is_asked_on_a_timer_is_one_of_the_list() -> None:
    named = {
        name
        for row in documents.table(OBSERVABILITY, "fact", "is")
        for name in re.findall(r"obs_[a-z_]+", row.cell("fact"))
    }

    assert {name for name in named if "facts" not in BY_NAME[name].sources} == set()


def documented_admin_pages() -> dict[str, str]:
    """Return the address of each page of the desk by its title."""
    table = documents.table(DESK, "page", "address", "shows")
    return {row.first(): row.cell("address").strip("`") for row in table}


OF_NO_MODEL = ("compliance/score/", "operations/", "tracing/trace/", "tracing/line/")
"""Pages that stand in the site beside those of models."""


def test_every_page_of_the_sidebar_is_documented() -> None:
    sidebar = {
        item["title"]: str(item["link"])
        for group in settings.UNFOLD["SIDEBAR"]["navigation"]
        for item in group["items"]
    }

    assert documented_admin_pages().items() >= sidebar.items()


@pytest.mark.parametrize("address", sorted(documented_admin_pages().values()))
def test_every_documented_page_of_the_desk_is_one(address: str) -> None:
    found = resolve(address)

    assert found.namespace == "admin"
    is_list = str(found.url_name).endswith(("index", "_changelist"))
    assert is_list or str(found.url_name).startswith("metrics_operations_")


def test_every_address_of_our_admin_pages_is_documented_and_no_other() -> None:
    served = {
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/{pattern.pattern}"
        for model, page in admin.site._registry.items()
        if type(page).__module__.split(".")[0] in APPS and model._meta.app_label in APPS
        for pattern in page.get_urls()
    }
    served |= {
        f"/admin/{each.pattern}"
        for each in admin.site.get_urls()
        if isinstance(each, URLPattern) and each.callback.__module__.startswith("obsplatform.")
    }
    served |= {  # pages of an app that belong to no model
        f"/admin/{each.pattern}{page.pattern}"
        for each in admin.site.get_urls()
        if isinstance(each, URLResolver) and str(each.pattern) in OF_NO_MODEL
        for page in each.url_patterns
    }
    # Scores are of no model of their own: their pages stand in the site beside those of models.
    served |= {
        f"/admin/{tree.pattern}{each.pattern}"
        for tree in admin.site.get_urls()
        if isinstance(tree, URLResolver) and str(tree.pattern) in OF_NO_MODEL
        for each in tree.url_patterns
    }
    said = {row.first() for row in documents.table(DESK, "address", "does")}
    said |= {
        row.cell("address").strip("`")
        for row in documents.table(DESK, "page", "address", "shows")
        if row.cell("address").split("/")[2] in (*APPS, "operations")
    }

    assert {without_names(each) for each in said} == {without_names(each) for each in served}


def without_names(address: str) -> str:
    return re.sub(r"<[^>]+>", "<>", address)


# --- The documentation itself -------------------------------------------------------------------


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in documents.pages():
        for address in documents.links(page):
            file, _, anchor = address.partition("#")
            if ":" in file:  # another site's: tests talk to loopback only
                continue
            target = (page.parent / unquote(file)).resolve() if file else page
            if not target.exists() or (anchor and anchor not in documents.anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {address}")

    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        files = (address.partition("#")[0] for address in documents.links(page))
        waiting += [(page.parent / file).resolve() for file in files if file and ":" not in file]

    assert set(DOCS.rglob("*.md")) - reached == set()


def test_every_file_that_a_page_names_exists() -> None:
    tops = "|".join((*APPS, "docker", "docs", "tests", "benchmarks", "templates"))
    named = {
        (page.name, span)
        for page in documents.pages()
        for span in documents.spans(documents.prose(page))
        if re.fullmatch(rf"(?:{tops})/[\w./-]*", span)
    }

    assert {each for each in named if not (ROOT / each[1]).exists()} == set()


def test_every_module_that_a_page_names_exists() -> None:
    named = {
        (page.name, span)
        for page in documents.pages()
        for span in documents.spans(documents.prose(page))
        if re.fullmatch(rf"(?:{'|'.join(APPS)})(?:\.[a-z_]+)+", span)
    }

    assert {each for each in named if not is_known(each[1])} == set()


def is_known(name: str) -> bool:
    """Tell whether this is an action, a task, a permission or a module."""
    celery.loader.import_default_modules()
    app, _, rest = name.partition(".")
    permissions = {
        f"{act}_{model._meta.model_name}"
        for model in apps.get_app_config(app).get_models()
        for act in ("view", "add", "change", "delete")
    }
    if name in ACTIONS or name in celery.tasks or rest in permissions:
        return True
    return importlib.util.find_spec(name) is not None


def test_every_dependency_has_its_reason_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["local"], *extras["anomalies"]]

    page = DOCS / "decisions" / "0002-dependencies.md"
    documented = {
        name
        for row in documents.table(page, "package", "for", "because")
        for name in row.first().split(", ")
    }

    assert documented == {re.split(r"[\[<>=~]", each)[0] for each in needed}


def test_the_changelog_tells_of_this_version() -> None:
    told = re.findall(r"^## (\S+)", documents.read(ROOT / "CHANGELOG.md"), re.MULTILINE)

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (told[0], project["version"]) == (VERSION, VERSION)
