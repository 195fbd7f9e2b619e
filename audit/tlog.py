"""Serve a ledger as a transparency log: checkpoint, tiles, entry bundles, verifier keys. GET alone.

    /ledger/<name>/checkpoint                    the newest checkpoint, a signed note
    /ledger/<name>/tile/<L>/<N>[.p/<W>]          hashes; a full tile never changes
    /ledger/<name>/tile/entries/<N>[.p/<W>]      the records below level-0 tile N
    /ledger/<name>/vkey                          public keys, newest first, one a line

Exactly C2SP tlog-tiles: nothing beyond the newest checkpoint is there, and each tile has one name.
Of a public ledger anyone may have all but entry bundles. Else a key of the ledger with
`entries:read`, or a person who may see ledgers. Entry bundles always need such a key. To anyone
else a ledger that is not public answers as one that does not exist.
Below the minimum index the records are pruned: their entry bundles answer 404 with the code
`pruned`, which tlog-tiles allows, while every hash tile and checkpoint stays.
Paths: audit.ledger.tiles. Hashes: tree.py. Checkpoints: proofs.py.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Final

import structlog
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from audit import auth
from audit.database import rows
from audit.errors import AuthRefused, EntriesMissing, EntryPruned, TilesMissing
from audit.kept import pruned_entry
from audit.ledger.errors import RecordTooLong, TilePathMalformed
from audit.ledger.tiles import (
    Tile,
    encode_bundle,
    is_in_tree,
    parse_bundle_path,
    parse_tile_path,
)
from audit.ledgers import NAME
from audit.models import Ledger
from audit.problems import as_problems, problem
from audit.proofs import newest_checkpoint, verifier_keys
from audit.sealed import sealed_size
from audit.tree import LedgerTiles

SCOPE: Final = "entries:read"
MAY_SEE: Final = "audit.view_ledger"
"""What a person needs who asks without a key."""

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"

_CHECKPOINT_SECONDS: Final = 1  # a ledger is sealed about so often
_KEY_SECONDS: Final = 60  # a new key signs beside the old one for longer than that
_FOR_EVER: Final = "max-age=31536000, immutable"  # a year; the longest that caches honour
_GZIP_LEVEL: Final = 6
_REFUSES_GZIP = re.compile(r";\s*q=0(\.0{0,3})?\s*$")

_RECORDS = """
SELECT record
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
ORDER BY seq
"""

log = structlog.get_logger(__name__)


def _answering(
    view: Callable[..., HttpResponse], *, needs_key: bool = False
) -> Callable[..., HttpResponseBase]:
    """Wrap a view of a ledger: GET and HEAD, who may, ETag, and problems for what goes wrong."""

    @wraps(view)
    def answer(request: HttpRequest, name: str, **path: str) -> HttpResponseBase:
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            ledger = _open(request, name, needs_key=needs_key)
            found = view(request, ledger, **path)
        except AuthRefused as refused:
            headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
            return problem(refused.status, refused.code, detail=refused.message, headers=headers)
        except EntryPruned as pruned:
            return problem(404, "pruned", detail=str(pruned))
        except (TilesMissing, EntriesMissing, RecordTooLong) as missing:
            log.error("tlog.missing", ledger=name, path=request.path, error=str(missing))
            return problem(
                503,
                "tree-incomplete",
                detail="The database does not hold what this is made of; verify the ledger.",
            )
        _describe(found, is_private=needs_key or not ledger.is_public)
        return get_conditional_response(request, etag=found["ETag"], response=found) or found

    return csrf_exempt(as_problems(answer))


def _open(request: HttpRequest, name: str, *, needs_key: bool) -> Ledger:
    """Return the ledger that this request may read.

    Raises AuthRefused, in the same words whether there is such a ledger or not, and Http404 only
    to those who may see every ledger there is.
    """
    ledger = Ledger.objects.filter(name=name).first() if NAME.fullmatch(name) else None
    if ledger is not None and ledger.is_public and not needs_key:
        return ledger
    if needs_key or "Authorization" in request.headers or not request.user.is_authenticated:
        grant = auth.authenticate(request)
        auth.require_scope(grant, SCOPE)
        if grant.ledger_name != name:
            raise AuthRefused(
                status=403,
                code="wrong-ledger",
                message=f"This key reads the ledger {grant.ledger_name}.",
            )
    elif not (request.user.is_active and request.user.has_perm(MAY_SEE)):
        raise AuthRefused(
            status=403, code="scope-missing", message="This account may not see ledgers."
        )
    if ledger is None:
        raise Http404("no ledger has this name")
    return ledger


def _describe(answer: HttpResponse, *, is_private: bool) -> None:
    """Add who may keep the answer, and its ETag."""
    answer["Cache-Control"] = f"{'private' if is_private else 'public'}, {answer['Cache-Control']}"
    if is_private:
        patch_vary_headers(answer, ("Authorization", "Cookie"))
    # The same bytes, plain and packed, are two representations with an ETag each.
    packed = "-gzip" if answer.has_header("Content-Encoding") else ""
    answer["ETag"] = f'"{sha256(answer.content).hexdigest()}{packed}"'


def _answer(body: bytes, *, content_type: str, cache: str) -> HttpResponse:
    return HttpResponse(body, content_type=content_type, headers={"Cache-Control": cache})


def _checkpoint(request: HttpRequest, ledger: Ledger) -> HttpResponse:
    """Answer the newest checkpoint, with every cosignature there is."""
    newest = newest_checkpoint(ledger.id)
    if newest is None:
        raise Http404("nothing of this ledger was sealed yet")
    return _answer(newest.note, content_type=TEXT, cache=f"max-age={_CHECKPOINT_SECONDS}")


def _vkey(request: HttpRequest, ledger: Ledger) -> HttpResponse:
    """Answer the ledger's public keys. Take them from somewhere else too: a forger has his own."""
    keys = verifier_keys(ledger)
    if not keys:
        raise Http404("this ledger has no signing key yet")
    body = "".join(f"{key}\n" for key in keys).encode()
    return _answer(body, content_type=TEXT, cache=f"max-age={_KEY_SECONDS}")


