"""The planted stories: what an auditor should find, good and bad, each on a day of its own.

Every run here has a name of its own, so that the filter in `planted.py` finds it whatever the seed.
Their customers and members appear in no other story.
"""

from __future__ import annotations

from obsplatform.fleet import (
    access,
    agents,
    breaches,
    changes,
    incidents,
    lifecycle,
    oversight,
    payments,
    people,
    research,
    rights,
    routine,
)
from obsplatform.fleet.agents import Agent
from obsplatform.fleet.chronicle import Chronicle
from obsplatform.fleet.processing import CARE, CLAIMS, PROFILING, STUDIES
from obsplatform.fleet.story import APPROVAL_POLICY, Story

_HOUR = 3600.0
_DAY = 24 * _HOUR


def plant(chronicle: Chronicle) -> None:
    """Tell every planted story."""
    for tell in (
        _unapproved_refund, _unapproved_migration, _swapped_arguments, _self_approved,
        _denied_and_done, _snooping, _lockout, _spraying, _break_glass, _erased_in_time,
        _erasure_overdue, _breach_late, _breach_in_time, _slow_notice, _unrecorded_model,
        _unapproved_release, _secrets, _injection, _injection_let_through, _runaway, _compensated,
        _scope_over, _retired_and_acting, _lost_numbers, _incident, _no_impact_assessment,
        _no_agreement, _unregistered, _silence_noticed, _used_after_erasure, _bulk_read,
        _unencrypted, _leaver, _guardrail_off, _no_mfa,
    ):  # fmt: skip
        tell(chronicle)


def _begin(chronicle: Chronicle, agent: Agent, day: int, clock: str, run: str) -> Story:
    return chronicle.begin(agent, chronicle.world.day(day, clock), run=run)


def _unapproved_refund(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.SUPPORT, 12, "21:14", "run-refund-2210")
    story.start(run={"mode": "chat"})
    story.think(under=CARE, subjects=["cust-9001"])
    story.call_tool(
        agents.REFUND,
        ("invoice", "INV-771204"),
        details={"amount_eur": 1840.0, "reason": "the customer was very insistent"},
    )
    story.finish()


def _unapproved_migration(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.CODING, 19, "22:40", "run-migrate-4471")
    story.start(run={"mode": "autonomous"})
    story.think(tokens=(7000, 600))
    story.call_tool(
        agents.DROP_TABLE,
        ("table", "orders_archive"),
        details={"statement": "DROP TABLE orders_archive", "rows_lost": 18422},
    )
    story.finish()


def _swapped_arguments(chronicle: Chronicle) -> None:
    """Approve one payment, release another under the same approval."""
    story = _begin(chronicle, agents.PAYMENTS, 9, "09:12", "run-pay-7741")
    story.start(run={"mode": "workflow"})
    approval = story.request("run-pay-7741", agents.RELEASE, amount_eur=912.40)
    story.wait(700)
    story.answer(approval, people.PAUL, agents.RELEASE)
    story.wait(3)
    story.call_tool(
        agents.RELEASE, ("payment", "run-pay-7741"), approval=approval,
        details={"amount_eur": 91240.0},
    )  # fmt: skip
    story.acts[-1].event["tool"]["arguments_hash"] = story.word(64)
    story.finish()


def _self_approved(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.PAYMENTS, 15, "13:30", "run-pay-7702")
    asked = {
        "approval_id": "apr-7702",
        "requested_by": people.PAUL.id,
        "expires_at": story.later(hours=8),
        **APPROVAL_POLICY,
    }
    target = ("approval", "run-pay-7702")
    story.tell("approval.requested", actor=people.PAUL, target=target, outcome="pending",
               decision={**asked, "effect": "require_approval"})  # fmt: skip
    story.wait(40)
    story.tell("approval.granted", actor=people.PAUL, target=target,
               decision={**asked, "effect": "approved"})  # fmt: skip


