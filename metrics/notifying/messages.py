"""Say an incident in the words of each receiver: Slack, PagerDuty, a signed webhook, a mail. Pure.

Slack: an incoming webhook's `text`, which is what a notification shows, and `blocks`; what people
wrote is escaped as Slack asks. PagerDuty: Events API v2, `trigger` and `resolve` with one
`dedup_key` an incident, so that a repeat changes nothing; a trial is triggered and resolved at
once. Webhook:

    {"version": "1", "what": "firing" | "resolved" | "trial", "installation",
     "incident": {"number", "name", "severity", "source", "ledger", "labels", "summary",
                  "description", "runbook", "started_at", "ended_at", "link"}}

of a trial without a number. Nothing is in them that a repeat would say otherwise, but for the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

What: TypeAlias = Literal["firing", "resolved", "trial"]

_MOST_HEADER: Final = 150  # Slack's limits of a header and of a section
_MOST_SECTION: Final = 2_900
_MOST_SUMMARY: Final = 1_024  # PagerDuty's
_WORDS: Final[Mapping[What, str]] = {"firing": "Firing", "resolved": "Ended", "trial": "Trial"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What somebody is told."""

    what: What
    installation: str
    """Whose incident it is: the origin of the platform's own ledger."""
    number: int | None
    """Of the incident; None of a trial."""
    trial: int
    """The number of the message, which tells trials apart."""
    name: str
    severity: str
    source: str
    ledger: str
    labels: Mapping[str, str]
    summary: str
    description: str
    runbook: str
    started_at: datetime
    ended_at: datetime | None
    link: str
    """Its page; empty where no OBS_PUBLIC_URL is set."""

    @property
    def subject(self) -> str:
        """Return it as one line."""
        severity = "" if self.what == "trial" else f" ({self.severity})"
        return f"{_WORDS[self.what]}: {self.name}{severity}"

    @property
    def dedup_key(self) -> str:
        """Return by what PagerDuty knows it again."""
        which = f"trial/{self.trial}" if self.number is None else f"incident/{self.number}"
        return f"{self.installation}/{which}"[-255:]


def slack(message: Message) -> bytes:
    """Return the body for an incoming webhook."""
    lines = [f"*{_escaped(message.summary)}*"]
    if message.description:
        lines.append(_escaped(message.description))
    facts = [f"{name} `{_escaped(value)}`" for name, value in sorted(message.labels.items())]
    if facts:
        lines.append("  ".join(facts))
    context = f"Since {_time(message.started_at)}"
    if message.ended_at:
        context += f", until {_time(message.ended_at)}"
    lines.append(context)
    if message.link:
        lines.append(f"<{_escaped(message.link)}|Incident {message.number}>")
    section = "\n".join(lines)[:_MOST_SECTION]
    return _encoded(
        {
            "text": _escaped(f"{message.subject}: {message.summary}"),
            "blocks": [
                {
                    "type": "header",
                    "text": {"type": "plain_text", "text": message.subject[:_MOST_HEADER]},
                },
                {"type": "section", "text": {"type": "mrkdwn", "text": section}},
            ],
        }
    )


def pagerduty(message: Message, routing_key: str) -> list[bytes]:
    """Return the events for the Events API v2, in order."""
    if message.what == "firing":
        return [_trigger(message, routing_key)]
    if message.what == "resolved":
        return [_resolve(message, routing_key)]
    return [_trigger(message, routing_key), _resolve(message, routing_key)]


def webhook(message: Message) -> bytes:
    """Return the body of a signed webhook."""
    return _encoded(
        {
            "version": "1",
            "what": message.what,
            "installation": message.installation,
            "incident": {
                "number": message.number,
                "name": message.name,
                "severity": message.severity,
                "source": message.source,
                "ledger": message.ledger,
                "labels": dict(message.labels),
                "summary": message.summary,
                "description": message.description,
                "runbook": message.runbook,
                "started_at": _time(message.started_at),
                "ended_at": _time(message.ended_at) if message.ended_at else None,
                "link": message.link,
            },
        }
    )


def mail(message: Message) -> tuple[str, str]:
    """Return subject and text of a mail."""
    lines = [message.summary, ""]
    if message.description:
        lines += [message.description, ""]
    facts = {
        "Severity": message.severity,
        "Ledger": message.ledger,
        "Since": _time(message.started_at),
        "Until": _time(message.ended_at) if message.ended_at else "",
        "Runbook": message.runbook,
        "Page": message.link,
        "Installation": message.installation,
        **{f"Label {name}": value for name, value in sorted(message.labels.items())},
    }
    lines += [f"{name}: {value}" for name, value in facts.items() if value]
    subject = " ".join(f"[{message.installation}] {message.subject}".split())
    return subject, "\n".join(lines) + "\n"


def _trigger(message: Message, routing_key: str) -> bytes:
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": message.dedup_key,
        "client": "obsplatform",
        "payload": {
            "summary": f"{message.name}: {message.summary}"[:_MOST_SUMMARY],
            "source": message.installation,
            "severity": "info" if message.what == "trial" else message.severity,
            "timestamp": _time(message.started_at),
            "class": message.name,
            "custom_details": {
                **message.labels,
                "description": message.description,
                "runbook": message.runbook,
            },
        },
    }
    if message.link:
        event |= {"client_url": message.link, "links": [{"href": message.link, "text": "Incident"}]}
    return _encoded(event)


def _resolve(message: Message, routing_key: str) -> bytes:
    return _encoded(
        {
            "routing_key": routing_key,
            "event_action": "resolve",
            "dedup_key": message.dedup_key,
        }
    )


def _escaped(text: str) -> str:
    """Return text that Slack shows as it is: of all characters three mean something to it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
