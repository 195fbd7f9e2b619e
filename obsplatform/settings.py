"""All settings: the environment alone, one line of why each, documented in docs/settings.md.

Nothing else reads the environment. A wrong value stops the start.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from audit.outbound import Rules
from obsplatform import env, keys
from obsplatform.desk import UNFOLD as DESK
from tracing import logs
from tracing.log_files import LogFiles

BASE_DIR = Path(__file__).resolve().parent.parent
# Where the API's documentation page has its files. Its package is no installed app: every process
# would load it at start, for a fifth of a second, and only the web server needs it.
NINJA = Path(str(find_spec("ninja").origin)).parent  # type: ignore[union-attr]
VERSION = "0.1.0"
COMMIT = env.text("OBS_COMMIT", "unknown")  # of the code; an image is built with it

# --- Where an installation lives -------------------------------------------------------------

DATA = env.folder("OBS_DATA", BASE_DIR / "var")  # everything of one installation, but the code
PORT = env.integer("OBS_PORT", 8000, least=1, most=65535)  # the next free one is taken when busy
KEY_DIR = env.folder("OBS_KEY_DIR", DATA / "keys")  # keys never live in the database
ENVIRONMENT = env.text("OBS_ENVIRONMENT", "production")  # a label in pages and logs
DEBUG = env.boolean(
    "OBS_DEBUG", False
)  # tracebacks in the browser: never where others can reach it
ALLOWED_HOSTS = env.words("OBS_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")  # names we answer to
CSRF_TRUSTED_ORIGINS = env.words("OBS_TRUSTED_ORIGINS")  # https://audit.example.com behind a proxy
HTTPS = env.boolean("OBS_HTTPS", False)  # secure cookies and HSTS; set it behind a TLS proxy
SECRET_KEY = keys.secret_key(KEY_DIR)
SUBJECT_WRAPPING_KEY = keys.read_or_make(KEY_DIR, "wrapping")  # encrypts the data subjects' keys
SUBJECT_LOOKUP_KEY = keys.read_or_make(KEY_DIR, "lookup")  # finds a data subject without its id
TOMBSTONES = env.folder("OBS_TOMBSTONES", KEY_DIR / "tombstones")  # keys that must stay destroyed
DIGEST_KEY = keys.read_or_make(KEY_DIR, "digest")  # tells an honest retry from other content
API_KEY_PEPPER = keys.read_or_make(KEY_DIR, "pepper")  # a stolen table holds no usable API key

# --- Databases -------------------------------------------------------------------------------

_ROLE_OF_COMMAND = {
    "append_pending": "worker",
    "deliver": "worker",
    "erase": "worker",
    "evaluate": "worker",
    "exportledger": "worker",
    "filltiles": "worker",
    "makesigningkey": "worker",
    "rebuild": "worker",
    "seal": "worker",
    "verifychain": "worker",
    "writereport": "worker",
    "createsuperuser": "owner",
    "makemigrations": "owner",
    "migrate": "owner",
    "succeed": "owner",
}


def _default_role() -> str:
    program, *arguments = sys.argv
    if Path(program).name == "celery" or (arguments and arguments[0] == "celery"):
        return "worker"
    return _ROLE_OF_COMMAND.get(arguments[0], "web") if arguments else "web"


# What manage.py runs that works long enough to be counted; web and Celery say so themselves.
PROCESS_ROLES = {
    "append_pending": "append",
    "seal": "seal",
    "deliver": "deliver",
    **dict.fromkeys(
        (
            *("demo", "erase", "evaluate", "exportledger", "otlp_grpc", "rebuild", "verifychain"),
            "writereport",
        ),
        "command",
    ),
}
PROCESS_ROLE = (
    PROCESS_ROLES.get(sys.argv[1], "")
    if Path(sys.argv[0]).name == "manage.py" and len(sys.argv) > 1
    else ""
)

DATABASE_ROLE = env.choice("OBS_DATABASE_ROLE", _default_role(), ("web", "worker", "owner"))

_services = env.installation(DATA)
_web_url = env.text("DATABASE_URL")
if _web_url:  # an installation of its own never mixes with the embedded one
    _services = {}
EMBEDDED_POSTGRES = not _web_url  # `up` starts a Postgres of its own
EMBEDDED_REDIS = not env.text("REDIS_URL")  # `up` starts a Valkey of its own
DATABASE_URLS = {
    "web": _web_url or _services.get("database_url", ""),
    "worker": env.text("DATABASE_WORKER_URL") or _services.get("database_worker_url", ""),
    "owner": env.text("DATABASE_OWNER_URL") or _services.get("database_owner_url", ""),
}
HAS_ADDRESS_OF_ITS_OWN = bool(DATABASE_URLS[DATABASE_ROLE])  # else another role's; /ready says so
_database = env.database(
    DATABASE_URLS[DATABASE_ROLE] or DATABASE_URLS["web"] or "postgresql:///obsplatform",
    variable="DATABASE_URL",
)
# Our own statements are planned once a connection and not once a request (audit/database.py).
_database["OPTIONS"]["prepare_threshold"] = 3
_database["ATOMIC_REQUESTS"] = False  # an acknowledged event must be committed before the answer
if DATABASE_ROLE == "web":
    # 503 after half a second without a connection: a thread that waits longer helps nobody.
    _database["OPTIONS"]["pool"] = {
        "min_size": 2,
        "max_size": env.integer("OBS_WEB_CONNECTIONS", 12, least=2, most=500),
        "timeout": 0.5,
        # Else the pool waits 1, 2, 4 … s between tries, and refuses long after Postgres is back.
        "reconnect_timeout": 0.2,
    }
else:
    # Celery closes a pool at every task, so workers keep one plain connection a process instead
    # (CELERY_DB_REUSE_MAX below), looked at before each task.
    _database["CONN_MAX_AGE"] = None
    _database["CONN_HEALTH_CHECKS"] = True
DATABASES: dict[str, Any] = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis and Celery: a bell, never a store ---------------------------------------------------

REDIS_URL = env.text("REDIS_URL") or _services.get("redis_url", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 0.1,  # a bell that cannot ring must not hold a request
    "visibility_timeout": 60,  # a lost wake-up may ring again at once: append is idempotent
}
# Celery would close the connection before and after each task: to connect took a fifth of a busy
# worker's time. Now it does so after as many tasks, which bounds what a session can gather.
CELERY_DB_REUSE_MAX = 5_000
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 200_000  # KiB; a leak anywhere ends as a fresh child
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# Celery throws away what the checks find, and to make them it loads every page.
env.preset("CELERY_SKIP_CHECKS", "1")
CELERY_BEAT_SYNC_EVERY = 5  # tasks; /ready tells by what beat has written whether it lives
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "announce what was quarantined": {"task": "audit.announce", "schedule": 60.0},
    "report queue and retention": {"task": "audit.pulse", "schedule": 60.0},
    "verify what is new": {"task": "audit.verify_new", "schedule": 10.0},
    "verify a sample": {"task": "audit.verify_sample", "schedule": 60.0},
    "verify everything": {"task": "audit.verify_all", "schedule": crontab(hour=2, minute=10)},
    "destroy restored subject keys": {"task": "audit.erase_again", "schedule": 60.0},
    "delete expired exports": {"task": "audit.expire_exports", "schedule": 600.0},
    "ring for purges": {"task": "audit.ring_purges", "schedule": 60.0},
    "let go of the outlived": {"task": "audit.outlived", "schedule": crontab(hour=3, minute=20)},
    "ask for facts": {
        "task": "metrics.facts",
        "schedule": 15.0,
        "options": {"expires": 15.0},  # a worker that was away asks once, not for each time
    },
    "look for anomalies": {
        "task": "metrics.anomalies",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    "add up spans of metrics": {
        "task": "metrics.spans",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "keep gauges by the minute": {
        "task": "metrics.history",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    },
    "evaluate alert rules": {
        "task": "metrics.alerts",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "keep days of metrics": {"task": "metrics.upkeep", "schedule": 3600.0},
    "keep days of traces": {"task": "tracing.retain", "schedule": 3600.0},
    "tell of incidents": {
        "task": "metrics.notify",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "make months": {"task": "audit.make_months", "schedule": crontab(hour=3, minute=0)},
    "seal the day's posture": {
        "task": "compliance.posture",
        "schedule": crontab(hour=0, minute=20),
    },
    "remind of what expires": {"task": "compliance.remind", "schedule": crontab(hour=6, minute=0)},
    "rebuild stale tallies": {"task": "compliance.rebuild_stale", "schedule": 60.0},
    "seal postures of what came": {"task": "compliance.posture_when_due", "schedule": 300.0},
    "make reports": {"task": "compliance.reports", "schedule": 10.0},
    "draw samples": {"task": "compliance.draw_samples", "schedule": 10.0},
    "run schedules": {"task": "compliance.schedules", "schedule": 20.0},
    "deliver reports": {"task": "compliance.deliveries", "schedule": 20.0},
}

# --- Ledger, ingest ----------------------------------------------------------------------------

LEDGER = env.text("OBS_LEDGER", "main")  # the ledger that `up` and the platform's own acts use
APPEND_BATCH = env.integer("OBS_APPEND_BATCH", 5000, least=1, most=50_000)  # events a transaction
APPEND_POLL_MS = env.integer("OBS_APPEND_POLL_MS", 200, least=10, most=60_000)  # the loop's pause
SIGNING_DIR = env.folder("OBS_SIGNING_DIR", KEY_DIR / "signing")  # only `seal` reads it
SIGNER_COMMAND = env.text("OBS_SIGNER_COMMAND")  # signs instead of the files: a key store's client
SEAL_INTERVAL = env.seconds("OBS_SEAL_SECONDS", 1.0, least=0.1)  # how late a rewrite would show
RATE_EVENTS = env.integer(
    "OBS_RATE_EVENTS", 50_000, least=1
)  # events a second and key, over it 429
RATE_REQUESTS = env.integer("OBS_RATE_REQUESTS", 5_000, least=1)  # requests a second and key
INBOX_LIMIT = env.integer("OBS_INBOX_LIMIT", 1_000_000, least=1)  # with a minute of age: 503
WEB_WORKERS = env.integer("OBS_WEB_WORKERS", 1, least=1, most=64)  # web processes of `up`
WEB_THREADS = env.integer("OBS_WEB_THREADS", 8, least=2, most=256)  # threads of each of them
RECORD_IP = env.boolean("OBS_RECORD_IP", False)  # the sender's address in every record
REDACT_EXTRA_KEYS = env.words("OBS_REDACT_EXTRA_KEYS")  # key names whose values are masked too
REDACT_EXTRA_PATTERNS = env.words("OBS_REDACT_EXTRA_PATTERNS")  # regular expressions, likewise
EXPORT_DIR = env.folder("OBS_EXPORT_DIR", DATA / "exports")  # web and workers share this folder
EXPORT_DAYS = env.integer("OBS_EXPORT_DAYS", 30, least=1, most=3650)  # then an export's file goes
EXPORT_LINK_SECONDS = env.integer(
    "OBS_EXPORT_LINK_SECONDS", 3600, least=60, most=604_800
)  # a link to a file works for whoever holds it, so not for long
REPORT_DIR = env.folder("OBS_REPORT_DIR", DATA / "reports")  # web and workers share this one too
REPORT_LINK_SECONDS = env.integer(
    "OBS_REPORT_LINK_SECONDS", 604_800, least=60, most=7_776_000
)  # a mailed link works for whoever holds it; people read mail within a week
PUBLIC_URL = env.text("OBS_PUBLIC_URL").rstrip("/")  # https://audit.example.com: for links in mails
CATALOGUE_DIR = env.text("OBS_CATALOGUE_DIR")  # a folder of frameworks of your own, beside ours
PROJECTIONS = [  # what is derived from entries, by dotted path
    "audit.agents.AgentRegistry",
    "audit.subject_index.SubjectIndex",
    "compliance.tally.Tallies",
    "compliance.approval_index.ApprovalIndex",
    "metrics.rollup.Rollups",
]
TRACES_KEEP_DAYS = env.integer("OBS_TRACES_KEEP_DAYS", 30, least=1, most=3650)  # then spans go
LINES_KEEP_DAYS = env.integer("OBS_LINES_KEEP_DAYS", 14, least=1, most=3650)  # then log lines go
OTLP_GRPC = env.boolean("OBS_OTLP_GRPC", False)  # `up` takes OTLP over gRPC too
OTLP_GRPC_ADDRESS = env.text("OBS_OTLP_GRPC_ADDRESS", "127.0.0.1:4317")  # where it listens
OTLP_GRPC_CERTIFICATE = env.text("OBS_OTLP_GRPC_CERTIFICATE")  # PEM; with its key it is TLS alone
OTLP_GRPC_KEY = env.text("OBS_OTLP_GRPC_KEY")  # PEM of the key
if bool(OTLP_GRPC_CERTIFICATE) != bool(OTLP_GRPC_KEY):
    raise ImproperlyConfigured(
        "OBS_OTLP_GRPC_CERTIFICATE and OBS_OTLP_GRPC_KEY belong together; set both or neither"
    )
TRACING_MEASURES = "metrics.custom.refusals"  # which metrics sent over OTLP become measures
METRICS_COLLECTORS = [  # what /metrics shows, by dotted path
    "audit.collectors.AuditCollector",
    "compliance.collectors.ComplianceCollector",
]
METRICS_FACTS = [  # what is asked on a timer for /metrics, by dotted path
    "metrics.presence.presence",
    "metrics.lags.projection_lags",
    "metrics.retention.retention",
    "metrics.connections.db_connections",
    "compliance.completeness.completeness",
    "obsplatform.health_facts.health_facts",
    "metrics.switches.component_facts",
    "metrics.overhead.overhead_facts",
    "metrics.budgets.budget_facts",
    "metrics.incidents.firing.firing",
    "metrics.targets.targets_met",  # behind those that it holds against its targets
]
API_ROUTERS = [  # operations under /api/v1 besides those of audit, by dotted path
    "compliance.api.router",
    "compliance.api_catalogue.router",
    "compliance.api_reports.router",
    "metrics.api.router",
    "tracing.api.router",
]
TRACE_LINK = "tracing.admin.addresses.trace_link"  # leads from other apps to a trace
JAEGER_UI_URL = env.text("OBS_JAEGER_UI_URL").rstrip("/")  # people's Jaeger, for links to traces

# --- Anchors, and other addresses that a person configures ---------------------------------------

OUTBOUND_RULES = Rules(
    allowed=env.networks("OBS_OUTBOUND_ALLOW"),  # not public, and may be reached all the same
    ports=env.ports("OBS_OUTBOUND_PORTS", "80,443"),  # what else listens is no web server
    seconds=env.seconds("OBS_OUTBOUND_SECONDS", 10.0, least=0.1),  # look-up to last byte
)
ANCHOR_SINKS = [  # who is handed checkpoints, by dotted path; each is on when it is configured
    "audit.sinks.file.FileSink",
    "audit.sinks.webhook.WebhookSink",
    "audit.sinks.objectstore.ObjectStoreSink",
    "audit.sinks.timestamp.TimestampSink",
    "audit.sinks.email.EmailSink",
]
ANCHOR_FOLDER = env.folder("OBS_ANCHOR_DIR", DATA / "anchors")  # best a volume of someone else's
ANCHOR_FILE_SECONDS = env.seconds("OBS_ANCHOR_FILE_SECONDS", 0.0, least=0)  # 0: every checkpoint
ANCHOR_WEBHOOK_URL = env.text("OBS_ANCHOR_WEBHOOK_URL")  # another system keeps checkpoints
ANCHOR_WEBHOOK_SECRET = env.text("OBS_ANCHOR_WEBHOOK_SECRET")  # it tells our requests by this
ANCHOR_WEBHOOK_SECONDS = env.seconds("OBS_ANCHOR_WEBHOOK_SECONDS", 60.0, least=0)
ANCHOR_S3_URL = env.text("OBS_ANCHOR_S3_URL")  # a bucket with object lock, path style
ANCHOR_S3_PREFIX = env.text("OBS_ANCHOR_S3_PREFIX")  # before each key, for a bucket that is shared
ANCHOR_S3_REGION = env.text("OBS_ANCHOR_S3_REGION", "us-east-1")  # part of what is signed
ANCHOR_S3_KEY_ID = env.text("OBS_ANCHOR_S3_KEY_ID")  # may put, get and list versions, no more
ANCHOR_S3_SECRET = env.text("OBS_ANCHOR_S3_SECRET")
ANCHOR_S3_LOCK = env.choice("OBS_ANCHOR_S3_LOCK", "COMPLIANCE", ("COMPLIANCE", "GOVERNANCE"))
ANCHOR_S3_LOCK_DAYS = env.integer("OBS_ANCHOR_S3_LOCK_DAYS", 365, least=1, most=36_500)
ANCHOR_S3_SECONDS = env.seconds("OBS_ANCHOR_S3_SECONDS", 60.0, least=0)
ANCHOR_TSA_URL = env.text("OBS_ANCHOR_TSA_URL")  # says when a checkpoint existed
ANCHOR_TSA_CA = env.text("OBS_ANCHOR_TSA_CA")  # a stamp of anybody proves nothing
ANCHOR_TSA_SECONDS = env.seconds("OBS_ANCHOR_TSA_SECONDS", 3600.0, least=0)
ANCHOR_EMAIL_TO = env.words("OBS_ANCHOR_EMAIL_TO")  # mailboxes outside our reach
ANCHOR_EMAIL_SECONDS = env.seconds("OBS_ANCHOR_EMAIL_SECONDS", 86_400.0, least=0)
WITNESS_POLICY = env.text("OBS_WITNESS_POLICY")  # a tlog-policy file: who cosigns, how many do
WITNESS_SECONDS = env.seconds("OBS_WITNESS_SECONDS", 1.0, least=0.1)  # sealing waits so long
DESTINATION_FOLDER = env.folder("OBS_DESTINATION_DIR", DATA / "destinations")  # of kind `file`
DESTINATION_DEAD_AFTER = env.seconds(
    "OBS_DESTINATION_DEAD_AFTER", 86_400.0, least=1
)  # of failing, then a person must look
SECRETS_DIR = env.folder("OBS_SECRETS_DIR", DATA / "secrets")  # of receivers, a file each
EMAIL_HOST = env.text("OBS_EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("OBS_EMAIL_PORT", 25, least=1, most=65535)
EMAIL_HOST_USER = env.text("OBS_EMAIL_USER")
EMAIL_HOST_PASSWORD = env.text("OBS_EMAIL_PASSWORD")
_email_security = env.choice("OBS_EMAIL_SECURITY", "none", ("none", "starttls", "tls"))
EMAIL_USE_TLS = _email_security == "starttls"
EMAIL_USE_SSL = _email_security == "tls"
REMINDERS_BY_EMAIL = env.boolean("OBS_REMINDERS_BY_EMAIL", False)  # needs a mail server above
EMAIL_TIMEOUT = 10  # a mail server that hangs must not hold a thread for ever
DEFAULT_FROM_EMAIL = env.text("OBS_EMAIL_FROM", "obsplatform@localhost")

# --- Logs ----------------------------------------------------------------------------------------

LOG_LEVEL = env.choice("OBS_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("OBS_LOG_FORMAT", "json", ("json", "console"))  # console is for eyes
# A server's lines go to stdout; a command's stdout is its data, so its lines go to stderr.
_LOG_STREAM: logs.Stream = "stderr" if Path(sys.argv[0]).name == "manage.py" else "stdout"
LOG_LEVELS = env.levels("OBS_LOG_LEVELS")  # of single loggers, over the level of all
LOG_DIR = env.folder("OBS_LOG_DIR", DATA / "logs")  # beside the stream, JSON lines by day
LOG_FILES = env.boolean("OBS_LOG_FILES", True)  # off where others keep what containers say
LOG_ROTATE_DAYS = env.integer("OBS_LOG_ROTATE_DAYS", 14, least=1, most=3650)  # then a day goes
LOG_MAX_MB = env.integer("OBS_LOG_MAX_MB", 100, least=1, most=100_000)  # then the day's next file
LOG_ERROR_FILE = env.text("OBS_LOG_ERROR_FILE", "error.log")  # what went wrong, once more
LOGGING = logs.configure(
    LOG_LEVEL,
    "json" if LOG_FORMAT == "json" else "console",
    stream=_LOG_STREAM,
    files=LogFiles(
        LOG_DIR,
        keep_days=LOG_ROTATE_DAYS,
        most_bytes=LOG_MAX_MB * 1_000_000,
        error_file=LOG_ERROR_FILE,
    )
    if LOG_FILES
    else None,
    extra_keys=REDACT_EXTRA_KEYS,
    extra_patterns=REDACT_EXTRA_PATTERNS,
)
DJANGO_STRUCTLOG_CELERY_ENABLED = True  # a task's lines carry its id
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = 10  # DEBUG: append says what it chained, once
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = RECORD_IP  # an address is personal data
LOGGING_ENABLED = env.boolean("OBS_LOGGING_ENABLED", True)  # off: warnings and errors alone
METRICS_ENABLED = env.boolean("OBS_METRICS_ENABLED", True)  # off: counted later, when on again
METRICS_DETAIL = env.choice("OBS_METRICS_DETAIL", "standard", ("minimal", "standard", "full"))

# --- Spans of our own ----------------------------------------------------------------------------

TRACING_ENABLED = env.boolean("OBS_TRACING_ENABLED", True)  # false here: not even set up
TRACING_INSECURE = env.boolean("OBS_TRACING_INSECURE", DEBUG)  # http to other machines
TRACING_CONSOLE = env.boolean("OBS_TRACING_CONSOLE", False)  # a line of JSON each on stderr
TRACING_SAMPLE_RATIO = env.ratio("OBS_TRACING_SAMPLE_RATIO", 1.0)  # of traces that begin here
OTLP_ENDPOINT = env.collector("OTEL_EXPORTER_OTLP_ENDPOINT", insecure=TRACING_INSECURE)
OTLP_PROTOCOL = env.choice(
    "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", ("http/protobuf", "grpc")
)
OTLP_HEADERS = env.pairs("OTEL_EXPORTER_OTLP_HEADERS")  # an API key, where one is asked for
OTLP_CERTIFICATE = env.text("OTEL_EXPORTER_OTLP_CERTIFICATE")  # of an authority of one's own
SERVICE_NAME = env.text("OTEL_SERVICE_NAME", "obsplatform")  # as traces call us
SPAN_NAMES = env.preset(
    "OTEL_SEMCONV_STABILITY_OPT_IN", "http,database"
)  # attributes have the names of today, not those of 2022
MAX_TOOL_ARG_LENGTH = env.integer(
    "OBS_MAX_TOOL_ARG_LENGTH", 1000, least=16, most=100_000
)  # characters of one attribute: a tool's arguments, a statement
TRACING_SET_UP = TRACING_ENABLED and (bool(OTLP_ENDPOINT) or TRACING_CONSOLE)

# --- Switches and metrics ------------------------------------------------------------------------

SWITCHES = {  # each switch: its value here, and whether the environment has decided it
    "metrics": ("on" if METRICS_ENABLED else "off", env.is_set("OBS_METRICS_ENABLED")),
    "logging": ("on" if LOGGING_ENABLED else "off", env.is_set("OBS_LOGGING_ENABLED")),
    "log_level": (LOG_LEVEL, env.is_set("OBS_LOG_LEVEL")),
    "log_levels": (LOG_LEVELS, env.is_set("OBS_LOG_LEVELS")),
    "detail": (METRICS_DETAIL, env.is_set("OBS_METRICS_DETAIL")),
    "tracing": ("on" if TRACING_ENABLED else "off", env.is_set("OBS_TRACING_ENABLED")),
    "sampling": (f"{TRACING_SAMPLE_RATIO:g}", env.is_set("OBS_TRACING_SAMPLE_RATIO")),
}
SWITCH_FOLLOWERS = [  # told of each change of a switch, by dotted path
    "tracing.logs.follow",
    "tracing.sampling.follow",
]
METRICS_AGENT_LABEL = env.choice("OBS_METRICS_AGENT_LABEL", "name", ("off", "name", "id"))
METRICS_MAX_AGENTS = env.integer("OBS_METRICS_MAX_AGENTS", 200, least=0, most=1000)  # then `_other`
METRICS_MINUTE_DAYS = env.integer("OBS_METRICS_MINUTE_DAYS", 35, least=1, most=3650)  # of history
ALERTS_EVALUATE = env.boolean("OBS_ALERTS_EVALUATE", True)  # off: Prometheus alone evaluates rules
METRICS_ALLOW = env.networks("OBS_METRICS_ALLOW")  # may scrape, as this machine itself always may
METRICS_TOKEN = env.text("OBS_METRICS_TOKEN")  # lets a scraper in that is not on loopback
# Edges may be added, never taken away; 10 ms is what /health is held to.
PROMETHEUS_LATENCY_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    float("inf"),
)
METRICS_MULTIPROC_DIR = env.text("PROMETHEUS_MULTIPROC_DIR")  # adds up several web processes

# --- Django --------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # its default would put its own site in place of ours
    "obsplatform.admin.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_prometheus",
    "django_structlog",
    "django_celery_beat",
    "obsplatform",  # for its commands
    "audit",
    "metrics",
    "tracing",
    "compliance",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "tracing.request_log.RequestLog",  # outside the others, so that their refusals are logged too
    "tracing.slow_requests.SlowRequests",
    "metrics.middleware.RequestMetrics",
    "obsplatform.ingest_first.IngestFirst",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "obsplatform.csp.ContentSecurityPolicy",
]
ROOT_URLCONF = "obsplatform.urls"
WSGI_APPLICATION = "obsplatform.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates", NINJA / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
UNFOLD = DESK  # how the admin looks, and its sidebar
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = env.folder("OBS_STATIC_DIR", DATA / "static")  # an image brings them collected
STATICFILES_DIRS = [BASE_DIR / "templates" / "static", NINJA / "static"]
WHITENOISE_USE_FINDERS = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_SSL_REDIRECT = False  # the proxy's duty; /health must answer on plain HTTP
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# The API caps bodies itself while it inflates them; Django's own cap guards the admin's forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024
