"""Recorded sessions of a real agent: what every check makes of them, and why.

They are the events of `airline_agent_sessions.ndjson.gz` in the folder that OBS_SAMPLES names; the
project ships none of them. `docs/real-sessions.md` explains each result; a test holds its table.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compliance.result import FrameworkResult
from tests.compliance.recorded import Found, Recorded, result_row

FILE = "airline_agent_sessions.ndjson.gz"
POSTED = datetime(2026, 11, 2, 12, tzinfo=UTC)
PERIOD = ("2026-10-01", "2026-11-03")
FRAMEWORKS = ("soc2", "gdpr", "hipaa", "iso42001")
DOCUMENT = Path(__file__).parents[2] / "docs" / "real-sessions.md"
POST_SIZE = 500

_LLM = "the 2,454 model calls"
JUDGED = {
    "AI-02": f"{_LLM} go to a model that nobody registered",
    "AI-03": f"{_LLM} name no version of the model and no digest of the prompt",
    "AI-04": "no evaluation was reported; the ledger is younger than 30 days",
    "AI-06": "no test of a stop switch was reported; the ledger is younger than 180 days",
    "DATA-01": "every use of the passengers' data says `customer_service`",
    "DATA-02": "every use and model call has classes",
    "DATA-07": "all 77 changes and 69 deletions say what stood after, none what stood before",
    "DATA-08": "no model call is classed as holding credentials; whether that is true is not seen",
    "DATA-09": f"{_LLM} carry personal data to a provider that no entry approves",
    "DATA-10": "the 31 records made and 77 changed do not say that they lie encrypted",
    "IAM-01": "each event names the agent or the passenger",
    "IAM-05": "no review of rights was reported; the ledger is younger than 90 days",
    "IAM-10": "674 uses of personal data and 250 high-risk calls name no decision and no policy",
    "LOG-01": "the platform verified the chain",
    "LOG-02": "no number is missing in the chain, the platform's own four entries included",
    "LOG-03": "the numbers of all 200 sessions are whole",
    "LOG-04": "history is left out; the two are the platform's own queue reports",
    "LOG-05": "history is left out; the two are the platform's own queue reports",
    "LOG-06": "entries are kept 365 days: enough for our own policy, not for HIPAA's six years",
    "LOG-08": f"{_LLM} lack `usage.input_tokens`; every other event is complete",
    "LOG-10": "nobody looked through the log yet; the ledger is younger than 7 days",
    "MON-02": "no run of detection rules was reported; the ledger is younger than a day",
    "MON-03": "nobody registered the agent, so none of its acts is a registered agent's",
    "OPS-01": "21 days with at least 100 tries, no `error` on any; failures of a task are none",
    "OPS-02": "no backup was reported; the ledger is younger than a day",
    "OPS-03": "no test of a restore was reported; the ledger is younger than 180 days",
    "OPS-04": "the platform's own reports: nothing waited",
    "PD-01": "`contract` stands on every use; whether it holds in law is not seen",
    "PD-05": "no processing activity is registered, and no event names one",
    "PD-06": "the 497 reads do not say which fields were read",
    "PD-07": f"{_LLM} carry personal data to a provider and name no country",
    "PD-09": f"{_LLM} carry personal data to a provider without an agreement on record",
    "RSK-01": "no risk assessment was reported; the ledger is younger than a year",
    "TOOL-01": "the 250 high-risk calls (bookings, changes, cancellations, vouchers) have no"
    " approval on record",
    "TOOL-02": "no call names a policy, a version or an effect",
    "TOOL-04": "nobody registered a tool",
    "TOOL-05": "the 177 that succeeded have digests of arguments and result",
    "VND-01": "the provider was used on 30 days, and no entry approves or reviews it",
}
"""Why a check that had something to judge, or waits for it, stands where it does."""

ABSENT = {
    "AI-01": "detections of a guardrail",
    "AI-05": "writes to an agent's memory",
    "BRE-01": "breaches under the GDPR",
    "BRE-02": "breaches assessed as a high risk",
    "BRE-03": "breaches under HIPAA",
    "BRE-04": "breaches under HIPAA",
    "BRE-05": "suspected or confirmed breaches",
    "BRE-06": "breaches in the role of a processor or business associate",
    "BRE-07": "closed breaches",
    "CHG-01": "deployments",
    "CHG-02": "changes of version, model or prompt: one of each in all 200 sessions",
    "CHG-03": "deployments",
    "CHG-04": "emergency deployments",
    "CHG-05": "guardrails switched off, policies relaxed, limits raised",
    "DATA-03": "exports, disclosures, transfers, messages sent with sensitive data",
    "DATA-04": "exports and disclosures",
    "DATA-05": "dates until which data is kept",
    "DATA-06": "reads of 1,000 records and more; each of the 497 is of one",
    "DSR-01": "requests of data subjects",
    "DSR-02": "erasures on request; the 69 deletions are cancelled bookings",
    "DSR-03": "erasures on request",
    "DSR-04": "requests with recipients to be told",
    "DSR-05": "requests for access or portability",
    "IAM-02": "sign-ins of people with privileged roles",
    "IAM-03": "sign-ins",
    "IAM-04": "roles, permissions, accounts, scopes granted",
    "IAM-06": "leavers and retired agents",
    "IAM-07": "accounts closed, credentials revoked",
    "IAM-08": "credentials issued to agents",
    "IAM-09": "decisions of a policy",
    "IAM-11": "sessions of people",
    "IAM-12": "emergency access",
    "IAM-13": "approvals",
    "INC-01": "incidents",
    "INC-02": "incidents",
    "INC-03": "resolved incidents",
    "LOG-07": "exports and reports of the log",
    "LOG-09": "retention shortened, sources switched off",
    "MON-01": "starts of the agent: sessions begin with `run.started`, not `agent.started`",
    "MON-04": "alerts",
    "PD-02": "processing that rests on consent",
    "PD-03": "withdrawals, objections, restrictions",
    "PD-04": "special categories and health data",
    "PD-07": "transfers on this ground: no event names a mechanism",
    "PD-08": "decisions about people",
    "PD-10": "the source of collected data: the 31 records made do not say it",
    "PD-11": "processing activities: no event names one",
    "PD-12": "registered processing activities",
    "PD-13": "children's data",
    "PHI-01": "health data",
    "PHI-02": "health data",
    "PHI-03": "health data",
    "PHI-04": "health data",
    "TOOL-03": "denials",
    "VUL-01": "vulnerabilities",
    "WF-01": "workflows",
    "WF-02": "workflows",
    "WF-03": "operation ids: calls with a side effect name none",
    "WF-04": "workflows",
}
"""What was not sent, of a check that found nothing."""


@pytest.fixture(scope="module")
def ledger() -> Recorded:
    """Return a ledger with the sessions, posted as history, two hours later."""
    folder = os.environ.get("OBS_SAMPLES")
    if not folder:
        pytest.skip(f"OBS_SAMPLES names no folder with {FILE}")
    lines = gzip.decompress((Path(folder) / FILE).read_bytes()).splitlines()
    events = [json.loads(line) for line in lines]
    recorded = Recorded()
    for start in range(0, len(events), POST_SIZE):
        recorded.post(events[start : start + POST_SIZE], received=POSTED, backfill=True)
    after = POSTED + timedelta(seconds=1)
    recorded.own("audit.chain_verified", after, integrity={"from_seq": 0, "to_seq": len(events)})
    recorded.own(
        "audit.retention_reported",
        after,
        integrity={"retention_days": 365, "oldest_seq": 0},
        details={"categories": {}, "data_classes": {"phi": 2192}},
    )
    queue: Mapping[str, Any] = {"queue_depth": 0, "max_lag_seconds": 1.4}
    recorded.own("system.queue_reported", after, system=queue)
    recorded.own("system.queue_reported", POSTED + timedelta(hours=2), system=queue)
    return recorded


@pytest.fixture(scope="module")
def results(ledger: Recorded) -> list[FrameworkResult]:
    return [ledger.evaluate(framework, *PERIOD) for framework in FRAMEWORKS]


@pytest.fixture(scope="module")
def found(ledger: Recorded, results: list[FrameworkResult]) -> list[Found]:
    return ledger.found(results)


def test_high_risk_calls_without_a_recorded_approval_fail(found: list[Found]) -> None:
    assert _numbers(found, "TOOL-01") == [("fail", 250, 250)]


def test_personal_data_to_a_provider_without_country_or_vendor_entry_fails(
    found: list[Found],
) -> None:
    whole = [one for one in _numbers(found, "PD-07") if one[1]]

    assert whole == [("fail", 2454, 2454)]
    assert _numbers(found, "PD-09") == [("fail", 2454, 2454)]
    assert _numbers(found, "VND-01") == [("fail", 30, 30)]


def test_what_was_never_reported_is_no_pass(found: list[Found]) -> None:
    empty = {each.result.state for each in found if not each.result.n}

    assert empty == {"no_data", "not_occurred", "pending"}


def test_no_score_exceeds_the_cap_of_a_critical_failure(results: list[FrameworkResult]) -> None:
    for result in results:
        assert result.numbers.cap == 49
        assert result.numbers.assured is not None
        assert result.numbers.assured <= 49


def test_the_document_explains_every_result(
    results: list[FrameworkResult], found: list[Found]
) -> None:
    text = DOCUMENT.read_text()

    for rows in tables(results, found):
        assert "\n".join(rows) + "\n" in text


def tables(results: list[FrameworkResult], found: list[Found]) -> list[list[str]]:
    """Return the rows of the document's tables: scores, what was judged, what was not there."""
    judged = [each for each in found if each.result.n or each.result.pending]
    empty = [each for each in found if not each.result.n and not each.result.pending]
    return [
        [result_row(result) for result in results],
        [each.row(JUDGED[each.result.check]) for each in judged],
        [
            f"| {each.result.check} | {each.result.state} | {each.where}"
            f" | {ABSENT[each.result.check]} | {each.result.reason} |"
            for each in empty
        ],
    ]


def _numbers(found: list[Found], check: str) -> list[tuple[str, int, int]]:
    return [
        (each.result.state, each.result.n, each.result.f)
        for each in found
        if each.result.check == check
    ]
