"""What Loki, Alloy and Jaeger read holds together with the stack it stands in.

None of them can be had here, so their own checks were not run: docs/deployment.md says so.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests import documents
from tests.docker.stack import DOCKER, JOBS, OPTIONAL, PLATFORM, compose, services
from tests.documents import DOCS

ALLOY = (DOCKER / "alloy" / "config.alloy").read_text()


def datasources() -> dict[str, dict[str, Any]]:
    file = DOCKER / "grafana" / "provisioning" / "datasources" / "datasources.yml"
    return {each["uid"]: each for each in yaml.safe_load(file.read_text())["datasources"]}


def read(service: str, file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / service / file).read_text())
    return found


def test_grafanas_sources_are_services_on_their_ports() -> None:
    hosts = {
        uid: re.sub(r"^\w+://", "", each["url"]).split(":") for uid, each in datasources().items()
    }

    assert hosts == {
        "prometheus": ["prometheus", "9090"],
        "postgres": ["postgres", "5432"],
        "loki": ["loki", str(read("loki", "loki-config.yml")["server"]["http_listen_port"])],
        "jaeger": ["jaeger", "16686"],
    }
    for host, _ in hosts.values():
        assert set(services()[host]["networks"]) & set(services()["grafana"]["networks"]), host


def test_loki_keeps_lines_for_a_while_on_its_volume_and_tells_nobody() -> None:
    config = read("loki", "loki-config.yml")
    (mount,) = [each for each in services()["loki"]["volumes"] if str(each).startswith("loki:")]

    assert config["common"]["path_prefix"] == mount.split(":")[1]
    assert config["compactor"]["retention_enabled"] is True
    assert config["compactor"]["delete_request_store"]
    assert re.fullmatch(r"\d+h", config["limits_config"]["retention_period"])
    assert config["analytics"] == {"reporting_enabled": False}


def test_jaeger_keeps_spans_on_its_volume() -> None:
    config = read("jaeger", "jaeger.yml")
    (store,) = config["extensions"]["jaeger_storage"]["backends"]
    badger = config["extensions"]["jaeger_storage"]["backends"][store]["badger"]
    (mount,) = [each for each in services()["jaeger"]["volumes"] if each.startswith("jaeger:")]

    assert config["extensions"]["jaeger_query"]["storage"]["traces"] == store
    assert config["exporters"]["jaeger_storage_exporter"]["trace_storage"] == store
    assert badger["ephemeral"] is False
    assert all(
        each.startswith(mount.split(":")[1] + "/") for each in badger["directories"].values()
    )
    assert set(config["service"]["extensions"]) == set(config["extensions"])
    (pipeline,) = config["service"]["pipelines"].values()
    for part in ("receivers", "processors", "exporters"):
        assert set(pipeline[part]) == set(config[part])


def test_jaegers_health_check_asks_where_it_listens() -> None:
    endpoint = read("jaeger", "jaeger.yml")["extensions"]["healthcheckv2"]["http"]["endpoint"]

    assert f":{endpoint.split(':')[1]}/" in services()["jaeger"]["healthcheck"]["test"][-1]


# --- Alloy --------------------------------------------------------------------------------------


def without_comments_and_texts(text: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))


def test_its_braces_close() -> None:
    depth = 0
    for letter in without_comments_and_texts(ALLOY):
        depth += {"{": 1, "}": -1, "[": 1, "]": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0


def test_each_component_it_sends_to_or_reads_from_is_there() -> None:
    made = {f"{kind}.{name}" for kind, name in re.findall(r'^([\w.]+) "(\w+)" {', ALLOY, re.M)}

    used = set(re.findall(r"\b((?:loki|local)\.\w+\.\w+)\.(?:receiver|targets)", ALLOY))

    assert used <= made
    assert made - used == {"loki.source.file.containers"}, "it is where lines begin"


def test_it_reads_the_files_that_compose_mounts_and_the_label_that_it_has_written() -> None:
    volumes = [each for each in services()["alloy"]["volumes"] if "containers" in each]
    (path,) = re.findall(r'__path__" = "([^"]+)"', ALLOY)

    assert path.startswith(volumes[0].split(":")[1] + "/")
    assert volumes[0].endswith(":ro")
    for service in services().values():
        label = service["logging"]["options"]["labels"]
        assert f'attrs.\\"{label}\\"' in ALLOY


def test_it_takes_the_platforms_own_fields_and_makes_few_labels() -> None:
    (services_named,) = re.findall(r'service=~\\"([\w|]+)\\"', ALLOY)
    documented = {
        name
        for row in documents.table(DOCS / "observability.md", "field", "is")
        for name in documents.spans(row.cells[0])
    }
    fields = set(re.findall(r'^\s+(\w+)\s+= "\1",?$', ALLOY, re.M))

    assert set(services_named.split("|")) == {*PLATFORM, *OPTIONAL, *JOBS}
    assert {"level", "event", "request_id", "ledger"} <= fields & documented
    labels = re.findall(r"stage\.labels \{\s+values = \{(\w+) = ", ALLOY)
    assert labels == ["service", "level"], "an id as a label makes a stream for each"


def test_it_sends_to_loki() -> None:
    (url,) = re.findall(r'url = "([^"]+)"', ALLOY)

    assert url.startswith("http://loki:3100/")
    assert set(services()["loki"]["networks"]) & set(services()["alloy"]["networks"])
    assert compose()["networks"]["watch"]["internal"] is True
