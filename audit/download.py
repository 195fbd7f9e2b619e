"""Serve the file of an export: whole, or the range that a broken download asks for.

Whoever may have it: a person who may see exports and entries, a key of its ledger (audit.api), or
the holder of a link that has not expired. The file is streamed; its SHA-256 is its ETag, so that a
download goes on only in the same file. Files: exportfile.py. `answer_path` serves the files of the
apps above in the same way, which ask first who may have them.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from audit.exportfile import KINDS, path_of, shown_name, token_opens
from audit.models import Export

PERMISSIONS: Final = ("audit.view_export", "audit.view_entry")
"""What a person needs to have a file."""

_READ = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A whole file that never changes, and what an answer says of it."""

    path: Path
    name: str
    """As a person saves it; plain ASCII without quotes."""
    content_type: str
    sha256: str
    """64 hex."""

    @property
    def etag(self) -> str:
        """Return what names these very bytes."""
        return f'"{self.sha256}"'


def export_file(request: HttpRequest, number: int) -> HttpResponseBase:
    """Answer `/exports/<number>/file`, with `?link=` for whoever holds one."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    export = Export.objects.select_related("ledger").filter(id=number).first()
    may = token_opens(request.GET.get("link", ""), number) or (
        request.user.is_active and request.user.has_perms(PERMISSIONS)
    )
    if not may:
        # Said alike for a number that is none, so that numbers cannot be tried out.
        raise PermissionDenied
    if export is None:
        raise Http404("no export has this number")
    if not export.has_file(timezone.now()) or not path_of(export).is_file():
        return render(request, "audit/bundle_gone.html", {"export": export}, status=410)
    return answer_file(request, export)


def answer_file(request: HttpRequest, export: Export) -> HttpResponseBase:
    """Return the file of an export that is done, or the range asked for (RFC 9110 section 14)."""
    assert export.sha256 is not None, "an export that is done has its sum"
    served = Served(
        path=path_of(export),
        name=shown_name(export),
        content_type=KINDS[export.format].content_type,
        sha256=export.sha256,
    )
    return answer_path(request, served)


def answer_path(request: HttpRequest, served: Served) -> HttpResponseBase:
    """Return a file, or the range asked for (RFC 9110 section 14); 416 for one beyond its end."""
    size = served.path.stat().st_size
    span = _span(request, size, served.etag)
    if span is None:
        answer: HttpResponseBase = StreamingHttpResponse(_read(served.path, 0, size))
        answer["Content-Length"] = str(size)
    elif span.start >= span.stop:
        answer = HttpResponse(status=416)
        answer["Content-Range"] = f"bytes */{size}"
    else:
        answer = StreamingHttpResponse(_read(served.path, span.start, span.stop), status=206)
        answer["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        answer["Content-Length"] = str(len(span))
    answer["Content-Type"] = served.content_type
    answer["Content-Disposition"] = f'attachment; filename="{served.name}"'
    answer["Accept-Ranges"] = "bytes"
    answer["ETag"] = served.etag
    answer["Repr-Digest"] = f"sha-256=:{b64encode(bytes.fromhex(served.sha256)).decode()}:"
    answer["Cache-Control"] = "private, no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _span(request: HttpRequest, size: int, etag: str) -> range | None:
    """Return the bytes asked for, an empty range when there are none such, None for all of them.

    One range; of several, or of a form that is none, the whole file is the answer that RFC 9110
    allows.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    start = int(first)
    stop = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return range(start, max(stop, start)) if start < size else range(0)


def _read(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = stop - start
        while left and (chunk := file.read(min(_READ, left))):
            left -= len(chunk)
            yield chunk
