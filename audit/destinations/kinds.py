"""Say which kinds of destination there are, what each needs, and make the recipient of one.

The form, the command and the page of a destination are all read from `KINDS`. What a person gave is
checked field by field, and everything that is wrong is told at once. An address that may not be
reached is refused here, when it is saved, and again by audit.outbound at each request, since a
name may come to mean another address. Never stores anything: audit.destination does.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from django.conf import settings

from audit.destinations import Recipient, trusting
from audit.destinations.file import Folder
from audit.destinations.http import Endpoint, EventCollector, SignedLines
from audit.destinations.lines import ocsf_lines, record_lines
from audit.destinations.objectstore import ObjectStore
from audit.destinations.syslog import SyslogServer
from audit.errors import AuditError
from audit.outbound import STREAMS, WEB, AddressRefused, NoAnswer, Rules, check_target
from audit.s3 import Bucket

OptionKind: TypeAlias = Literal["text", "integer", "choice", "flag", "pem"]
Value: TypeAlias = str | int | bool

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_FOLDER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_WORD: Final = re.compile(r"[!-~]{1,255}")
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9_.-]+/){0,16}", re.ASCII)
_MOST_PEM: Final = 65_536
_MOST_SECRET: Final = 1_000
_LEAST_HMAC: Final = 16
_MEGABYTE: Final = 1_000_000


class DestinationRefused(AuditError):
    """A destination cannot be set up as it was asked; `errors` says why, field by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(dict(errors))
        self.errors = dict(errors)

    def __str__(self) -> str:
        """Read as one line."""
        return "; ".join(f"{name}: {said}" for name, said in self.errors.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One thing that a person may set beside address and secret."""

    name: str
    word: str
    help: str
    kind: OptionKind = "text"
    default: Value = ""
    least: int = 0
    most: int = 2**31 - 1
    choices: tuple[str, ...] = ()
    """An empty one among them is what `none` stands for."""
    shape: re.Pattern[str] | None = None
    """What a text must look like when it is not empty."""
    is_needed: bool = False


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """A destination as it is set up, its secret in clear: for the length of a call alone."""

    ledger: str
    address: str
    options: Mapping[str, Any]
    secret: str = field(repr=False)
    rules: Rules

    def tls(self) -> ssl.SSLContext | None:
        """Return whom to trust."""
        return trusting(str(self.options.get("ca", "")))


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of destination."""

    name: str
    word: str
    what: str
    """A sentence that says what goes where."""
    address_word: str
    address_help: str
    schemes: Mapping[str, int]
    """Of an address on the network; empty for a folder."""
    secret_word: str
    """Empty when there is none."""
    secret_help: str
    least_secret: int
    options: tuple[Option, ...]
    make: Callable[[SetUp], Recipient]
    most_entries: int = 500
    """Entries of the largest batch."""
    most_bytes: int = _MEGABYTE
    """Bytes of the records of the largest batch; a batch always has one."""


_SEALED: Final = Option(
    name="sealed_only",
    word="Only sealed entries",
    help="Waits for the signed checkpoint that covers an entry. Off: an entry is sent once it is "
    "chained, a second sooner, and whoever has it also holds it against a rewrite before the seal.",
    kind="flag",
    default=False,
)
_CA: Final = Option(
    name="ca",
    word="Certificate authority",
    help="A PEM certificate to trust instead of the system's. Empty: the system's.",
    kind="pem",
)
_COLLECT: Final = Option(
    name="collect_seconds",
    word="Collect for",
    help="Seconds that a batch may wait to be filled, so that a quiet ledger makes few objects.",
    kind="integer",
    default=60,
    most=3600,
)


def _event_collector(given: SetUp) -> Recipient:
    return EventCollector(
        endpoint=_endpoint(given),
        token=given.secret,
        host=given.options["host"],
        source_type=given.options["source_type"],
        index=given.options["index"],
    )


def _webhook(given: SetUp) -> Recipient:
    return SignedLines(endpoint=_endpoint(given), secret=given.secret, lines=record_lines)


def _ocsf(given: SetUp) -> Recipient:
    return SignedLines(endpoint=_endpoint(given), secret=given.secret, lines=ocsf_lines)


def _endpoint(given: SetUp) -> Endpoint:
    return Endpoint(url=given.address, rules=given.rules, tls=given.tls())


def _syslog(given: SetUp) -> Recipient:
    return SyslogServer(
        address=given.address, host=given.options["host"], rules=given.rules, tls=given.tls()
    )


def _folder(given: SetUp) -> Recipient:
    return Folder(
        root=Path(settings.DESTINATION_FOLDER),
        ledger=given.ledger,
        name=given.address,
        rotate_bytes=given.options["rotate_megabytes"] * _MEGABYTE,
    )


def _object_store(given: SetUp) -> Recipient:
    bucket = Bucket(
        url=given.address.rstrip("/"),
        prefix=given.options["prefix"],
        region=given.options["region"],
        key_id=given.options["key_id"],
        secret=given.secret,
        lock=given.options["lock"],
        lock_days=given.options["lock_days"],
    )
    return ObjectStore(bucket=bucket, rules=given.rules, tls=given.tls())


_HOST: Final = Option(
    name="host",
    word="Host",
    help="What each line names as the host it comes from.",
    default="obsplatform",
    shape=_WORD,
    is_needed=True,
)
_HMAC_HELP: Final = (
    f"Each request is signed with it, so that the other side can tell it from a forged one. "
    f"{_LEAST_HMAC} characters or more; openssl rand -hex 32 makes one."
)

KINDS: Final[Mapping[str, Kind]] = {
    each.name: each
    for each in (
        Kind(
            name="http",
            word="HTTP event collector",
            what="Posts each record to Splunk's HTTP Event Collector, or to what speaks like it.",
            address_word="Address",
            address_help="Such as https://splunk.example.com/services/collector/event",
            schemes=WEB,
            secret_word="Token",  # noqa: S106  # a label
            secret_help="Sent in the header Authorization. Never shown again.",  # noqa: S106
            least_secret=1,
            options=(
                _HOST,
                Option(
                    name="source_type",
                    word="Source type",
                    help="The `sourcetype` of each event.",
                    default="obsplatform:entry",
                    shape=_WORD,
                    is_needed=True,
                ),
                Option(
                    name="index",
                    word="Index",
                    help="The `index` of each event. Empty: the token's own.",
                    shape=_WORD,
                ),
                _CA,
                _SEALED,
            ),
            make=_event_collector,
        ),
        Kind(
            name="webhook",
            word="Signed webhook",
            what="Posts the records as they are stored, one a line, signed.",
            address_word="Address",
            address_help="Such as https://siem.example.com/entries",
            schemes=WEB,
            secret_word="Secret",  # noqa: S106  # a label
            secret_help=_HMAC_HELP,
            least_secret=_LEAST_HMAC,
            options=(_CA, _SEALED),
            make=_webhook,
        ),
        Kind(
            name="ocsf",
            word="OCSF over HTTP",
            what="Posts each entry as an OCSF event, one a line, signed.",
            address_word="Address",
            address_help="Such as https://lake.example.com/ocsf",
            schemes=WEB,
            secret_word="Secret",  # noqa: S106  # a label
            secret_help=_HMAC_HELP,
            least_secret=_LEAST_HMAC,
            options=(_CA, _SEALED),
            make=_ocsf,
        ),
        Kind(
            name="syslog",
            word="Syslog with CEF",
            what="Sends each entry as a syslog line (RFC 5424) that holds CEF, over TCP or TLS.",
            address_word="Address",
            address_help="Such as tls://siem.example.com:6514, or tcp://10.1.2.3:514",
            schemes=STREAMS,
            secret_word="",
            secret_help="",
            least_secret=0,
            options=(_HOST, _CA, _SEALED),
            make=_syslog,
        ),
        Kind(
            name="file",
            word="File",
            what="Appends the records to files on this machine, for a collector that reads them.",
            address_word="Folder",
            address_help="One name, such as siem; it is made below OBS_DESTINATION_DIR.",
            schemes={},
            secret_word="",
            secret_help="",
            least_secret=0,
            options=(
                Option(
                    name="rotate_megabytes",
                    word="New file after",
                    help="Megabytes. Each day (UTC) begins a new one too.",
                    kind="integer",
                    default=100,
                    least=1,
                    most=100_000,
                ),
                _SEALED,
            ),
            make=_folder,
            most_entries=2_000,
            most_bytes=4 * _MEGABYTE,
        ),
        Kind(
            name="objectstore",
            word="Object store",
            what="Puts the records into an S3-compatible bucket as gzip files, under object lock.",
            address_word="Bucket",
            address_help="Path style, such as https://s3.example.com/bucket",
            schemes=WEB,
            secret_word="Secret access key",  # noqa: S106  # a label
            secret_help="Of a key that may put objects, and no more.",  # noqa: S106
            least_secret=1,
            options=(
                Option(
                    name="key_id",
                    word="Access key ID",
                    help="Whose secret this is.",
                    shape=_WORD,
                    is_needed=True,
                ),
                Option(
                    name="region",
                    word="Region",
                    help="Part of what is signed.",
                    default="us-east-1",
                    shape=_WORD,
                    is_needed=True,
                ),
                Option(
                    name="prefix",
                    word="Prefix",
                    help="Before each key; empty, or ending in a slash.",
                    shape=_PREFIX,
                ),
                Option(
                    name="lock",
                    word="Object lock",
                    help="COMPLIANCE: nobody shortens it. GOVERNANCE: whoever has a special right "
                    "may. None: objects can be replaced and deleted.",
                    kind="choice",
                    default="COMPLIANCE",
                    choices=("COMPLIANCE", "GOVERNANCE", ""),
                ),
                Option(
                    name="lock_days",
                    word="Locked for",
                    help="Days from the upload on.",
                    kind="integer",
                    default=365,
                    least=1,
                    most=36_500,
                ),
                _COLLECT,
                _CA,
                _SEALED,
            ),
            make=_object_store,
            most_entries=10_000,
            most_bytes=8 * _MEGABYTE,
        ),
    )
}
"""Each kind by its name, in the order in which the form offers them."""


def check_set_up(
    kind: Kind, *, name: str, address: str, options: Mapping[str, object], secret: str | None
) -> dict[str, Value]:
    """Return all options of a kind as values. Raises DestinationRefused with all that is wrong.

    `secret` None means that the one that is kept stays. Resolves the address's name, which may take
    as long as OBS_OUTBOUND_SECONDS; one that does not resolve now is told by the first try.
    """
    errors: dict[str, str] = {}
    found: dict[str, Value] = {}
    if _NAME.fullmatch(name) is None:
        errors["name"] = "has 1 to 63 small letters, digits and dashes, no dash first"
    known = {option.name: option for option in kind.options}
    for other in options.keys() - known.keys():
        errors[other] = f"is no option of {kind.name}; it has {', '.join(known)}"
    for option in kind.options:
        try:
            found[option.name] = _read(option, options.get(option.name, option.default))
        except ValueError as problem:
            errors[option.name] = str(problem)
    said = _wrong_address(kind, address)
    if said:
        errors["address"] = said
    if secret is not None:
        said = _wrong_secret(kind, secret)
        if said:
            errors["secret"] = said
    if errors:
        raise DestinationRefused(errors)
    return found


def _wrong_address(kind: Kind, address: str) -> str:
    if not kind.schemes:
        is_one = _FOLDER.fullmatch(address) is not None
        return "" if is_one else "is one name of small letters, digits, dots and dashes, no path"
    try:
        check_target(address, rules=settings.OUTBOUND_RULES, schemes=kind.schemes)
    except AddressRefused as error:
        return f"may not be reached: {error}"
    except NoAnswer:
        return ""  # a name server may be away for a while; the first try tells
    return "is a bucket's address without a query" if _is_bad_bucket(kind, address) else ""


def _is_bad_bucket(kind: Kind, address: str) -> bool:
    return kind.name == "objectstore" and "?" in address


def _wrong_secret(kind: Kind, secret: str) -> str:
    if not kind.secret_word:
        return "is nothing that this kind takes; leave it empty" if secret else ""
    if len(secret) < kind.least_secret:
        return f"has fewer than {kind.least_secret} characters" if secret else "is needed"
    if len(secret) > _MOST_SECRET or re.fullmatch(r"[!-~]+", secret) is None:
        return f"is up to {_MOST_SECRET} visible ASCII characters without blanks"
    return ""


def _read(option: Option, given: object) -> Value:
    """Return the value of an option. Raises ValueError with what stands there instead."""
    if option.kind == "flag":
        return _read_flag(given)
    if option.kind == "integer":
        return _read_integer(option, given)
    text = str(given).strip()
    if option.kind == "choice":
        if text not in option.choices:
            words = ", ".join(each or "empty for none" for each in option.choices)
            raise ValueError(f"is one of {words}")
        return text
    if option.kind == "pem":
        return _read_pem(text)
    if not text and option.is_needed:
        raise ValueError("is needed")
    if text and option.shape is not None and option.shape.fullmatch(text) is None:
        raise ValueError(
            "is a path that ends in a slash, such as held/"
            if option.shape is _PREFIX
            else "is up to 255 visible ASCII characters without blanks"
        )
    return text


def _read_flag(given: object) -> bool:
    words = {"true": True, "on": True, "yes": True, "false": False, "no": False, "": False}
    found = words.get(str(given).strip().lower())
    if found is None:
        raise ValueError("is true or false")
    return found


def _read_integer(option: Option, given: object) -> int:
    text = str(given).strip().replace(",", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_number or not option.least <= int(text) <= option.most:
        raise ValueError(f"is a whole number from {option.least:,} to {option.most:,}")
    return int(text)


def _read_pem(text: str) -> str:
    if len(text) > _MOST_PEM:
        raise ValueError(f"has more than {_MOST_PEM:,} characters")
    try:
        trusting(text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("is no certificate in PEM") from error
    return text
