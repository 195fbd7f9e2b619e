"""The agents: what each is for, who owns it, its releases, models and hours. Tools beside them."""

from __future__ import annotations

from dataclasses import dataclass

from obsplatform.fleet import people
from obsplatform.fleet.people import Person


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model as its provider sells it."""

    provider: str
    name: str
    version: str
    operation: str
    country: str
    input_price: float
    """US dollars a million tokens."""
    output_price: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """Something an agent can call."""

    name: str
    server: str
    kind: str
    risk: str
    side_effect: bool = False
    destructive: bool = False
    seconds: tuple[float, float] = (0.08, 1.9)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """One agent of the fleet, or a service through which people's acts are told."""

    id: str
    name: str
    role: str
    framework: str
    owner: Person
    releases: tuple[tuple[int, str], ...]
    """(days ago, version), oldest first; the first is as old as the fleet."""
    replicas: int = 1
    share: float = 0.0
    """Part of the ordinary events that are this agent's."""
    hours: str = "office"
    chat: Model | None = None
    next_chat: tuple[int, Model] | None = None
    """(days ago, model): since when another one does the talking."""
    embed: Model | None = None
    search: Model | None = None
    tools: tuple[Tool, ...] = ()

    def version_at(self, days_ago: int) -> str:
        """Return the version that ran so many days ago; a release counts from its day on."""
        fitting = [version for day, version in self.releases if day >= days_ago]
        return fitting[-1]

    def chat_at(self, days_ago: int) -> Model:
        """Return the model that did the talking so many days ago."""
        if self.next_chat is not None and days_ago <= self.next_chat[0]:
            return self.next_chat[1]
        assert self.chat is not None, f"{self.id} calls no model"
        return self.chat


def _model(provider: str, name: str, version: str, country: str, price: float, **of: str) -> Model:
    return Model(
        provider=provider,
        name=name,
        version=version,
        operation=of.get("operation", "chat"),
        country=country,
        input_price=price,
        output_price=price * 5,
    )


AURORA_PRO = _model("aurora", "aurora-pro", "2026-06", "IE", 3.0)
AURORA_PRO_NEW = _model("aurora", "aurora-pro", "2026-10", "IE", 3.0)
AURORA_MINI = _model("aurora", "aurora-mini", "2026-06", "IE", 0.25)
AURORA_EMBED = _model("aurora", "aurora-embed", "2", "IE", 0.02, operation="embedding")
AURORA_SEARCH = _model("aurora", "aurora-search", "5", "IE", 0.05, operation="retrieval")
CEDAR = _model("cedar-health", "cedar-clinical", "4.1", "US", 5.0)
HELIO = _model("helio", "helio-turbo", "2", "US", 0.4)
"""Sold by a vendor without a business associate agreement; nobody registered it."""

MODELS = (AURORA_PRO, AURORA_PRO_NEW, AURORA_MINI, AURORA_EMBED, AURORA_SEARCH, CEDAR)


def _tool(name: str, server: str, kind: str, risk: str, **more: bool | tuple[float, float]) -> Tool:
    return Tool(name=name, server=server, kind=kind, risk=risk, **more)  # type: ignore[arg-type]


CUSTOMER_LOOKUP = _tool("crm.lookup", "crm", "mcp", "low")
TICKET_UPDATE = _tool("ticket.update", "helpdesk", "http", "low", side_effect=True)
REFUND_SMALL = _tool("refund.small", "billing", "http", "medium", side_effect=True)
REFUND = _tool("refund.issue", "billing", "http", "high", side_effect=True)
COVERAGE = _tool("coverage.check", "claims-core", "db", "low")
PAY_CLAIM = _tool("claim.pay", "claims-core", "http", "high", side_effect=True)
RUN_TESTS = _tool("tests.run", "ci", "shell", "medium", seconds=(14.0, 240.0))
GIT_PUSH = _tool("git.push", "forge", "shell", "medium", side_effect=True)
DEPLOY = _tool(
    "deploy.production", "ci", "http", "critical", side_effect=True, seconds=(40.0, 190.0)
)
DROP_TABLE = _tool("db.migrate", "orders-db", "db", "critical", side_effect=True, destructive=True)
IBAN_CHECK = _tool("iban.verify", "nordbank", "http", "low")
RELEASE = _tool("payments.release", "nordbank", "http", "critical", side_effect=True)
BROWSE = _tool("browser.open", "browser-pool", "browser", "medium", seconds=(0.9, 8.5))
PANEL = _tool("panel.query", "panel-db", "db", "low")
SANDBOX = _tool("python.run", "sandbox", "code", "medium", seconds=(0.4, 30.0))
CRON = _tool("jobs.start", "scheduler", "http", "low", side_effect=True)
PURGE = _tool("files.purge", "archive", "shell", "high", side_effect=True, destructive=True)