def _denied_and_done(chronicle: Chronicle) -> None:
    """Run an act that was denied."""
    story = _begin(chronicle, agents.RESEARCH, 13, "15:20", "run-panel-0813")
    story.start()
    operation = "op-panel-0813"
    story.decide(("table", "answers"), "deny", reason="raw answers need the DPO's yes",
                 operation=operation)  # fmt: skip
    story.call_tool(agents.PANEL, ("table", "answers"), effect="deny",
                    trace={"operation_id": operation}, details={"aggregated": False})  # fmt: skip
    story.finish()


def _snooping(chronicle: Chronicle) -> None:
    """Let a case handler try a colleague's file again and again; each time it is refused."""
    story = _begin(chronicle, agents.SUPPORT, 11, "16:02", "run-snoop-11")
    for _ in range(7):
        story.use_data(
            "data.read", ("customer", "cust-9013"), CARE, subjects=["cust-9013"],
            outcome="denied", effect="deny", actor=people.OMAR, severity="medium",
            reason="no open case with this customer",
        )  # fmt: skip
        story.wait(20, 90)


def _lockout(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.SSO, 10, "03:07", "signin-dario")
    for _ in range(6):
        access.fail(story, people.DARIO.id, "203.0.113.77")
        story.wait(15, 45)
    access.lock_out(story, people.DARIO.id)


def _spraying(chronicle: Chronicle) -> None:
    """Many names from one address; nobody reacts."""
    story = _begin(chronicle, agents.SSO, 4, "02:31", "signin-spray")
    for person in people.PEOPLE:
        access.fail(story, person.id, "198.51.100.23")
        story.wait(8, 20)


def _break_glass(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.SSO, 16, "04:20", "emergency-16")
    opened = access.break_glass(story, people.YUKI, reason="sign-on is down, claims cannot be paid")
    review = _begin(chronicle, agents.BACK_OFFICE, 15, "09:00", "emergency-16")
    access.review_break_glass(review, opened)
    bad = _begin(chronicle, agents.SSO, 6, "23:48", "emergency-6")
    access.break_glass(bad, people.DARIO, reason=None)


def _erased_in_time(chronicle: Chronicle) -> None:
    story = _begin(chronicle, rights.AGENT, 27, "10:05", "DSR-118")
    rights.erased(story, "cust-9003", days=8)


def _erasure_overdue(chronicle: Chronicle) -> None:
    """Asked for 41 days ago, never prolonged, never answered."""
    story = _begin(chronicle, rights.AGENT, 41, "14:10", "DSR-104")
    rights.receive(story, "erasure", "cust-9004")


def _used_after_erasure(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.SUPPORT, 3, "11:25", "run-mailing-3")
    story.use_data("data.read", ("customer", "cust-9003"), CARE, subjects=["cust-9003"], fields=3)


def _breach_late(chronicle: Chronicle) -> None:
    """Tell the authority after 101 hours instead of 72."""
    story = _begin(chronicle, agents.BACK_OFFICE, 20, "08:30", "BR-31")
    case = breaches.Breach(story, by=people.NORA, regimes=["gdpr"])
    case.suspect("a list of 2,140 customers went to the wrong broker")
    story.wait(9 * _HOUR)
    case.tell("confirmed", affected_subjects=2140)
    story.wait(20 * _HOUR)
    case.assess(risk="high", people_count=2140)
    story.wait(72 * _HOUR)
    case.tell("authority_notified", authority="DPA Hamburg", reason="the holiday was overlooked")
    story.wait(20 * _HOUR)
    case.tell("subjects_notified", affected_subjects=2140)
    story.wait(60 * _HOUR)
    case.tell(
        "closed",
        facts="a list of 2,140 customers, sent by e-mail",
        effects="three unwanted calls",
        remedial_action="lists leave only through the portal",
    )


