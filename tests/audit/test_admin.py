"""What the admin shows, to whom, and what nobody can do in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import URLPattern, URLResolver, reverse

from audit.admin.entries import EntryAdmin
from audit.append import append_pending
from audit.database import raw_connection
from audit.destination import make as make_destination
from audit.erase import ask_for_erasure
from audit.ledgers import open_ledger
from audit.models import AgentKey, Destination, Entry, Erasure, Export, Ledger, Quarantine
from audit.project import catch_up_all
from audit.retain import propose_purge
from audit.runs import ask_for_run
from audit.seal import seal
from audit.signer import make_key as make_signing_key
from compliance.snapshot import seal_snapshot
from tests.audit.erasing import about
from tests.audit.exporting import ask
from tests.audit.legal import hold
from tests.compliance.people.crawled import people_rows
from tests.compliance.reporting import ask as ask_for_a_report
from tests.compliance.results import a_result
from tests.compliance.scheduling import scheduled
from tests.conftest import chain, entries, make_event, post
from tests.tracing.spans import agent_run, keep_trace, now_ns

pytestmark = pytest.mark.usefixtures("alone_as_module")

ENTRIES = "/admin/audit/entry/"
KEYS = "/admin/audit/agentkey/"
WHO = ("anonymous", "nobody", "auditor", "administrator", "superuser")


@pytest.fixture(autouse=True)
def main_ledger(database: None) -> None:
    """Every installation has its own ledger; the strip shows it."""
    open_ledger(settings.LEDGER)


def make_client(who: str, *, enforce_csrf_checks: bool = False) -> Client:
    client = Client(enforce_csrf_checks=enforce_csrf_checks)
    if who == "anonymous":
        return client
    user = User.objects.create_user(f"{who}-{uuid.uuid4().hex[:8]}", is_staff=True)
    if who == "superuser":
        user.is_superuser = True
        user.save()
    elif who != "nobody":
        user.groups.add(Group.objects.get(name=who))
    client.force_login(user)
    return client


@pytest.fixture
def auditor(database: None) -> Client:
    return make_client("auditor")


@pytest.fixture
def administrator(database: None) -> Client:
    return make_client("administrator")


def get(client: Client, address: str) -> str:
    answer = client.get(address, follow=True)
    assert answer.status_code == 200, address
    return answer.content.decode()


def seqs(page: str) -> list[int]:
    return [
        int(found.replace(",", ""))
        for found in re.findall(r'data-open href="[^"]+">([\d,]+)<', page)
    ]


def link(page: str, relation: str) -> str | None:
    found = re.search(rf'rel="{relation}"[^>]*?href="([^"]+)"', page)
    return html.unescape(found[1]) if found else None


# --- Who may what: every address -----------------------------------------------------------------


# Each cell: the answer to GET, then to POST, for each of WHO. 302 for anonymous is the log-in page.
EXPECTED: dict[str, tuple[str, str, str, str, str]] = {
    "app_list": ("302 302", "404 404", "200 200", "200 200", "200 200"),
    "audit_agentkey_add": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "audit_agentkey_change": ("302 302", "403 405", "403 405", "200 405", "200 405"),
    "audit_agentkey_changelist": ("302 302", "403 405", "403 405", "200 405", "200 405"),
    "audit_agentkey_revoke": ("302 302", "403 403", "403 403", "200 302", "200 302"),
    "audit_agentkey_pause": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "audit_agent_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_agent_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_destination_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_destination_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_destination_edit": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "audit_destination_new": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "audit_destination_pause": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_destination_remove": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_destination_replay": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_destination_resume": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_destination_test": ("302 302", "403 403", "403 403", "405 200", "405 200"),
    "audit_entry_at": ("302 302", "403 403", "302 405", "302 405", "302 405"),
    "audit_entry_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_entry_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_entry_go": ("302 302", "403 403", "302 405", "302 405", "302 405"),
    "audit_entry_proof": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_entry_record": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_erasure_access": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "audit_erasure_ask": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "audit_erasure_cancel": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_erasure_certificate_pdf": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "audit_erasure_certificate_text": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "audit_erasure_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_erasure_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_erasure_confirm": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "audit_erasure_entries": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_erasure_find": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "audit_erasure_progress": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_export_cancel": ("302 302", "403 403", "405 403", "405 302", "405 302"),
    "audit_export_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_export_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_export_new": ("302 302", "403 403", "200 400", "200 400", "200 400"),
    "audit_export_progress": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_export_resume": ("302 302", "403 403", "405 403", "405 302", "405 302"),
    "audit_hold_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_hold_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_hold_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "audit_hold_release": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "audit_ledger_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_ledger_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_ledger_public": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_ledger_verify": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_proof_at": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_purgeplan_approve": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "audit_purgeplan_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_purgeplan_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_purgeplan_clear_policy": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_purgeplan_progress": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_purgeplan_propose": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_purgeplan_set_policy": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_purgeplan_withdraw": ("302 302", "403 403", "403 403", "405 302", "405 409"),
    "audit_quarantine_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_quarantine_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_quarantine_content": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_quarantine_replay": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "audit_quarantine_resolve": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "audit_verification_cancel": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "audit_verification_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_verification_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_verification_progress": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "audit_verification_resume": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "auth_group_add": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_group_change": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_group_changelist": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_group_delete": ("302 302", "403 403", "403 403", "403 403", "403 403"),
    "auth_group_history": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_user_add": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_user_change": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_user_changelist": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_user_delete": ("302 302", "403 403", "403 403", "403 403", "403 403"),
    "auth_user_history": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "auth_user_password_change": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "autocomplete": ("302 302", "403 405", "403 405", "403 405", "403 405"),
    "compliance_approvalrequest_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "compliance_approvalrequest_changelist": (
        "302 302",
        "403 403",
        "200 405",
        "200 405",
        "200 405",
    ),
    "compliance_approvalrequest_deny": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "compliance_approvalrequest_grant": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "compliance_decision_approve": ("302 302", "403 403", "403 403", "405 302", "405 409"),
    "compliance_decision_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_decision_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_decision_deny": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_decision_end": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_decision_new_applies": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "compliance_decision_new_scope": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "compliance_decision_new_waiver": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "compliance_expiring_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_finding_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_finding_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_finding_close": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_finding_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "compliance_finding_retest": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_nilreturn_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_nilreturn_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_nilreturn_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "compliance_nilreturn_withdraw": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_report_cancel": ("302 302", "403 403", "405 403", "405 302", "405 302"),
    "compliance_report_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_report_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_report_compare": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "compliance_report_new": ("302 302", "403 403", "200 400", "200 400", "200 400"),
    "compliance_report_progress": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_report_retry": ("302 302", "403 403", "405 403", "405 302", "405 302"),
    "compliance_report_send": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "compliance_review_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_review_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_review_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "compliance_score_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_score_check": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_score_control": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_score_framework": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_score_item": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "compliance_score_items": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "compliance_sample_again": ("302 302", "403 403", "405 404", "405 404", "405 404"),
    "compliance_sample_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "compliance_sample_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_sample_conclude": ("302 302", "403 403", "405 404", "405 404", "405 404"),
    "compliance_sample_file": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "compliance_sample_new": ("302 302", "403 403", "404 404", "404 404", "404 404"),
    "compliance_sample_tick": ("302 302", "403 403", "405 404", "405 404", "405 404"),
    "compliance_schedule_again": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_schedule_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_schedule_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_schedule_edit": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "compliance_schedule_new": ("302 302", "403 403", "403 403", "200 200", "200 200"),
    "compliance_schedule_pause": ("302 302", "403 403", "403 403", "405 302", "405 409"),
    "compliance_schedule_remove": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "compliance_schedule_resume": ("302 302", "403 403", "403 403", "405 302", "405 409"),
    "compliance_schedule_test": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "compliance_snapshot_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_snapshot_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_snapshot_result": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_statement_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_statement_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_statement_discard": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_statement_file": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_statement_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "compliance_statement_sign": ("302 302", "403 403", "403 403", "405 302", "405 409"),
    "compliance_statement_withdraw": ("302 302", "403 403", "403 403", "405 409", "405 409"),
    "compliance_uploadedframework_change": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_uploadedframework_changelist": (
        "302 302",
        "403 403",
        "200 405",
        "200 405",
        "200 405",
    ),
    "compliance_uploadedframework_end": ("302 302", "403 403", "403 403", "405 302", "405 302"),
    "compliance_uploadedframework_limit": ("302 302", "403 403", "403 403", "404 404", "404 404"),
    "compliance_uploadedframework_limits": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_uploadedframework_text": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "compliance_uploadedframework_upload": ("302 302", "403 403", "403 403", "405 400", "405 400"),
    "compliance_waiver_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_alertrule_back": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_alertrule_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_alertrule_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_alertrule_edit": ("302 302", "403 403", "403 403", "404 404", "404 404"),
    "metrics_alertrule_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_alertrule_switch": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_anomaly_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_anomaly_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_anomaly_judge": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_incident_acknowledge": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_incident_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_incident_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_incident_link": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_incident_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_incident_note": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_incident_reopen": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_incident_resolve": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_incident_review": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_receiver_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_receiver_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_receiver_end": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_receiver_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_receiver_try": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_remedy_decide": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_budget_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_budget_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_budget_edit": ("302 302", "403 403", "403 403", "404 404", "404 404"),
    "metrics_budget_end": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_budget_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_custommetric_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_custommetric_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_custommetric_end": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_custommetric_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_objective_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_objective_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_objective_edit": ("302 302", "403 403", "403 403", "404 404", "404 404"),
    "metrics_objective_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_objective_remove": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_operations_advice": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_agent": ("302 302", "403 403", "302 405", "302 405", "302 405"),
    "metrics_operations_agents": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_compare": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_errors": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_models": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_people": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_platform": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_resources": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_security": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_operations_tools": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_price_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_price_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_price_csv": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_price_download": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_price_new": ("302 302", "403 403", "403 403", "200 400", "200 400"),
    "metrics_price_remove": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "metrics_runbook": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_switch_change": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "metrics_switch_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "metrics_switch_switch": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "overview_live": ("302 302", "403 405", "200 405", "200 405", "200 405"),
    "pieces": ("302 302", "404 405", "404 405", "404 405", "404 405"),
    "index": ("302 302", "200 200", "200 200", "200 200", "200 200"),
    "jsi18n": ("302 302", "200 405", "200 405", "200 405", "200 405"),
    "login": ("200 200", "302 200", "302 200", "302 200", "302 200"),
    "logout": ("302 302", "405 200", "405 200", "405 200", "405 200"),
    "password_change": ("302 302", "200 200", "200 200", "200 200", "200 200"),
    "password_change_done": ("302 302", "200 405", "200 405", "200 405", "200 405"),
    "search": ("302 302", "200 200", "200 200", "200 200", "200 200"),
    "view_on_site": ("302 302", "404 404", "404 404", "404 404", "404 404"),
    "tracing_capture_end": ("302 302", "403 403", "403 403", "405 404", "405 404"),
    "tracing_capture_start": ("302 302", "403 403", "403 403", "405 400", "405 400"),
    "tracing_line_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "tracing_profile_change": ("302 302", "403 403", "403 403", "404 405", "404 405"),
    "tracing_profile_changelist": ("302 302", "403 403", "403 403", "200 405", "200 405"),
    "tracing_span_at": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "tracing_trace_at": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "tracing_trace_change": ("302 302", "403 403", "302 405", "302 405", "302 405"),
    "tracing_trace_changelist": ("302 302", "403 403", "200 405", "200 405", "200 405"),
    "tracing_trace_read": ("302 302", "403 403", "405 400", "405 400", "405 400"),
    "tracing_trace_session": ("302 302", "403 403", "404 405", "404 405", "404 405"),
    "tracing_trace_spans": ("302 302", "403 403", "200 405", "200 405", "200 405"),
}


def ask_for_some_export(ledger: Ledger) -> Export:
    """Sign the ledger's head and put an export of it into the queue."""
    make_signing_key(ledger.name, origin=ledger.origin)
    seal(ledger)
    return ask(ledger, "ndjson")


