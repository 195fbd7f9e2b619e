"""The desk's pages of what people decide over metrics. A file a subject; each registers its own."""

from metrics.admin import alert_rules as alert_rules
from metrics.admin import anomalies as anomalies
from metrics.admin import budgets as budgets
from metrics.admin import custom as custom
from metrics.admin import incidents as incidents
from metrics.admin import objectives as objectives
from metrics.admin import prices as prices
from metrics.admin import receivers as receivers
from metrics.admin import switches as switches
