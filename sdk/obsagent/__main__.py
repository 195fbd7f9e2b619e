"""`python -m obsagent` is the command `obsagent`."""

from __future__ import annotations

import sys

from obsagent.cli import main

sys.exit(main())
