"""Verifies signatures on the Stark curve, in plain Python and without any library.

Slow (some milliseconds a signature) and not safe against timing: for fake keys only. Curve and keccak:
https://docs.starknet.io/documentation/architecture_and_concepts/Cryptography/stark-curve/ and
https://keccak.team/keccak_specs_summary.html.
"""

from __future__ import annotations

FIELD = 0x0800000000000011000000000000000000000000000000000000000000000001
ORDER = 0x0800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
BETA = 0x06F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89

Jacobian = tuple[int, int, int]
"""(X, Y, Z) for the point (X / Z², Y / Z³); Z is 0 at infinity."""

INFINITY: Jacobian = (1, 1, 0)
GENERATOR: Jacobian = (
    0x01EF15C18599971B7BECED415A40F0C7DEACFD9B0D1819E03D723D8BC943CFCA,
    0x005668060AA49730B7BE4801DF46EC62DE53ECD11ABE43A32873000C36E8DC1F,
    1,
)

_LANE = (1 << 64) - 1
_RATE = 136
_ROTATIONS = (
    (0, 36, 3, 41, 18),
    (1, 44, 10, 45, 2),
    (62, 6, 43, 15, 61),
    (28, 55, 25, 21, 56),
    (27, 20, 39, 8, 14),
)


def _round_constants() -> list[int]:
    """From the linear feedback shift register of the specification."""
    constants, state = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if state & 1:
                constant |= 1 << ((1 << power) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return constants


_CONSTANTS = _round_constants()


def _rotated(lane: int, by: int) -> int:
    return ((lane << by) | (lane >> (64 - by))) & _LANE if by else lane


def _permute(a: list[list[int]]) -> list[list[int]]:
    for constant in _CONSTANTS:
        parity = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        change = [parity[x - 1] ^ _rotated(parity[(x + 1) % 5], 1) for x in range(5)]
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = _rotated(a[x][y] ^ change[x], _ROTATIONS[x][y])
        a = [[b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y] & _LANE) for y in range(5)] for x in range(5)]
        a[0][0] ^= constant
    return a


def keccak_256(data: bytes) -> bytes:
    """The original Keccak, whose padding begins with 01 (SHA-3 begins with 06)."""
    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % _RATE)
    padded[-1] |= 0x80
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            at = start + 8 * lane
            state[lane % 5][lane // 5] ^= int.from_bytes(padded[at : at + 8], "little")
        state = _permute(state)
    return b"".join(state[lane % 5][lane // 5].to_bytes(8, "little") for lane in range(4))


def message_hash(text: str) -> int:
    """The lower 250 bits."""
    return int.from_bytes(keccak_256(text.encode()), "big") % (1 << 250)


def _double(p: Jacobian) -> Jacobian:
    x, y, z = p
    if not y or not z:
        return INFINITY
    s = 4 * x * y * y % FIELD
    m = (3 * x * x + pow(z, 4, FIELD)) % FIELD
    new_x = (m * m - 2 * s) % FIELD
    return new_x, (m * (s - new_x) - 8 * pow(y, 4, FIELD)) % FIELD, 2 * y * z % FIELD


def _sum(p: Jacobian, q: Jacobian) -> Jacobian:
    if not p[2]:
        return q
    if not q[2]:
        return p
    p_zz, q_zz = p[2] * p[2] % FIELD, q[2] * q[2] % FIELD
    u, h = p[0] * q_zz % FIELD, (q[0] * p_zz - p[0] * q_zz) % FIELD
    s, r = p[1] * q_zz * q[2] % FIELD, (q[1] * p_zz * p[2] - p[1] * q_zz * q[2]) % FIELD
    if not h:
        return INFINITY if r else _double(p)
    hh = h * h % FIELD
    hhh, v = h * hh % FIELD, u * hh % FIELD
    x = (r * r - hhh - 2 * v) % FIELD
    return x, (r * (v - x) - s * hhh) % FIELD, h * p[2] * q[2] % FIELD


def times(factor: int, p: Jacobian) -> Jacobian:
    """A multiple of a point."""
    result = INFINITY
    for bit in f"{factor:b}":
        result = _double(result)
        if bit == "1":
            result = _sum(result, p)
    return result


def affine(p: Jacobian) -> tuple[int, int]:
    """The coordinates of a point that is not at infinity."""
    inverse = pow(p[2], -1, FIELD)
    return p[0] * inverse**2 % FIELD, p[1] * inverse**3 % FIELD


def on_curve(x: int, y: int) -> bool:
    return (y * y - x * x * x - x - BETA) % FIELD == 0


def verified(point: tuple[int, int], digest: int, r: int, s: int) -> bool:
    """Whether (r, s) is a signature of ``digest`` by the key of ``point``."""
    if not (0 < r < ORDER and 0 < s < ORDER and on_curve(*point)):
        return False
    w = pow(s, -1, ORDER)
    found = _sum(times(digest * w % ORDER, GENERATOR), times(r * w % ORDER, (*point, 1)))
    return bool(found[2]) and affine(found)[0] % ORDER == r
