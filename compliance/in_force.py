"""Say which catalogue is in force: what is shipped, the folder of this installation, and uploads.

It is read again only when a file or an upload has changed. When what is there now is not sound, the
last good one stays in force in this process, and one that starts falls back to what is shipped with
the sound uploads; either way `catalogue_problems` says what is wrong, and a log line does. Reading
itself: catalogue.py. Limits and lists that people set are not part of it: people.py.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.db.models import QuerySet

from compliance.catalogue import SHIPPED, CatalogueError, load_catalogue
from compliance.definitions import Catalogue, Framework
from compliance.models import UploadedFramework

log = structlog.get_logger(__name__)

_ONE_READS: Final = threading.Lock()  # held while the catalogue is read, so that one thread does


class UnknownFramework(LookupError):
    """No framework of this name is in force. The message names those that are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _InForce:
    stamp: object
    catalogue: Catalogue
    problems: tuple[str, ...]


_in_force: _InForce | None = None


def catalogue_in_force() -> Catalogue:
    """Return the catalogue in force; costs a look at the folder and one query."""
    return _now().catalogue


def catalogue_problems() -> tuple[str, ...]:
    """Return why what is there now is not in force, a line a problem; nothing when it is."""
    return _now().problems


def framework_of(catalogue: Catalogue, framework: str) -> Framework:
    """Return a framework of a catalogue. Raises UnknownFramework."""
    found = catalogue.frameworks.get(framework)
    if found is None:
        names = ", ".join(sorted(catalogue.frameworks))
        raise UnknownFramework(f"there is no framework {framework!r}; there are: {names}")
    return found


def folders() -> tuple[Path, ...]:
    """Return the folders that the catalogue is read from, ours first."""
    own = settings.CATALOGUE_DIR
    return (SHIPPED, Path(own)) if own else (SHIPPED,)


def _now() -> _InForce:
    global _in_force
    with _ONE_READS:
        stamp = (_files_stamp(), _uploads_stamp())
        if _in_force is None or _in_force.stamp != stamp:
            _in_force = _read(stamp, _in_force)
        return _in_force


def _read(stamp: object, before: _InForce | None) -> _InForce:
    texts = _upload_texts()
    try:
        catalogue = load_catalogue(folders(), texts=texts)
    except CatalogueError as error:
        log.error("compliance.catalogue_refused", problems=list(error.problems))
        good = before.catalogue if before is not None else _shipped_with(texts)
        return _InForce(stamp=stamp, catalogue=good, problems=error.problems)
    return _InForce(stamp=stamp, catalogue=catalogue, problems=())


def _shipped_with(texts: Mapping[str, bytes]) -> Catalogue:
    """Return what is shipped with every upload that is sound beside it."""
    sound: dict[str, bytes] = {}
    for name, text in sorted(texts.items()):
        try:
            load_catalogue(texts=sound | {name: text})
        except CatalogueError as error:
            log.error("compliance.upload_refused", file=name, problems=list(error.problems))
        else:
            sound[name] = text
    return load_catalogue(texts=sound)


def _files_stamp() -> tuple[tuple[str, int, int], ...]:
    found = []
    for folder in folders():
        for path in sorted(folder.glob("*.yaml")):
            about = path.stat()
            found.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(found)


def _uploads_stamp() -> tuple[tuple[int, str], ...]:
    return tuple(_uploads().values_list("id", "sha256"))


def _upload_texts() -> dict[str, bytes]:
    """Return the uploads in force by file name, the newest of each name."""
    return {f"{name}.yaml": bytes(body) for name, body in _uploads().values_list("name", "body")}


def _uploads() -> QuerySet[UploadedFramework]:
    return UploadedFramework.objects.filter(is_in_force=True).order_by("name", "id")
