"""Signatures on the Stark curve, as ZKX wants them.

ECDSA over the Starknet keccak of the text. The libraries come with the extra ``zkx`` and are imported when
a key is used. Curve: https://docs.starknet.io/documentation/architecture_and_concepts/Cryptography/stark-curve/
"""

from __future__ import annotations

import re
from importlib import import_module

# y² = x³ + x + b over the field of P elements; the generator has order N.
P = 2**251 + 17 * 2**192 + 1
N = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
GENERATOR = (
    0x1EF15C18599971B7BECED415A40F0C7DEACFD9B0D1819E03D723D8BC943CFCA,
    0x5668060AA49730B7BE4801DF46EC62DE53ECD11ABE43A32873000C36E8DC1F,
)
_KECCAK_MASK = (1 << 250) - 1

Point = tuple[int, int]


def missing_packages() -> tuple[str, ...]:
    """Those of the extra ``zkx`` that are not installed, or do not work on this machine."""
    missing = []
    for package, module in (
        ("fast-stark-crypto", "fast_stark_crypto"),
        ("pycryptodome", "Crypto.Hash.keccak"),
    ):
        try:
            import_module(module)
        except ImportError:
            missing.append(package)
    return tuple(missing)


def private_key(text: str) -> int:
    """A private key from its hexadecimal digits, with or without ``0x``.

    Raises:
        ValueError: if it is not one; the text does not repeat it.
    """
    digits = text.strip().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{1,64}", digits):
        raise ValueError("`private_key` must be a Stark private key in hexadecimal digits")
    key = int(digits, 16)
    # The library signs with numbers outside the range, and the signature is worth nothing.
    if not 0 < key < N:
        raise ValueError("`private_key` is not in the range of the Stark curve")
    return key


def starknet_keccak(data: bytes) -> int:
    """Keccak-256 (the original, not SHA-3) cut to its lower 250 bits."""
    from Crypto.Hash import keccak  # noqa: PLC0415 (optional)

    return int.from_bytes(keccak.new(digest_bits=256, data=data).digest(), "big") & _KECCAK_MASK


def sign(key: int, message_hash: int) -> tuple[int, int]:
    """The numbers r and s of an ECDSA signature, its nonce derived from key and hash."""
    import fast_stark_crypto  # noqa: PLC0415 (optional)

    r, s = fast_stark_crypto.sign(key, message_hash)
    return r, s


def public_key(key: int) -> Point:
    """The point of a private key. The library gives only its x."""
    point = GENERATOR
    result: Point | None = None
    while key:
        if key & 1:
            result = point if result is None else _add(result, point)
        point = _add(point, point)
        key >>= 1
    if result is None:
        raise ValueError("the private key is 0")
    return result


def compressed(point: Point) -> str:
    """A point as 02 or 03, by the parity of its y, and the 64 digits of its x."""
    x, y = point
    return f"0x{2 + (y & 1):02x}{x:064x}"


def _add(a: Point, b: Point) -> Point:
    """Sum of two points that are not each other's opposite: never the case below the group's order."""
    if a == b:
        slope = (3 * a[0] * a[0] + 1) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P