def make_some_destination(ledger: Ledger) -> Destination:
    """Make a destination of the ledger that is a folder of the tests."""
    return make_destination(
        ledger,
        name="crawl",
        kind="file",
        address="crawl",
        options={},
        secret="",
        from_seq=None,
        by="tests",
    )


def ask_for_some_erasure(ledger: Ledger) -> Erasure:
    """Name a data subject and ask to erase it."""
    post(ledger, [about("crawled")])
    return ask_for_erasure(ledger, "crawled", case_id="DSR-1", reason="a letter", by="alice")


def addresses() -> dict[str, str]:
    """Return every address of the admin by name, with its arguments filled in."""
    ledger = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    event = make_event()
    (entry,) = chain(ledger, [event])
    post(ledger, [event | {"outcome": "failure"}])
    catch_up_all(ledger.id)
    key = AgentKey.objects.create(
        key_id=uuid.uuid4().hex[:8],
        ledger=ledger,
        name="crawl",
        secret_hmac=bytes(32),
        scopes=["events:write"],
        created_by="tests",
    )
    person = User.objects.create_user(f"person-{uuid.uuid4().hex[:8]}")
    role = Group.objects.create(name=f"role-{uuid.uuid4().hex[:8]}")
    spans = agent_run(at_ns=now_ns())
    trace_id = keep_trace(raw_connection(), ledger.id, spans)
    ids = {
        "trace": trace_id,
        "entry": entry.hash,
        "agentkey": key.key_id,
        "user": person.pk,
        "group": role.pk,
        "ledger": ledger.name,
        "quarantine": Quarantine.objects.get(ledger=ledger).id,
        "verification": ask_for_run(ledger),
        "export": ask_for_some_export(ledger).id,
        "erasure": ask_for_some_erasure(ledger).id,
        "hold": hold(ledger).id,
        "purgeplan": propose_purge(ledger, reason="a test", by="tests").id,
        **people_rows(ledger),
        "destination": make_some_destination(ledger).id,
        "report": ask_for_a_report(ledger, "json").id,
        "schedule": scheduled(ledger).id,
        "snapshot": seal_snapshot(ledger, a_result(ledger=ledger.name), kind="period").id,
    }
    found = {}
    for pattern in _patterns(admin.site.urls[0]):
        if pattern.name is None:  # the old addresses that send on to /change/
            continue
        wanted = set(pattern.pattern.converters) or set(pattern.pattern.regex.groupindex)
        model = pattern.name.split("_")[1] if "_" in pattern.name else ""
        known: dict[str, Any] = {
            "ledger": ledger.name,
            "seq": 0,
            "app_label": "audit",
            "content_type_id": 1,
            "key_id": key.key_id,
            "url": "nowhere",
            "framework": "soc2",
            "control": "CC2.1",
            "delivery_id": 1,
            "remedy_id": 1,
            "trace_id": trace_id,
            "span_id": spans[0].span_id,
            "position": 1,
            "check": "LOG-04",
            "id": person.pk,
            "object_id": ids.get(model, 1),
        }
        arguments = {name: known[name] for name in wanted}
        found[pattern.name] = reverse(f"admin:{pattern.name}", kwargs=arguments)
    found["audit_agent_change"] += f"?id={entry.agent_id}"  # an id may hold any character
    return found


