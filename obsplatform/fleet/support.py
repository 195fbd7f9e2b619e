"""Days of the support concierge: questions, refunds, changed addresses, hand-overs, refusals."""

from __future__ import annotations

from obsplatform.fleet import agents, people
from obsplatform.fleet.processing import CARE
from obsplatform.fleet.story import Story
from obsplatform.fleet.work import Episodes

STORE = "support-memory"
_CUSTOMERS = 420
_TOPICS = ("coverage", "invoice", "moving house", "lost card", "cancellation", "claim status")


def _customer(story: Story) -> str:
    return f"cust-{story.chance.randint(1, _CUSTOMERS):04d}"


def _greet(story: Story) -> str:
    """Take a customer's message and look up what is known; return who it is."""
    customer = _customer(story)
    story.conversation = f"conv-{story.word(8)}"
    channel = story.chance.choice(("chat", "e-mail", "app"))
    story.tell(
        "message.received",
        target=("conversation", story.conversation),
        actor={"type": "human", "id": customer},
        data={**CARE.use(), "subject_ids": [customer]},
        labels={"channel": channel, "topic": story.chance.choice(_TOPICS)},
    )
    story.start(run={"mode": "chat"})
    story.remember("memory.search", STORE, under=CARE, subjects=[customer])
    story.look_up(under=CARE, subjects=[customer])
    return customer


def _reply(story: Story, customer: str, *, tokens: tuple[int, int] = (2100, 260)) -> None:
    if story.errs(0.012):
        story.think(
            tokens=tokens,
            under=CARE,
            subjects=[customer],
            outcome="error",
            error=story.chance.choice(("rate_limited", "provider_unavailable")),
        )
        story.wait(2, 12)
    story.think(tokens=tokens, under=CARE, subjects=[customer])
    _send(story, customer)


def _send(story: Story, customer: str) -> None:
    assert story.conversation is not None
    story.tell(
        "message.sent",
        target=("conversation", story.conversation),
        data={
            **CARE.use(),
            "subject_ids": [customer],
            "recipient": "the customer",
            "recipient_role": "individual",
            "encrypted_in_transit": True,
        },
    )


def _rate(story: Story) -> None:
    if story.happens(0.22):
        story.wait(20, 400)
        story.tell(
            "feedback.received",
            target=("conversation", story.conversation or ""),
            actor={"type": "service", "id": "survey"},
            feedback={"kind": "stars", "score": story.chance.choice((0, 0.25, 0.5, 0.75, 1, 1, 1))},
        )


def question(story: Story) -> None:
    """Answer from the handbook."""
    customer = _greet(story)
    _reply(story, customer)
    if story.happens(0.5):
        story.wait(15, 90)
        _reply(story, customer, tokens=(2900, 180))
    story.finish()
    _rate(story)


def status(story: Story) -> None:
    """Tell how a claim or a policy stands."""
    customer = _greet(story)
    story.decide(("customer", customer), "allow", data={"subject_ids": [customer]})
    story.use_data(
        "data.read",
        ("customer", customer),
        CARE,
        subjects=[customer],
        fields=story.chance.randint(2, 6),
        actor={
            "type": "agent",
            "id": story.agent.id,
            "on_behalf_of": {"type": "human", "id": customer},
        },
    )
    fails = story.errs(0.02)
    story.call_tool(
        agents.CUSTOMER_LOOKUP,
        ("customer", customer),
        outcome="error" if fails else "success",
        error="timeout" if fails else None,
        data={**CARE.use(), "subject_ids": [customer]},
    )
    _reply(story, customer)
    story.call_tool(agents.TICKET_UPDATE, ("ticket", f"T-{story.chance.randint(20000, 99999)}"))
    story.finish()
    _rate(story)


def refund(story: Story) -> None:
    """Give money back: small sums by policy, larger ones after a person said yes."""
    customer = _greet(story)
    amount = round(story.chance.lognormvariate(4.0, 0.7), 2)
    order = ("invoice", f"INV-{story.chance.randint(100000, 999999)}")
    story.use_data("data.read", ("customer", customer), CARE, subjects=[customer], fields=7)
    details = {"amount_eur": amount, "reason": story.chance.choice(("paid twice", "cancelled"))}
    if amount <= 75:
        story.decide(order, "allow", reason=f"{amount} EUR is within the limit of 75 EUR")
        story.call_tool(agents.REFUND_SMALL, order, details=details)
    else:
        story.decide(order, "require_approval")
        approval = story.request(order[1], agents.REFUND, **details)
        story.wait(60, 1500)
        story.answer(approval, people.MIRA, agents.REFUND)
        story.wait(1, 5)
        story.call_tool(agents.REFUND, order, approval=approval, details=details)
    _reply(story, customer)
    story.remember("memory.write", STORE, under=CARE, subjects=[customer])
    story.finish()
    _rate(story)


