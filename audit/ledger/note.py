"""Sign texts and open signed ones. Owns C2SP signed-note and the cosignatures of witnesses.

A note is a text that ends in a newline, an empty line, and one line a signature:

    main.example.com
    15
    rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

    — main.example.com M9e0luh4jTG+…
    — witness.example.org mz+y1QAA…

    signature line   "— " name " " base64(key id ‖ signature)            the dash is U+2014
    key id           SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key)[:4]
    verifier key     name "+" hex(key id) "+" base64(algorithm ‖ public key)
    signing key      "PRIVATE+KEY+" name "+" hex(key id) "+" base64(algorithm ‖ seed)

Two algorithms, both Ed25519 (RFC 8032), so one key pair has a key id for each:

    1   a plain signature over the text, its last newline included
    4   cosignature/v1: a moment (seconds since 1970, 64 bits big-endian), then a signature over
        "cosignature/v1" LF "time " moment LF text

Stricter than C2SP in one point: base64 must be the one way to write its bytes, so that no bit of
a note can be changed unseen. What a checkpoint's text says: checkpoint.py. Never keeps a key.

Signatures are checked by OpenSSL; `ed25519.verify` does it with the standard library alone, and
whoever verifies offline passes that. Hence `cryptography` is imported only where it is used.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from audit.ledger.errors import KeyMalformed, NoteMalformed, NotSigned, SignatureWrong

ED25519 = 1
"""The algorithm of a log's signature."""

COSIGNATURE = 4
"""The algorithm of a witness: cosignature/v1."""

NOTE_LIMIT = 1_000_000
"""Bytes of the longest note that is opened."""

SIGNATURE_LIMIT = 100
"""Signatures of the most signed note that is opened; C2SP asks for at least 16."""

_MAX_TIME = 2**63 - 1
_DASH = "— "
# Control characters but the newline, and what UTF-8 cannot write.
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class Verify(Protocol):
    """Tells whether an Ed25519 signature over a message is that of a public key."""

    def __call__(self, *, public: bytes, message: bytes, signature: bytes) -> bool:
        """Return the answer; anything malformed is False."""


@dataclass(frozen=True, kw_only=True)
class VerifierKey:
    """A public key under a name. Raises KeyMalformed for a name or a length that cannot be."""

    name: str
    """Not empty, without space and plus; for a ledger's own key, its origin."""
    public: bytes
    """32 bytes, RFC 8032."""
    algorithm: int = ED25519

    def __post_init__(self) -> None:
        """Refuse what no note could name."""
        if not is_key_name(self.name):
            raise KeyMalformed(reason="a name is not empty and has no space, no plus")
        if self.algorithm not in (ED25519, COSIGNATURE):
            raise KeyMalformed(reason=f"algorithm {self.algorithm} is not known here")
        if len(self.public) != 32:
            raise KeyMalformed(reason=f"{len(self.public)} bytes, not 32")

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature names its key, together with the name."""
        return sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public).digest()[
            :4
        ]

    def __str__(self) -> str:
        """Read as `name+id`."""
        return f"{self.name}+{self.key_id.hex()}"


class Signer(Protocol):
    """Something that can sign: a key of ours, or what stands before a key that nobody may read."""

    @property
    def key(self) -> VerifierKey:
        """The public key that goes with it."""

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes of the Ed25519 signature over a message, as it stands."""


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key in memory; a `Signer`."""

    key: VerifierKey
    seed: bytes
    """32 bytes, RFC 8032: the secret. Not shown when the key is printed."""

    def __repr__(self) -> str:
        """Never show the seed."""
        return f"SigningKey({self.key})"

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes of the Ed25519 signature over a message."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)

    def as_cosigner(self) -> SigningKey:
        """Return the same key pair under the algorithm of witnesses."""
        return make_signing_key(name=self.key.name, seed=self.seed, algorithm=COSIGNATURE)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One signature line, not checked."""

    name: str
    key_id: bytes
    """4 bytes."""
    signature: bytes
    """All that follows the key id; what it is depends on the key."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text and who claims to have signed it. Trust nothing of it before `open_note`."""

    text: str
    """Ends in a newline."""
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A signature that was checked and holds."""

    key: VerifierKey
    moment: int | None = None
    """Seconds since 1970 at which a witness cosigned; None for a plain signature."""


@dataclass(frozen=True, kw_only=True)
class OpenedNote:
    """A note with at least one signature that holds, and none of a known key that does not."""

    note: Note
    signed: tuple[Signed, ...]
    """In the order of the note; a line that stands twice counts once."""

    @property
    def text(self) -> str:
        """The text that was signed."""
        return self.note.text

    def keys(self) -> frozenset[VerifierKey]:
        """Return who vouches for it; a witness that cosigned twice is one."""
        return frozenset(each.key for each in self.signed)


def is_key_name(name: str) -> bool:
    """Tell whether a note could name a key so."""
    return (
        bool(name)
        and "+" not in name
        and not any(map(str.isspace, name))
        and not _FORBIDDEN.search(name)
    )


def make_signing_key(*, name: str, seed: bytes, algorithm: int = ED25519) -> SigningKey:
    """Return the key of a seed, 32 secret bytes. Raises KeyMalformed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if len(seed) != 32:
        raise KeyMalformed(reason=f"{len(seed)} bytes, not 32")
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return SigningKey(key=VerifierKey(name=name, public=public, algorithm=algorithm), seed=seed)


