#!/usr/bin/env python3
"""Run a command of the platform; `python manage.py help` lists them."""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit("obsplatform needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obsplatform.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed here; `make run` makes the environment and starts all.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
