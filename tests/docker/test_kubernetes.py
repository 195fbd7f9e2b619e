"""The manifests are what Kubernetes takes, run what `up` runs, and pass its strictest profile.

The schemas of Kubernetes come with kubernetes-validate. Those of Prometheus' operator do not: of
its objects the fields that we use are listed here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands
from django.urls import resolve

from metrics.alert_file import alert_object
from metrics.alert_rules import RULES
from metrics.families import BY_NAME
from obsplatform import process_list
from obsplatform.process_list import Process
from tests import documents
from tests.docker.stack import DOCKER, K8S, OPTIONAL, PLATFORM, instructions, manifests
from tests.documents import DOCS
from tests.settings_read import settings_read

VERSIONS = ("1.30", "1.37")  # the oldest that we claim, and the newest that is known
OPERATORS = {"ServiceMonitor", "PrometheusRule", "ScrapeConfig"}
WORKLOADS = {"Deployment", "Job"}
COMPONENTS = tuple(each.replace("_", "-") for each in OPTIONAL)
"""A name there has no underscore."""
PODS = (*PLATFORM, *COMPONENTS)
SECRETS = {  # what docs/deployment.md has people make: names and keys
    "database-web": {"database_url"},
    "database-worker": {"database_url"},
    "database-owner": {"database_url"},
    "shared": {"redis_url", "obs_metrics_token", "email_password"},
}


@cache
def objects() -> list[tuple[Path, dict[str, Any]]]:
    return list(manifests())


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for _, each in objects() if each["kind"] in kinds}


def pods() -> dict[str, dict[str, Any]]:
    return {name: each["spec"]["template"] for name, each in of_kind(*WORKLOADS).items()}


def containers(name: str) -> list[dict[str, Any]]:
    spec = pods()[name]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in container["env"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_that_kubernetes_takes(version: str) -> None:
    own = [each for _, each in objects() if each["kind"] not in OPERATORS]

    assert len(own) > 20
    for each in own:
        assert kubernetes_validate.validate(each, version, strict=True)


def test_the_kustomizations_name_every_file_but_examples_and_values() -> None:
    for folder, left in (
        (K8S, {"ingress.yml"}),
        (K8S / "monitoring", {"prometheus-adapter.values.yml"}),
        *((K8S / each, set()) for each in COMPONENTS),
    ):
        named = yaml.safe_load((folder / "kustomization.yml").read_text())["resources"]
        files = {file.name for file in folder.glob("*.yml")} - {"kustomization.yml"}
        assert set(named) == files - left


def test_names_are_given_once_a_kind() -> None:
    names = [(each["kind"], each["metadata"]["name"]) for _, each in objects()]

    assert len(names) == len(set(names))


# --- What it runs -------------------------------------------------------------------------------


def test_its_processes_are_those_that_up_starts() -> None:
    web = process_list.web(host="0.0.0.0", port="8000", workers="1", threads="8")  # noqa: S104
    processes = (web, *process_list.WORKERS, process_list.OTLP_GRPC)
    expected = {one.name.replace("_", "-"): (one.command, one.role) for one in processes}

    found = {
        name: (tuple(one["args"]), environment(one)["OBS_DATABASE_ROLE"])
        for name in of_kind("Deployment")
        for one in containers(name)
    }

    assert found == expected
    assert tuple(found) != ()


def test_what_not_everybody_wants_is_a_component_that_a_line_adds() -> None:
    text = (K8S / "kustomization.yml").read_text()
    (line,) = [each for each in text.splitlines() if "components:" in each]
    added = yaml.safe_load(text.replace(line, line.removeprefix("# ")))["components"]

    assert line.startswith("# ")
    assert added == list(COMPONENTS)
    for each in added:
        assert yaml.safe_load((K8S / each / "kustomization.yml").read_text())["kind"] == "Component"


def test_what_may_run_once_is_one_and_ends_before_the_next_begins() -> None:
    alone: list[Process] = [one for one in process_list.WORKERS if not one.may_repeat]

    for one in alone:
        spec = of_kind("Deployment")[one.name]["spec"]
        assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")


def test_the_job_migrates_and_then_prepares_as_the_owner() -> None:
    steps = containers("migrate")

    assert [one["args"][1] for one in steps] == ["migrate", "prepare"]
    assert {one["args"][1] for one in steps} <= get_commands().keys()
    assert {environment(one)["OBS_DATABASE_ROLE"] for one in steps} == {"owner"}
    assert "--quiet" in steps[1]["args"]


def probes() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in pods():
        for one in containers(name):
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                if "httpGet" in one.get(kind, {}):
                    yield kind, one[kind]["httpGet"]


def test_probes_ask_addresses_that_there_are_by_a_name_we_answer_to() -> None:
    found = dict(probes())

    assert {kind: each["path"] for kind, each in found.items()} == {
        "startupProbe": "/health",
        "readinessProbe": "/ready",
        "livenessProbe": "/health",
    }
    hosts = environment(containers("web")[0])["OBS_ALLOWED_HOSTS"].split(",")
    for each in found.values():
        assert resolve(each["path"])
        assert {"name": "Host", "value": hosts[0]} in each["httpHeaders"]


# --- What each is given -------------------------------------------------------------------------


def test_every_setting_it_gives_exists() -> None:
    given = set(of_kind("ConfigMap")["settings"]["data"])
    for name in pods():
        for one in containers(name):
            given |= environment(one).keys()

    settings = {each.removesuffix("_FILE") for each in given} - {"POD_IP"}
    assert settings - settings_read().keys() == set()


def mounted(template: dict[str, Any]) -> set[str]:
    (volume,) = [each for each in template["spec"]["volumes"] if each["name"] == "secrets"]
    return {each["secret"]["name"] for each in volume["projected"]["sources"]}


@pytest.mark.parametrize("name", [*PODS, "migrate"])
def test_each_holds_the_password_of_its_own_role_alone(name: str) -> None:
    role = environment(containers(name)[0])["OBS_DATABASE_ROLE"]

    assert mounted(pods()[name]) == {f"database-{role}", "shared"}


@pytest.mark.parametrize("name", [*PODS, "migrate"])
def test_every_secret_that_it_reads_is_one_that_people_are_told_to_make(name: str) -> None:
    given = of_kind("ConfigMap")["settings"]["data"]
    said = [*given.values(), *(v for one in containers(name) for v in environment(one).values())]
    read = {found for each in said for found in re.findall(r"/run/secrets/(\w+)", str(each))}

    assert read <= {key for secret in mounted(pods()[name]) for key in SECRETS[secret]}
    assert "database_url" in read


def test_the_page_makes_those_secrets_and_no_other() -> None:
    made: dict[str, set[str]] = {}
    for script in documents.fences(DOCS / "deployment.md", "sh"):
        for line in script.replace("\\\n", " ").splitlines():
            if found := re.search(r"create secret generic (\S+)", line):
                keys = re.findall(r"--from-(?:file|literal)=(\w+)=", line)
                made[found[1]] = set(keys)

    assert made == SECRETS


def test_no_object_holds_a_secret() -> None:
    assert of_kind("Secret") == {}
    assert "@" not in yaml.safe_dump(of_kind("ConfigMap")["settings"]["data"])


@pytest.mark.parametrize("name", [*PODS, "migrate"])
def test_each_pod_passes_the_strictest_profile(name: str) -> None:
    spec = pods()[name]["spec"]
    user = next(arguments for what, arguments in instructions() if what == "USER").split(":")[0]

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert str(spec["securityContext"]["runAsUser"]) == user
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # Else each start would open the keys in the volume to the group, and we refuse open keys.
    assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    for one in containers(name):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one["resources"].keys() == {"requests", "limits"}
        assert {each["mountPath"] for each in one["volumeMounts"]} >= {"/tmp", "/run/secrets"}  # noqa: S108


def test_keys_lie_below_the_root_of_their_volume_which_the_group_may_open() -> None:
    given = of_kind("ConfigMap")["settings"]["data"] | environment(containers("seal")[0])
    mounts = {each["name"]: each["mountPath"] for each in containers("seal")[0]["volumeMounts"]}

    assert Path(given["OBS_KEY_DIR"]).parent == Path(mounts["keys"])
    assert Path(given["OBS_SIGNING_DIR"]).parent == Path(mounts["signing"])


def test_only_who_seals_and_who_makes_the_key_reach_the_signing_keys() -> None:
    holders = {
        name
        for name in pods()
        if any(each["name"] == "signing" for each in pods()[name]["spec"]["volumes"])
    }

    assert holders == {"seal", "migrate"}


def test_every_volume_and_every_claim_is_there_and_used() -> None:
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for name in pods()
        for volume in pods()[name]["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }

    assert claims == of_kind("PersistentVolumeClaim").keys()


def matches(labels: dict[str, str], selector: dict[str, Any]) -> bool:
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def test_whatever_selects_pods_selects_some() -> None:
    labels = [each["metadata"]["labels"] for each in pods().values()]
    selectors = [each["spec"]["selector"] for each in of_kind("PodDisruptionBudget").values()]
    selectors += [each["spec"]["podSelector"] for each in of_kind("NetworkPolicy").values()]
    selectors += [{"matchLabels": each["spec"]["selector"]} for each in of_kind("Service").values()]

    for selector in selectors:
        assert any(matches(each, selector) for each in labels), selector


def test_what_is_not_allowed_is_refused() -> None:
    assert of_kind("NetworkPolicy")["nothing"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_the_example_of_an_ingress_leads_to_the_service() -> None:
    (rule,) = of_kind("Ingress")["web"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = of_kind("Service")[path["backend"]["service"]["name"]]

    assert path["backend"]["service"]["port"]["name"] in {
        each["name"] for each in service["spec"]["ports"]
    }
    assert rule["host"] in environment(containers("web")[0])["OBS_ALLOWED_HOSTS"].split(",")


# --- What watches -------------------------------------------------------------------------------


def test_its_rules_are_those_of_the_code() -> None:
    assert (K8S / "monitoring" / "rules.yml").read_text() == alert_object(RULES)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (prometheus)")
def test_prometheus_takes_its_rules(tmp_path: Path) -> None:
    rules = of_kind("PrometheusRule")["obsplatform"]["spec"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))

    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def documented_jobs() -> dict[str, dict[str, Any]]:
    (shown,) = documents.fences(DOCS / "observability.md", "yaml")
    return {each["job_name"]: each for each in yaml.safe_load(shown)["scrape_configs"]}


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def test_each_web_instance_is_asked_for_its_own_and_renamed_as_the_page_says() -> None:
    monitor = of_kind("ServiceMonitor")["obsplatform-web"]["spec"]
    (endpoint,) = monitor["endpoints"]
    expected = documented_jobs()["obsplatform-web"]

    renamed = [
        {snake(name): value for name, value in each.items()}
        for each in endpoint["metricRelabelings"]
    ]
    service = of_kind("Service")["web"]
    assert monitor.keys() == {"jobLabel", "selector", "endpoints"}
    assert service["metadata"]["labels"][monitor["jobLabel"]] == expected["job_name"]
    assert matches(service["metadata"]["labels"], monitor["selector"])
    assert endpoint["port"] in {each["name"] for each in service["spec"]["ports"]}
    assert endpoint["params"] == expected["params"]
    assert resolve(endpoint["path"]).url_name == "metrics"
    assert renamed == expected["metric_relabel_configs"]


def test_the_installation_is_asked_once_by_the_address_of_the_service() -> None:
    scrape = of_kind("ScrapeConfig")["obsplatform"]["spec"]
    expected = documented_jobs()["obsplatform"]
    (target,) = [each for group in scrape["staticConfigs"] for each in group["targets"]]
    host, port = target.split(":")

    assert scrape["jobName"] == expected["job_name"]
    assert scrape["params"] == expected["params"]
    assert host in environment(containers("web")[0])["OBS_ALLOWED_HOSTS"].split(",")
    assert int(port) in {each["port"] for each in of_kind("Service")["web"]["spec"]["ports"]}
    credentials = scrape["authorization"]["credentials"]
    assert credentials["key"] in SECRETS[credentials["name"]]


def test_the_autoscaler_asks_a_metric_that_there_is_and_the_adapter_answers() -> None:
    spec = of_kind("HorizontalPodAutoscaler")["append"]["spec"]
    (asked,) = [each["external"]["metric"]["name"] for each in spec["metrics"]]
    values = yaml.safe_load((K8S / "monitoring" / "prometheus-adapter.values.yml").read_text())
    (rule,) = values["rules"]["external"]

    assert asked in BY_NAME
    assert rule["seriesQuery"] == rule["name"]["as"] == asked
    assert spec["scaleTargetRef"]["name"] in of_kind("Deployment")
    assert "replicas" not in of_kind("Deployment")["append"]["spec"], "each apply would reset it"


def test_the_image_is_named_once() -> None:
    kustomization = yaml.safe_load((K8S / "kustomization.yml").read_text())
    used = {one["image"] for name in pods() for one in containers(name)}

    assert used == {each["name"] for each in kustomization["images"]} == {"obsplatform"}
    assert (DOCKER / "Dockerfile").exists()
