"""The rows of sealed results, of people's work, and of reports. Tables and grants: compliance/sql/.

Django describes them here for reading and for the admin; it never makes or changes them. What
checks found (compliance_lens … compliance_act) is a projection without models: tallied.py.
"""

from compliance.models.approvals import ApprovalAnswer as ApprovalAnswer
from compliance.models.approvals import ApprovalRequest as ApprovalRequest
from compliance.models.people import Decision as Decision
from compliance.models.people import Finding as Finding
from compliance.models.people import NilReturn as NilReturn
from compliance.models.people import Review as Review
from compliance.models.people import Statement as Statement
from compliance.models.people import StatementQuerySet as StatementQuerySet
from compliance.models.people import UploadedFramework as UploadedFramework
from compliance.models.reports import Delivery as Delivery
from compliance.models.reports import Report as Report
from compliance.models.reports import ReportFile as ReportFile
from compliance.models.reports import Sample as Sample
from compliance.models.reports import SampleItem as SampleItem
from compliance.models.reports import Schedule as Schedule
from compliance.models.reports import Slot as Slot
from compliance.models.snapshots import Snapshot as Snapshot
from compliance.models.snapshots import SnapshotQuerySet as SnapshotQuerySet
