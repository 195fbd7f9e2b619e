"""What templates of ours need: safe text, grouped numbers, state badges, times, hashes.

Whatever an agent sent is shown through `visible`: characters that would hide or turn round text
are spelled out, so that two ids that differ never look alike. Django escapes the rest.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

from django import template

register = template.Library()

_KEPT = {"\n", "\t"}

ICONS: dict[str, tuple[str, str, str]] = {
    # outcomes
    "success": ("check_circle", "good", "success"),
    "failure": ("cancel", "bad", "failure"),
    "error": ("error", "bad", "error"),
    "denied": ("block", "warn", "denied"),
    "pending": ("schedule", "idle", "pending"),
    "unknown": ("help", "idle", "unknown"),
    # severities
    "info": ("info", "idle", "info"),
    "low": ("arrow_downward", "idle", "low"),
    "medium": ("drag_handle", "warn", "medium"),
    "high": ("arrow_upward", "bad", "high"),
    "critical": ("priority_high", "bad", "critical"),
    # entries, ledgers, verifications
    "received": ("inbox", "idle", "received"),
    "chained": ("link", "idle", "chained"),
    "sealed": ("lock", "good", "sealed"),
    "verified": ("verified", "good", "verified"),
    "intact": ("verified_user", "good", "intact"),
    "tampered": ("gpp_bad", "bad", "tampered"),
    "ended": ("archive", "idle", "ended"),
    "behind": ("history", "bad", "restored"),
    "forked": ("call_split", "bad", "rewritten"),
    "not_sealed": ("key_off", "warn", "not sealed"),
    "ok": ("check_circle", "good", "ok"),
    "failing": ("sync_problem", "warn", "failing"),
    "mismatch": ("gpp_bad", "bad", "mismatch"),
    "read_only": ("lock", "warn", "read-only"),
    "not_proven": ("help", "idle", "not proven"),
    "empty": ("hourglass_empty", "idle", "empty"),
    # erasures
    "asked": ("schedule", "idle", "asked"),
    "looking": ("manage_search", "idle", "looking"),
    "ready": ("rule", "warn", "to be confirmed"),
    "erasing": ("progress_activity", "idle", "erasing"),
    # purges and holds
    "proposed": ("how_to_vote", "warn", "awaits approval"),
    "nothing": ("block", "idle", "nothing may go"),
    "approved": ("done_all", "idle", "approved"),
    "pruning": ("progress_activity", "idle", "pruning"),
    "withdrawn": ("undo", "idle", "withdrawn"),
    "standing": ("gavel", "warn", "standing"),
    "released": ("lock_open", "idle", "released"),
    # destinations
    "paused": ("pause_circle", "idle", "paused"),
    "dead": ("link_off", "bad", "dead"),
    "removed": ("delete", "idle", "removed"),
    # legs, controls, items and bands of scores
    "pass": ("check_circle", "good", "pass"),
    "fail": ("cancel", "bad", "fail"),
    "no_data": ("help", "warn", "no data"),
    "not_occurred": ("event_available", "idle", "not occurred"),
    "waived": ("assignment_late", "warn", "waived"),
    "not_applicable": ("do_not_disturb_on", "idle", "not applicable"),
    "fact": ("fact_check", "idle", "fact"),
    "strong": ("trending_up", "good", "strong"),
    "needs_work": ("build", "warn", "needs work"),
    "weak": ("trending_down", "bad", "weak"),
    "not_enough": ("hourglass_empty", "idle", "not enough evidence"),
    "no_score": ("block", "bad", "no score"),
    "law": ("gavel", "idle", "law"),
    # people's acts and findings
    "draft": ("edit_document", "warn", "to be signed"),
    "signed": ("draw", "good", "signed"),
    "discarded": ("archive", "idle", "put away"),
    "overdue": ("alarm", "bad", "overdue"),
    "closed": ("task_alt", "good", "closed"),
    # reports, slots, deliveries, samples
    "waiting": ("schedule", "idle", "waiting"),
    "making": ("progress_activity", "idle", "being made"),
    "passed": ("skip_next", "idle", "passed over"),
    "sent": ("mark_email_read", "good", "sent"),
    "drawing": ("progress_activity", "idle", "being drawn"),
    "concluded": ("task_alt", "good", "concluded"),
    # switches, custom metrics, prices, budgets
    "on": ("toggle_on", "good", "on"),
    "off": ("toggle_off", "warn", "off"),
    "allowed": ("check_circle", "good", "allowed"),
    "in_force": ("check_circle", "good", "in force"),
    "to_come": ("schedule", "idle", "to come"),
    "replaced": ("history", "idle", "replaced by a later one"),
    "within": ("check_circle", "good", "within"),
    "heading_over": ("trending_up", "warn", "heading over"),
    "over": ("error", "bad", "over"),
    # incidents
    "acknowledged": ("pan_tool", "idle", "acknowledged"),
    "warning": ("warning", "warn", "warning"),
    # figures of operations
    "watch": ("visibility", "warn", "watch"),
    "act": ("error", "bad", "act"),
    # alert rules
    "fires": ("notifications_active", "bad", "fires"),
    "holds": ("hourglass_top", "warn", "holds, waits"),
    "quiet": ("notifications", "good", "quiet"),
    "broken": ("error", "bad", "cannot be evaluated"),
    "elsewhere": ("open_in_new", "idle", "Prometheus alone"),
    "not_here": ("pause_circle", "idle", "not evaluated here"),
    "unseen": ("schedule", "idle", "not looked at yet"),
    # anomalies
    "going_on": ("show_chart", "warn", "going on"),
    "real": ("check_circle", "bad", "real"),
    "not_real": ("do_not_disturb_on", "idle", "not real"),
    # traces and log lines
    "rootless": ("device_hub", "idle", "no root yet"),
    "looping": ("loop", "warn", "looping"),
    "slow": ("hourglass_bottom", "warn", "slow"),
    "rare": ("diamond", "idle", "rare"),
    "trace": ("more_horiz", "idle", "trace"),
    "debug": ("bug_report", "idle", "debug"),
    "fatal": ("dangerous", "bad", "fatal"),
    # API keys
    "live": ("check_circle", "good", "live"),
    "expired": ("timer_off", "idle", "expired"),
    "granted": ("check_circle", "good", "granted"),
    "revoked": ("block", "bad", "revoked"),
    # verification runs and their rows
    "queued": ("schedule", "idle", "queued"),
    "running": ("progress_activity", "idle", "running"),
    "cancelled": ("cancel", "idle", "cancelled"),
    "signing": ("draw", "idle", "awaits its signature"),
    "done": ("task_alt", "good", "done"),
    "failed": ("error", "bad", "failed"),
    "stalled": ("hourglass_disabled", "warn", "stalled"),
    "open": ("flag", "warn", "open"),
    "resolved": ("check_circle", "good", "resolved"),
    "replayed": ("replay", "good", "replayed"),
    "conflict": ("call_split", "warn", "id taken"),
    "unreadable": ("broken_image", "bad", "unreadable"),
    "refused": ("block", "bad", "refused"),
}
"""Every state: its icon, its tone and its word. One of each, everywhere."""


@register.filter
def visible(value: Any) -> str:
    """Return the text with control, format and private characters spelled out as ⟨U+202E⟩."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if _is_hidden(character) else character for character in text
    )


