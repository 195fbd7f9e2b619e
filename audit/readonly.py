"""Show rows that nobody may change: the base of such admin pages, and paging by key.

Nothing here adds, changes or deletes, whoever asks, a superuser included. A page is found by the
seq it starts after, so page 40,000 costs what page 1 costs: never COUNT, never OFFSET.
Used by audit.admin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

PAGE_ROWS = 25

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysetPage(Generic[Row]):
    """Up to 25 rows, newest first, and the seqs that lead to its neighbours."""

    rows: list[Row]
    newer: int | None
    """`?before=` of the page above, or None on the newest page."""
    older: int | None
    """`?after=` of the page below, or None on the last page."""


def keyset_page(
    rows: models.QuerySet[Row],
    *,
    after: int | None = None,
    before: int | None = None,
    size: int = PAGE_ROWS,
) -> KeysetPage[Row]:
    """Return the page of older rows after seq `after`, or of newer rows before seq `before`.

    "After" and "before" follow the list, which is newest first: rows after seq 40 are 39, 38 and
    so on. One row more than shown is read, which tells whether there is a next page.
    """
    if before is not None:
        found = list(rows.filter(seq__gt=before).order_by("seq")[: size + 1])
        more_above = len(found) > size
        shown = found[:size][::-1]
        return KeysetPage(
            rows=shown,
            newer=_seq(shown[0]) if shown and more_above else None,
            older=_seq(shown[-1]) if shown else None,
        )
    if after is not None:
        rows = rows.filter(seq__lt=after)
    found = list(rows.order_by("-seq")[: size + 1])
    shown = found[:size]
    return KeysetPage(
        rows=shown,
        newer=_seq(shown[0]) if shown and after is not None else None,
        older=_seq(shown[-1]) if len(found) > size else None,
    )


def _seq(row: models.Model) -> int:
    seq: int = row.seq  # type: ignore[attr-defined]  # every ledger row has one
    return seq


class ReadOnlyModelAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """An admin whose only addresses are a list and a page for each row, and only by GET."""

    actions = None
    list_per_page = PAGE_ROWS

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse everyone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse everyone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse everyone."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Leave out Django's addresses for adding, deleting and history: there is nothing to do."""
        named = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", self.page(self.list_page), name=f"{named}_changelist"),
            path("<path:object_id>/change/", self.page(self.row_page), name=f"{named}_change"),
        ]

    def page(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """Wrap a view: log-in and permission to view first, then GET alone."""

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            if request.method not in {"GET", "HEAD"}:
                return HttpResponseNotAllowed(["GET", "HEAD"])
            if "object_id" in kwargs:
                kwargs["object_id"] = unquote(kwargs["object_id"])
            return view(request, *args, **kwargs)

        wrapped: Callable[..., HttpResponse] = self.admin_site.admin_view(guarded)
        return wrapped

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Answer the list; each admin has its own."""
        raise NotImplementedError

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer the page of one row; each admin has its own."""
        raise NotImplementedError

    def frame(self, request: HttpRequest, *, title: str, **more: Any) -> dict[str, Any]:
        """Return what every page of ours gives its template."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "is_fullwidth": "1",
            **more,
        }
