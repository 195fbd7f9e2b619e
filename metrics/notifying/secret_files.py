"""Read the secrets of receivers from files, one secret a file, in the folder OBS_SECRETS_DIR.

So a secret stands in no table, no form and no page; whoever runs the platform puts it there, and a
container mounts it. A name is that of a file directly in the folder. What a file holds is never
shown, logged or put into an error.
"""

from __future__ import annotations

import re
from typing import Final

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

MOST_BYTES: Final = 4_096
MOST_NAMES: Final = 200
"""Files that a form offers."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_SECRET: Final = re.compile(r"[!-~]+", re.ASCII)


class SecretUnreadable(Exception):
    """A secret cannot be read; the text names the file and says why."""


@sensitive_variables("content", "text")
def read_secret(name: str) -> str:
    """Return the secret in a file, without the newline at its end. Raises SecretUnreadable."""
    if not is_name(name):
        raise SecretUnreadable(
            "a secret is a file directly in OBS_SECRETS_DIR: letters, digits, _ . -"
        )
    try:
        with (settings.SECRETS_DIR / name).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise SecretUnreadable(f"there is no file {name} in {settings.SECRETS_DIR}") from None
    except OSError as error:
        raise SecretUnreadable(f"the file {name} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise SecretUnreadable(f"the file {name} has more than {MOST_BYTES:,} bytes")
    text = content.decode("ascii", "replace").strip("\r\n")
    if not _SECRET.fullmatch(text):
        raise SecretUnreadable(f"the file {name} is not one line of visible ASCII without blanks")
    return text


def problem_of(name: str) -> str:
    """Return why a secret cannot be read by this process; empty when it can be."""
    try:
        read_secret(name)
    except SecretUnreadable as problem:
        return str(problem)
    return ""


def names() -> list[str]:
    """Return the files that there are, by name; none where the folder is not there."""
    try:
        found = sorted(each.name for each in settings.SECRETS_DIR.iterdir() if each.is_file())
    except OSError:
        return []  # the page says of each name whether it can be read
    return [name for name in found if is_name(name)][:MOST_NAMES]


def is_name(name: str) -> bool:
    """Tell whether this may be the name of a secret's file."""
    return _NAME.fullmatch(name) is not None