def format_verifier_key(key: VerifierKey) -> str:
    """Return a public key as others are given it."""
    return f"{key}+{encode_base64(bytes([key.algorithm]) + key.public)}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Return the public key that a text names. Raises KeyMalformed."""
    # Base64 may hold a plus, a name may not.
    name, key_id, algorithm, public = _parse_key(text.split("+", 2))
    key = VerifierKey(name=name, public=public, algorithm=algorithm)
    return _with_id(key, key_id)


def format_signing_key(key: SigningKey) -> str:
    """Return a private key as it is kept; whoever reads it can sign."""
    return f"PRIVATE+KEY+{key.key}+{encode_base64(bytes([key.key.algorithm]) + key.seed)}"


def parse_signing_key(text: str) -> SigningKey:
    """Return the private key that a text holds. Raises KeyMalformed, which never shows it."""
    parts = text.split("+", 4)
    if parts[:2] != ["PRIVATE", "KEY"]:
        raise KeyMalformed(reason="a signing key starts with PRIVATE+KEY+")
    name, key_id, algorithm, seed = _parse_key(parts[2:])
    key = make_signing_key(name=name, seed=seed, algorithm=algorithm)
    _with_id(key.key, key_id)
    return key


def _parse_key(parts: Sequence[str]) -> tuple[str, bytes, int, bytes]:
    if len(parts) != 3 or not _KEY_ID.fullmatch(parts[1]):
        raise KeyMalformed(reason="a key is name+id+base64, its id 8 hex digits")
    found = decode_base64(parts[2])
    if not found:
        raise KeyMalformed(reason="what follows the id is no base64")
    return parts[0], bytes.fromhex(parts[1]), found[0], found[1:]


def _with_id(key: VerifierKey, key_id: bytes) -> VerifierKey:
    if key.key_id != key_id:
        raise KeyMalformed(reason=f"the id is {key_id.hex()}, name and key make {key}")
    return key


def format_note(note: Note) -> bytes:
    """Return a note's bytes. Raises NoteMalformed when it has none."""
    _check_text(note.text)
    if not note.signatures:
        raise NoteMalformed(reason="no signature")
    return "".join([note.text, "\n", *map(format_signature, note.signatures)]).encode()


