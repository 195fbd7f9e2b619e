"""Leave an entry about each log-in and about each change of who may do what.

An act and its entry are kept or lost together: where the entry cannot be stored, the act is
refused. A failed log-in names the account only when there is one: what was typed into the field
may be a password. Never records a password, a session or an address. Pages: people.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from audit.models import Ledger
from audit.receive import receive_own

_ADMIN = {"type": "application", "id": "admin"}
_PASSWORD = "password"  # noqa: S105  # the name of a method


def connect() -> None:
    """Listen to Django's log-ins; called once when the apps are loaded."""
    user_logged_in.connect(_logged_in, dispatch_uid="obsplatform.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="obsplatform.logged_out")
    user_login_failed.connect(_login_failed, dispatch_uid="obsplatform.login_failed")


# --- Log-ins -------------------------------------------------------------------------------------


def _logged_in(sender: object, user: User, **_: Any) -> None:
    _leave(
        "auth.login",
        by=user.get_username(),
        target=_ADMIN,
        actor=_person(user),
        auth={"method": _PASSWORD, "mfa": False, "privileged": _is_privileged(user)},
    )


def _logged_out(sender: object, user: User | None, **_: Any) -> None:
    if user is not None:  # nobody was logged in
        _leave("auth.logout", by=user.get_username(), target=_ADMIN, actor=_person(user))


def _login_failed(sender: object, credentials: dict[str, Any], **_: Any) -> None:
    typed = str(credentials.get(User.USERNAME_FIELD, ""))
    known = User.objects.filter(username=typed).first() if "\0" not in typed else None
    reason = "no such account" if known is None else "wrong password"
    if known is not None and not known.is_active:
        reason = "account is disabled"
    _leave(
        "auth.login",
        by="",
        outcome="failure",
        target=_ADMIN,
        actor={"type": "unauthenticated", "id": known.get_username() if known else "unknown"},
        error={"type": "login_failed", "message": reason},
        auth={"method": _PASSWORD, "mfa": False, "failure_reason": reason},
    )


def tell_refused(user: User) -> None:
    """Leave an entry about a person who knew the password and may not enter here."""
    _leave(
        "auth.login",
        by=user.get_username(),
        outcome="denied",
        reason="this account may not enter the admin",
        target=_ADMIN,
        actor=_person(user),
        auth={"method": _PASSWORD, "mfa": False, "failure_reason": "not allowed in"},
    )


def tell_locked_out(typed: str) -> None:
    """Leave an entry that an account is refused for a while after failed log-ins.

    `typed` is what stands in the field; it is named only when there is such an account.
    """
    known = User.objects.filter(username=typed).first() if "\0" not in typed else None
    account = known.get_username() if known else "unknown"
    _leave(
        "auth.lockout",
        by="",
        outcome="denied",
        reason="too many failed log-ins from one address",
        target={"type": "account", "id": account},
        actor={"type": "unauthenticated", "id": account},
        auth={"method": _PASSWORD, "mfa": False, "failure_reason": "too many failed log-ins"},
    )


def _person(user: User) -> dict[str, Any]:
    roles = _roles(user)
    return {"type": "human", "id": user.get_username()} | ({"roles": roles} if roles else {})


def _roles(user: User) -> list[str]:
    names = sorted(user.groups.values_list("name", flat=True))
    return (["superuser"] if user.is_superuser else []) + names


def _is_privileged(user: User) -> bool:
    return user.has_perms(["audit.add_agentkey", "auth.change_user"])


# --- People and roles ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What an account may do, as far as entries tell it."""

    is_active: bool
    roles: frozenset[str]
    """Groups, and `superuser` and `staff`, which Django keeps as flags."""


NOBODY = Standing(is_active=False, roles=frozenset())
"""What an account may do that is not made yet."""


def standing(user_id: int) -> Standing:
    """Return what the account may do now, from the database."""
    user = User.objects.get(pk=user_id)
    flags = {"superuser": user.is_superuser, "staff": user.is_staff}
    groups = user.groups.values_list("name", flat=True)
    roles = frozenset(groups) | {name for name, is_set in flags.items() if is_set}
    return Standing(is_active=user.is_active, roles=roles)


def tell_change(user: User, before: Standing, *, by: str, is_new: bool) -> None:
    """Leave an entry about each thing that changed since `before`, in the caller's transaction."""
    after = standing(user.pk)
    name = user.get_username()
    if is_new:
        _about(name, "identity.account_created", by=by)
    elif after.is_active != before.is_active:
        action = "account_enabled" if after.is_active else "account_disabled"
        _about(name, f"identity.{action}", by=by)
    for role in sorted(after.roles - before.roles):
        _about(name, "identity.role_granted", by=by, role=role)
    for role in sorted(before.roles - after.roles):
        _about(name, "identity.role_revoked", by=by, role=role)


def tell_password(user: User, *, by: str) -> None:
    """Leave an entry that somebody set another person's password."""
    _about(user.get_username(), "audit.config_changed", by=by, changed=_PASSWORD)


def permissions(role_id: int) -> frozenset[str]:
    """Return what a group may do now, as `app.codename`."""
    found = Group.objects.filter(pk=role_id).values_list(
        "permissions__content_type__app_label", "permissions__codename"
    )
    return frozenset(f"{app}.{name}" for app, name in found if name is not None)


def tell_role(role: Group, before: frozenset[str], *, by: str) -> None:
    """Leave an entry about what a group may do now and could not before, and the other way."""
    after = permissions(role.pk)
    target = {"type": "role", "id": role.name}
    if granted := sorted(after - before):
        details = {"permissions": granted}
        _leave("identity.permission_granted", by=by, target=target, details=details)
    if withdrawn := sorted(before - after):
        details = {"permissions_withdrawn": withdrawn}
        _leave("audit.config_changed", by=by, target=target, details=details)


def _about(account: str, action: str, *, by: str, **details: str) -> None:
    _leave(action, by=by, target={"type": "account", "id": account}, details=details or None)


def _leave(action: str, *, by: str, **event: Any) -> None:
    receive_own(Ledger.objects.get(name=settings.LEDGER), action, by=by, **event)