SUPPORT = Agent(
    id="support-concierge",
    name="Support concierge",
    role="customer support",
    framework="langgraph",
    owner=people.MIRA,
    releases=((10_000, "4.1.0"), (17, "4.2.0")),
    replicas=2,
    share=0.36,
    hours="daily",
    chat=AURORA_PRO,
    next_chat=(17, AURORA_PRO_NEW),
    embed=AURORA_EMBED,
    search=AURORA_SEARCH,
    tools=(CUSTOMER_LOOKUP, TICKET_UPDATE, REFUND_SMALL, REFUND),
)
CLAIMS_AGENT = Agent(
    id="claims-adjudicator",
    name="Claims adjudicator",
    role="health insurance claims",
    framework="crewai",
    owner=people.THEO,
    releases=((10_000, "2.8.3"), (21, "2.9.0")),
    share=0.24,
    hours="ohio",
    chat=CEDAR,
    tools=(COVERAGE, PAY_CLAIM),
)
CODING = Agent(
    id="patchwork",
    name="Patchwork",
    role="coding",
    framework="own loop",
    owner=people.LENA,
    releases=((10_000, "1.14.0"), (13, "1.15.0"), (12, "1.14.0"), (10, "1.15.1")),
    replicas=2,
    share=0.17,
    hours="office",
    chat=AURORA_PRO,
    tools=(RUN_TESTS, GIT_PUSH, DEPLOY, DROP_TABLE),
)
PAYMENTS = Agent(
    id="treasury-pay",
    name="Treasury pay",
    role="payments",
    framework="temporal",
    owner=people.INGRID,
    releases=((10_000, "3.0.2"), (5, "3.0.3")),
    share=0.1,
    hours="bank",
    chat=AURORA_MINI,
    tools=(IBAN_CHECK, RELEASE),
)
RESEARCH = Agent(
    id="market-lens",
    name="Market lens",
    role="research",
    framework="llamaindex",
    owner=people.SOFIA,
    releases=((10_000, "0.9.4"),),
    share=0.08,
    hours="office",
    chat=AURORA_PRO,
    next_chat=(8, AURORA_PRO_NEW),  # without a change record: planted
    embed=AURORA_EMBED,
    search=AURORA_SEARCH,
    tools=(BROWSE, PANEL, SANDBOX),
)
OPERATIONS = Agent(
    id="night-shift",
    name="Night shift",
    role="operations and schedules",
    framework="celery",
    owner=people.DARIO,
    releases=((10_000, "5.3.1"),),
    share=0.05,
    hours="night",
    chat=AURORA_MINI,
    tools=(CRON, PURGE),
)
TRANSLATOR = Agent(
    id="pilot-translator",
    name="Pilot translator",
    role="translation pilot",
    framework="langgraph",
    owner=people.MIRA,
    releases=((10_000, "0.2.0"),),
    chat=AURORA_MINI,
)
SSO = Agent(
    id="sso",
    name="Single sign-on",
    role="signs people in",
    framework="service",
    owner=people.VERA,
    releases=((10_000, "24.0"),),
)
BACK_OFFICE = Agent(
    id="back-office",
    name="Back office",
    role="where people's own acts are told: cases, changes, reviews",
    framework="service",
    owner=people.NORA,
    releases=((10_000, "11.2"),),
)
MACRO = Agent(
    id="spreadsheet-macro",
    name="Spreadsheet macro",
    role="unknown",
    framework="unknown",
    owner=people.PAUL,
    releases=((10_000, "0.1"),),
    chat=HELIO,
)
"""Nobody registered it: planted."""

WORKERS = (SUPPORT, CLAIMS_AGENT, CODING, PAYMENTS, RESEARCH, OPERATIONS)
REGISTERED = (*WORKERS, TRANSLATOR, SSO, BACK_OFFICE)
