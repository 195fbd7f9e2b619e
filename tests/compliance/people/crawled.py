"""One row of each kind that people make, for the tests that visit every page."""

from __future__ import annotations

import uuid
from hashlib import sha256

from audit.models import Ledger
from compliance.finding import FindingOpened, open_finding
from compliance.models import UploadedFramework
from compliance.nil_return import sign_nil_return
from compliance.review import complete_review
from compliance.statement import Attached, prepare_statement
from compliance.waiver import WaiverAsked, ask_waiver
from tests.compliance.people.desk import CATALOGUE, a_draft, in_days, officer


def people_rows(ledger: Ledger) -> dict[str, int]:
    """Make a row of each kind and return its number by the name that addresses give it."""
    alice = officer()
    waiver = WaiverAsked(
        framework="house",
        control="C2",
        check="PACE-01",
        items=(),
        reason="a test",
        risk="none",
        compensating="all of it",
        expires_on=in_days(10),
    )
    finding = FindingOpened(
        framework="house",
        control="C1",
        check="",
        item="",
        title="a test",
        owner=alice.name,
        due=in_days(10),
    )
    attached = Attached(name="policy.txt", content=b"a policy")
    return {
        "decision": ask_waiver(ledger, CATALOGUE, waiver, by=alice).id,
        "finding": open_finding(ledger, CATALOGUE, finding, by=alice).id,
        "nilreturn": sign_nil_return(
            ledger,
            CATALOGUE,
            check="SAFE-01",
            first=in_days(-3),
            last=in_days(0),
            text="none",
            by=alice,
        ).id,
        "review": complete_review(
            ledger, scope="a test", items=1, findings=0, note="well", by=alice
        ).id,
        "statement": prepare_statement(
            ledger, CATALOGUE, a_draft(), by=alice, attached=attached
        ).id,
        "uploadedframework": an_ended_upload().id,
    }


def an_ended_upload() -> UploadedFramework:
    """Return an upload that was in force once."""
    body = b"schema: obs-framework/1\n"
    return UploadedFramework.objects.create(
        name=f"house-{uuid.uuid4().hex[:8]}",
        version="1.0",
        title="House rules",
        controls=1,
        body=body,
        sha256=sha256(body).hexdigest(),
        is_in_force=False,
        uploaded_by="tests",
        ended_by="tests",
    )
