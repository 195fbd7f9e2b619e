"""An installation has the sinks that are set up, and half a set-up stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from audit.ledger.note import format_verifier_key, make_signing_key
from audit.sinks.configured import policy_from_settings, sinks_from_settings, witnesses_of

KEY = format_verifier_key(make_signing_key(name="w", seed=b"w" * 32).as_cosigner().key)


def names() -> list[str]:
    return [sink.name for sink in sinks_from_settings()]


def test_the_file_is_there_without_any_setting(settings: Settings) -> None:
    (sink,) = sinks_from_settings()

    assert (sink.name, sink.interval, sink.can_read) == ("file", 0, True)


def test_each_address_brings_its_sink(settings: Settings) -> None:
    settings.ANCHOR_WEBHOOK_URL = "https://example.com/hook"
    settings.ANCHOR_WEBHOOK_SECRET = "0123456789abcdef"
    settings.ANCHOR_S3_URL = "https://s3.example.com/bucket"
    settings.ANCHOR_S3_KEY_ID = settings.ANCHOR_S3_SECRET = "key"
    settings.ANCHOR_TSA_URL = "https://tsa.example.com/"
    settings.ANCHOR_TSA_CA = "/etc/tsa.pem"
    settings.ANCHOR_EMAIL_TO = ["auditor@example.org"]

    assert names() == ["file", "webhook", "objectstore", "timestamp", "email"]
    assert [sink.interval for sink in sinks_from_settings()] == [0, 60, 60, 3600, 86_400]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ANCHOR_WEBHOOK_URL": "https://example.com/"}, "OBS_ANCHOR_WEBHOOK_SECRET"),
        (
            {"ANCHOR_WEBHOOK_URL": "https://example.com/", "ANCHOR_WEBHOOK_SECRET": "short"},
            "fewer than 16",
        ),
        ({"ANCHOR_TSA_URL": "https://example.com/"}, "OBS_ANCHOR_TSA_CA"),
        ({"ANCHOR_S3_URL": "https://example.com/b"}, "OBS_ANCHOR_S3_KEY_ID"),
        ({"ANCHOR_S3_URL": "ftp://example.com/b"}, "OBS_ANCHOR_S3_URL: only http"),
        ({"ANCHOR_TSA_URL": "https://a:b@example.com/"}, "OBS_ANCHOR_TSA_URL: .*password"),
    ],
)
def test_half_a_set_up_is_named(settings: Settings, changes: dict[str, str], said: str) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)

    with pytest.raises(ImproperlyConfigured, match=said):
        sinks_from_settings()


def test_without_a_policy_there_are_no_witnesses(settings: Settings) -> None:
    assert policy_from_settings() is None


def test_witnesses_with_an_address_are_asked(settings: Settings, tmp_path: Path) -> None:
    other = format_verifier_key(make_signing_key(name="o", seed=b"o" * 32).as_cosigner().key)
    file = tmp_path / "policy"
    file.write_text(f"witness A {KEY} https://a.example/\nwitness B {other}\nquorum A\n")
    settings.WITNESS_POLICY = str(file)

    policy = policy_from_settings()

    assert policy is not None
    assert [each.name for each in witnesses_of(policy)] == ["A"]


@pytest.mark.parametrize("text", [None, "quorum", f"witness A {KEY} ftp://a.example/\nquorum A\n"])
def test_a_policy_that_cannot_be_used_is_named(
    settings: Settings, tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "policy"
    if text is not None:
        file.write_text(text)
    settings.WITNESS_POLICY = str(file)

    with pytest.raises(ImproperlyConfigured, match="OBS_WITNESS_POLICY"):
        witnesses_of(policy_from_settings() or pytest.fail("there is no policy"))
