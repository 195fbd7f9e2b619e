"""Read the files under docker/ as those who run them do: Dockerfile, compose.yml, manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yml"
K8S = DOCKER / "k8s"
PLATFORM = ("web", "worker", "beat", "append", "seal", "deliver")
OPTIONAL = ("otlp_grpc",)
"""Under a profile in compose.yml, a component in Kubernetes: `up` starts it where asked to."""
JOBS = ("migrate", "prepare")

_PLACE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?\}")


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a text as Compose does: `${A}`, `${A:-default}`, `${A:?message}`, `$$`."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        said = variables.get(found["name"], "")
        if not said and found["how"] == "?":
            raise LookupError(f"{found['name']}: {found['word']}")
        return said or (found["word"] or "" if found["how"] == "-" else "")

    return _PLACE.sub(value, text)


def variables_named(text: str) -> set[str]:
    """Return the names of the variables that a file asks of its surroundings."""
    return {found["name"] for found in _PLACE.finditer(text) if found["name"]}


def compose(**variables: str) -> dict[str, Any]:
    """Return compose.yml with its variables put in; those that are not said have their defaults."""
    said = {"SECRETS": "/nowhere"} | variables

    def put(node: Any) -> Any:  # into texts alone: a place that is empty is an empty text, not null
        match node:
            case str():
                return interpolated(node, said)
            case list():
                return [put(each) for each in node]
            case dict():
                return {name: put(value) for name, value in node.items()}
        return node

    read: dict[str, Any] = put(yaml.safe_load(COMPOSE.read_text()))
    return read


@cache
def _services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def services() -> dict[str, dict[str, Any]]:
    """Return the services of compose.yml by name."""
    return _services()


def example_variables() -> dict[str, str]:
    """Return what .env.example says, by name."""
    lines = (DOCKER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each with its arguments on one line."""
    text = (DOCKER / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    whole = re.sub(r"\\\n\s*", " ", text)
    return [
        (line.split(None, 1)[0], line.split(None, 1)[1].strip())
        for line in whole.splitlines()
        if line.strip()
    ]


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every object of docker/k8s with its file; lists and values are none."""
    for file in sorted(K8S.rglob("*.yml")):
        if file.name == "kustomization.yml" or file.name.endswith(".values.yml"):
            continue
        for found in yaml.safe_load_all(file.read_text()):
            yield file, found
