"""The distribution: built, installed where nothing else is, light to import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

SDK = Path(__file__).parents[2] / "sdk"

# What a bare interpreter with the SDK loads; heavy parts of the standard library must wait.
_LATER = {"http.client", "ssl", "asyncio", "json", "email", "urllib.request", "opentelemetry"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the source distribution, built from a copy."""
    source = tmp_path_factory.mktemp("source") / "sdk"
    shutil.copytree(SDK, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("uv")), "build", "--offline", "--out-dir", str(out)],
        cwd=source,
        env={**os.environ, "UV_NO_CACHE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def test_the_wheel_holds_the_package_alone_and_needs_nothing(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    (metadata,) = (name for name in names if name.endswith("/METADATA"))
    said = zipfile.ZipFile(wheel).read(metadata).decode()

    assert {name.split("/")[0] for name in names} == {"obsagent", "obsagent-0.1.0.dist-info"}
    assert "obsagent/py.typed" in names
    assert {name for name in names if name.endswith(".py")} == {
        each.relative_to(SDK).as_posix() for each in (SDK / "obsagent").rglob("*.py")
    }
    needed = [line for line in said.splitlines() if line.startswith("Requires-Dist")]
    assert all("extra ==" in line for line in needed)
    assert "Requires-Python: >=3.9" in said
    extras = {line.split()[1] for line in said.splitlines() if line.startswith("Provides-Extra")}
    assert extras == {"otel", "langchain", "openai", "mcp", "cli"}


def test_the_source_distribution_has_the_readme(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")

    with tarfile.open(source) as archive:
        assert "obsagent-0.1.0/README.md" in archive.getnames()


def test_it_works_where_nothing_else_is_installed(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    where = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(where)  # noqa: S202 - a wheel of ours
    code = (
        "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]\n"
        f"sys.path.insert(0, {str(where)!r})\n"
        "before = set(sys.modules)\n"
        "import obsagent\n"
        "print(*(set(sys.modules) - before))\n"
        "from obsagent import Observability, Client, Acts, Approvals, enable_observability\n"
        f"with Client('http://127.0.0.1:9', 'k', agent='a', spool={str(tmp_path / 's')!r},"
        " exit_seconds=0.1) as client:\n"
        "    client.event('run.started')\n"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert loaded & _LATER == set()
    assert not [name for name in loaded if name.startswith("obsagent.")]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the module's name changes by version")
def test_an_interpreter_within_the_interpreter_records_too(tmp_path: Path) -> None:
    code = (
        (
            "import _xxsubinterpreters as inner\n"
            f"program = '''import sys; sys.path.insert(0, {str(SDK)!r})\n"
            "from obsagent.spool import Spool\n"
            f"spool = Spool({str(tmp_path)!r})\n"
            'spool.append("alice", b\'{{"id":1}}\')\n'
            "spool.close()\n"
            "'''\n"
            "for _ in range(2):\n"
            "    made = inner.create()\n"
            "    inner.run_string(made, program)\n"
            "    inner.destroy(made)\n"
            f"import sys; sys.path.insert(0, {str(SDK)!r})\n"
            "from obsagent.spool import Spool\n"
            f"spool = Spool({str(tmp_path)!r})\n"
            "print(spool.adopt())\n"
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
