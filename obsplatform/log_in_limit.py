"""Slow down who guesses passwords: a few attempts for an account from an address, then a wait.

The rule: MOST_OF_ACCOUNT attempts within WINDOW for one account from one address, and
MOST_OF_ADDRESS for all accounts from one address; a log-in that succeeds is not counted. Fair to
the owner of an account: nobody can shut them out from another address. An attempt is counted before
the password is looked at, in one statement, so that many at once are no way around. It is counted
in Postgres, for all web processes together. Form: log_in.py. Entries: people_acts.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address

from django.db.models import F
from django.utils.crypto import salted_hmac

from audit.database import rows
from obsplatform.models import LogInAttempts

WINDOW = timedelta(minutes=15)
MOST_OF_ACCOUNT = 5
MOST_OF_ADDRESS = 50
"""An office shares an address, and so do all people behind a proxy."""
_OF_ONE_HOUSEHOLD = 64
"""Bits of an IPv6 address that name its network; the rest anyone may choose anew each time."""

_COUNT = """
INSERT INTO obsplatform_loginattempts AS known (who, attempts, first_at)
VALUES (%(who)s, 1, %(now)s)
ON CONFLICT (who) DO UPDATE
SET attempts = CASE WHEN known.first_at <= %(over)s THEN 1 ELSE known.attempts + 1 END,
    first_at = CASE WHEN known.first_at <= %(over)s THEN EXCLUDED.first_at ELSE known.first_at END
RETURNING attempts, first_at
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt to log in, counted already."""

    account: str
    """The hash under which it is counted for its account."""
    address: str
    """The hash under which it is counted for its address."""
    is_last: bool
    """Whether the next one for this account from this address is refused, if this one fails."""
    wait: timedelta | None
    """How long to wait when this attempt is refused; None when the password may be looked at."""


def count_attempt(account: str, address: str, *, now: datetime) -> Attempt:
    """Count an attempt before the password is looked at, and say whether it may be.

    `account` is what was typed; `address` is where it came from. Removes what is
    older than the window, so the table holds the attempts of a quarter of an hour.
    """
    LogInAttempts.objects.filter(first_at__lte=now - WINDOW).delete()
    network = _network(address)
    of_account, of_address = _hash("account", account, network), _hash("address", network)
    since_address = _count(of_address, now)
    if since_address[0] > MOST_OF_ADDRESS:
        # Not counted for the account too: an address leaves a bounded number of rows behind.
        return Attempt(
            account=of_account,
            address=of_address,
            is_last=False,
            wait=since_address[1] + WINDOW - now,
        )
    attempts, first_at = _count(of_account, now)
    return Attempt(
        account=of_account,
        address=of_address,
        is_last=attempts == MOST_OF_ACCOUNT,
        wait=first_at + WINDOW - now if attempts > MOST_OF_ACCOUNT else None,
    )


def forget_attempts(attempt: Attempt) -> None:
    """Forget what an attempt that succeeded has counted, and the failures before it."""
    LogInAttempts.objects.filter(who=attempt.account).delete()
    LogInAttempts.objects.filter(who=attempt.address, attempts__gt=0).update(
        attempts=F("attempts") - 1
    )


def _count(who: str, now: datetime) -> tuple[int, datetime]:
    ((attempts, first_at),) = rows(_COUNT, {"who": who, "now": now, "over": now - WINDOW})
    return attempts, first_at


def _hash(*parts: str) -> str:
    return salted_hmac("obsplatform.log_in_limit", "\0".join(parts), algorithm="sha256").hexdigest()


def _network(address: str) -> str:
    """Return what one guesser cannot change at will: an IPv4 address, or the network of an IPv6.

    What is no IP address, such as the name of a socket, stands for itself.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(int(found) >> (128 - _OF_ONE_HOUSEHOLD))
