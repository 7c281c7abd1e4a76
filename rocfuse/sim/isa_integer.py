"""Vector integer and bit instructions (CDNA3 ISA, "VOP1", "VOP2", "VOP3A")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rocfuse.sim.arith import I16, I32, I64, U16, U32, U64, high_product, signed24
from rocfuse.sim.shadow import and_or, bit_and, bit_or, bitwise, moved, upward
from rocfuse.sim.vector_op import VectorOp, row

Array = np.ndarray
LOW24 = U32(0xFFFFFF)


def shift_left(x: Array, by: Array) -> Array:
    """x << by, modulo the width."""
    return x << (by & by.dtype.type(x.dtype.itemsize * 8 - 1)).astype(x.dtype)


def shift_right(x: Array, by: Array) -> Array:
    """x >> by, modulo the width; arithmetic for signed types."""
    return x >> (by & by.dtype.type(x.dtype.itemsize * 8 - 1)).astype(x.dtype)


def reverse_bits(x: Array) -> Array:
    """The 32 bits in reverse order."""
    for width, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF), (16, 0x0000FFFF)):
        x = (x >> U32(width) & U32(mask)) | ((x & U32(mask)) << U32(width))
    return x


def popcount(x: Array) -> Array:
    """The number of ones."""
    return np.bitwise_count(x).astype(U32)


def leading_zeros(x: Array) -> Array:
    """Zeros above the highest one; all ones for 0."""
    bits = x.dtype.itemsize * 8
    width = np.frexp((x & x.dtype.type(0xFFFFFFFF)).astype(np.float64))[1]
    if bits == 64:
        upper = x >> U64(32)
        width = np.where(upper != 0, 32 + np.frexp(upper.astype(np.float64))[1], width)
    return np.where(x == 0, -1, bits - width).astype(I32).view(U32)


def trailing_zeros(x: Array) -> Array:
    """Zeros below the lowest one; all ones for 0."""
    lowest = x & (~x + x.dtype.type(1))
    return np.where(x == 0, -1, np.frexp(lowest.astype(np.float64))[1] - 1).astype(I32).view(U32)


def sign_run(x: Array) -> Array:
    """Leading bits equal to the sign; all ones when every bit is."""
    flipped = np.where(x < 0, ~x, x).view(U32)
    return np.where(flipped == 0, U32(0xFFFFFFFF), leading_zeros(flipped))


def field_unsigned(x: Array, offset: Array, width: Array) -> Array:
    """v_bfe_u32."""
    mask = (U32(1) << (width & U32(31))) - U32(1)
    return (x >> (offset & U32(31))) & mask


def field_signed(x: Array, offset: Array, width: Array) -> Array:
    """v_bfe_i32."""
    width = (width & U32(31)).astype(I32)
    value = (x >> (offset & U32(31)).astype(I32)) & ((I32(1) << width) - I32(1))
    sign = np.where(width > 0, I32(1) << np.maximum(width - I32(1), 0), 0).astype(I32)
    return (value ^ sign) - sign


def _permute_bytes(high: Array, low: Array, selector: Array) -> Array:
    data = low.astype(U64) | high.astype(U64) << U64(32)
    result = np.zeros(np.broadcast_shapes(data.shape, selector.shape), U32)
    for at in range(4):
        pick = selector >> U32(8 * at) & U32(255)
        byte = (data >> (U64(8) * np.minimum(pick, U32(7)).astype(U64)) & U64(255)).astype(U32)
        sign = ((data >> (np.clip(pick, 8, 11).astype(U64) * U64(16) - U64(113))) & U64(1)).astype(U32) * U32(255)
        byte = np.where(pick >= 13, U32(255), np.where(pick == 12, U32(0), np.where(pick >= 8, sign, byte)))
        result |= byte << U32(8 * at)
    return result


def _align(unit: int) -> Callable[[Array, Array, Array], Array]:
    mask = U32(31 if unit == 1 else 3)

    def compute(high: Array, low: Array, by: Array) -> Array:
        wide = low.astype(U64) | high.astype(U64) << U64(32)
        return (wide >> ((by & mask) * U32(unit)).astype(U64)).astype(U32)

    return compute


def _add_carry(a: Array, b: Array) -> tuple[Array, Array]:
    total = a.astype(U64) + b.astype(U64)
    return total.astype(U32), total > U64(0xFFFFFFFF)


def _add_carry_in(a: Array, b: Array, carry: Array) -> tuple[Array, Array]:
    total = a.astype(U64) + b.astype(U64) + carry.astype(U64)
    return total.astype(U32), total > U64(0xFFFFFFFF)


def _sub_borrow(a: Array, b: Array) -> tuple[Array, Array]:
    return a - b, b > a


def _sub_borrow_in(a: Array, b: Array, borrow: Array) -> tuple[Array, Array]:
    return a - b - borrow.astype(U32), b.astype(U64) + borrow.astype(U64) > a.astype(U64)


def _mad64(dtype: Any) -> Callable[[Array, Array, Array], tuple[Array, Array]]:
    def compute(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
        product = a.astype(dtype) * b.astype(dtype)
        total = product + c
        return total, total.view(U64) < product.view(U64)

    return compute


def _low_bits_select(mask: Array, on: Array, off: Array) -> Array:
    return (mask & on) | (~mask & off)


def _lane_count(offset: int) -> Callable[[Array, Array], Array]:
    """v_mbcnt: ones of the mask below this lane."""
    lane = np.arange(64)
    below = np.clip(lane - offset, 0, 32)
    ones = np.array([(1 << int(count)) - 1 for count in below], np.uint64).astype(U32)
    return lambda mask, base: popcount(mask & ones) + base


def _sad(width: int, shift: int = 0) -> Callable[[Array, Array, Array], Array]:
    """The sum of absolute differences of the parts of a and b, at `shift`, and c."""

    def compute(a: Array, b: Array, c: Array) -> Array:
        for at in range(0, 32, width):
            x, y = ((value >> U32(at) & U32(0xFFFFFFFF >> (32 - width))).astype(I64) for value in (a, b))
            c = c + (np.abs(x - y).astype(U32) << U32(shift))
        return c

    return compute


def _dot4_unsigned(a: Array, b: Array, c: Array) -> Array:
    for at in range(0, 32, 8):
        c = c + (a >> U32(at) & U32(255)) * (b >> U32(at) & U32(255))
    return c


def _dot4(a: Array, b: Array, c: Array) -> Array:
    for at in range(4):
        x, y = ((value << U32(24 - 8 * at)).view(I32) >> I32(24) for value in (a, b))
        c = c + x * y
    return c


def _median(a: Array, b: Array, c: Array) -> Array:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def saturating(sign: int, reverse: bool = False) -> Callable[[Array, Array], Array]:
    """a + sign * b, clamped to the range of the type."""

    def compute(a: Array, b: Array) -> Array:
        if reverse:
            a, b = b, a
        info = np.iinfo(a.dtype)
        return np.clip(a.astype(I64) + sign * b.astype(I64), info.min, info.max).astype(a.dtype)

    return compute


def _three(kind: str) -> str:
    return f"{kind} = {kind} {kind} {kind}"


def _two(kind: str) -> str:
    return f"{kind} = {kind} {kind}"


def _sized(kind: str, signed: str) -> dict[str, VectorOp]:
    """Rows that exist for 16 and 32 bits."""
    return {
        f"v_max_{kind}": row(_two(kind), np.maximum),
        f"v_min_{kind}": row(_two(kind), np.minimum),
        f"v_max_{signed}": row(_two(signed), np.maximum),
        f"v_min_{signed}": row(_two(signed), np.minimum),
        f"v_max3_{kind}": row(_three(kind), lambda a, b, c: np.maximum(np.maximum(a, b), c)),
        f"v_min3_{kind}": row(_three(kind), lambda a, b, c: np.minimum(np.minimum(a, b), c)),
        f"v_max3_{signed}": row(_three(signed), lambda a, b, c: np.maximum(np.maximum(a, b), c)),
        f"v_min3_{signed}": row(_three(signed), lambda a, b, c: np.minimum(np.minimum(a, b), c)),
        f"v_med3_{kind}": row(_three(kind), _median),
        f"v_med3_{signed}": row(_three(signed), _median),
        f"v_add_{kind}": row(_two(kind), lambda a, b: a + b, upward, saturating=saturating(1)),
        f"v_sub_{kind}": row(_two(kind), lambda a, b: a - b, upward, saturating=saturating(-1)),
        f"v_subrev_{kind}": row(_two(kind), lambda a, b: b - a, upward, saturating=saturating(-1, True)),
        f"v_add_{signed}": row(_two(signed), lambda a, b: a + b, upward, saturating=saturating(1)),
        f"v_sub_{signed}": row(_two(signed), lambda a, b: a - b, upward, saturating=saturating(-1)),
    }


def _shifts(width: int) -> dict[str, VectorOp]:
    bits, signed, amount = f"b{width}", f"i{width}", "b16" if width == 16 else "b32"
    left = row(f"{bits} = {amount} {bits}", lambda by, x: shift_left(x, by), moved(1))
    right = row(f"{bits} = {amount} {bits}", lambda by, x: shift_right(x, by), moved(1))
    arithmetic = row(f"{signed} = {amount} {signed}", lambda by, x: shift_right(x, by), moved(1))
    return {
        f"v_lshlrev_b{width}": left,
        f"v_lshrrev_b{width}": right,
        f"v_ashrrev_i{width}": arithmetic,
    }


_LOGIC: dict[str, VectorOp] = {
    "v_and_b32": row(_two("b32"), lambda a, b: a & b, bit_and),
    "v_or_b32": row(_two("b32"), lambda a, b: a | b, bit_or),
    "v_xor_b32": row(_two("b32"), lambda a, b: a ^ b, bitwise),
    "v_xnor_b32": row(_two("b32"), lambda a, b: ~(a ^ b), bitwise),
    "v_not_b32": row("b32 = b32", lambda a: ~a, bitwise),
    "v_or3_b32": row(_three("b32"), lambda a, b, c: a | b | c, bitwise),
    "v_and_or_b32": row(_three("b32"), lambda a, b, c: (a & b) | c, and_or),
    "v_bfi_b32": row(_three("b32"), _low_bits_select),
    "v_bfm_b32": row(_two("b32"), lambda w, o: ((U32(1) << (w & U32(31))) - U32(1)) << (o & U32(31))),
    "v_bfrev_b32": row("b32 = b32", reverse_bits, moved(0)),
    "v_bfe_u32": row(_three("u32"), field_unsigned, moved(0)),
    "v_bfe_i32": row("i32 = i32 u32 u32", field_signed, moved(0)),
    "v_perm_b32": row(_three("b32"), _permute_bytes, moved(0, 1)),
    "v_alignbit_b32": row(_three("b32"), _align(1), moved(0, 1)),
    "v_alignbyte_b32": row(_three("b32"), _align(8), moved(0, 1)),
    "v_lshl_or_b32": row(_three("b32"), lambda a, b, c: shift_left(a, b) | c, moved(0, 2)),
    "v_bcnt_u32_b32": row("u32 = b32 u32", lambda a, b: popcount(a) + b),
    "v_ffbh_u32": row("u32 = u32", leading_zeros),
    "v_ffbh_i32": row("u32 = i32", sign_run),
    "v_ffbl_b32": row("u32 = u32", trailing_zeros),
    "v_mbcnt_lo_u32_b32": row("u32 = b32 u32", _lane_count(0)),
    "v_mbcnt_hi_u32_b32": row("u32 = b32 u32", _lane_count(32)),
    "v_sad_u8": row("u32 = b32 b32 u32", _sad(8)),
    "v_sad_hi_u8": row("u32 = b32 b32 u32", _sad(8, 16)),
    "v_sad_u16": row("u32 = b32 b32 u32", _sad(16)),
    "v_sad_u32": row("u32 = b32 b32 u32", _sad(32)),
    "v_dot4_u32_u8": row("u32 = b32 b32 u32", _dot4_unsigned),
    "v_dot4_i32_i8": row("i32 = b32 b32 i32", _dot4),
    "v_dot4c_i32_i8": row("i32 = b32 b32 i32", _dot4, accumulate=True),
    "v_sat_pk_u8_i16": row(
        "b16 = b32",
        lambda a: (
            (np.clip(a.astype(U16).view(I16), 0, 255) | np.clip((a >> U32(16)).astype(U16).view(I16), 0, 255) << 8)
            .astype(I16)
            .view(U16)
        ),
    ),
}

_ARITHMETIC: dict[str, VectorOp] = {
    "v_mul_lo_u32": row(_two("u32"), lambda a, b: a * b, upward),
    "v_mul_hi_u32": row(_two("u32"), lambda a, b: high_product(a, b, U32)),
    "v_mul_hi_i32": row(_two("i32"), lambda a, b: high_product(a, b, I32)),
    "v_mul_lo_u16": row(_two("u16"), lambda a, b: a * b, upward),
    "v_mul_u32_u24": row(_two("u32"), lambda a, b: (a & LOW24) * (b & LOW24)),
    "v_mul_i32_i24": row(_two("i32"), lambda a, b: signed24(a) * signed24(b)),
    "v_mul_hi_u32_u24": row(_two("u32"), lambda a, b: high_product(a & LOW24, b & LOW24, U32)),
    "v_mul_hi_i32_i24": row(_two("i32"), lambda a, b: high_product(signed24(a), signed24(b), I32)),
    "v_mad_u32_u24": row(_three("u32"), lambda a, b, c: (a & LOW24) * (b & LOW24) + c),
    "v_mad_i32_i24": row(_three("i32"), lambda a, b, c: signed24(a) * signed24(b) + c),
    "v_mad_u16": row(_three("u16"), lambda a, b, c: a * b + c, upward, keep=True),
    "v_mad_i16": row(_three("i16"), lambda a, b, c: a * b + c, keep=True),
    "v_mad_legacy_u16": row(_three("u16"), lambda a, b, c: a * b + c, upward),
    "v_mad_u32_u16": row("u32 = u16 u16 u32", lambda a, b, c: a.astype(U32) * b.astype(U32) + c),
    "v_mad_i32_i16": row("i32 = i16 i16 i32", lambda a, b, c: a.astype(I32) * b.astype(I32) + c),
    "v_mad_u64_u32": row("u64 mask = u32 u32 u64", _mad64(U64), upward),
    "v_mad_i64_i32": row("i64 mask = i32 i32 i64", _mad64(I64), upward),
    "v_add3_u32": row(_three("u32"), lambda a, b, c: a + b + c, upward),
    "v_add_lshl_u32": row(_three("u32"), lambda a, b, c: shift_left(a + b, c)),
    "v_lshl_add_u32": row(_three("u32"), lambda a, b, c: shift_left(a, b) + c),
    "v_xad_u32": row(_three("u32"), lambda a, b, c: (a ^ b) + c, upward),
    "v_lshl_add_u64": row("u64 = u64 u32 u64", lambda a, b, c: shift_left(a, b) + c),
    "v_add_co_u32": row("u32 mask = u32 u32", _add_carry),
    "v_sub_co_u32": row("u32 mask = u32 u32", _sub_borrow),
    "v_subrev_co_u32": row("u32 mask = u32 u32", lambda a, b: _sub_borrow(b, a)),
    "v_addc_co_u32": row("u32 mask = u32 u32 mask", _add_carry_in),
    "v_subb_co_u32": row("u32 mask = u32 u32 mask", _sub_borrow_in),
    "v_subbrev_co_u32": row("u32 mask = u32 u32 mask", lambda a, b, c: _sub_borrow_in(b, a, c)),
}

TABLE: dict[str, VectorOp] = {
    name: op if not name.startswith("v_") else VectorOp(**{**op.__dict__, "exact": True})
    for name, op in {
        **_LOGIC,
        **_ARITHMETIC,
        **_sized("u32", "i32"),
        **_sized("u16", "i16"),
        **_shifts(16),
        **_shifts(32),
        **_shifts(64),
    }.items()
}
