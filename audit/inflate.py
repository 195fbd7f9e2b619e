"""Read a request's body within its limits, inflating gzip step by step.

Called after the key was recognised: an anonymous sender never makes us inflate anything.
"""

from __future__ import annotations

import zlib

from django.http import HttpRequest

from audit.errors import AuditError

WIRE_LIMIT = 5 * 1024 * 1024
"""Bytes of a body as sent."""

INFLATED_LIMIT = 20 * 1024 * 1024
"""Bytes of a body after inflating."""

_STEP = 64 * 1024


class BodyRefused(AuditError):
    """A body is too large, cut short or in an encoding we do not read."""

    def __init__(self, *, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message


def read_body(request: HttpRequest) -> bytes:
    """Return the body as plain bytes. Raises BodyRefused: 400, 413 or 415."""
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise BodyRefused(
            status=415, code="encoding", message="Content-Encoding may be gzip or left out."
        )
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > WIRE_LIMIT:
        raise _too_large()
    body = request.read(WIRE_LIMIT + 1)
    if len(body) > WIRE_LIMIT:
        raise _too_large()
    return inflate(body) if encoding == "gzip" else body


def inflate(body: bytes) -> bytes:
    """Return what one gzip member holds; more than one, or none whole, is refused."""
    inflater = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    total = 0
    rest = body
    try:
        while rest and not inflater.eof:
            piece = inflater.decompress(rest, _STEP)
            total += len(piece)
            if total > INFLATED_LIMIT:
                raise BodyRefused(
                    status=413,
                    code="body-too-large",
                    message=f"The body inflates to over {INFLATED_LIMIT:,} bytes; send less.",
                )
            pieces.append(piece)
            rest = inflater.unconsumed_tail
    except zlib.error:
        raise BodyRefused(status=400, code="gzip", message="The body is no gzip stream.") from None
    if not inflater.eof:
        raise BodyRefused(status=400, code="gzip", message="The gzip stream is cut short.")
    if inflater.unused_data:
        raise BodyRefused(
            status=400, code="gzip", message="Something follows the gzip stream; send one member."
        )
    return b"".join(pieces)


def _too_large() -> BodyRefused:
    return BodyRefused(
        status=413,
        code="body-too-large",
        message=f"The body is larger than {WIRE_LIMIT:,} bytes; send fewer events at once.",
    )