def _breach_in_time(chronicle: Chronicle) -> None:
    breaches.closed_in_time(_begin(chronicle, agents.BACK_OFFICE, 24, "13:15", "BR-29"))
    breaches.harmless(_begin(chronicle, agents.BACK_OFFICE, 17, "09:20", "BR-33"))
    breaches.ohio(_begin(chronicle, agents.BACK_OFFICE, 29, "14:05", "BR-27"))


def _slow_notice(chronicle: Chronicle) -> None:
    """Tell members of the Ohio plan after 64 days instead of 60."""
    story = _begin(chronicle, agents.BACK_OFFICE, 66, "15:00", "BR-22")
    case = breaches.Breach(story, by=people.EDWIN, regimes=["hipaa"], role="covered_entity")
    case.suspect("a clerk took claim files home")
    story.wait(30 * _HOUR)
    case.tell("confirmed", affected_subjects=37, max_affected_in_state=37)
    case.assess(risk="risk", people_count=37)
    story.wait(64 * _DAY - 30 * _HOUR)
    case.tell("subjects_notified", affected_subjects=37)


def _unrecorded_model(chronicle: Chronicle) -> None:
    """Use a new model that no change brought; `agents.py` says since when. Nobody works earlier."""
    story = _begin(chronicle, agents.RESEARCH, 8, "04:40", "run-study-new")
    story.start(run={"mode": "autonomous"})
    story.think(tokens=(2000, 300))
    story.finish()


def _unapproved_release(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.BACK_OFFICE, 6, "17:45", "CHG-2231")
    values = changes.of_release(agents.PAYMENTS, "3.0.3")
    changes.release(story, agents.PAYMENTS, values, change_id="CHG-2231", approver=None,
                    is_tested=False)  # fmt: skip


def _secrets(chronicle: Chronicle) -> None:
    """Keys and passwords stand in details; what is stored must not hold them."""
    story = _begin(chronicle, agents.CODING, 7, "10:33", "run-debug-0107")
    story.start(run={"mode": "autonomous"})
    token = story.word(40)
    story.call_tool(
        agents.RUN_TESTS,
        ("repository", "billing"),
        outcome="failure",
        error="tests_failed",
        details={
            "command": f"curl -H 'Authorization: Bearer {token}' https://ci.example/run",
            "environment": {"DB_PASSWORD": f"s3cr3t-{story.word(8)}", "API_KEY": "k" + token},
            "database": f"postgresql://billing:{story.word(12)}@db.example/billing",
        },
    )
    story.finish(outcome="failure", error="tests_failed")


def _injection(chronicle: Chronicle) -> None:
    research.injected(_begin(chronicle, agents.RESEARCH, 14, "10:47", "run-forum-881"))


def _injection_let_through(chronicle: Chronicle) -> None:
    """Warned only, and nobody looked."""
    story = _begin(chronicle, agents.SUPPORT, 5, "19:36", "run-mail-5519")
    story.start(run={"mode": "chat"})
    story.tell(
        "guardrail.triggered",
        target=("message", "mail-5519"),
        severity="high",
        guardrail={"type": "prompt_injection", "effect": "warned"},
        decision={"effect": "allow", "policy_id": "guardrails", "policy_version": "9"},
    )
    story.call_tool(agents.CUSTOMER_LOOKUP, ("customer", "cust-9021"),
                    data={**CARE.use(), "subject_ids": ["cust-9021"]})  # fmt: skip
    story.finish()


def _runaway(chronicle: Chronicle) -> None:
    """Burn a month's budget in a night, in a loop that never converges."""
    story = _begin(chronicle, agents.CODING, 8, "22:05", "run-refactor-66")
    story.start(run={"mode": "autonomous"})
    for number in range(1, 91):
        story.think(tokens=(118_000, 5200))
        story.wait(20, 60)
        story.tell("loop.completed", target=("run", story.run_id), duration_ms=story.elapsed(),
                   run={"phase": "act"}, details={"iteration": number})  # fmt: skip
    alert_id = "ALR-606"
    incidents.alert(story, about=("agent", agents.CODING.id), severity="high", alert_id=alert_id,
                    reason="hundreds of times the usual cost of a run")  # fmt: skip
    story.wait(240)
    story.tell("agent.interrupted", target=("agent", agents.CODING.id), actor=people.YUKI,
               severity="high", reason="the budget of the month is gone")  # fmt: skip
    story.finish(outcome="failure", error="out_of_budget")
    story.wait(900)
    incidents.handle(
        story,
        case_id="INC-55",
        alert_id=alert_id,
        about=("agent", agents.CODING.id),
        severity="high",
        cause="the loop had no limit of rounds",
    )


