"""Verify Ed25519 signatures with the standard library alone. Owns the arithmetic of RFC 8032.

For verifiers that run where nothing can be installed; the platform itself has OpenSSL verify
(note.py). Verifies only: nothing here is fit for secrets, since it takes a time that depends on
its numbers. About a millisecond a signature.

    p = 2^255 - 19                             all coordinates are taken modulo p
    -x² + y² = 1 + d x² y²                     the curve, d = -121665/121666
    B                                          the base point, y = 4/5, x even
    L = 2^252 + 27742317777372353535851937790883648493      the order of B

A signature is R ‖ S, 32 bytes each, little-endian. It holds when S < L and S·B - k·A encodes to
exactly R, with k = SHA-512(R ‖ A ‖ message) modulo L (RFC 8032 section 5.1.7, without cofactor, as
OpenSSL does). A public key whose y is not below p is refused.

A point is kept as (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
"""

from __future__ import annotations

from hashlib import sha512
from typing import TypeAlias

_Point: TypeAlias = tuple[int, int, int, int]

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_D2 = 2 * _D % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_NEUTRAL: _Point = (0, 1, 1, 0)
_SIGN = 1 << 255


def verify(*, public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature over a message is that of a public key; malformed is False."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key = _decode(public)
    s = int.from_bytes(signature[32:], "little")
    if key is None or s >= _L:
        return False
    digest = sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little") % _L
    return _encode(_sum_of_multiples(s, _BASE, k, _negate(key))) == signature[:32]


def _sum_of_multiples(a: int, left: _Point, b: int, right: _Point) -> _Point:
    """Return a·left + b·right, doubling once for both."""
    both = _add(left, right)
    total = _NEUTRAL
    for bit in range(max(a.bit_length(), b.bit_length()) - 1, -1, -1):
        total = _double(total)
        in_a, in_b = a >> bit & 1, b >> bit & 1
        if in_a or in_b:
            total = _add(total, both if in_a and in_b else left if in_a else right)
    return total


def _add(left: _Point, right: _Point) -> _Point:
    x1, y1, z1, t1 = left
    x2, y2, z2, t2 = right
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = t1 * t2 * _D2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a = x * x % _P
    b = y * y % _P
    h = a + b
    e = h - (x + y) ** 2
    g = a - b
    f = 2 * z * z + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _negate(point: _Point) -> _Point:
    x, y, z, t = point
    return -x % _P, y, z, -t % _P


def _encode(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(encoded: bytes) -> _Point | None:
    """Return the point that 32 bytes name; None when they name none (RFC 8032 section 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    is_odd, y = y >> 255, y & (_SIGN - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7, (_P - 5) // 8, _P) % _P
    if (v * x * x + u) % _P == 0:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (v * x * x - u) % _P or (x == 0 and is_odd):
        return None
    if x & 1 != is_odd:
        x = _P - x
    return x, y, 1, x * y % _P


def _base() -> _Point:
    point = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert point is not None, "the base point is on the curve"
    return point


_BASE = _base()
