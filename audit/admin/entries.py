"""The pages of entries: the list, and one entry with its place in the chain.

Entries are read and nothing else, by anyone. Paging and permissions: audit.readonly. Filters:
audit.query; their form: audit.admin.entry_form. What a row shows: audit.admin.lines.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping

from django.conf import settings
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from audit import reading, state
from audit.actions import missing_fields
from audit.admin.curl import curl_entries, curl_line
from audit.admin.entry_form import PAGING, SENT, address, chips, form, sent_address
from audit.admin.entry_proof import shell_lines, shown_proof
from audit.admin.lines import event_of, lines, lines_around, parsed, run_lines
from audit.errors import NotSealed, TilesMissing
from audit.kept import PrunedEntry, pruned_entry
from audit.ledger.proof import format_proof
from audit.models import Entry, Ledger
from audit.proofs import newest_checkpoint, prove_entry
from audit.pruned import minimum_index
from audit.query import LIST_SECONDS, EntryFilter, QueryTooSlow, time_limit
from audit.readonly import KeysetPage, ReadOnlyModelAdmin, keyset_page
from audit.verify_tree import leaf_of_tile

ZERO_HASH = "0" * 64
REACH = 2
"""Entries shown on either side of one."""
RUN_ENTRIES = 25
"""Other entries of its run shown below one."""


@admin.register(Entry)
class EntryAdmin(ReadOnlyModelAdmin):
    """The list of entries and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses by seq, the jump box and the raw record."""
        return [
            path("go/", self.page(self.go), name="audit_entry_go"),
            path("<str:object_id>/record/", self.page(self.record), name="audit_entry_record"),
            path("<str:object_id>/proof/", self.page(self.proof), name="audit_entry_proof"),
            path("<str:ledger>/<int:seq>/", self.page(self.at), name="audit_entry_at"),
            path("<str:ledger>/<int:seq>/proof/", self.page(self.proof_at), name="audit_proof_at"),
            *super().get_urls(),
        ]

    # --- The list ---------------------------------------------------------------------------

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 entries, newest first, that match what the address says."""
        if SENT in request.GET:
            return HttpResponseRedirect(sent_address(request.GET, now=timezone.now()))
        params = request.GET.copy()
        paging = {name: params.pop(name)[-1] for name in PAGING if name in params}
        asked = EntryFilter.parse(params)
        places, errors = _read_places(paging)
        errors.update(asked.errors)
        if len(asked.ledger) > 1:
            errors["ledger"] = "is one ledger at a time here: each has seqs of its own"
        ledgers = state.ledger_states(also=asked.ledger[0])
        shown = next((one for one in ledgers if one.name == asked.ledger[0]), None)
        page: KeysetPage[Entry] = KeysetPage(rows=[], newer=None, older=None)
        too_slow = False
        if shown is not None and not errors:
            try:
                with time_limit(LIST_SECONDS):
                    page = keyset_page(asked.apply(Entry.objects.all()), **places)
            except QueryTooSlow:
                too_slow = True
        here = request.build_absolute_uri()
        context = self.frame(
            request,
            title="Entries",
            strip=shown,
            shown=shown,
            ledgers=ledgers,
            lines=lines(page.rows, shown) if shown else [],
            page=page,
            newer_url=address(params, before=page.newer) if page.newer is not None else "",
            older_url=address(params, after=page.older) if page.older is not None else "",
            newest_url=address(params),
            form=form(request.GET, errors, ledger_id=shown.id if shown else None),
            chips=chips(request.GET, errors),
            clear_url=address(QueryDict(), ledger=shown.name if shown else None),
            errors=errors,
            too_slow=too_slow,
            most_seconds=LIST_SECONDS,
            is_filtered=bool(set(params) - {"ledger"}),
            here=here,
            curl=curl_line(request, "$OBS_KEY"),
            export_url=f"{reverse('admin:audit_export_new')}?{params.urlencode()}",
            curl_list="" if errors else curl_entries(request, asked),
        )
        return TemplateResponse(request, "audit/entries.html", context)

    # --- One entry --------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one entry by its hash."""
        return self._entry_page(request, _entry_by_hash(object_id))

    def at(self, request: HttpRequest, ledger: str, seq: int) -> HttpResponse:
        """Send on to the entry's permalink, which names its hash; of a pruned one, say so."""
        gone = _pruned_at(ledger, seq)
        if gone is not None:
            return self._pruned_page(request, ledger, gone)
        entry = _entry_at(ledger, seq)
        if entry is None:
            raise Http404(f"{ledger} has no entry #{seq}")
        return HttpResponseRedirect(_address(entry.hash))

    def _pruned_page(self, request: HttpRequest, ledger: str, gone: PrunedEntry) -> HttpResponse:
        """Say who let an entry go, and what still proves that it was there."""
        shown = state.ledger_state(name=ledger)
        assert shown is not None, "what was pruned stood in a ledger"
        newest = newest_checkpoint(shown.id)
        context = self.frame(
            request,
            title=f"Entry #{gone.seq:,}",
            strip=shown,
            shown=shown,
            object=Entry(ledger=Ledger(id=shown.id, name=shown.name), seq=gone.seq),
            gone=gone,
            last_seq=gone.to_seq - 1,
            is_sealed=newest is not None and gone.seq < newest.size,
            newest=newest,
        )
        return TemplateResponse(request, "audit/entry_pruned.html", context)

    def record(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the stored bytes of the record, exactly."""
        entry = _entry_by_hash(object_id)
        answer = HttpResponse(bytes(entry.record), content_type="application/json")
        # The name that the shell lines of the page read.
        answer["Content-Disposition"] = 'attachment; filename="record.json"'
        return answer

    def proof(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the proof of the entry against the newest checkpoint, as a `.tlog-proof` file."""
        entry = _entry_by_hash(object_id)
        return _proof_file(entry.ledger, entry.seq)

    def proof_at(self, request: HttpRequest, ledger: str, seq: int) -> HttpResponse:
        """Give the same by seq, also of an entry that was pruned: its tiles are kept."""
        named = Ledger.objects.filter(name=ledger).first()
        if named is None:
            raise Http404("no ledger has this name")
        return _proof_file(named, seq)

    def go(self, request: HttpRequest) -> HttpResponse:
        """Jump to the entry whose seq or hash was typed, or say why not."""
        wanted = request.GET.get("q", "").strip()
        ledger = request.GET.get("ledger") or settings.LEDGER
        found = _find(wanted, ledger)
        if found is not None:
            return HttpResponseRedirect(found)
        said = "Type a seq such as #41, or the 64 digits of a hash."
        if wanted:
            said = f"No entry {wanted[:80]!r} in {ledger!r}. {said}"
        messages.warning(request, said)
        return HttpResponseRedirect(address(QueryDict(), ledger=ledger))

    def _entry_page(self, request: HttpRequest, entry: Entry) -> HttpResponse:
        raw = bytes(entry.record)
        record = parsed(entry)
        event = event_of(entry)
        is_readable = reading.is_readable(event)
        source = record.get("source")
        source = source if isinstance(source, dict) else {}
        shown = state.ledger_state(ledger_id=entry.ledger_id)
        assert shown is not None, "an entry stands in a ledger"
        around = lines_around(entry, shown, REACH)
        before = next((one.entry for one in around if one.entry.seq == entry.seq - 1), None)
        after = next((one.entry for one in around if one.entry.seq == entry.seq + 1), None)
        run = run_lines(entry, shown, RUN_ENTRIES)
        proof, proof_absent = shown_proof(entry)
        site = request.build_absolute_uri("/").rstrip("/")
        context = self.frame(
            request,
            title=f"Entry #{entry.seq:,}",
            strip=shown,
            shown=shown,
            entry=entry,
            object=entry,
            entry_state=shown.entry_state(entry.seq),
            sentence=reading.sentence(event) if is_readable else "",
            event=event,
            blocks=reading.blocks(event),
            source=[
                reading.field(f"source.{key}", value, label=key) for key, value in source.items()
            ],
            missing=missing_fields(event, scope=str(source.get("scope", "")))
            if is_readable
            else [],
            delay_seconds=(entry.received_at - entry.occurred_at).total_seconds(),
            prev=record.get("prev", ""),
            around=around,
            before=before,
            after=after,
            run=run,
            run_url=_run_url(entry),
            run_most=RUN_ENTRIES,
            trace_url=_trace_url(request, entry),
            expected_prev=_expected_prev(entry, before),
            pruned_seq=entry.seq - 1,
            link=request.build_absolute_uri(_address(entry.hash)),
            pretty=json.dumps(record, indent=2, ensure_ascii=False) if record else "",
            raw=raw.decode("utf-8", errors="backslashreplace"),
            raw_base64=base64.b64encode(raw).decode(),
            raw_bytes=len(raw),
            proof=proof,
            proof_absent=proof_absent,
            proof_by_hand=shell_lines(entry, proof, site=site) if proof else "",
            by_hand="(printf '\\0'; cat record.json) | sha256sum",
        )
        return TemplateResponse(request, "audit/entry.html", context)


def _read_places(paging: Mapping[str, str]) -> tuple[dict[str, int], dict[str, str]]:
    """Return the place in the list that the address names, and what could not be read of it."""
    places: dict[str, int] = {}
    errors: dict[str, str] = {}
    for name, value in paging.items():
        seq = _whole(value)
        if seq is None:
            errors[name] = "is the seq of an entry; remove it to begin at the newest"
        else:
            places[name] = seq
    return places, errors


def _whole(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _entry_by_hash(wanted: str) -> Entry:
    entry = _with_hash(wanted)
    if entry is None:
        raise Http404("no entry has this hash")
    return entry


def _with_hash(wanted: str) -> Entry | None:
    """Find an entry by its hash in any ledger: each has its own index, so they are named."""
    wanted = wanted.lower()
    if len(wanted) != 64 or not set(wanted) <= set("0123456789abcdef"):
        return None
    ledgers = list(Ledger.objects.values_list("id", flat=True))
    found = Entry.objects.select_related("ledger").filter(ledger_id__in=ledgers, hash=wanted)
    entry = found.first()
    if entry is None or entry.seq < minimum_index(entry.ledger_id):
        return None
    return entry


def _entry_at(ledger: str, seq: int) -> Entry | None:
    if seq >= 2**63:
        return None
    return Entry.objects.select_related("ledger").filter(ledger__name=ledger, seq=seq).first()


def _pruned_at(ledger: str, seq: int) -> PrunedEntry | None:
    named = Ledger.objects.filter(name=ledger).first()
    return None if named is None or seq >= 2**63 else pruned_entry(named.id, seq)


def _find(wanted: str, ledger: str) -> str | None:
    """Return the address of what was typed, a seq or a hash; None when there is nothing."""
    digits = wanted.removeprefix("#").replace(",", "").replace(" ", "")
    seq = _whole(digits)
    if seq is not None and _pruned_at(ledger, seq) is not None:
        return reverse("admin:audit_entry_at", args=[ledger, seq])
    entry = _with_hash(wanted) if seq is None else _entry_at(ledger, seq)
    return None if entry is None else _address(entry.hash)


def _expected_prev(entry: Entry, before: Entry | None) -> str:
    """Return the hash that an entry must name as its `prev`; empty when nothing says it."""
    if entry.seq == 0:
        return ZERO_HASH
    if before is not None:
        return str(before.hash)
    if entry.seq != minimum_index(entry.ledger_id):
        return ""
    leaf = leaf_of_tile(entry.ledger_id, entry.seq - 1)
    return "" if leaf is None else leaf.hex()


def _proof_file(ledger: Ledger, seq: int) -> HttpResponse:
    try:
        proof, _ = prove_entry(ledger.id, seq)
    except (NotSealed, TilesMissing) as error:
        raise Http404(str(error)) from error
    answer = HttpResponse(format_proof(proof), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{ledger.name}-{seq}.tlog-proof"'
    return answer


def _address(entry_hash: str) -> str:
    return reverse("admin:audit_entry_change", args=[entry_hash])


def _trace_url(request: HttpRequest, entry: Entry) -> str:
    """Return where the entry's trace is shown; empty when none is kept, or not for this person."""
    if entry.trace_id is None or not request.user.has_perm("tracing.view_trace"):
        return ""
    link: Callable[[int, str, str], str] = import_string(settings.TRACE_LINK)
    return link(entry.ledger_id, entry.ledger.name, entry.trace_id)


def _run_url(entry: Entry) -> str:
    if entry.run_id is None:
        return ""
    return address(QueryDict(), ledger=entry.ledger.name, run=entry.run_id)
