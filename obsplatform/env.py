"""Read settings from the environment, and from the files that it names.

`NAME_FILE` says which file holds the value of `NAME`, for secrets that a container is given as
files: what stands in the environment is seen by whoever may inspect the container. Every reader
names the variable and the way out when a value is wrong, since a wrong value stops the start.
Used by settings.py alone. What is set is listed in docs/settings.md.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from audit.outbound import Network, parse_networks


def text(name: str, default: str = "") -> str:
    """Return the variable's text, or the default when it is unset or empty."""
    return _said(name) or default


def is_set(name: str) -> bool:
    """Return whether the variable says anything, so that it wins over what the admin says."""
    return bool(_said(name))


def _said(name: str) -> str:
    """Return what the variable says, or the file that `NAME_FILE` names, without its last newline.

    Raises ImproperlyConfigured when both are set, since nobody could tell which one is meant, and
    when the file cannot be read.
    """
    value, path = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if not path:
        return value
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; keep one of them")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from None


def integer(name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
    """Return the variable as a whole number between `least` and `most`."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name} must be between {least} and {most}, not {number}")
    return number


def seconds(name: str, default: float, *, least: float) -> float:
    """Return the variable as a number of seconds, at least `least`."""
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number of seconds, not {value!r}") from None
    if not least <= number < float("inf"):
        raise ImproperlyConfigured(f"{name} must be at least {least} seconds, not {value}")
    return number


def boolean(name: str, default: bool) -> bool:
    """Return the variable as a boolean: 1, true, yes, on or 0, false, no, off."""
    value = text(name, "true" if default else "false").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}")


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return the variable, which must be one of `allowed`."""
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def ratio(name: str, default: float) -> float:
    """Return the variable as a share between 0 and 1."""
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number from 0 to 1, not {value!r}") from None
    if not 0 <= number <= 1:
        raise ImproperlyConfigured(f"{name} must be between 0 and 1, not {value}")
    return number


def collector(name: str, *, insecure: bool) -> str:
    """Return the variable as the base address that spans are sent to, or nothing.

    In clear only to this machine itself, unless `insecure`: spans tell what is done here.
    """
    address = text(name).rstrip("/")
    parts = urlsplit(address)
    if not address:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must be an address like https://collector:4318")
    if parts.scheme == "http" and not insecure and parts.hostname not in _LOOPBACK:
        raise ImproperlyConfigured(
            f"{name} sends spans in clear to {parts.hostname}; use https, "
            "or allow it by OBS_TRACING_INSECURE=true"
        )
    return address


_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def pairs(name: str) -> dict[str, str]:
    """Return the variable as names and values, such as `a=1,b=2`; values may be URL-encoded."""
    found = [word.partition("=") for word in words(name)]
    if not all(equals and key.strip() for key, equals, _ in found):
        raise ImproperlyConfigured(f"{name} must be pairs like name=value, separated by commas")
    return {key.strip(): unquote(value.strip()) for key, _, value in found}


def levels(name: str) -> str:
    """Return the variable as levels of loggers, such as `audit=DEBUG,celery=ERROR`."""
    found = pairs(name)
    for logger, level in found.items():
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ImproperlyConfigured(
                f"{name} must give {logger} one of DEBUG, INFO, WARNING, ERROR, not {level!r}"
            )
    return ",".join(f"{logger}={level}" for logger, level in found.items())


def preset(name: str, default: str) -> str:
    """Return the variable, and set it for the libraries that ask for it when nobody has."""
    return os.environ.setdefault(name, default)


def words(name: str, default: str = "") -> list[str]:
    """Return the variable split at commas, without blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str) -> tuple[Network, ...]:
    """Return the variable as IP networks, such as `10.0.0.0/8,fd00::/8`."""
    try:
        return parse_networks(words(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be networks like 10.0.0.0/8: {error}") from None


def ports(name: str, default: str) -> tuple[int, ...]:
    """Return the variable as port numbers, such as `80,443`."""
    found = words(name, default)
    if not all(word.isdigit() and 0 < int(word) < 65_536 for word in found):
        raise ImproperlyConfigured(f"{name} must be ports from 1 to 65535, not {','.join(found)!r}")
    return tuple(int(word) for word in found)


def folder(name: str, default: Path) -> Path:
    """Return the variable as an absolute path; it need not exist yet."""
    return Path(text(name, str(default))).expanduser().absolute()


def installation(data: Path) -> dict[str, str]:
    """Return the addresses that `manage.py up` wrote for its embedded servers, or nothing.

    So a command in a second terminal finds the database of the installation that runs.
    """
    try:
        found: dict[str, str] = json.loads((data / "services.json").read_text())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    return found


def database(url: str, *, variable: str) -> dict[str, Any]:
    """Translate a `postgresql://` address into Django's DATABASES entry.

    Query parameters become libpq options, so `?host=/run/obs` names a socket directory.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured(
            f"{variable} must begin with postgresql://; only Postgres is supported"
        )
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or parts.hostname or "",
        "PORT": options.pop("port", "") or str(parts.port or ""),
        "OPTIONS": options,
    }