def _tile(request: HttpRequest, ledger: Ledger, *, rest: str) -> HttpResponse:
    """Answer the hashes of a tile."""
    try:
        tile = parse_tile_path(f"tile/{rest}")
    except TilePathMalformed as error:
        raise Http404(str(error)) from error
    _check_is_sealed(ledger, tile)
    (body,) = LedgerTiles(ledger_id=ledger.id).read_tiles([tile])
    return _answer(body, content_type=BYTES, cache=_FOR_EVER)


def _bundle(request: HttpRequest, ledger: Ledger, *, rest: str) -> HttpResponse:
    """Answer the records of an entry bundle, packed where the asker can unpack."""
    try:
        bundle = parse_bundle_path(f"tile/entries/{rest}")
    except TilePathMalformed as error:
        raise Http404(str(error)) from error
    _check_is_sealed(ledger, Tile(level=0, index=bundle.index, width=bundle.width))
    seqs = bundle.entries()
    found = rows(_RECORDS, (ledger.id, seqs.start, seqs.stop))
    pruned = pruned_entry(ledger.id, seqs.stop - 1)
    if pruned is not None:
        raise EntryPruned(f"{pruned} Its hash tile is still here.")
    if len(found) != len(seqs):
        raise EntriesMissing(ledger=ledger.name, start=seqs.start, end=seqs.stop, found=len(found))
    body = encode_bundle(bytes(record) for (record,) in found)
    if not _takes_gzip(request.headers.get("Accept-Encoding", "")):
        answer = _answer(body, content_type=BYTES, cache=_FOR_EVER)
    else:
        packed = gzip.compress(body, _GZIP_LEVEL, mtime=0)  # no time: same bytes, same ETag
        answer = _answer(packed, content_type=BYTES, cache=_FOR_EVER)
        answer["Content-Encoding"] = "gzip"
    patch_vary_headers(answer, ("Accept-Encoding",))
    return answer


def _check_is_sealed(ledger: Ledger, tile: Tile) -> None:
    """Raise Http404 unless the newest checkpoint covers the whole tile.

    Any narrower tile is its beginning, so those of older checkpoints are there too, for ever.
    """
    if not is_in_tree(tile, size=sealed_size(ledger.id)):
        raise Http404("no checkpoint covers this tile")


def _takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding names gzip (RFC 9110 section 12.5.3)."""
    offers = (each.strip().lower() for each in accepted.split(","))
    return any(
        each.split(";")[0].strip() == "gzip" and not _REFUSES_GZIP.search(each) for each in offers
    )


checkpoint = _answering(_checkpoint)
vkey = _answering(_vkey)
tile = _answering(_tile)
bundle = _answering(_bundle, needs_key=True)