def _is_hidden(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn"}


@register.filter
def thousands(value: int | None) -> str:
    """Return a whole number with separators: 1,234,567."""
    return "" if value is None else f"{value:,}"


@register.filter
def utc(value: datetime) -> str:
    """Return the exact time in UTC, to the microsecond, as records write it."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@register.filter
def utc_seconds(value: datetime) -> str:
    """Return the time in UTC to the second, for readers without scripts."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_SHORTEST = 0.1
_WHOLE = 10  # seconds from which tenths say nothing
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@register.filter
def duration(seconds: float) -> str:
    """Return a duration as people say it: under 0.1 s, 1.2 s, 3 min, 5 h, 12 d."""
    if 0 <= seconds < _SHORTEST:
        return f"under {_SHORTEST} s"
    for unit, length in _UNITS:
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} s" if abs(seconds) >= _WHOLE else f"{seconds:,.1f} s"


@register.filter
def state_word(state: str) -> str:
    """Return the one word of a state; an unknown one as it is."""
    return ICONS.get(state, ("", "", state))[2]


@register.inclusion_tag("partials/state_badge.html")
def badge(state: str, word: str = "") -> dict[str, str]:
    """Show a state as icon, colour and word; an unknown one is shown as it is, in grey."""
    icon, tone, own_word = ICONS.get(state, ("circle", "idle", state))
    return {"icon": icon, "tone": tone, "word": word or own_word}


@register.inclusion_tag("partials/hash.html")
def digest(value: str, label: str = "hash") -> dict[str, str]:
    """Show a hash as eight characters with a button that copies all of it."""
    return {"value": value, "short": value[:8], "label": label}


@register.inclusion_tag("partials/when.html")
def when(value: datetime | None, style: str = "full") -> dict[str, Any]:
    """Show a time in the viewer's zone, exact UTC on hover; `relative` says how long ago."""
    return {"value": value, "style": style}


@register.inclusion_tag("partials/text.html")
def text(value: Any, most: int = 0) -> dict[str, Any]:
    """Show text that somebody sent, apart from the text around it, cut on screen if long."""
    return {"value": visible(value), "most": most}