def _compensated(chronicle: Chronicle) -> None:
    payments.compensated(_begin(chronicle, agents.PAYMENTS, 17, "10:26", "run-pay-7655"))


def _scope_over(chronicle: Chronicle) -> None:
    """Read the panel's raw answers after the scope for it has ended."""
    granted = _begin(chronicle, agents.RESEARCH, 20, "09:05", "scope-panel")
    approval = granted.approved("panel answers", people.NORA, within=2000)
    granted.tell(
        "agent.scope_granted",
        actor=people.VERA,
        target=("agent", agents.RESEARCH.id),
        decision={"approval_id": approval.id, "effect": "allow",
                  "expires_at": granted.later(hours=24 * 5)},
        details={"tools": ["panel.query"]},
    )  # fmt: skip
    consent = {"consent_id": "cons-panel", "purpose": "market_research",
               "subject_ids": ["panel-4407"]}  # fmt: skip
    granted.tell("consent.given", actor=people.JONAS, target=("panel", "autumn"), data=consent)
    for day in (18, 12):
        story = _begin(chronicle, agents.RESEARCH, day, "14:45", f"run-panel-{day}")
        story.use_data("data.read", ("panel", "autumn"), STUDIES, subjects=["panel-4407"],
                       data={"consent_id": "cons-panel"})  # fmt: skip


def _retired_and_acting(chronicle: Chronicle) -> None:
    pilot = chronicle.begin(agents.TRANSLATOR, chronicle.world.day(25, "07:00"))
    lifecycle.start(pilot)
    for _ in range(6):
        pilot.wait(6 * _HOUR)
        pilot.think(tokens=(800, 700))
    lifecycle.stop(pilot)
    lifecycle.retire(_begin(chronicle, agents.TRANSLATOR, 18, "12:00", "pilot-over"))
    story = _begin(chronicle, agents.TRANSLATOR, 11, "13:37", "run-translate-zombie")
    story.think(tokens=(900, 800))


def _lost_numbers(chronicle: Chronicle) -> None:
    """Fourteen events of the claims agent never arrived."""
    story = _begin(chronicle, agents.CLAIMS_AGENT, 13, "14:02", "run-after-crash")
    story.replica = f"{agents.CLAIMS_AGENT.id}-1"
    story.tell("run.started", target=("run", story.run_id), lost_before=14)
    story.finish()


def _incident(chronicle: Chronicle) -> None:
    """Slow claims: from alert to review, all in time; then one alert nobody answered."""
    about = ("agent", agents.CLAIMS_AGENT.id)
    slow = _begin(chronicle, agents.CLAIMS_AGENT, 12, "14:20", "run-coverage-12")
    for _ in range(90):  # the month's list: enough calls for a rate, on a Sunday too
        slow.call_tool(agents.COVERAGE, ("plan", "ohio"))
    for number in range(14):
        slow.call_tool(
            agents.COVERAGE,
            ("member", f"mbr-9{number:04d}"),
            outcome="error",
            error="timeout",
            data={**CLAIMS.use(), "subject_ids": [f"mbr-9{number:04d}"]},
        )
        slow.wait(40, 130)
    story = _begin(chronicle, agents.CLAIMS_AGENT, 12, "15:10", "INC-52")
    incidents.alert(story, about=about, severity="high", alert_id="ALR-601",
                    reason="coverage checks take 20 times as long")  # fmt: skip
    story.wait(900)
    incidents.handle(story, case_id="INC-52", alert_id="ALR-601", about=about, severity="high",
                     cause="an index was missing after the upgrade")  # fmt: skip
    lonely = _begin(chronicle, agents.PAYMENTS, 9, "09:40", "ALR-604")
    incidents.alert(lonely, about=("payment", "run-pay-7741"), severity="critical",
                    alert_id="ALR-604", reason="a payment 100 times the approved sum")  # fmt: skip


