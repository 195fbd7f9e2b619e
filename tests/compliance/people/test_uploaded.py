"""Uploaded frameworks: only sound ones take force, versions stay, and the change is an entry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from hashlib import sha256

import pytest

from audit.append import append_pending
from audit.models import Ledger
from compliance.acting import ActRefused
from compliance.in_force import catalogue_in_force
from compliance.models import UploadedFramework
from compliance.uploaded import UploadRefused, end_framework, upload_framework
from tests.compliance.people.desk import administrator, officer
from tests.conftest import entries

FRAMEWORK = """\
schema: obs-framework/1
id: {name}
name: House rules
authority: us
version: "{version}"
controls:
- {{id: H1, title: "Records reviewed", mode: automated, checks: [{check}], weight: high}}
"""


def text(name: str, *, version: str = "1.0", check: str = "LOG-10") -> bytes:
    return FRAMEWORK.format(name=name, version=version, check=check).encode()


@pytest.fixture
def name(database: None) -> Iterator[str]:
    """Return the name of a framework that the test may upload; it is out of force afterwards."""
    found = f"house-{uuid.uuid4().hex[:8]}"
    yield found
    UploadedFramework.objects.filter(name=found, is_in_force=True).update(
        is_in_force=False, ended_by="tests"
    )


def test_a_sound_framework_takes_force_and_the_next_version_its_place(
    ledger: Ledger, name: str
) -> None:
    bob = administrator()

    first = upload_framework(ledger, text(name), by=bob)
    in_force = catalogue_in_force().frameworks[name].version
    second = upload_framework(ledger, text(name, version="1.1"), by=bob)
    now = catalogue_in_force().frameworks[name].version
    append_pending(ledger.id)
    details = [each.parsed()["event"]["details"] for each in entries(ledger)]

    assert (in_force, now) == ("1.0", "1.1")
    assert [each["what"] for each in details] == ["compliance.framework"] * 2
    assert details[0]["before"] is None
    assert details[1]["before"] == details[0]["after"]
    assert details[1]["after"]["sha256"] == sha256(text(name, version="1.1")).hexdigest()
    kept = UploadedFramework.objects.filter(name=name).order_by("id")
    assert [(each.id, each.is_in_force) for each in kept] == [(first.id, False), (second.id, True)]
    assert bytes(kept[0].body) == text(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.replace(b"LOG-10", b"LOG-99"), "LOG-99"),
        (lambda body: body.replace(b"weight: high", b"wight: high"), "wight"),
        (lambda body: body[:-3], "upload.yaml:"),
        (lambda body: b"", "the file is empty"),
        (lambda body: b"#" * (1024 * 1024 + 1), "at most 1,048,576 bytes"),
        (lambda body: b"\xff\xfe", "upload.yaml"),
    ],
)
def test_what_is_wrong_with_a_framework_is_said_and_the_one_before_stays(
    ledger: Ledger, name: str, change: object, said: str
) -> None:
    bob = administrator()
    assert callable(change)
    upload_framework(ledger, text(name), by=bob)

    with pytest.raises(UploadRefused) as refused:
        upload_framework(ledger, change(text(name, version="1.1")), by=bob)

    assert any(said in line for line in refused.value.problems), refused.value.problems
    assert catalogue_in_force().frameworks[name].version == "1.0"


def test_the_same_bytes_are_no_new_version(ledger: Ledger, name: str) -> None:
    upload_framework(ledger, text(name), by=administrator())

    with pytest.raises(UploadRefused, match=r"version 1\.0, which is in force already"):
        upload_framework(ledger, text(name), by=administrator())


def test_nobody_uploads_in_place_of_a_shipped_framework(ledger: Ledger, name: str) -> None:
    with pytest.raises(UploadRefused, match="soc2"):
        upload_framework(ledger, text("soc2"), by=administrator())

    assert not UploadedFramework.objects.filter(name="soc2").exists()


def test_a_framework_leaves_force_and_its_versions_stay(ledger: Ledger, name: str) -> None:
    made = upload_framework(ledger, text(name), by=administrator())

    end_framework(ledger, made, by=officer())

    assert name not in catalogue_in_force().frameworks
    assert UploadedFramework.objects.filter(name=name).exists()
    with pytest.raises(ActRefused, match="in force no more"):
        end_framework(ledger, made, by=officer())
