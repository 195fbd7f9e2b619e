"""The house: imports go down the shelves, the ledger is pure, one file reads the environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import parsed

ROOT = Path(__file__).parents[1]
APPS = ("obsplatform", "compliance", "metrics", "tracing", "audit")
PURE = ("audit.ledger", "audit.errors", "audit.events", "audit.actions", "audit.parse",
        "audit.limits", "audit.refusals", "audit.bodies", "audit.cloudevents", "audit.redact",
        "audit.stored")  # fmt: skip
ENVIRONMENT = {"environ", "environb", "getenv", "putenv"}
FORBIDDEN_NAMES = {"utils", "helpers", "services", "manager", "managers", "handler", "handlers"}

# Imports every module of the pure packages while Django and all that talks is out of reach.
_WITHOUT_DJANGO = """
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"django", "celery", "redis", "psycopg", "structlog"}:
            raise ModuleNotFoundError(f"{name} is not for pure code", name=name)

sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for each in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
        importlib.import_module(each.name)
        print(each.name)
    print(name)
"""


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """Yield every Python file of the apps, parsed."""
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            yield file.relative_to(ROOT), parsed(file)


def test_imports_go_down_the_shelves() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout
    assert "KEPT" in done.stdout


def test_pure_code_can_be_imported_where_there_is_no_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_DJANGO, *PURE],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert {*PURE, "audit.ledger.record", "audit.ledger.canonical"} <= set(done.stdout.split())


def test_the_ledger_reads_no_clock_no_chance_and_no_file() -> None:
    talks = {"os", "io", "time", "random", "secrets", "socket", "pathlib", "subprocess", "logging"}
    found = {
        (str(file), name)
        for file, tree in sources()
        if file.parts[:2] == ("audit", "ledger")
        if file.name != "__main__.py"  # the command at the edge
        for name in imported(tree)
        if name.partition(".")[0] in talks
    }

    assert found == set()


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def environment_uses(tree: ast.Module) -> Iterator[str]:
    """Yield the expressions around `os.environ` and `os.getenv` that read or write a variable.

    Two are no reading: `setdefault` of Django's own variable, and passing everything on (`**`).
    """
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (a.name for a in node.names if a.name in {"environ", "environb", "getenv"})
        # By its name first: to write each attribute of all files out as text takes seconds.
        if not isinstance(node, ast.Attribute) or node.attr not in ENVIRONMENT:
            continue
        if ast.unparse(node) != f"os.{node.attr}":
            continue
        parent = parents[node]
        call = parents.get(parent)
        if isinstance(parent, ast.Attribute) and isinstance(call, ast.Call):
            if ast.unparse(call).startswith("os.environ.setdefault('DJANGO_SETTINGS_MODULE'"):
                continue
            yield ast.unparse(call)
        elif isinstance(parent, ast.Dict) and None in parent.keys:
            continue
        else:
            yield ast.unparse(parent)


def test_nothing_but_env_py_reads_the_environment() -> None:
    found = {
        str(file): sorted(environment_uses(tree))
        for file, tree in sources()
        if next(environment_uses(tree), None) is not None
    }

    assert found.keys() == {"obsplatform/env.py"}, found


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['A']",
        "import os\nos.environ.get('A')",
        "import os\nos.getenv('A')",
        "import os\nx = dict(os.environ)",
        "import os\nos.environ.setdefault('A', 'b')",
        "from os import environ",
    ],
)
def test_that_test_sees_each_way_to_read_the_environment(code: str) -> None:
    assert list(environment_uses(ast.parse(code)))


def test_only_settings_py_uses_env_py() -> None:
    users = {
        str(file)
        for file, tree in sources()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.module == "obsplatform.env")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "obsplatform"
            and any(alias.name == "env" for alias in node.names)
        )
        or (isinstance(node, ast.Import) and any(a.name == "obsplatform.env" for a in node.names))
    }

    assert users == {"obsplatform/settings.py"}


def test_no_file_has_a_name_that_says_nothing() -> None:
    named = {str(file) for file, _ in sources() if file.stem in FORBIDDEN_NAMES}

    assert named == set()


def test_every_module_says_what_it_owns() -> None:
    silent = {
        str(file)
        for file, tree in sources()
        if "migrations" not in file.parts and tree.body and not ast.get_docstring(tree)
    }

    assert silent == set()


def test_the_entries_are_written_by_one_module_and_the_inbox_by_another() -> None:
    """Read as text: what SQL a file holds, not what it imports."""
    writers: dict[str, set[str]] = {"entry": set(), "inbox": set(), "head": set()}
    for file, tree in sources():
        if "migrations" in file.parts:
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            said = " ".join(node.value.split()).lower()
            if "copy audit_entry" in said or "insert into audit_entry" in said:
                writers["entry"].add(str(file))
            if "insert into audit_inbox" in said:
                writers["inbox"].add(str(file))
            if "update audit_head" in said:
                writers["head"].add(str(file))

    assert writers == {
        "entry": {"audit/append.py"},
        "inbox": {"audit/receive.py"},
        "head": {"audit/append.py"},
    }
