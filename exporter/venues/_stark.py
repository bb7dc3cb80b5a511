"""Signatures on the Stark curve, as Starknet accounts make them.

The curve is y² = x³ + x + b over the prime P: https://docs.starknet.io/learn/protocol/cryptography.
Hash and signature come from the packages of the extra ``zkx``, which are imported when they are used; the
point arithmetic is here because they give no Y coordinate.
"""

from __future__ import annotations

PRIME = 2**251 + 17 * 2**192 + 1
ORDER = 0x0800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
"""Of the generator: private keys are 1 to ORDER - 1."""
_GENERATOR = (
    0x01EF15C18599971B7BECED415A40F0C7DEACFD9B0D1819E03D723D8BC943CFCA,
    0x005668060AA49730B7BE4801DF46EC62DE53ECD11ABE43A32873000C36E8DC1F,
)

_HASH_BITS = 250

_Jacobian = tuple[int, int, int]


def missing_packages() -> tuple[str, ...]:
    """Those of the packages needed that are not installed, or do not work on this machine."""
    missing = []
    try:
        import fast_stark_crypto  # noqa: F401, PLC0415 (an optional package)
    except ImportError:
        missing.append("fast-stark-crypto")
    try:
        import Crypto.Hash.keccak  # noqa: F401, PLC0415 (an optional package)
    except ImportError:
        missing.append("pycryptodome")
    return tuple(missing)


def starknet_keccak(data: bytes) -> int:
    """Keccak-256 cut to its lower 250 bits, so that it is a field element.

    Source: https://docs.starknet.io/learn/protocol/cryptography

    Raises:
        ImportError: without the extra.
    """
    from Crypto.Hash import keccak  # noqa: PLC0415 (an optional package)

    digest = keccak.new(digest_bits=256, data=data).digest()
    return int.from_bytes(digest, "big") & ((1 << _HASH_BITS) - 1)


def sign(private_key: int, message_hash: int) -> tuple[int, int]:
    """The ECDSA signature (r, s), with the nonce of RFC 6979: the same input gives the same signature.

    Raises:
        ImportError: without the extra.
    """
    import fast_stark_crypto  # noqa: PLC0415 (an optional package)

    r, s = fast_stark_crypto.sign(private_key, message_hash)
    return r, s


def compressed_public_key(private_key: int) -> str:
    """0x, the prefix 02 (Y is even) or 03 (odd), and X with 64 hexadecimal digits."""
    x, y = _public_point(private_key)
    return f"0x{2 + y % 2:02x}{x:064x}"


def _public_point(private_key: int) -> tuple[int, int]:
    """The generator times the private key, by doubling and adding.

    The time this takes depends on the key. It runs once for an account and nothing can be asked to run
    it, so nobody can measure it.
    """
    point: _Jacobian = (0, 1, 0)
    for bit in f"{private_key:b}":
        point = _double(point)
        if bit == "1":
            point = _add_generator(point)
    x, y, z = point
    inverse = pow(z, -1, PRIME)
    return x * inverse**2 % PRIME, y * inverse**3 % PRIME


def _double(point: _Jacobian) -> _Jacobian:
    """Source: https://hyperelliptic.org/EFD/g1p/auto-shortw-jacobian.html (a = 1)."""
    x, y, z = point
    square = y * y % PRIME
    s = 4 * x * square % PRIME
    m = (3 * x * x + z**4) % PRIME
    new_x = (m * m - 2 * s) % PRIME
    return new_x, (m * (s - new_x) - 8 * square * square) % PRIME, 2 * y * z % PRIME


def _add_generator(point: _Jacobian) -> _Jacobian:
    """Point + generator. Never meets the generator itself: a prefix of a key below ORDER is doubled first."""
    x, y, z = point
    if z == 0:
        return (*_GENERATOR, 1)
    zz = z * z % PRIME
    h = (_GENERATOR[0] * zz - x) % PRIME
    r = (_GENERATOR[1] * zz * z - y) % PRIME
    hh = h * h % PRIME
    hhh, v = h * hh % PRIME, x * hh % PRIME
    new_x = (r * r - hhh - 2 * v) % PRIME
    return new_x, (r * (v - new_x) - y * hhh) % PRIME, h * z % PRIME
