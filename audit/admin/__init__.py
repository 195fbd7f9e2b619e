"""The desk's pages of evidence. A file a subject; each registers its own pages."""

from audit.admin import agents as agents
from audit.admin import bundles as bundles
from audit.admin import destinations as destinations
from audit.admin import entries as entries
from audit.admin import holds as holds
from audit.admin import keys as keys
from audit.admin import ledgers as ledgers
from audit.admin import quarantine as quarantine
from audit.admin import retention as retention
from audit.admin import subjects as subjects
from audit.admin import verifications as verifications
