"""Days of Treasury pay: invoices and claims are checked, grouped, allowed by people and paid."""

from __future__ import annotations

from typing import Any

from obsplatform.fleet import agents, people
from obsplatform.fleet.processing import PAYING
from obsplatform.fleet.story import Story
from obsplatform.fleet.work import Episodes


def _step(story: Story, action: str, step: str | None = None, **blocks: Any) -> None:
    said: dict[str, Any] = {"id": "payment-run", "name": "Payment run", "run_id": story.run_id}
    if step is not None:
        said |= {"step": step, "step_id": f"{story.run_id}/{step}", "step_type": "task"}
    story.tell(f"workflow.{action}", target=("workflow", "payment-run"), workflow=said, **blocks)


def _payee(story: Story) -> str:
    return f"payee-{story.chance.randint(1, 150):04d}"


def _check(story: Story) -> tuple[str, dict[str, Any]]:
    """Read what is due and check the account; return payee and amount."""
    story.start(run={"mode": "workflow"})
    _step(story, "started")
    payee = _payee(story)
    amount = round(story.chance.lognormvariate(7.6, 1.1), 2)
    story.use_data(
        "data.read",
        ("invoice", f"AP-{story.chance.randint(10000, 99999)}"),
        PAYING,
        subjects=[payee],
        fields=4,
        purpose="pay_suppliers",
    )
    fails = story.errs(0.03)
    story.call_tool(
        agents.IBAN_CHECK,
        ("account", payee),
        outcome="error" if fails else "success",
        error="timeout" if fails else None,
        data={**PAYING.use(), "subject_ids": [payee]},
    )
    story.think(under=PAYING, subjects=[payee], tokens=(900, 120))
    story.decide(("payment", story.run_id), "require_approval")
    return payee, {"amount_eur": amount, "payments": story.chance.randint(1, 40)}


def paid(story: Story) -> None:
    """Two people look, the bank pays."""
    _, sums = _check(story)
    _step(story, "step_started", "release")
    by = people.INGRID if sums["amount_eur"] > 5000 else people.PAUL
    approval = story.request(story.run_id, agents.RELEASE, **sums)
    story.wait(120, 3000)
    story.answer(approval, by, agents.RELEASE)
    story.wait(1, 6)
    story.call_tool(agents.RELEASE, ("payment", story.run_id), approval=approval, details=sums)
    _step(story, "step_completed", "release", duration_ms=story.elapsed())
    _step(story, "completed", duration_ms=story.elapsed())
    story.finish()


def denied(story: Story) -> None:
    """Tell how the accountant says no."""
    _, sums = _check(story)
    approval = story.request(story.run_id, agents.RELEASE, **sums)
    story.wait(300, 3000)
    story.answer(
        approval,
        people.PAUL,
        agents.RELEASE,
        action="approval.denied",
        reason="the invoice has no order number",
    )
    _step(story, "cancelled", reason="not approved")
    story.finish(outcome="denied")


def expired(story: Story) -> None:
    """Nobody answers in time."""
    _, sums = _check(story)
    approval = story.request(story.run_id, agents.RELEASE, **sums)
    story.wait(8 * 3600)
    story.tell(
        "approval.expired",
        target=("approval", story.run_id),
        outcome="failure",
        error={"type": "approval_expired", "message": "no answer within 8 hours"},
        decision={"approval_id": approval.id, "requested_by": approval.requested_by},
    )
    _step(story, "cancelled", reason="no answer in time")
    story.finish(outcome="failure", error="timeout")


def reconciled(story: Story) -> None:
    """Statements are compared with what was sent."""
    story.start()
    lost = story.happens(0.02)
    story.tell(
        "api.called",
        target=("api", "nordbank/statements"),
        outcome="unknown" if lost else "success",
        duration_ms=30_000.0 if lost else 412.0,
    )
    story.use_data(
        "data.read",
        ("statement", f"ST-{story.word(5)}"),
        PAYING,
        records=25,
        purpose="pay_suppliers",
    )
    story.tell("db.queried", target=("table", "ledger_lines"), duration_ms=38.4)
    story.finish()


def compensated(story: Story) -> None:
    """Tell how the bank takes it and sends it back: the booking is undone."""
    payee, sums = _check(story)
    approval = story.approved(story.run_id, people.INGRID, agents.RELEASE, within=1500)
    _step(story, "step_started", "release")
    story.call_tool(
        agents.RELEASE,
        ("payment", story.run_id),
        approval=approval,
        outcome="failure",
        error="account_closed",
        details=sums,
    )
    _step(
        story,
        "step_failed",
        "release",
        outcome="failure",
        error={"type": "account_closed", "message": "returned by the payee's bank"},
    )
    story.wait(20, 200)
    _step(story, "compensated", details={"booking": "reversed", **sums})
    story.use_data("data.update", ("payee", payee), PAYING, subjects=[payee])
    _step(
        story,
        "failed",
        outcome="failure",
        severity="medium",
        error={"type": "account_closed", "message": "returned by the payee's bank"},
    )
    story.finish(outcome="failure", error="account_closed")


def bank_file(story: Story) -> None:
    """Send the day's payments to the bank, a named recipient of the activity."""
    story.start()
    story.use_data(
        "data.transfer",
        ("file", f"pain-{story.word(6)}.xml"),
        PAYING,
        records=story.chance.randint(5, 60),
        fields=4,
        purpose="pay_suppliers",
        data={"recipient": "nordbank", "recipient_role": "controller", "external": True},
        transfer={"from_country": "DE", "to_country": "FI"},
    )
    story.finish()


EPISODES: Episodes = (
    (30, paid),
    (3, denied),
    (1, expired),
    (16, reconciled),
    (2, compensated),
    (5, bank_file),
)
