"""What the web server loads at its start."""

from __future__ import annotations

import subprocess
import sys

from tests.installation import ROOT

LOOK = """
import gc
from obsplatform import wsgi
from django.urls import get_resolver
print(gc.get_freeze_count(), "url_patterns" in vars(get_resolver()), callable(wsgi.application))
"""


def test_pages_are_loaded_and_what_was_loaded_is_never_looked_through_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, timeout=120
    )

    frozen, *loaded = done.stdout.split()[-3:]
    assert int(frozen) > 100_000, done.stderr
    assert loaded == ["True", "True"]
