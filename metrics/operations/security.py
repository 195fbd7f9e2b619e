"""Security: who signed in, what was denied, guardrails, acts on keys, accounts and roles. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as f
from metrics import ledger_families as ledger
from metrics.operations.chart import Chart, Figure, Page, count, rate, share

_DENIED: Final = {"status": ("denied",)}
_REFUSED: Final = {"outcome": ("denied", "error")}
_GUARDRAILS: Final = {"type": ("guardrail.triggered", "guardrail.disabled")}

ACTS: Final = (
    "credential.issued", "credential.rotated", "credential.revoked", "identity.account_created",
    "identity.account_enabled", "identity.account_disabled", "identity.account_deleted",
    "identity.role_granted", "identity.role_revoked", "identity.permission_granted",
    "identity.offboarded", "auth.lockout", "auth.break_glass", "guardrail.disabled",
)  # fmt: skip
"""Acts that are listed one by one: whoever may do what changed, or a way round was taken."""

PAGE: Final = Page(
    slug="security",
    title="Security",
    says="Who signed in, what was denied, and who changed who may do what.",
    sentence="{0} events of security; {1} tries to sign in were refused, {2} acts denied.",
    filters=(),
    figures=(
        Figure(title="Events of security", unit="count", query=count(f.SECURITY_EVENTS),
               says="Sign-ins, accounts, credentials, guardrails."),
        Figure(title="Refused at the door", unit="count",
               query=count(ledger.AUTH_ATTEMPTS, where=_REFUSED),
               says="Log-ins and API keys.", action="auth.login",
               outcomes=("denied", "failure", "error")),
        Figure(title="Denied", unit="count", query=count(f.AUDIT_ACTIONS, where=_DENIED),
               says="Acts that something forbade.", outcomes=("denied",)),
        Figure(title="Guardrails", unit="count",
               query=count(f.SECURITY_EVENTS, where=_GUARDRAILS),
               says="Triggered or switched off.", action="guardrail."),
    ),
    charts=(
        Chart(slug="doors", title="Sign-ins and API keys", unit="per_minute", action="auth.login",
              says="Tries, by way in and how they ended.",
              queries=(rate(ledger.AUTH_ATTEMPTS, "method outcome"),)),
        Chart(slug="refused", title="Share refused at the door", unit="ratio",
              says="Which share of tries was refused; a sudden rise is worth a look.",
              action="auth.login", outcomes=("denied", "failure", "error"),
              queries=(share(ledger.AUTH_ATTEMPTS, _REFUSED, name="refused"),)),
        Chart(slug="types", title="Events of security", unit="count", kind="bar",
              says="What happened.", queries=(count(f.SECURITY_EVENTS, "type"),)),
        Chart(slug="severity", title="By severity", unit="per_hour", is_stacked=True,
              says="How grave events of security were.",
              queries=(rate(f.SECURITY_EVENTS, "severity", seconds=3_600),)),
        Chart(slug="denied", title="What was denied", unit="count", kind="bar",
              says="Which acts something forbade.", outcomes=("denied",),
              queries=(count(f.AUDIT_ACTIONS, "action", where=_DENIED),)),
        Chart(slug="denials", title="Denials over time", unit="per_hour", outcomes=("denied",),
              says="How many acts were denied in an hour.",
              queries=(rate(f.AUDIT_ACTIONS, where=_DENIED, seconds=3_600, name="denied"),)),
        Chart(slug="permissions", title="Permissions", unit="count", kind="bar",
              says="What was asked for, granted and denied, by people and policies.",
              action="approval.", queries=(count(f.PERMISSIONS, "action decision"),)),
        Chart(slug="critical", title="Critical acts", unit="count", kind="bar",
              says="Acts of critical severity, and calls of tools of high risk.",
              queries=(count(f.CRITICAL_ACTIONS, "action"),)),
        Chart(slug="data", title="Uses of data", unit="count", kind="bar", action="data.",
              says="What was done with data, on what legal basis.",
              queries=(count(f.DATA_ACCESS, "operation lawful_basis"),)),
    ),
)  # fmt: skip