def refund_denied(story: Story) -> None:
    """Tell how a person says no, and nothing is paid."""
    customer = _greet(story)
    order = f"INV-{story.chance.randint(100000, 999999)}"
    approval = story.request(order, agents.REFUND, amount_eur=640.0)
    story.wait(200, 2400)
    story.answer(
        approval,
        people.MIRA,
        agents.REFUND,
        action="approval.denied",
        reason="the invoice was refunded in spring already",
    )
    _reply(story, customer)
    story.finish()


def moved(story: Story) -> None:
    """Change an address: the new one is personal data, kept only encrypted."""
    customer = _greet(story)
    number = story.chance.randint(1, 180)
    story.use_data(
        "data.update",
        ("customer", customer),
        CARE,
        subjects=[customer],
        fields=4,
        personal={
            "address": f"Lindenallee {number}, 20144 Hamburg",
            "phone": f"+49 40 66969 {story.chance.randint(100, 999)}",  # kept free for fiction
        },
    )
    _reply(story, customer)
    story.finish()
    _rate(story)


def new_customer(story: Story) -> None:
    """Open a customer's file with the privacy notice shown."""
    customer = _greet(story)
    story.use_data(
        "data.create",
        ("customer", customer),
        CARE,
        subjects=[customer],
        fields=6,
        data={"source": "subject", "notice_version": "2026-03"},
        personal={
            "name": f"{story.chance.choice(_FIRST)} {story.chance.choice(_LAST)}",
            "email": f"{story.word(6)}@post.example",
        },
    )
    _reply(story, customer)
    story.finish()


def handed_over(story: Story) -> None:
    """Give the conversation to a person, who takes it to its end."""
    customer = _greet(story)
    story.think(under=CARE, subjects=[customer], tokens=(2600, 90))
    assert story.conversation is not None
    talk = ("conversation", story.conversation)
    story.tell(
        "handoff.started", target=talk, outcome="pending", reason="the customer asked for it"
    )
    story.wait(30, 900)
    story.tell("handoff.completed", target=talk, actor=people.JONAS, duration_ms=story.elapsed())
    story.finish()


def refused(story: Story) -> None:
    """Someone asks for another person's file and does not get it."""
    customer = _greet(story)
    other = _customer(story)
    operation = f"op-{story.word(12)}"
    story.decide(
        ("customer", other),
        "deny",
        reason="not the caller's own file",
        operation=operation,
        data={"subject_ids": [other]},
        severity="low",
    )
    story.use_data(
        "data.read",
        ("customer", other),
        CARE,
        subjects=[other],
        outcome="denied",
        effect="deny",
        trace={"operation_id": operation},
        reason="not the caller's own file",
    )
    story.think(under=CARE, subjects=[customer], tokens=(1800, 70), finish="content_filter")
    _send(story, customer)
    story.finish(outcome="denied")


def leaked_card(story: Story) -> None:
    """Tell how a customer types a card number; the guardrail takes it out."""
    customer = _greet(story)
    story.tell(
        "guardrail.triggered",
        target=("conversation", story.conversation or ""),
        severity="low",
        guardrail={"type": "pci_in_input", "effect": "redacted"},
        decision={"effect": "allow", "policy_id": "guardrails", "policy_version": "9"},
    )
    _reply(story, customer)
    story.finish()


def consented(story: Story) -> None:
    """Tell how a customer joins the survey panel and says yes to it."""
    customer = _greet(story)
    consent_id = f"cons-{story.word(6)}"
    story.tell(
        "consent.given",
        target=("consent", consent_id),
        actor=people.JONAS,
        data={
            "consent_id": consent_id,
            "subject_ids": [customer],
            "purpose": "market_research",
            "notice_version": "2026-03",
        },
    )
    _reply(story, customer)
    story.finish()


_FIRST = ("Ada", "Bela", "Carla", "Deniz", "Elif", "Finn", "Greta", "Hugo", "Ines", "Jakob")
_LAST = ("Brandt", "Costa", "Dahl", "Engel", "Faber", "Grau", "Holm", "Iversen", "Jansen")

EPISODES: Episodes = (
    (40, question),
    (28, status),
    (16, refund),
    (2, refund_denied),
    (6, moved),
    (3, new_customer),
    (6, handed_over),
    (3, refused),
    (1, leaked_card),
    (1, consented),
)
