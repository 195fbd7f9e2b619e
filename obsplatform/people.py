"""The pages of people and roles, with the limits that keep an administrator an administrator.

Accounts are switched off, not deleted: entries name them. Only a superuser makes superusers or
touches one. Groups are made by audit/migrations/0002_groups.py. Every change leaves an entry in the
same transaction: people_acts.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.forms import (
    AdminPasswordChangeForm,
    UserChangeForm,
    UserCreationForm,
)

from audit.templatetags.desk import when
from obsplatform.people_acts import (
    NOBODY,
    permissions,
    standing,
    tell_change,
    tell_password,
    tell_role,
)


class PeopleAdmin(UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold ships no types
    """Accounts of people who read and run the platform."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions = None
    list_display = ("username", "first_name", "last_name", "roles", "is_active", "last_log_in")
    list_filter = ()
    list_fullwidth = True
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "May",
            {
                "fields": ("is_active", "is_staff", "groups", "is_superuser"),
                "description": "An auditor reads; an administrator also makes keys and accounts.",
            },
        ),
        ("Seen", {"fields": ("last_log_in", "made")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "username",
                    "usable_password",
                    "password1",
                    "password2",
                    "is_staff",
                    "groups",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read everybody's roles in one more query, not one a person."""
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="Roles")
    def roles(self, person: User) -> str:
        """Return the names of the person's groups."""
        names = [group.name for group in person.groups.all()]
        return ", ".join((["superuser"] if person.is_superuser else []) + names)

    @admin.display(description="Last log-in", ordering="last_login")
    def last_log_in(self, person: User) -> str:
        """Return when, as every page of the desk says a time."""
        return _time(person.last_login)

    @admin.display(description="Made")
    def made(self, person: User) -> str:
        """Return when the account was made, as every page of the desk says a time."""
        return _time(person.date_joined)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Keep what the account may do until now, then save it."""
        form.standing_before = standing(obj.pk) if change else NOBODY
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the groups, and leave an entry about each thing that changed."""
        super().save_related(request, form, formsets, change)
        tell_change(
            form.instance,
            form.standing_before,
            by=request.user.get_username(),
            is_new=not change,
        )

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Set another person's password and leave an entry about it, or do neither."""
        with transaction.atomic():
            before = self.get_object(request, id)
            answer: HttpResponse = super().user_change_password(request, id, form_url)
            after = self.get_object(request, id)
            if before is not None and after is not None and before.password != after.password:
                tell_password(after, by=request.user.get_username())
        return answer

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Offer `staff status` ticked: without it an account cannot log in here."""
        return {"is_staff": True}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let only a superuser make one; times are never typed."""
        fixed = ("last_log_in", "made") if obj else ()
        return fixed if request.user.is_superuser else (*fixed, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep a superuser's account, its password too, from those who are none."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse everyone: switch the account off instead."""
        return False


class RoleAdmin(GroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Groups of permissions."""

    actions = None
    list_fullwidth = True

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        """Keep what the group may do until now, then save it."""
        form.permissions_before = permissions(obj.pk) if change else frozenset()
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save its permissions, and leave an entry about what changed."""
        super().save_related(request, form, formsets, change)
        tell_role(form.instance, form.permissions_before, by=request.user.get_username())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse everyone: take the people out of it instead."""
        return False


def _time(moment: datetime | None) -> str:
    """Return a time as every page of the desk shows it, with its zone, which the script names."""
    shown = render_to_string("partials/when.html", when(moment))
    if moment is None:
        return shown
    return format_html('{} <span class="obs-zone" data-zone></span>', shown)


def register(site: admin.AdminSite) -> None:
    """Put our pages in place of Django's own."""
    for model, page in ((User, PeopleAdmin), (Group, RoleAdmin)):
        site.unregister(model)
        site.register(model, page)
