"""Frameworks of the customer's own, uploaded as YAML: checked, kept version by version, in force.

An upload is read together with everything else that is in force; with one problem, nothing changes
and the problems are said by file and line. The version before stays, no longer in force. Each
change leaves `audit.config_changed` in the ledger that is given. Reading YAML: catalogue.py. What
is in force: in_force.py.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from compliance import in_force
from compliance.acting import ActRefused, Person, refusals
from compliance.catalogue import CatalogueError, load_catalogue
from compliance.definitions import Catalogue, Framework
from compliance.gather import Ledger, receive_own
from compliance.models import UploadedFramework

MOST: Final = 1024 * 1024
"""Bytes of one framework."""
FILE: Final = "upload.yaml"
"""The name under which problems of an upload are told."""


class UploadRefused(ActRefused):
    """An upload is no sound framework. `problems` says why, one line each: file, line, key."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(field="file", message="; ".join(problems))
        self.problems = problems


def upload_framework(ledger: Ledger, body: bytes, *, by: Person) -> UploadedFramework:
    """Put a framework into force, in place of its version before. Raises UploadRefused."""
    if not body.strip():
        raise UploadRefused(("the file is empty",))
    if len(body) > MOST:
        raise UploadRefused((f"at most {MOST:,} bytes; this has {len(body):,}",))
    framework = _read(body)
    before = _standing().filter(name=framework.id).first()
    digest = sha256(body).hexdigest()
    if before is not None and before.sha256 == digest:
        raise UploadRefused((f"this is version {before.version}, which is in force already",))
    try:
        with refusals(), transaction.atomic():
            if before is not None:
                _end(before, by)
            made = UploadedFramework.objects.create(
                name=framework.id,
                version=framework.version,
                title=framework.name,
                controls=len(framework.controls),
                body=body,
                sha256=digest,
                uploaded_by=by.name,
            )
            _leave(ledger, made.name, before, made, by=by)
    except IntegrityError as error:
        raise UploadRefused(
            ("somebody uploaded this framework a moment ago; look again",)
        ) from error
    return made


def end_framework(ledger: Ledger, standing: UploadedFramework, *, by: Person) -> None:
    """Take an uploaded framework out of force; its versions and results stay. Raises ActRefused."""
    with refusals(), transaction.atomic():
        _end(standing, by)
        _leave(ledger, standing.name, standing, None, by=by)


def _read(body: bytes) -> Framework:
    """Return the one framework that a text holds, sound beside everything that is in force."""
    name = _name_of(body)
    texts = _texts()
    texts.pop(_file(name), None)
    if FILE in texts:
        raise AssertionError("no framework is told under the name of an upload")
    catalogue = _load(texts | {FILE: body})
    for framework in catalogue.frameworks.values():
        if framework.source.file == FILE:
            return framework
    raise UploadRefused(
        (f"{FILE}:1: schema: it holds no framework; write `schema: obs-framework/1`",)
    )


def _name_of(body: bytes) -> str:
    """Return the id on a line of its own, which tells the version that this one replaces."""
    for line in body.splitlines():
        key, _, value = line.partition(b":")
        if key == b"id":
            return value.split(b"#")[0].strip().strip(b"\"'").decode("utf-8", "replace")
    return ""


def _load(texts: dict[str, bytes]) -> Catalogue:
    try:
        return load_catalogue(in_force.folders(), texts=texts)
    except CatalogueError as error:
        raise UploadRefused(error.problems) from error


def _texts() -> dict[str, bytes]:
    return {_file(each.name): bytes(each.body) for each in _standing()}


def _file(name: str) -> str:
    return f"{name}.yaml"


def _standing() -> QuerySet[UploadedFramework]:
    return UploadedFramework.objects.filter(is_in_force=True).order_by("name")


def _end(standing: UploadedFramework, by: Person) -> None:
    updated = UploadedFramework.objects.filter(id=standing.id, is_in_force=True).update(
        is_in_force=False, ended_at=timezone.now(), ended_by=by.name
    )
    if updated != 1:
        raise ActRefused(field="act", message="it is in force no more; look again")


def _leave(
    ledger: Ledger,
    name: str,
    before: UploadedFramework | None,
    after: UploadedFramework | None,
    *,
    by: Person,
) -> None:
    receive_own(
        ledger,
        "audit.config_changed",
        by=by.name,
        target={"type": "framework", "id": name},
        details={
            "what": "compliance.framework",
            "name": name,
            "check": "",
            "framework": name,
            "before": _version(before),
            "after": _version(after),
        },
    )


def _version(row: UploadedFramework | None) -> dict[str, str] | None:
    return None if row is None else {"version": row.version, "sha256": row.sha256}
