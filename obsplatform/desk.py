"""How the admin looks and what stands in its sidebar: the theme's settings, and nothing that runs.

A page appears in the map when it works. Colours are slate for everything and teal for what can be
clicked; states have colours of their own in templates/static/obs/desk.css. The values that change
from page to page: obsplatform.front.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils.functional import lazy

SLATE = {
    "50": "oklch(98.4% .003 247.858)",
    "100": "oklch(96.8% .007 247.896)",
    "200": "oklch(92.9% .013 255.508)",
    "300": "oklch(86.9% .022 252.894)",
    "400": "oklch(70.4% .04 256.788)",
    "500": "oklch(55.4% .046 257.417)",
    "600": "oklch(44.6% .043 257.281)",
    "700": "oklch(37.2% .044 257.287)",
    "800": "oklch(27.9% .041 260.031)",
    "900": "oklch(20.8% .042 265.755)",
    "950": "oklch(12.9% .042 264.695)",
}
# A step darker than the usual teal from 600 on: the theme writes white on 600, at 4.5:1 or more.
TEAL = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.801)",
    "200": "oklch(91% .096 180.426)",
    "300": "oklch(85.5% .138 181.071)",
    "400": "oklch(77.7% .152 181.912)",
    "500": "oklch(70.4% .14 182.503)",
    "600": "oklch(51.1% .096 186.391)",
    "700": "oklch(47% .085 187)",
    "800": "oklch(40% .07 188.216)",
    "900": "oklch(34% .058 188.416)",
    "950": "oklch(27.7% .046 192.524)",
}


def _address(page: str) -> str:
    """Return the address of a page of the admin.

    Found once: each page shows all of the sidebar, and to find one address is work. What else an
    address depends on besides its name is asked for anew, and is the same in nearly every process.
    """
    return _found(page, get_urlconf(), get_script_prefix())


@lru_cache(maxsize=1000)  # one prefix is usual; whoever sends many fills no memory
def _found(page: str, urlconf: str | None, prefix: str) -> str:
    return reverse(f"admin:{page}", urlconf=urlconf)


_lazy_address = lazy(_address, str)


def _page(page: str) -> str:
    """Return its address when it is shown: this module is read before there are any."""
    return _lazy_address(page)


def _stylesheet(request: HttpRequest) -> str:
    return static("obs/desk.css")


def _icon(request: HttpRequest) -> str:
    return static("obs/icon.svg")


def _script(request: HttpRequest) -> str:
    return static("obs/desk.js")


def _may(*permissions: str) -> Any:
    def allowed(request: HttpRequest) -> bool:
        return request.user.has_perms(permissions)

    return allowed


def _is_under(*pages: str) -> Any:
    """Return what tells whether a page stands under one of these, for an item of several lists."""

    def active(request: HttpRequest) -> bool:
        return request.path.startswith(tuple(_address(page) for page in pages))

    return active


def _is_approvals(request: HttpRequest) -> bool:
    """Tell whether a page is of approvals, and not the list of waivers, which stands below them."""
    waivers = _address("compliance_waiver_changelist")
    approvals = _address("compliance_decision_changelist")
    return request.path.startswith(approvals) and not request.path.startswith(waivers)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "obsplatform",
    "SITE_HEADER": "obsplatform",
    "SITE_SYMBOL": "fact_check",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "sizes": "any", "href": _icon}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"image": None, "redirect_after": None, "form": "obsplatform.log_in.LogInForm"},
    "BORDER_RADIUS": "6px",
    "STYLES": [_stylesheet],
    "SCRIPTS": [_script],
    "GLOBAL_CALLBACK": "obsplatform.front.strip",
    "DASHBOARD_CALLBACK": "obsplatform.front.front_page",
    "COLORS": {
        "base": SLATE,
        "primary": TEAL,
        "font": {
            "subtle-light": "var(--color-base-600)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-300)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {"title": "Overview", "icon": "home", "link": _page("index")},
                ],
            },
            {
                "title": "Evidence",
                "items": [
                    {
                        "title": "Entries",
                        "icon": "receipt_long",
                        "link": _page("audit_entry_changelist"),
                        "permission": _may("audit.view_entry"),
                    },
                    {
                        "title": "Traces",
                        "icon": "account_tree",
                        "link": _page("tracing_trace_changelist"),
                        "permission": _may("tracing.view_trace"),
                    },
                    {
                        "title": "Agents",
                        "icon": "smart_toy",
                        "link": _page("audit_agent_changelist"),
                        "permission": _may("audit.view_agent"),
                    },
                    {
                        "title": "Ledgers",
                        "icon": "menu_book",
                        "link": _page("audit_ledger_changelist"),
                        "permission": _may("audit.view_ledger"),
                    },
                    {
                        "title": "Verifications",
                        "icon": "fact_check",
                        "link": _page("audit_verification_changelist"),
                        "permission": _may("audit.view_verification"),
                    },
                    {
                        "title": "Bundles",
                        "icon": "inventory_2",
                        "link": _page("audit_export_changelist"),
                        "permission": _may("audit.view_export"),
                    },
                    {
                        "title": "Quarantine",
                        "icon": "report",
                        "link": _page("audit_quarantine_changelist"),
                        "permission": _may("audit.view_quarantine"),
                    },
                ],
            },
            {
                "title": "Compliance",
                "items": [
                    {
                        "title": "Scores",
                        "icon": "speed",
                        "link": _page("compliance_score_changelist"),
                        "active": _is_under("compliance_score_changelist"),
                        "permission": _may("compliance.view_snapshot"),
                    },
                    {
                        "title": "Sealed results",
                        "icon": "inventory",
                        "link": _page("compliance_snapshot_changelist"),
                        "permission": _may("compliance.view_snapshot"),
                    },
                    {
                        "title": "Samples",
                        "icon": "casino",
                        "link": _page("compliance_sample_changelist"),
                        "permission": _may("compliance.view_sample"),
                    },
                    {
                        "title": "Reports",
                        "icon": "summarize",
                        "link": _page("compliance_report_changelist"),
                        "permission": _may("compliance.view_report"),
                    },
                    {
                        "title": "Schedules",
                        "icon": "event_repeat",
                        "link": _page("compliance_schedule_changelist"),
                        "permission": _may("compliance.view_schedule"),
                    },
                    {
                        "title": "Findings",
                        "icon": "flag",
                        "link": _page("compliance_finding_changelist"),
                        "permission": _may("compliance.view_finding"),
                    },
                    {
                        "title": "Statements",
                        "icon": "draw",
                        "link": _page("compliance_statement_changelist"),
                        "active": _is_under(
                            "compliance_statement_changelist",
                            "compliance_nilreturn_changelist",
                            "compliance_review_changelist",
                        ),
                        "permission": _may("compliance.view_statement"),
                    },
                    {
                        "title": "Agent requests",
                        "icon": "pan_tool",
                        "link": _page("compliance_approvalrequest_changelist"),
                        "permission": _may("compliance.view_approvalrequest"),
                    },
                    {
                        "title": "Approvals",
                        "icon": "how_to_vote",
                        "link": _page("compliance_decision_changelist"),
                        "active": _is_approvals,
                        "permission": _may("compliance.view_decision"),
                    },
                    {
                        "title": "Waivers",
                        "icon": "policy",
                        "link": _page("compliance_waiver_changelist"),
                        "permission": _may("compliance.view_decision"),
                    },
                ],
            },
            {
                "title": "Operations",
                "items": [
                    {
                        "title": "Agents at work",
                        "icon": "monitoring",
                        "link": _page("metrics_operations_agents"),
                        "active": _is_under("metrics_operations_agents"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Tools",
                        "icon": "build",
                        "link": _page("metrics_operations_tools"),
                        "active": _is_under("metrics_operations_tools"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Models and cost",
                        "icon": "payments",
                        "link": _page("metrics_operations_models"),
                        "active": _is_under("metrics_operations_models"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Errors",
                        "icon": "error",
                        "link": _page("metrics_operations_errors"),
                        "active": _is_under("metrics_operations_errors"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Resources",
                        "icon": "memory",
                        "link": _page("metrics_operations_resources"),
                        "active": _is_under("metrics_operations_resources"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Platform",
                        "icon": "dns",
                        "link": _page("metrics_operations_platform"),
                        "active": _is_under("metrics_operations_platform"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Incidents",
                        "icon": "emergency_home",
                        "link": _page("metrics_incident_changelist"),
                        "permission": _may("metrics.view_incident"),
                    },
                    {
                        "title": "Receivers",
                        "icon": "notifications_active",
                        "link": _page("metrics_receiver_changelist"),
                        "permission": _may("metrics.view_receiver"),
                    },
                    {
                        "title": "Alert rules",
                        "icon": "notification_important",
                        "link": _page("metrics_alertrule_changelist"),
                        "permission": _may("metrics.view_alertrule"),
                    },
                    {
                        "title": "Security",
                        "icon": "security",
                        "link": _page("metrics_operations_security"),
                        "active": _is_under("metrics_operations_security"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "User experience",
                        "icon": "sentiment_satisfied",
                        "link": _page("metrics_operations_people"),
                        "active": _is_under("metrics_operations_people"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Service levels",
                        "icon": "target",
                        "link": _page("metrics_objective_changelist"),
                        "active": _is_under("metrics_objective_changelist"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Recommendations",
                        "icon": "lightbulb",
                        "link": _page("metrics_operations_advice"),
                        "active": _is_under("metrics_operations_advice"),
                        "permission": _may("metrics.view_objective"),
                    },
                    {
                        "title": "Anomalies",
                        "icon": "show_chart",
                        "link": _page("metrics_anomaly_changelist"),
                        "permission": _may("metrics.view_anomaly"),
                    },
                    {
                        "title": "Logs",
                        "icon": "notes",
                        "link": _page("tracing_line_changelist"),
                        "permission": _may("tracing.view_line"),
                    },
                    {
                        "title": "Profiles",
                        "icon": "timer",
                        "link": _page("tracing_profile_changelist"),
                        "permission": _may("tracing.view_profile"),
                    },
                ],
            },
            {
                "title": "Metrics",
                "items": [
                    {
                        "title": "Budgets",
                        "icon": "savings",
                        "link": _page("metrics_budget_changelist"),
                        "permission": _may("metrics.view_budget"),
                    },
                    {
                        "title": "Prices",
                        "icon": "sell",
                        "link": _page("metrics_price_changelist"),
                        "permission": _may("metrics.view_price"),
                    },
                    {
                        "title": "Custom metrics",
                        "icon": "add_chart",
                        "link": _page("metrics_custommetric_changelist"),
                        "permission": _may("metrics.view_custommetric"),
                    },
                    {
                        "title": "Switches",
                        "icon": "toggle_on",
                        "link": _page("metrics_switch_changelist"),
                        "permission": _may("metrics.view_switch"),
                    },
                ],
            },
            {
                "title": "Administration",
                "items": [
                    {
                        "title": "API keys",
                        "icon": "key",
                        "link": _page("audit_agentkey_changelist"),
                        "permission": _may("audit.view_agentkey"),
                    },
                    {
                        "title": "Data subjects",
                        "icon": "person_off",
                        "link": _page("audit_erasure_changelist"),
                        "permission": _may("audit.view_erasure"),
                    },
                    {
                        "title": "Retention and holds",
                        "icon": "auto_delete",
                        "link": _page("audit_purgeplan_changelist"),
                        "active": _is_under("audit_purgeplan_changelist", "audit_hold_changelist"),
                        "permission": _may("audit.view_purgeplan"),
                    },
                    {
                        "title": "Destinations",
                        "icon": "outbox",
                        "link": _page("audit_destination_changelist"),
                        "permission": _may("audit.view_destination"),
                    },
                    {
                        "title": "Catalogue",
                        "icon": "library_books",
                        "link": _page("compliance_uploadedframework_changelist"),
                        "permission": _may("compliance.view_uploadedframework"),
                    },
                    {
                        "title": "People",
                        "icon": "person",
                        "link": _page("auth_user_changelist"),
                        "permission": _may("auth.view_user"),
                    },
                    {
                        "title": "Roles",
                        "icon": "group",
                        "link": _page("auth_group_changelist"),
                        "permission": _may("auth.view_group"),
                    },
                ],
            },
        ],
    },
}