def _no_impact_assessment(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.RESEARCH, 10, "09:50", "run-lapse-10")
    story.start(run={"mode": "scheduled"})
    story.use_data("data.infer", ("model", "lapse-score"), PROFILING, records=400, fields=4)
    story.finish()


def _no_agreement(chronicle: Chronicle) -> None:
    """Health data goes to a model of a vendor without a business associate agreement."""
    story = _begin(chronicle, agents.CLAIMS_AGENT, 5, "20:15", "run-helio-trial")
    story.start(run={"mode": "workflow"})
    story.think(model=agents.HELIO, under=CLAIMS, subjects=["mbr-90007"], tokens=(5200, 700))
    story.finish()


def _unregistered(chronicle: Chronicle) -> None:
    """Somebody's spreadsheet calls a model; no register knows it."""
    story = _begin(chronicle, agents.MACRO, 4, "15:55", "macro-q4")
    for _ in range(4):
        story.think(tokens=(3000, 300))
        story.wait(60, 600)


def _silence_noticed(chronicle: Chronicle) -> None:
    story = _begin(chronicle, routine.SILENT, 4, "07:20", "ALR-609")
    story.replica = "watchdog"
    incidents.alert(story, about=("agent", routine.SILENT.id), severity="medium",
                    alert_id="ALR-609", reason="no sign of life for 37 hours")  # fmt: skip
    incidents.dismiss(story, about=("agent", routine.SILENT.id), alert_id="ALR-609",
                      reason="its machine had no disk left; restarted")  # fmt: skip


def _bulk_read(chronicle: Chronicle) -> None:
    """Far more health records than a payment needs."""
    story = _begin(chronicle, agents.CLAIMS_AGENT, 2, "18:30", "run-bulk-1312")
    story.use_data("data.read", ("member_record", "all of Franklin County"), CLAIMS, records=1312,
                   fields=8, severity="medium")  # fmt: skip


def _unencrypted(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.CLAIMS_AGENT, 16, "17:50", "run-fax-0416")
    story.use_data(
        "data.disclose", ("claim", "CLM-900416"), CLAIMS, subjects=["mbr-90016"], fields=5,
        reason="the clinic asked for it by fax",
        data={"recipient": "lakeside-clinic", "recipient_role": "health_care_provider",
              "external": True, "encrypted_in_transit": False},
        transfer={"from_country": "US", "to_country": "US", "mechanism": "adequacy"},
    )  # fmt: skip


def _leaver(chronicle: Chronicle) -> None:
    """Omar leaves on time on paper; his account is used the next day."""
    day = routine.OMAR_LEAVES
    office = _begin(chronicle, agents.BACK_OFFICE, day, "12:00", "leaver-omar")
    access.leave(office, people.OMAR.id)
    story = _begin(chronicle, agents.SSO, 2, "07:50", "signin-omar")
    access.sign_in(story, people.OMAR)


def _guardrail_off(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.SUPPORT, 8, "20:10", "guardrail-off-8")
    oversight.disable_guardrail(story, approver=None)


def _no_mfa(chronicle: Chronicle) -> None:
    story = _begin(chronicle, agents.SSO, 1, "05:58", "signin-vera")
    who = {**people.VERA.actor(), "ip": "192.0.2.40"}
    story.tell("auth.login", target=("account", people.VERA.id), actor=who,
               auth={"method": "password", "mfa": False, "privileged": True})  # fmt: skip
    story.wait(540)
    story.tell("auth.logout", target=("account", people.VERA.id), actor=who)
