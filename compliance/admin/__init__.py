"""The desk's pages of compliance. A file a subject; each registers its own pages."""

from compliance.admin import approvals as approvals
from compliance.admin import catalogue as catalogue
from compliance.admin import decisions as decisions
from compliance.admin import findings as findings
from compliance.admin import nil_returns as nil_returns
from compliance.admin import reports as reports
from compliance.admin import reviews as reviews
from compliance.admin import samples as samples
from compliance.admin import schedules as schedules
from compliance.admin import snapshots as snapshots
from compliance.admin import statements as statements
