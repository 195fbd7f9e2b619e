"""Who gets in: sign-ins, tokens, accounts, roles, leavers, emergencies."""

from __future__ import annotations

from obsplatform.fleet import people
from obsplatform.fleet.people import PRIVILEGED, Person
from obsplatform.fleet.story import Story


def sign_in(story: Story, person: Person, *, ends: str = "auth.logout") -> None:
    """Sign in, work for some minutes, and leave (or be signed out for idling)."""
    is_privileged = person in PRIVILEGED
    session = {**person.actor(), "session_id": f"ses-{story.word(10)}", "ip": person.ip}
    account = ("account", person.id)
    how = {
        "method": "passkey" if is_privileged else "password",
        "mfa": is_privileged,
        "privileged": is_privileged,
    }
    story.tell("auth.login", target=account, actor=session, auth=how)
    if is_privileged:
        story.wait(100, 400)
        story.tell(
            "auth.step_up", target=account, actor=session, auth={"method": "totp", "mfa": True}
        )
    if ends == "auth.session_expired":
        story.wait(895)
    else:
        story.wait(240, 800)
    story.tell(ends, target=account, actor=session, reason="idle" if "expired" in ends else None)


def mistype(story: Story, person: Person) -> None:
    """Fail once and get in the second time."""
    fail(story, person.id, person.ip)
    story.wait(6, 30)
    sign_in(story, person)


def fail(story: Story, name: str, ip: str, reason: str = "bad_password") -> None:
    """Fail to sign in under a name."""
    story.tell(
        "auth.login",
        target=("account", name),
        actor={"type": "human", "id": name, "ip": ip},
        outcome="failure",
        severity="low",
        auth={"method": "password", "failure_reason": reason},
        error={"type": reason, "message": "name and password do not belong together"},
    )


def lock_out(story: Story, name: str) -> None:
    """Close an account after too many failures."""
    story.tell(
        "auth.lockout",
        target=("account", name),
        actor={"type": "service", "id": "sso"},
        severity="medium",
        reason="six failures within ten minutes",
    )


def issue_token(story: Story) -> None:
    """Give an agent's owner a short-lived token."""
    story.tell(
        "auth.token_issued",
        target=("token", f"tok-{story.word(8)}"),
        actor={"type": "service", "id": "sso"},
        auth={"method": "client_credentials", "credential_id": f"key-{story.word(6)}"},
        details={"valid_minutes": 60},
    )


def break_glass(story: Story, person: Person, *, reason: str | None) -> str:
    """Open an emergency account; return the id of that act, for its review."""
    return story.tell(
        "auth.break_glass",
        target=("account", "emergency-1"),
        actor={**person.actor(), "ip": person.ip},
        severity="high",
        reason=reason,
        auth={"method": "sealed_envelope", "mfa": True, "privileged": True},
    )


def review_break_glass(story: Story, subject_event: str) -> None:
    """Look at what was done in an emergency."""
    story.tell("access_review.started", actor=people.HELEN, target=("account", "emergency-1"))
    story.wait(1200, 5000)
    story.tell(
        "access_review.completed",
        actor=people.HELEN,
        target=("account", "emergency-1"),
        case={"subject_event": subject_event},
        review={"scope": "break glass", "items_count": 1, "findings_count": 0},
    )


def reviewed_emergency(story: Story) -> None:
    """Open an emergency account for a reason, and have it looked at."""
    opened = break_glass(story, people.YUKI, reason="claims-core hangs, sign-on is down with it")
    story.wait(3600, 20 * 3600)
    review_break_glass(story, opened)


def review_access(story: Story) -> None:
    """Look through everybody's rights, as each quarter."""
    review = {"scope": "all roles", "items_count": 148, "revoked_count": 3}
    story.tell("access_review.started", actor=people.VERA, target=("review", "quarter"))
    story.wait(3600, 20000)
    story.tell(
        "access_review.completed", actor=people.HELEN, target=("review", "quarter"), review=review
    )


def join(story: Story, name: str) -> None:
    """Make an account for a newcomer, with a role that somebody approved."""
    approval = story.approved(f"account of {name}", people.MIRA, within=4000)
    granted = {"approval_id": approval.id, "effect": "approved"}
    account = ("account", name)
    story.tell("identity.account_created", actor=people.VERA, target=account, decision=granted)
    story.tell("identity.account_enabled", actor=people.VERA, target=account)
    story.tell(
        "identity.role_granted",
        actor=people.VERA,
        target=account,
        decision=granted,
        change={"to": "case-handler"},
    )
    story.tell(
        "identity.permission_granted",
        actor=people.VERA,
        target=account,
        decision=granted,
        change={"to": "refunds up to 75 EUR"},
    )


def leave(story: Story, name: str) -> None:
    """Close the account of somebody who leaves, the same day."""
    account = ("account", name)
    story.tell("identity.offboarded", actor=people.VERA, target=account)
    story.wait(600, 7200)
    story.tell(
        "identity.role_revoked", actor=people.VERA, target=account, change={"from": "case-handler"}
    )
    story.tell("identity.account_disabled", actor=people.VERA, target=account)
    story.wait(600, 7200)
    story.tell("identity.account_deleted", actor=people.VERA, target=account)


def rotate(story: Story, agent_id: str) -> None:
    """Change an agent's key before it is 90 days old; nobody uses it meanwhile."""
    key = ("credential", f"key-{agent_id}")
    story.tell("credential.paused", actor=people.VERA, target=key, reason="it is being replaced")
    story.tell("credential.rotated", actor=people.VERA, target=key)
    story.tell("credential.resumed", actor=people.VERA, target=key, reason="the new one is there")
