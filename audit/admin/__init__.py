"""The desk's pages of evidence. A file a subject; each registers its own pages."""

from audit.admin import entries as entries
from audit.admin import keys as keys
