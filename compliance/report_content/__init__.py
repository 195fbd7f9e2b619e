"""What a report says, whatever form it takes: the one tree that every renderer reads. Pure.

Made once from a sealed snapshot and the entries up to its head (report_build.py), stored as
canonical JSON, and rendered from there: the same snapshot gives the same content, the same content
the same bytes. Whoever has an evidence bundle makes the same tree of it. So nothing here depends on
the clock, on the machine, or on the order in which rows came: times are the entries' own, the time
of issue is that of the snapshot's entry, lists have an order that is said.

Numbers of a score are text as `result.shown` writes them; there is no fractional number in the
tree. Times are `2026-10-04T00:00:00.000000Z`, days `2026-10-04`, hashes hex. What may be long is a
`Listing`: the first rows and how many there are in all; the whole list is then in the annex that it
names, never cut in silence.

Who fills it: report_build.py and its neighbours. Who reads it: compliance/renderers/.
"""

from compliance.report_content.cover import AgentLine as AgentLine
from compliance.report_content.cover import Claim as Claim
from compliance.report_content.cover import Counted as Counted
from compliance.report_content.cover import Cover as Cover
from compliance.report_content.cover import Integrity as Integrity
from compliance.report_content.cover import Scope as Scope
from compliance.report_content.cover import ScopeDecision as ScopeDecision
from compliance.report_content.cover import Vendor as Vendor
from compliance.report_content.cover import Verification as Verification
from compliance.report_content.law import Clock as Clock
from compliance.report_content.law import Difference as Difference
from compliance.report_content.law import Law as Law
from compliance.report_content.law import LawTable as LawTable
from compliance.report_content.names import ITEMS as ITEMS
from compliance.report_content.names import LISTED as LISTED
from compliance.report_content.names import SCHEMA as SCHEMA
from compliance.report_content.names import Family as Family
from compliance.report_content.names import Text as Text
from compliance.report_content.people import Act as Act
from compliance.report_content.people import FindingLine as FindingLine
from compliance.report_content.people import Listing as Listing
from compliance.report_content.people import NilReturnLine as NilReturnLine
from compliance.report_content.people import StatementLine as StatementLine
from compliance.report_content.people import WaiverLine as WaiverLine
from compliance.report_content.population import DayLine as DayLine
from compliance.report_content.population import Population as Population
from compliance.report_content.population import SampleItemLine as SampleItemLine
from compliance.report_content.population import SampleLine as SampleLine
from compliance.report_content.results import CheckText as CheckText
from compliance.report_content.results import Deviation as Deviation
from compliance.report_content.results import Earlier as Earlier
from compliance.report_content.results import EarlierException as EarlierException
from compliance.report_content.results import Exceptions as Exceptions
from compliance.report_content.results import Pending as Pending
from compliance.report_content.results import PendingItem as PendingItem
from compliance.report_content.results import TrendPoint as TrendPoint
from compliance.report_content.whole import Annex as Annex
from compliance.report_content.whole import ReportContent as ReportContent
from compliance.report_content.whole import content_bytes as content_bytes
from compliance.report_content.whole import content_digest as content_digest
from compliance.report_content.whole import parse_content as parse_content
from compliance.report_content.whole import report_id as report_id
