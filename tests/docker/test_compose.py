"""compose.yml is what Compose reads, runs what `up` runs, and gives nobody more than it needs.

The specification's own JSON Schema comes with check-jsonschema.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from django.core.management import get_commands
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # without stubs

from obsplatform import process_list
from tests.docker.stack import (
    COMPOSE,
    DOCKER,
    JOBS,
    OPTIONAL,
    PLATFORM,
    compose,
    example_variables,
    services,
    variables_named,
)
from tests.settings_read import settings_read

PUBLISHED = {"web", "grafana", *OPTIONAL}
INTERNAL = {"data", "watch"}
READS_FILES_OF_ROOT = {"alloy"}
SECRET = re.compile(r"/run/secrets/([\w.-]+)")
ONCE = {"roles", *JOBS}
SERVICES = sorted(services())
ASK_BY = {"python", "wget", "curl", "bash", "promtool", "pg_isready", "/usr/bin/loki"}


def test_it_holds_to_the_specification_of_compose() -> None:
    validator = Draft7Validator(get_builtin_schema("vendor.compose-spec"))

    problems = [
        f"{'/'.join(map(str, each.absolute_path))}: {each.message}"
        for each in validator.iter_errors(compose())
    ]

    assert problems == []


def test_without_secrets_it_says_what_to_run() -> None:
    with pytest.raises(LookupError, match=r"run docker/secrets\.sh"):
        compose(SECRETS="")


def test_every_variable_it_asks_for_is_in_the_example_and_no_other() -> None:
    assert variables_named(COMPOSE.read_text()) == example_variables().keys()


def test_the_examples_values_are_the_defaults() -> None:
    said = {name: value for name, value in example_variables().items() if value}

    assert compose(**said) == compose()


# --- What it runs -------------------------------------------------------------------------------


def test_its_processes_are_those_that_up_starts() -> None:
    web = process_list.web(host="0.0.0.0", port="8000", workers="1", threads="8")  # noqa: S104
    expected = {one.name: (one.command, one.role) for one in (web, *process_list.WORKERS)}

    found = {
        name: (tuple(service["command"]), service["environment"]["OBS_DATABASE_ROLE"])
        for name, service in services().items()
        if name in PLATFORM
    }

    assert found == expected


def test_what_up_starts_on_demand_has_a_profile_and_nothing_else_has() -> None:
    one = process_list.OTLP_GRPC
    service = services()[one.name]

    assert {name for name in SERVICES if "profiles" in services()[name]} == set(OPTIONAL)
    assert tuple(service["command"]) == one.command
    assert service["environment"]["OBS_DATABASE_ROLE"] == one.role
    port = service["environment"]["OBS_OTLP_GRPC_ADDRESS"].rpartition(":")[2]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert port in service["healthcheck"]["test"][-1]


def test_what_may_run_once_is_not_scaled() -> None:
    alone = {one.name for one in process_list.WORKERS if not one.may_repeat}

    assert alone == {"beat", "seal"}
    assert not any("replicas" in services()[name]["deploy"] for name in alone)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_a_command_of_ours_as_the_owner(name: str) -> None:
    job = services()[name]

    assert job["command"][0] == "manage.py"
    assert job["command"][1] in get_commands()
    assert job["environment"]["OBS_DATABASE_ROLE"] == "owner"
    assert job["restart"].startswith("on-failure")


def test_the_first_password_is_in_no_log() -> None:
    assert services()["prepare"]["command"][-1] == "--quiet"


def depends(name: str) -> dict[str, str]:
    wanted = services()[name].get("depends_on", {})
    return {other: how["condition"] for other, how in wanted.items()}


def test_each_waits_for_what_it_needs() -> None:
    assert depends("roles") == {"postgres": "service_healthy"}
    assert depends("migrate") == {"roles": "service_completed_successfully"}
    assert depends("prepare") == {"migrate": "service_completed_successfully"}
    for name in PLATFORM + OPTIONAL:
        assert depends(name) == {
            "prepare": "service_completed_successfully",
            "valkey": "service_healthy",
        }


def test_whoever_is_waited_for_can_be_well() -> None:
    healthy = {
        other
        for name in SERVICES
        for other, how in depends(name).items()
        if how == "service_healthy"
    }

    assert healthy
    assert {name for name in healthy if "test" not in services()[name]["healthcheck"]} == set()


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_says_how_it_is_well_or_that_it_listens_nowhere(name: str) -> None:
    said = services()[name].get("healthcheck", {})

    if name in {"worker", "beat", "append", "seal", "deliver", *JOBS}:
        assert said == {"disable": True}
    elif name == "web":
        assert said == {}, "its image knows"
    elif name not in ONCE:
        kind, program, *_ = said["test"]
        assert kind == "CMD-SHELL" or program in ASK_BY
        assert {"interval", "timeout", "retries"} <= said.keys()


# --- What each is given -------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLATFORM + OPTIONAL + JOBS)
def test_every_setting_it_gives_exists(name: str) -> None:
    given = services()[name]["environment"].keys()

    settings = {each.removesuffix("_FILE") for each in given}
    assert settings - settings_read().keys() == set()
    assert len(settings) == len(given), "a value and its file at once stop the start"


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_one_exact_version(name: str) -> None:
    image = services()[name]["image"]

    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)?", image), image


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_hardened_and_bounded(name: str) -> None:
    service = services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert "privileged" not in service
    assert service["restart"] in ({"on-failure:3"} if name in ONCE else {"unless-stopped"})


def test_only_postgres_keeps_capabilities_and_only_alloy_is_root() -> None:
    with_more = {name for name in SERVICES if "cap_add" in services()[name]}
    as_root = {name for name in SERVICES if str(services()[name].get("user", "")).startswith("0")}

    assert with_more == {"postgres"}
    assert as_root == READS_FILES_OF_ROOT
    assert "docker.sock" not in COMPOSE.read_text()


def test_only_desk_grafana_and_otlp_are_published_and_on_this_machine_alone() -> None:
    ports = {name: services()[name]["ports"] for name in SERVICES if "ports" in services()[name]}

    assert ports.keys() == PUBLISHED
    assert all(port.startswith("127.0.0.1:") for found in ports.values() for port in found)


def test_servers_and_watchers_reach_nobody_outside() -> None:
    networks = compose()["networks"]
    inside = {name for name, said in networks.items() if (said or {}).get("internal")}

    assert inside == INTERNAL
    for name in (*ONCE, "postgres", "valkey", "prometheus", "loki", "alloy", "jaeger"):
        assert set(services()[name]["networks"]) <= INTERNAL, name


def test_no_secret_stands_in_an_environment_or_a_command() -> None:
    for name in SERVICES:
        for variable, value in services()[name].get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|_URL$", variable.removesuffix("_FILE")):
                is_file = variable.endswith("_FILE") and SECRET.fullmatch(str(value))
                assert is_file or not str(value) or "://" in str(value), (name, variable)
                assert "@" not in str(value), (name, variable)


def test_each_secret_that_is_given_is_declared_and_used_and_no_other() -> None:
    declared = set(compose()["secrets"])
    given = {each for name in SERVICES for each in services()[name].get("secrets", [])}

    assert given == declared


def files_of(service: dict[str, Any]) -> list[Path]:
    """Return the files of ours that a service is given."""
    sources = [str(each).split(":")[0] for each in service.get("volumes", [])]
    found = [DOCKER / each for each in sources if each.startswith("./")]
    return [file for each in found for file in (each.rglob("*") if each.is_dir() else [each])]


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_it_mounts_is_there_and_every_secret_it_reads_is_given(name: str) -> None:
    service = services()[name]
    read = set(SECRET.findall(yaml.safe_dump({**service, "secrets": []})))
    for file in files_of(service):
        assert file.exists(), file
        read |= set(SECRET.findall(file.read_text())) if file.is_file() else set()

    assert read - set(service.get("secrets", [])) == set()


def test_only_who_seals_and_who_makes_the_key_reach_the_signing_keys() -> None:
    holders = {
        name
        for name in PLATFORM + OPTIONAL + JOBS
        if any(str(each).startswith("signing:") for each in services()[name]["volumes"])
    }

    assert holders - {"migrate"} == {"seal", "prepare"}


@pytest.mark.parametrize("name", PLATFORM + OPTIONAL)
def test_a_process_holds_the_password_of_its_own_role_alone(name: str) -> None:
    of_roles = {"database_url", "database_worker_url", "database_owner_url"}

    as_web = services()[name]["environment"]["OBS_DATABASE_ROLE"] == "web"
    mine = "database_url" if as_web else "database_worker_url"
    assert set(services()[name]["secrets"]) & of_roles == {mine}


def test_every_volume_is_declared_and_used() -> None:
    used = {
        str(each).split(":")[0]
        for name in SERVICES
        for each in services()[name].get("volumes", [])
        if not str(each).startswith((".", "/"))
    }

    assert used == set(compose()["volumes"])


# --- Its secrets --------------------------------------------------------------------------------


def make_secrets(folder: Path, *, here: Path) -> subprocess.CompletedProcess[str]:
    """Run a copy of secrets.sh, so that no .env appears in the checkout."""
    here.mkdir(parents=True, exist_ok=True)
    for name in ("secrets.sh", ".env.example"):
        (here / name).write_bytes((DOCKER / name).read_bytes())
    return subprocess.run(
        ["sh", here / "secrets.sh", folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_makes_every_secret_that_is_declared_and_no_other(tmp_path: Path) -> None:
    done = make_secrets(tmp_path / "secrets", here=tmp_path / "checkout" / "docker")

    declared = {Path(each["file"]).name for each in compose(SECRETS="/x")["secrets"].values()}
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        {file.name for file in (tmp_path / "secrets").iterdir()}
        == declared
        == set(compose()["secrets"])
    )
    assert f"SECRETS={tmp_path}/secrets" in (tmp_path / "checkout/docker/.env").read_text()


def test_nobody_else_reaches_them_and_containers_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder, here=tmp_path / "checkout" / "docker")

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o444}


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    folder, here = tmp_path / "secrets", tmp_path / "checkout" / "docker"
    make_secrets(folder, here=here)
    before = {file.name: file.read_text() for file in folder.iterdir()}
    (folder / "slack_webhook_url").unlink()
    (folder / "slack_webhook_url").write_text("https://hooks.example.com/x")

    done = make_secrets(folder, here=here)

    after = {file.name: file.read_text() for file in folder.iterdir()}
    assert done.returncode == 0
    assert after == before | {"slack_webhook_url": "https://hooks.example.com/x"}


def test_addresses_hold_the_passwords_of_their_roles(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder, here=tmp_path / "checkout" / "docker")
    said = {file.name: file.read_text() for file in folder.iterdir()}

    for role, address in (
        ("web", "database_url"),
        ("worker", "database_worker_url"),
        ("owner", "database_owner_url"),
    ):
        password = said[f"obs_{role}_password"]
        assert len(password) == 64
        assert said[address] == f"postgresql://obs_{role}:{password}@postgres:5432/obsplatform"
    assert said["redis_url"] == f"redis://:{said['valkey_password']}@valkey:6379/0"
    assert said["valkey_auth.conf"] == f"requirepass {said['valkey_password']}\n"


def test_a_folder_in_the_checkout_is_refused(tmp_path: Path) -> None:
    here = tmp_path / "checkout" / "docker"

    done = make_secrets(here / "secrets", here=here)

    assert done.returncode == 2
    assert "outside it" in done.stderr
    assert not (here / "secrets").exists()
