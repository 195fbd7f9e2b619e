"""What Meridian Mutual does with people's data: the activities of its record of processing.

An agent's use of personal data names one of these, and takes legal basis, purpose and fields from
it; `foundation.py` registers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """A processing activity (GDPR Art. 30)."""

    id: str
    purposes: tuple[str, ...]
    """The first is what an act is for unless it says otherwise."""
    classes: tuple[str, ...]
    fields: tuple[str, ...]
    subjects: tuple[str, ...]
    recipients: tuple[str, ...]
    legal_basis: str
    art9_condition: str | None = None
    retention: str = "6 years after the contract ends"
    high_risk: bool = False

    def use(self, *, purpose: str | None = None) -> dict[str, Any]:
        """Return the members of a `data` block that every use under this activity has."""
        said: dict[str, Any] = {
            "classes": list(self.classes),
            "purpose": purpose or self.purposes[0],
            "legal_basis": self.legal_basis,
            "processing_activity_id": self.id,
        }
        if self.art9_condition is not None:
            said["art9_condition"] = self.art9_condition
        return said

    def registered(self) -> dict[str, Any]:
        """Return the block of `processing.activity_registered`."""
        return {
            "controller": "Meridian Mutual, Hamburg",
            "purposes": list(self.purposes),
            "subject_categories": list(self.subjects),
            "data_categories": list(self.classes),
            "fields": list(self.fields),
            "recipients": list(self.recipients),
            "retention": self.retention,
            "security_measures": "encryption in transit and at rest, roles, this audit log",
            "transfers": ["none outside the EEA"] if "phi" not in self.classes else ["US: none"],
            "high_risk": self.high_risk,
            "role": "controller",
        }


CARE = Activity(
    id="pa-support",
    purposes=("customer_care", "complaint_handling", "data_subject_request"),
    classes=("pii",),
    fields=("name", "email", "phone", "address", "policy_number", "claim_status", "payments"),
    subjects=("policyholders",),
    recipients=("aurora", "postal-service"),
    legal_basis="contract",
)
CLAIMS = Activity(
    id="pa-health-claims",
    purposes=("payment", "treatment", "operations"),
    classes=("pii", "phi"),
    fields=(
        "member_id",
        "name",
        "birth_date",
        "diagnosis_codes",
        "procedure_codes",
        "provider",
        "charges",
        "coverage",
    ),
    subjects=("members of the Ohio health plan",),
    recipients=("cedar-health", "st-brigid-hospital", "lakeside-clinic"),
    legal_basis="contract",
    art9_condition="explicit_consent",
    high_risk=True,
)
PAYING = Activity(
    id="pa-payments",
    purposes=("pay_claims", "pay_suppliers", "fraud_prevention"),
    classes=("pii", "financial"),
    fields=("payee", "iban", "amount", "reference"),
    subjects=("payees",),
    recipients=("aurora", "nordbank"),
    legal_basis="contract",
)
STUDIES = Activity(
    id="pa-market-research",
    purposes=("market_research",),
    classes=("pii",),
    fields=("age_band", "postcode", "answers"),
    subjects=("survey panel",),
    recipients=("aurora",),
    legal_basis="consent",
    retention="24 months",
)
PROFILING = Activity(
    id="pa-lapse-prediction",
    purposes=("lapse_prediction",),
    classes=("pii",),
    fields=("age_band", "policy_number", "payments", "claim_status"),
    subjects=("policyholders",),
    recipients=("aurora",),
    legal_basis="legitimate_interests",
    high_risk=True,
)
"""Registered as high risk, and used, without an impact assessment: planted."""

ACTIVITIES = (CARE, CLAIMS, PAYING, STUDIES, PROFILING)
