"""A wrong setting stops the start with a line that names it."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from obsplatform import env


def test_networks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_OUTBOUND_ALLOW", "10.1.0.0/16, fd00::/8,192.168.1.7")

    expected = tuple(map(ip_network, ("10.1.0.0/16", "fd00::/8", "192.168.1.7/32")))
    assert expected == env.networks("OBS_OUTBOUND_ALLOW")


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "*"])
def test_what_is_no_network_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("OBS_OUTBOUND_ALLOW", text)

    with pytest.raises(ImproperlyConfigured, match="OBS_OUTBOUND_ALLOW"):
        env.networks("OBS_OUTBOUND_ALLOW")


def test_ports_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_OUTBOUND_PORTS", "443, 8443")

    assert env.ports("OBS_OUTBOUND_PORTS", "80") == (443, 8443)


@pytest.mark.parametrize("text", ["0", "65536", "http", "80-90", "-1", "80;443"])
def test_what_is_no_port_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("OBS_OUTBOUND_PORTS", text)

    with pytest.raises(ImproperlyConfigured, match="OBS_OUTBOUND_PORTS"):
        env.ports("OBS_OUTBOUND_PORTS", "80")


def test_a_value_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("with a space and a # \n")
    monkeypatch.setenv("OBS_METRICS_TOKEN_FILE", str(file))
    monkeypatch.delenv("OBS_METRICS_TOKEN", raising=False)

    assert env.text("OBS_METRICS_TOKEN") == "with a space and a # "
    assert env.is_set("OBS_METRICS_TOKEN")


def test_numbers_and_folders_may_stand_in_files_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "number").write_text("7\n")
    (tmp_path / "folder").write_text(f"{tmp_path}\r\n")
    monkeypatch.setenv("OBS_APPEND_BATCH_FILE", str(tmp_path / "number"))
    monkeypatch.setenv("OBS_EXPORT_DIR_FILE", str(tmp_path / "folder"))

    assert env.integer("OBS_APPEND_BATCH", 1) == 7
    assert env.folder("OBS_EXPORT_DIR", Path("elsewhere")) == tmp_path


def test_an_empty_file_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("OBS_EMAIL_PASSWORD_FILE", str(tmp_path / "empty"))

    assert env.text("OBS_EMAIL_PASSWORD", "none") == "none"
    assert not env.is_set("OBS_EMAIL_PASSWORD")


def test_a_value_and_a_file_at_once_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("one")
    monkeypatch.setenv("OBS_METRICS_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("OBS_METRICS_TOKEN", "another")

    with pytest.raises(ImproperlyConfigured, match="OBS_METRICS_TOKEN and OBS_METRICS_TOKEN_FILE"):
        env.text("OBS_METRICS_TOKEN")


def test_a_file_that_cannot_be_read_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "bytes"):
        monkeypatch.setenv("REDIS_URL_FILE", str(path))
        monkeypatch.delenv("REDIS_URL", raising=False)

        with pytest.raises(ImproperlyConfigured, match="REDIS_URL_FILE cannot be read"):
            env.text("REDIS_URL")