def _patterns(tree: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for one in tree:
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns)
        else:
            yield one


class Unrendered:
    """Leaves the text of a page away for who only asks how it is answered; a middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: TemplateResponse
    ) -> TemplateResponse:
        if not request.path.startswith("/admin/auth/"):
            response.content = b""
        return response


def make_asker(who: str) -> Client:
    """Return the client of a role.

    A superuser's pages say what the administrator's say, which are drawn, except for people: to
    draw them a second time is a third of the work and finds nothing.
    """
    client = make_client(who)
    if who == "superuser":
        with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{__name__}.Unrendered"]):
            client.handler.load_middleware()
    return client


def test_every_address_answers_each_role_as_the_table_says(database: None) -> None:
    found: dict[str, dict[str, str]] = {}
    asking = {who: make_asker(who) for who in WHO}
    for name, address in addresses().items():
        found[name] = {}
        for who in WHO:
            answers = []
            for method in ("get", "post"):
                answers.append(str(getattr(asking[who], method)(address).status_code))
            found[name][who] = " ".join(answers)
            if name == "logout":
                asking[who] = make_asker(who)

    assert found == {name: dict(zip(WHO, row, strict=True)) for name, row in EXPECTED.items()}


def test_nobody_may_add_change_or_delete_an_entry(database: None, rf: Any) -> None:
    page = EntryAdmin(Entry, admin.site)
    request = rf.get("/")
    request.user = User.objects.create_superuser(f"root-{uuid.uuid4().hex[:8]}")

    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
    assert page.get_actions(request) == {}


def test_forms_without_a_token_are_refused(database: None) -> None:
    client = make_client("administrator", enforce_csrf_checks=True)

    answer = client.post(f"{KEYS}add/", {"name": "x"})

    assert answer.status_code == 403


def test_an_administrator_makes_no_superuser_and_touches_none(administrator: Client) -> None:
    root = User.objects.create_superuser(f"root-{uuid.uuid4().hex[:8]}", password="long-enough-1")
    bob = User.objects.create_user(f"bob-{uuid.uuid4().hex[:8]}")
    form = {"username": bob.username, "is_active": "on", "is_superuser": "on"}

    administrator.post(f"/admin/auth/user/{bob.pk}/change/", form)
    touched = administrator.post(f"/admin/auth/user/{root.pk}/change/", {"username": "mine"})
    password = administrator.post(
        f"/admin/auth/user/{root.pk}/password/",
        {"password1": "mine-mine-123", "password2": "mine-mine-123"},
    )

    bob.refresh_from_db()
    root.refresh_from_db()
    assert not bob.is_superuser
    assert touched.status_code == 403
    assert password.status_code == 403
    assert root.check_password("long-enough-1")


# --- The list ------------------------------------------------------------------------------------


def test_pages_hold_every_entry_once_in_both_directions(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(60)])

    down, page, up = [], get(auditor, f"{ENTRIES}?ledger={ledger.name}"), []
    down += seqs(page)
    while older := link(page, "next"):
        page = get(auditor, older)
        down += seqs(page)
    up = seqs(page)
    while newer := link(page, "prev"):
        page = get(auditor, newer)
        up = seqs(page) + up

    assert down == list(range(59, -1, -1))
    assert up == down


def test_a_page_neither_counts_nor_skips(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(60)])

    with CaptureQueriesContext(
        connection,
    ) as queries:
        get(auditor, f"{ENTRIES}?ledger={ledger.name}&after=40&outcome=success")

    statements = [query["sql"].upper() for query in queries if "AUDIT_" in query["sql"].upper()]
    assert any("AUDIT_ENTRY" in statement for statement in statements)
    assert not [one for one in statements if "COUNT(" in one or "OFFSET" in one]
    assert len(queries) <= 12


def test_the_total_is_the_size_of_the_chain(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(3)])

    assert f"3 entries in {ledger.name}" in get(auditor, f"{ENTRIES}?ledger={ledger.name}")


def test_the_address_is_the_filter(auditor: Client, ledger: Ledger) -> None:
    chain(
        ledger,
        [
            make_event(outcome="denied"),
            make_event(),
            make_event(outcome="error", error={"type": "T"}),
        ],
    )

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}&outcome=denied&outcome=error")

    assert seqs(page) == [2, 0]
    assert "Remove the filter outcome denied" in page


@pytest.mark.parametrize(
    "query", ["from=yesterday", "colour=red", "after=x", "outcome=good", "from=2026-10-01"]
)
def test_a_filter_that_cannot_be_read_shows_nothing(
    auditor: Client, ledger: Ledger, query: str
) -> None:
    chain(ledger, [make_event()])

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}&{query}")

    assert seqs(page) == []
    assert 'role="alert"' in page
    assert f"<strong>{query.split('=')[0]}</strong>" in page


def test_an_empty_ledger_teaches_how_to_fill_it(auditor: Client, ledger: Ledger) -> None:
    page = html.unescape(get(auditor, f"{ENTRIES}?ledger={ledger.name}"))

    assert "curl http://testserver/api/v1/events" in page


def test_what_an_agent_sent_is_text_and_nothing_else(auditor: Client, ledger: Ledger) -> None:
    hostile = "<script>alert(1)</script>"
    event = make_event(
        agent={"id": hostile, "name": hostile},
        actor={"type": "human", "id": "\u202eadmin"},
        target={"type": hostile, "id": '"><img src=x onerror=alert(1)>'},
        details={hostile: [hostile, {hostile: "\u2066x"}]},
    )
    (entry,) = chain(ledger, [event])

    for address in (f"{ENTRIES}?ledger={ledger.name}", f"{ENTRIES}{entry.hash}/change/"):
        page = get(auditor, address)
        assert hostile not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page
        assert "⟨U+202E⟩admin" in page


def test_pages_allow_no_inline_script(auditor: Client, ledger: Ledger) -> None:
    (entry,) = chain(ledger, [make_event()])

    answer = auditor.get(f"{ENTRIES}{entry.hash}/change/")

    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", answer.content.decode())
    assert scripts == []
    assert "script-src 'self' 'unsafe-eval';" in answer.headers["Content-Security-Policy"]


# --- One entry -----------------------------------------------------------------------------------


def test_an_entry_is_found_by_seq_by_hash_and_by_the_box(auditor: Client, ledger: Ledger) -> None:
    _, entry = chain(ledger, [make_event(), make_event()])
    permalink = f"{ENTRIES}{entry.hash}/change/"

    assert_leads_to(auditor.get(f"{ENTRIES}{ledger.name}/1/"), permalink)
    for typed in ("1", "%231", entry.hash, entry.hash.upper()):
        assert_leads_to(auditor.get(f"{ENTRIES}go/?ledger={ledger.name}&q={typed}"), permalink)
    assert auditor.get(permalink).status_code == 200


def assert_leads_to(answer: Any, address: str) -> None:
    assert (answer.status_code, answer.headers.get("Location")) == (302, address)


@pytest.mark.parametrize("typed", ["", "99", "no-hash", "9" * 40, "f" * 64, "²"])
def test_the_box_says_what_it_does_not_find(auditor: Client, ledger: Ledger, typed: str) -> None:
    page = auditor.get(f"{ENTRIES}go/", {"ledger": ledger.name, "q": typed}, follow=True)

    assert page.status_code == 200
    assert "the 64 digits of a hash" in page.content.decode()


def test_the_page_carries_the_exact_bytes(auditor: Client, ledger: Ledger) -> None:
    (entry,) = chain(ledger, [make_event(details={"said": "naïve 😀 日本\u2028"})])

    page = get(auditor, f"{ENTRIES}{entry.hash}/change/")
    download = auditor.get(f"{ENTRIES}{entry.hash}/record/")

    found = re.search(r'data-record="([^"]+)"', page)
    assert found is not None
    assert base64.b64decode(found[1]) == bytes(entry.record) == download.content
    assert hashlib.sha256(b"\0" + download.content).hexdigest() == entry.hash


def test_the_page_names_its_neighbours_and_what_prev_must_be(
    auditor: Client, ledger: Ledger
) -> None:
    first, middle, last = chain(ledger, [make_event() for _ in range(3)])

    page = get(auditor, f"{ENTRIES}{middle.hash}/change/")

    assert f'data-prev="{first.hash}"' in page
    assert f"{ENTRIES}{last.hash}/change/" in page
    assert f'data-prev="{"0" * 64}"' in get(auditor, f"{ENTRIES}{first.hash}/change/")


def test_the_page_begins_with_a_sentence(auditor: Client, ledger: Ledger) -> None:
    event = make_event(
        actor={
            "type": "agent",
            "id": "alice-agent",
            "on_behalf_of": {"type": "human", "id": "bob"},
        },
        target={"type": "reservation", "id": "I57WUD"},
    )
    (entry,) = chain(ledger, [event])

    said = "alice-agent ran tool.invoke on reservation I57WUD for human bob: success"
    assert said in get(auditor, f"{ENTRIES}{entry.hash}/change/")


@pytest.mark.parametrize(
    "address", ["f" * 64 + "/change/", "zz/change/", "main/99999999999999999999/", "none/0/"]
)
def test_an_unknown_entry_is_a_page_that_says_so(auditor: Client, address: str) -> None:
    answer = auditor.get(f"{ENTRIES}{address}")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


# --- What is proven ------------------------------------------------------------------------------


def verified(
    ledger: Ledger, *, start: int, end: int, result: str, bad: tuple[int, str] | None = None
) -> None:
    """Note a finished run over the seqs from `start` up to, not including, `end`."""
    bad_seq, bad_field = bad or (None, "")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_verification (ledger_id, kind, state, from_seq, to_seq, checked,"
            " started_at, finished_at, result, bad_seq, bad_field)"
            " VALUES (%s, 'manual', 'done', %s, %s, %s, now(), now(), %s, %s, %s)",
            [ledger.id, start, end, end - start, result, bad_seq, bad_field],
        )


def states(page: str) -> list[str]:
    found = re.findall(r"obs-hash.*?obs-badge[^>]*>.*?</span>([a-z ]+)</span>", page, re.DOTALL)
    return [word.strip() for word in found]


def test_only_entries_inside_an_intact_run_are_called_verified(
    auditor: Client, ledger: Ledger
) -> None:
    chain(ledger, [make_event() for _ in range(4)])
    verified(ledger, start=0, end=3, result="intact")

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}")

    assert states(page) == ["chained", "verified", "verified", "verified"]
    assert re.search(r"verified to <a [^>]*>#2</a>", page)


def test_a_broken_ledger_says_where_on_every_page_of_it(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(3)])
    verified(ledger, start=0, end=3, result="tampered", bad=(1, "hash"))

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}")

    assert states(page) == ["chained", "tampered", "chained"]
    assert f"{ENTRIES}{ledger.name}/1/" in page
    assert "field hash" in page


# --- API keys ------------------------------------------------------------------------------------


def send_key_form(client: Client, ledger: Ledger, **more: Any) -> Any:
    once = re.search(r'name="once" value="([^"]+)"', get(client, f"{KEYS}add/"))
    assert once is not None
    form = {
        "once": once[1],
        "name": "alice",
        "ledger": ledger.pk,
        "scopes": ["events:write"],
    } | more
    return client.post(f"{KEYS}add/", form)


def test_a_secret_is_shown_once_and_works(administrator: Client, ledger: Ledger) -> None:
    answer = send_key_form(administrator, ledger)

    token = re.search(r"obs_live_\w{8}_\w{43}_\w{6}", answer.content.decode())
    assert token is not None
    assert "no-store" in answer.headers["Cache-Control"]
    key = AgentKey.objects.get(ledger=ledger)
    assert token[0] not in get(administrator, f"{KEYS}{key.key_id}/change/")
    assert token[0] not in get(administrator, KEYS)
    posted = Client().post(
        "/api/v1/events",
        json.dumps(make_event()),
        content_type="application/json",
        headers={"authorization": f"Bearer {token[0]}"},
    )
    assert posted.status_code == 202


def test_sending_the_form_again_makes_no_second_key(administrator: Client, ledger: Ledger) -> None:
    once = re.search(r'name="once" value="([^"]+)"', get(administrator, f"{KEYS}add/"))
    assert once is not None
    form = {"once": once[1], "name": "alice", "ledger": ledger.pk, "scopes": ["events:write"]}

    administrator.post(f"{KEYS}add/", form)
    again = administrator.post(f"{KEYS}add/", form)

    assert again.status_code == 302
    assert AgentKey.objects.filter(ledger=ledger).count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"scopes": []},
        {"scopes": ["all"]},
        {"expires_on": "2020-01-01"},
        {"events_per_day": "0"},
    ],
)
def test_a_wrong_form_makes_no_key_and_says_why(
    administrator: Client, ledger: Ledger, wrong: dict[str, Any]
) -> None:
    page = send_key_form(administrator, ledger, **wrong).content.decode()

    assert "No key was made" in page
    assert "obs-error" in page
    assert not AgentKey.objects.filter(ledger=ledger).exists()


def test_making_and_revoking_a_key_are_entries(administrator: Client, ledger: Ledger) -> None:
    send_key_form(administrator, ledger)
    key = AgentKey.objects.get(ledger=ledger)

    asked = get(administrator, f"{KEYS}{key.key_id}/revoke/")
    administrator.post(f"{KEYS}{key.key_id}/revoke/")

    append_pending(ledger.id)
    key.refresh_from_db()
    assert "cannot be undone" in asked
    assert key.state() == "revoked"
    assert [one.action for one in entries(ledger)] == ["credential.issued", "credential.revoked"]
    assert "revoked" in get(administrator, KEYS)


def test_a_key_is_paused_with_a_reason_and_resumed_with_one(
    administrator: Client, ledger: Ledger
) -> None:
    send_key_form(administrator, ledger)
    key = AgentKey.objects.get(ledger=ledger)
    address = f"{KEYS}{key.key_id}/pause/"

    without = administrator.post(address, {"act": "pause", "reason": " "})
    administrator.post(address, {"act": "pause", "reason": "It spends at night"})
    administrator.post(address, {"act": "pause", "reason": "Sent twice"})
    key.refresh_from_db()
    state, asked = key.state(), get(administrator, address)
    administrator.post(address, {"act": "resume", "reason": "It was the migration"})

    append_pending(ledger.id)
    key.refresh_from_db()
    assert "is needed" in without.content.decode()
    assert (state, key.state()) == ("paused", "live")
    assert "Resume the key" in asked
    assert [one.action for one in entries(ledger)] == [
        "credential.issued", "credential.paused", "credential.resumed",
    ]  # fmt: skip


def test_the_auditor_reads_evidence_and_sees_no_keys(auditor: Client) -> None:
    page = get(auditor, "/admin/")

    assert ENTRIES in page
    assert KEYS not in page
    assert "/admin/auth/" not in page