def parse_note(data: bytes) -> Note:
    """Take a note apart; checks no signature. Raises NoteMalformed."""
    if len(data) > NOTE_LIMIT:
        raise NoteMalformed(reason=f"longer than {NOTE_LIMIT} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise NoteMalformed(reason="not UTF-8") from error
    text, gap, lines = whole.rpartition("\n\n")
    if not gap:
        raise NoteMalformed(reason="no empty line before the signatures")
    _check_text(text + "\n")
    return Note(text=text + "\n", signatures=parse_signatures(lines))


def format_signature(signature: Signature) -> str:
    """Return a signature line, its newline included."""
    encoded = encode_base64(signature.key_id + signature.signature)
    return f"{_DASH}{signature.name} {encoded}\n"


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Return the signatures of one or more signature lines. Raises NoteMalformed."""
    *each, rest = lines.split("\n")
    if rest or not each:
        raise NoteMalformed(reason="signatures are lines, each with its newline")
    if len(each) > SIGNATURE_LIMIT:
        raise NoteMalformed(reason=f"more than {SIGNATURE_LIMIT} signatures")
    return tuple(map(_parse_signature, each))


def _parse_signature(line: str) -> Signature:
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    found = decode_base64(encoded)
    if not line.startswith(_DASH) or not gap or not is_key_name(name):
        raise NoteMalformed(reason="a signature line is a dash, a name and base64")
    if found is None or len(found) < 5:
        raise NoteMalformed(reason=f"the signature of {name} is no base64 of 5 bytes or more")
    return Signature(name=name, key_id=found[:4], signature=found[4:])


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteMalformed(reason="a text ends in a newline")
    if _FORBIDDEN.search(text):
        raise NoteMalformed(reason="a control character or a lone surrogate")


def sign(text: str, *, signer: Signer) -> Signature:
    """Return a plain signature over a text. Raises NoteMalformed for a text no note can hold."""
    assert signer.key.algorithm == ED25519, "a witness's key signs with cosign()"
    _check_text(text)
    return _signature(signer, signer.sign(text.encode()))


def cosign(text: str, *, signer: Signer, moment: int) -> Signature:
    """Return a witness's signature over a checkpoint's text, `moment` in seconds since 1970.

    Says that by then this was the largest tree of that ledger that the witness had seen, and that
    it continued all it had seen before; making sure of it is the caller's part.
    """
    assert signer.key.algorithm == COSIGNATURE, "a ledger's key signs with sign()"
    assert 0 <= moment <= _MAX_TIME, "a moment has 63 bits"
    _check_text(text)
    made = signer.sign(cosigned_message(text, moment=moment))
    return _signature(signer, moment.to_bytes(8, "big") + made)


def _signature(signer: Signer, made: bytes) -> Signature:
    return Signature(name=signer.key.name, key_id=signer.key.key_id, signature=made)


def cosigned_message(text: str, *, moment: int) -> bytes:
    """Return what a witness signs."""
    return f"cosignature/v1\ntime {moment}\n{text}".encode()


def sign_note(text: str, *, signers: Sequence[Signer]) -> bytes:
    """Return a note of this text, signed by each."""
    signatures = tuple(sign(text, signer=signer) for signer in signers)
    return format_note(Note(text=text, signatures=signatures))


def add_signatures(note: Note, signatures: Iterable[Signature]) -> Note:
    """Return the note with these signatures behind its own; one that it has is not repeated."""
    return Note(text=note.text, signatures=tuple(dict.fromkeys([*note.signatures, *signatures])))


def openssl_verify(*, public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 signature holds."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):  # ValueError: 32 bytes that are no point
        return False
    return True


def open_note(
    data: bytes, *, keys: Iterable[VerifierKey], verify: Verify = openssl_verify
) -> OpenedNote:
    """Return a note of which at least one of `keys` vouches for the text.

    Signatures of other keys are ignored, whatever they hold; they stay in `note`. Raises
    SignatureWrong when one of `keys` is named and its signature fails, NotSigned when none of them
    is named, NoteMalformed for bytes that are no note.
    """
    known: dict[tuple[str, bytes], list[VerifierKey]] = {}
    for key in dict.fromkeys(keys):
        known.setdefault((key.name, key.key_id), []).append(key)
    note = parse_note(data)
    signed: list[Signed] = []
    for each in note.signatures:
        # Ids have 32 bits: two trusted keys may share one, and either may have signed.
        candidates = known.get((each.name, each.key_id), [])
        found = [one for key in candidates if (one := _check(note.text, each, key, verify))]
        if candidates and not found:
            raise SignatureWrong(name=each.name, key_id=each.key_id)
        signed += found
    if not signed:
        raise NotSigned(
            wanted=tuple(str(key) for several in known.values() for key in several),
            found=tuple(f"{each.name}+{each.key_id.hex()}" for each in note.signatures),
        )
    return OpenedNote(note=note, signed=tuple(dict.fromkeys(signed)))


def _check(text: str, given: Signature, key: VerifierKey, verify: Verify) -> Signed | None:
    """Return what a signature says when it is that of this key, else None."""
    moment, message, signature = None, text.encode(), given.signature
    if key.algorithm == COSIGNATURE:
        moment, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        message = cosigned_message(text, moment=moment)
        if moment > _MAX_TIME:
            return None
    if not verify(public=key.public, message=message, signature=signature):
        return None
    return Signed(key=key, moment=moment)


def encode_base64(data: bytes) -> str:
    """Return the standard base64 of RFC 4648 section 4, padded."""
    return b64encode(data).decode()


def decode_base64(text: str) -> bytes | None:
    """Return what base64 holds; None unless it is the one way to write those bytes."""
    try:
        found = b64decode(text.encode("ascii"), validate=True)
    except (NotBase64, UnicodeEncodeError):
        return None
    return found if encode_base64(found) == text else None
