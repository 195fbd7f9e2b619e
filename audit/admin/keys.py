"""The pages of API keys: the list, making one, pausing and resuming one, and revoking one.

Keys are made, paused, resumed and revoked through audit.auth, which leaves an entry each time.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe
from unfold.admin import ModelAdmin

from audit import auth
from audit.admin.curl import curl_line
from audit.keyform import KeyForm
from audit.models import AgentKey, KeyUsage, Ledger

_MOST_REASON: Final = 500
"""Characters of a reason, as in events."""


@admin.register(AgentKey)
class AgentKeyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """The list of keys and what is done with one. A key is never deleted."""

    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse everyone: entries name their key for ever."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Name the pages; there are no others."""
        view = self.admin_site.admin_view
        return [
            path("", view(require_safe(self.list_page)), name="audit_agentkey_changelist"),
            path("add/", view(self.make_page), name="audit_agentkey_add"),
            path(
                "<str:key_id>/change/",
                view(require_safe(self.key_page)),
                name="audit_agentkey_change",
            ),
            path("<str:key_id>/revoke/", view(self.revoke_page), name="audit_agentkey_revoke"),
            path("<str:key_id>/pause/", view(self.pause_page), name="audit_agentkey_pause"),
        ]

    def frame(self, request: HttpRequest, *, title: str, **more: Any) -> dict[str, Any]:
        """Return what every page of ours gives its template."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "may_make": self.has_add_permission(request),
            "may_revoke": self.has_change_permission(request),
            **more,
        }

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show every key with what it may do and when it was last used."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        keys = AgentKey.objects.select_related("ledger").order_by("-created_at")[:500]
        context = self.frame(request, title="API keys", keys=keys, is_fullwidth="1")
        return TemplateResponse(request, "audit/keys.html", context)

    def key_page(self, request: HttpRequest, key_id: str) -> HttpResponse:
        """Show one key."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._key_page(request, _key(key_id), token="")

    @sensitive_variables("token")
    def make_page(self, request: HttpRequest) -> HttpResponse:
        """Make a key and show its secret in this one answer; sending the form again makes none."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._form_page(request, KeyForm(initial={"ledger": _default_ledger()}))
        form = KeyForm(request.POST)
        if not form.is_valid():
            return self._form_page(request, form)
        if request.session.pop("key_form", None) != form.cleaned_data["once"]:
            messages.warning(request, "This form was sent already. Look for the key in the list.")
            return HttpResponseRedirect(reverse("admin:audit_agentkey_changelist"))
        key, token = auth.make_key(created_by=request.user.get_username(), **form.key_values())
        return self._key_page(request, key, token=token)

    def revoke_page(self, request: HttpRequest, key_id: str) -> HttpResponse:
        """Ask first, then revoke."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        key = _key(key_id)
        if request.method == "POST":
            auth.revoke_key(key, by=request.user.get_username())
            messages.success(
                request, f"Key {key.key_id} is revoked; this is an entry in the ledger."
            )
            return HttpResponseRedirect(reverse("admin:audit_agentkey_change", args=[key.key_id]))
        context = self.frame(
            request, title="Revoke API key", key=key, object=key, today=_events_today(key)
        )
        return TemplateResponse(request, "audit/key_revoke.html", context)

    def pause_page(self, request: HttpRequest, key_id: str) -> HttpResponse:
        """Ask for the reason, then pause a key that is let in, or resume one that is paused."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        key = _key(key_id)
        error = ""
        if request.method == "POST":
            reason = request.POST.get("reason", "").strip()
            error = _wrong_reason(reason)
            if not error:
                self._pause(request, key, reason)
                return HttpResponseRedirect(
                    reverse("admin:audit_agentkey_change", args=[key.key_id])
                )
        context = self.frame(
            request,
            title="Resume API key" if key.paused_at else "Pause API key",
            key=key,
            object=key,
            today=_events_today(key),
            error=error,
        )
        status = 400 if error else 200
        return TemplateResponse(request, "audit/key_pause.html", context, status=status)

    def _pause(self, request: HttpRequest, key: AgentKey, reason: str) -> None:
        """Do what the form said that was sent; a key that changed meanwhile stays as it is."""
        is_pause = request.POST.get("act") == "pause"
        change = auth.pause_key if is_pause else auth.resume_key
        if change(key, by=request.user.get_username(), reason=reason):
            word = "paused" if is_pause else "resumed"
            messages.success(request, f"Key {key.key_id} is {word}; this is an entry.")
        else:
            messages.warning(request, "Nothing was changed: somebody else was first.")

    def _form_page(self, request: HttpRequest, form: KeyForm) -> HttpResponse:
        once = secrets.token_urlsafe(16)
        request.session["key_form"] = once
        context = self.frame(
            request, title="Make API key", form=form, once=once, scopes=auth.SCOPES
        )
        return TemplateResponse(request, "audit/key_make.html", context)

    @sensitive_variables("token")
    def _key_page(self, request: HttpRequest, key: AgentKey, *, token: str) -> HttpResponse:
        context = self.frame(
            request,
            title=f"API key {key.key_id}",
            key=key,
            object=key,
            scopes=[(scope, auth.SCOPES.get(scope, "")) for scope in key.scopes],
            today=_events_today(key),
            token=token,
            curl=curl_line(request, token) if token else "",
        )
        return TemplateResponse(request, "audit/key.html", context)


def _key(key_id: str) -> AgentKey:
    key = AgentKey.objects.select_related("ledger").filter(key_id=key_id).first()
    if key is None:
        raise Http404("no API key has this id")
    return key


def _wrong_reason(reason: str) -> str:
    if not reason:
        return "is needed; the entry carries it"
    if len(reason) > _MOST_REASON:
        return f"has at most {_MOST_REASON} characters"
    return "holds a character that no entry can hold" if "\0" in reason else ""


def _default_ledger() -> Ledger | None:
    return Ledger.objects.filter(name=settings.LEDGER).first()


def _events_today(key: AgentKey) -> int:
    today: datetime = timezone.now()
    usage = KeyUsage.objects.filter(ledger_id=key.ledger_id, key_id=key.key_id, day=today.date())
    return usage.values_list("events", flat=True).first() or 0
