"""What was planted in the fleet, as data: the story of each, its day, and the filter that finds it.

`docs/demo.md` shows this table to people; a test holds the two together, and holds that every
filter finds an event on its day. The stories themselves: `plants.py`, `routine.py`, `live.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Plant:
    """One thing that an auditor should find."""

    what: str
    agent: str
    days_ago: int
    """Calendar days (UTC) before the demo was loaded; 0 stands in the live part."""
    look: str
    """The query string of the entries page, and of GET /api/v1/entries."""
    is_good: bool = False
    """Shows something done well, beside its bad sibling."""
    is_first: bool = False
    """Belongs on the short list of what to look at first."""

    def row(self) -> str:
        """Return the row of the table in `docs/demo.md`."""
        kind = "good" if self.is_good else "bad"
        return f"| {self.days_ago} | {self.agent} | {self.what} | {kind} | `{self.look}` |"


def _plant(days_ago: int, agent: str, what: str, look: str, **more: bool) -> Plant:
    return Plant(what=what, agent=agent, days_ago=days_ago, look=look, **more)


PLANTED = (
    _plant(12, "support-concierge", "A refund of 1,840 EUR without an approval",
           "action=tool.invoke&run=run-refund-2210", is_first=True),
    _plant(19, "patchwork", "A table dropped in production without an approval",
           "action=tool.invoke&run=run-migrate-4471"),
    _plant(9, "treasury-pay", "912.40 EUR approved, 91,240 EUR released under that approval",
           "run=run-pay-7741", is_first=True),
    _plant(15, "treasury-pay", "A person approves their own request",
           "action=approval.granted&run=run-pay-7702"),
    _plant(13, "market-lens", "A query that was denied and ran all the same",
           "run=run-panel-0813"),
    _plant(11, "support-concierge", "A case handler refused seven times at a colleague's file",
           "action=data.read&outcome=denied&actor=omar.j", is_first=True),
    _plant(10, "sso", "Six failed sign-ins, then a lockout", "run=signin-dario", is_first=True),
    _plant(10, "sso", "The lockout that answers them", "action=auth.lockout&run=signin-dario",
           is_good=True),
    _plant(4, "sso", "Sixteen names tried from one address, and nobody reacts",
           "outcome=failure&run=signin-spray"),
    _plant(1, "sso", "An administrator signs in without a second factor",
           "action=auth.login&run=signin-vera"),
    _plant(16, "sso", "Emergency access with a reason, reviewed the next morning",
           "run=emergency-16", is_good=True),
    _plant(6, "sso", "Emergency access without a reason or a review",
           "action=auth.break_glass&run=emergency-6"),
    _plant(3, "back-office", "A leaver's account is closed the same day", "run=leaver-omar",
           is_good=True),
    _plant(2, "sso", "That account signs in a day later", "action=auth.login&run=signin-omar"),
    _plant(27, "support-concierge", "An erasure, asked for and done in about nine days",
           "run=DSR-118", is_good=True),
    _plant(3, "support-concierge", "The erased person's file is read again", "run=run-mailing-3"),
    _plant(41, "support-concierge", "An erasure asked for 41 days ago and never answered",
           "run=DSR-104", is_first=True),
    _plant(20, "back-office", "A breach; the authority is told after 101 hours, not 72",
           "action=breach.&run=BR-31", is_first=True),
    _plant(24, "back-office", "A breach in which everybody was told in time", "run=BR-29",
           is_good=True),
    _plant(66, "back-office", "A HIPAA breach; its people are told after 64 days, not 60",
           "run=BR-22"),
    _plant(8, "market-lens", "A new model version that no change brought",
           "action=llm.call&run=run-study-new", is_first=True),
    _plant(6, "back-office", "A release that nobody tested or approved",
           "action=change.deployed&run=CHG-2231"),
    _plant(8, "support-concierge", "A guardrail switched off and nobody asked",
           "action=guardrail.disabled&run=guardrail-off-8"),
    _plant(6, "market-lens", "Silence: no heartbeat for 37 hours from here on",
           "action=agent.heartbeat&agent=market-lens"),
    _plant(4, "market-lens", "The silence is noticed", "action=alert.&run=ALR-609", is_good=True),
    _plant(0, "night-shift", "Starts in the live part and never says another word",
           "action=agent.started&agent=night-shift&backfill=false"),
    _plant(7, "patchwork", "A key, a token and two passwords in details; stored without them",
           "action=tool.invoke&run=run-debug-0107", is_first=True),
    _plant(14, "market-lens", "A prompt injection in a web page, blocked",
           "action=guardrail.triggered&run=run-forum-881", is_good=True),
    _plant(5, "support-concierge", "A prompt injection in a mail, only warned of",
           "action=guardrail.triggered&run=run-mail-5519"),
    _plant(8, "patchwork", "A night's loop that costs a month's budget",
           "action=llm.call&run=run-refactor-66", is_first=True),
    _plant(17, "treasury-pay", "A payment that fails and is undone",
           "action=workflow.&run=run-pay-7655", is_good=True),
    _plant(12, "market-lens", "Raw answers read after the scope for them ended",
           "action=data.read&run=run-panel-12"),
    _plant(11, "pilot-translator", "A retired agent at work", "run=run-translate-zombie"),
    _plant(4, "spreadsheet-macro", "An agent that nobody registered, with a model that nobody did",
           "agent=spreadsheet-macro"),
    _plant(13, "claims-adjudicator", "Fourteen events lost on the way: client_seq jumps",
           "action=run.started&run=run-after-crash"),
    _plant(12, "claims-adjudicator", "Fourteen time-outs within half an hour",
           "action=tool.invoke&outcome=error&run=run-coverage-12"),
    _plant(12, "claims-adjudicator", "An incident from alert to review, in time", "run=INC-52",
           is_good=True),
    _plant(9, "treasury-pay", "A critical alert that nobody answered", "run=ALR-604"),
    _plant(10, "market-lens", "High-risk profiling without an impact assessment",
           "action=data.infer&run=run-lapse-10"),
    _plant(5, "claims-adjudicator", "Health data to a vendor without an agreement",
           "action=llm.call&data_class=phi&run=run-helio-trial", is_first=True),
    _plant(2, "claims-adjudicator", "1,312 health records read at once, without a yes",
           "action=data.read&data_class=phi&run=run-bulk-1312"),
    _plant(16, "claims-adjudicator", "Health data by plain fax",
           "action=data.disclose&run=run-fax-0416"),
    _plant(17, "treasury-pay", "Events delivered twice: the ledger holds them once",
           "action=workflow.compensated&run=run-pay-7655", is_good=True),
    _plant(12, "support-concierge", "The refund's id used again with another sum: in Quarantine",
           "action=tool.invoke&run=run-refund-2210"),
)  # fmt: skip
"""In the order of the story; the table for people is sorted by day."""


def table() -> list[str]:
    """Return the rows of the table in `docs/demo.md`, the oldest day first."""
    return [plant.row() for plant in sorted(PLANTED, key=lambda plant: -plant.days_ago)]
