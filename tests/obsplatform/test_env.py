"""A wrong setting stops the start with a line that names it."""

from __future__ import annotations

from ipaddress import ip_network

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
