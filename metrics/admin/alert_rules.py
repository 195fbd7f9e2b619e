"""The pages of alert rules: what fires now, each rule with what it found, making and changing one.

Auditors see them, administrators change; each act leaves an entry. Verbs:
metrics.alerting.changing. Lines and the chart: alert_lines.py. Runbooks: runbooks.py.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Final, cast

import psycopg
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from audit.admin.acts import act, say
from audit.readonly import ReadOnlyModelAdmin
from metrics.acting import ChangeRefused
from metrics.admin.alert_acts import acts_of
from metrics.admin.alert_boxes import boxes, reason_box
from metrics.admin.alert_lines import (
    HEIGHT,
    WIDTH,
    AlertLine,
    RuleLine,
    alerts_now,
    chart_of,
    firing_line,
    looks,
    rule_line,
)
from metrics.admin.forms import entries_url, filled, other_errors, read_tab, url_of
from metrics.admin.runbooks import names, read_runbook
from metrics.alert_promql import promql
from metrics.alert_rule import Rule
from metrics.alerting import changing
from metrics.alerting.drafts import FIELDS, Draft, draft_of, read_draft
from metrics.alerting.in_force import SHIPPED, Standing, standing, standing_of
from metrics.alerting.minutes import lacking
from metrics.alerting.past_day import firings, past_day
from metrics.alerting.sql import statement
from metrics.alerting.stored_rule import WrongRule
from metrics.alerting.words import in_words, said_duration
from metrics.models import AlertRule

MAY_MAKE, MAY_CHANGE, MAY_REMOVE = (
    f"metrics.{verb}_alertrule" for verb in ("add", "change", "delete")
)
_LIST, _ROW = "metrics_alertrule_changelist", "metrics_alertrule_change"
_SHOWS: Final = {
    "all": "All",
    "now": "Not quiet",
    "changed": "Changed and own",
    "off": "Off",
}
_NOT_QUIET: Final = frozenset({"fires", "holds", "broken"})
_FAILED: Final = (DatabaseError, psycopg.Error)


@admin.register(AlertRule)
class AlertRuleAdmin(ReadOnlyModelAdmin):
    """The rules that watch over agents and platform."""

    def get_urls(self) -> list[URLPattern]:
        """Add runbooks, making, changing, switching and taking back."""
        view = self.admin_site.admin_view
        return [
            path("runbook/<str:object_id>/", self.page(self.runbook_page), name="metrics_runbook"),
            path("new/", view(self.new_page), name="metrics_alertrule_new"),
            path("<str:object_id>/edit/", view(self.edit_page), name="metrics_alertrule_edit"),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, doing, permission=permission),
                    name=f"metrics_alertrule_{name}",
                )
                for name, doing, permission in (
                    ("switch", self.switch, MAY_CHANGE),
                    ("back", self.put_back, MAY_REMOVE),
                )
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show what fires now, and every rule with how it stands."""
        look = read_tab(request, _SHOWS)
        rules = {each.name: each for each in standing()}
        alerts = alerts_now(rules)
        lines = _lines(rules.values(), alerts)
        context = self.frame(
            request,
            title="Alert rules",
            opts=None,
            look=look,
            alerts=alerts,
            firing=sum(each.state == "fires" for each in alerts),
            lines=[each for each in lines if _is_shown(look.show, each)],
            number=len(lines),
            here=sum(each.state not in ("off", "elsewhere", "not_here") for each in lines),
            may_make=request.user.has_perm(MAY_MAKE),
            entries_url=entries_url(),
        )
        return TemplateResponse(request, "metrics/alert_rules.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a rule in words and in both languages, what it found, and what may be done."""
        found = _standing(object_id)
        alerts = [each for each in alerts_now({found.name: found}) if each.rule == found.name]
        (line,) = _lines([found], alerts)
        context = self.frame(
            request,
            title=f"Alert rule {found.name}",
            object=AlertRule(name=found.name),
            line=line,
            standing=found,
            alerts=alerts,
            acts=acts_of(found.name),
            shipped=SHIPPED.get(found.name),
            reason=reason_box(),
            may_change=request.user.has_perm(MAY_CHANGE),
            may_remove=found.changed_at is not None and request.user.has_perm(MAY_REMOVE),
            entries_url=entries_url(),
            **(_of_rule(found.rule) if found.rule else {}),
        )
        return TemplateResponse(request, "metrics/alert_rule.html", context)

    def runbook_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what an alert means and what to do."""
        blocks = read_runbook(object_id)
        if blocks is None:
            raise Http404("there is no runbook of this name")
        context = self.frame(
            request,
            title=f"Runbook {object_id}",
            opts=None,
            blocks=blocks,
            rules=[
                each.name for each in standing() if each.rule and each.rule.runbook == object_id
            ],
        )
        return TemplateResponse(request, "metrics/runbook.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a rule, and make it; `?like=` begins with another one."""
        if not request.user.has_perm(MAY_MAKE):
            raise PermissionDenied
        like = standing_of(request.GET.get("like", ""))
        first = Draft()
        if like and like.rule:
            first = draft_of(like.rule)
            first = Draft(**{**_typed(first), "name": ""})
        return self._form_page(request, None, first)

    def edit_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show how a rule stands, and say it anew."""
        if not request.user.has_perm(MAY_CHANGE):
            raise PermissionDenied
        found = _standing(object_id)
        return self._form_page(request, found, draft_of(found.rule) if found.rule else Draft())

    def _form_page(self, request: HttpRequest, row: Standing | None, first: Draft) -> HttpResponse:
        errors: dict[str, str] = {}
        typed, tried = _typed(first), None
        if request.method == "POST":
            typed |= {name: request.POST.get(name, typed[name]) for name in FIELDS}
            if row is not None:
                typed["name"] = row.name
            typed["reason"] = request.POST.get("reason", "")
            draft = Draft(**{name: typed[name] for name in FIELDS})
            try:
                if "try" in request.POST:
                    tried = _tried(read_draft(draft))
                else:
                    return self._kept(request, row, draft, typed["reason"])
            except (ChangeRefused, WrongRule) as refused:
                errors = refused.errors
        shown = filled(boxes(is_new=row is None), typed, errors)
        context = self.frame(
            request,
            title=f"Change {row.name}" if row else "Make an alert rule",
            opts=None if row is None else self.opts,
            object=AlertRule(name=row.name) if row else None,
            boxes=shown,
            errors=errors,
            other_errors=other_errors(shown, errors),
            tried=tried,
            button="Change it" if row else "Make it",
            back=url_of(_ROW, row.name) if row else url_of(_LIST),
        )
        status = 400 if errors else 200
        return TemplateResponse(request, "metrics/alert_form.html", context, status=status)

    def _kept(
        self, request: HttpRequest, row: Standing | None, draft: Draft, reason: str
    ) -> HttpResponse:
        by = request.user.get_username()
        if row is None:
            made = changing.make(draft, by=by)
        else:
            made = changing.change(row.name, draft, reason=reason, by=by)
        done = "changed" if row else "made"
        said = f"{made.name} is {done}, and counts from the next look on; this is an entry."
        say(request, said, is_good=True)
        return HttpResponseRedirect(url_of(_ROW, made.name))

    def switch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Switch a rule on or off, with the reason that was typed."""
        found = _standing(object_id)
        on = request.POST.get("value") == "on"
        reason, by = request.POST.get("reason", ""), request.user.get_username()
        try:
            changing.switch(found.name, on=on, reason=reason, by=by)
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
        else:
            said = f"{found.name} is {'on' if on else 'off'}; this is an entry."
            say(request, said, is_good=True)
        return HttpResponseRedirect(url_of(_ROW, found.name))

    def put_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put a shipped rule back as it is shipped, or remove one of people's own."""
        found = _standing(object_id)
        reason, by = request.POST.get("reason", ""), request.user.get_username()
        is_shipped = found.name in SHIPPED
        try:
            changing.put_back(found.name, reason=reason, by=by)
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
            return HttpResponseRedirect(url_of(_ROW, found.name))
        done = "stands as it is shipped" if is_shipped else "is removed"
        say(request, f"{found.name} {done}; this is an entry.", is_good=True)
        return HttpResponseRedirect(url_of(_ROW, found.name) if is_shipped else url_of(_LIST))


def _standing(name: str) -> Standing:
    found = standing_of(name)
    if found is None:
        raise Http404("there is no alert rule of this name")
    return found


def _lines(rules: object, alerts: list[AlertLine]) -> list[RuleLine]:
    looked = looks()
    mine: defaultdict[str, list[AlertLine]] = defaultdict(list)
    for each in alerts:
        mine[each.rule].append(each)
    return [
        rule_line(each, looked.get(each.name), mine[each.name])
        for each in cast("list[Standing]", rules)
    ]


def _is_shown(show: str, line: RuleLine) -> bool:
    if show == "now":
        return line.state in _NOT_QUIET
    if show == "changed":
        return line.standing.origin != "shipped" or not line.standing.is_on
    return show == "all" or line.state == "off"


def _typed(draft: Draft) -> dict[str, str]:
    return {name: getattr(draft, name) for name in FIELDS}


def _of_rule(rule: Rule) -> dict[str, object]:
    """Return what the page shows of a rule that can be read."""
    context: dict[str, object] = {
        "rule": rule,
        "words": in_words(rule),
        "promql": promql(rule),
        "lasts": said_duration(rule.lasts),
        "window": said_duration(rule.window),
        "runbook": rule.runbook if rule.runbook in names() else "",
        "lacks": "; ".join(lacking(rule).values()),
    }
    return context if context["lacks"] else context | _tried(rule)


def _tried(rule: Rule) -> dict[str, object]:
    """Return what a rule found in the last day, and when it would have fired."""
    now = timezone.now()
    moment = now.replace(second=0, microsecond=0)
    asked = statement(rule, first=moment, last=moment)
    context: dict[str, object] = {
        "rule": rule,
        "words": in_words(rule),
        "promql": promql(rule),
        "sql": asked.text,
        "parameters": json.dumps(asked.parameters, indent=1, default=str),
        "width": WIDTH,
        "height": HEIGHT,
    }
    try:
        found = past_day(rule, now)
    except _FAILED as error:
        context["failed"] = f"{type(error).__name__}: {error}".partition("\n")[0]
        return context
    context["chart"] = chart_of(rule, found, moment)
    context["firings"] = [firing_line(rule, each) for each in firings(rule, found, last=moment)]
    return context
