"""Vector floating-point and conversion instructions (CDNA3 ISA, "VOP1", "VOP2", "VOP3A").

Transcendental instructions are the correctly rounded function; the hardware's are within 1 ulp and flush denormals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from rocfuse.sim import arith
from rocfuse.sim.arith import F16, F32, F64, I16, I32, U16, U32, through_f64, to_integer
from rocfuse.sim.shadow import bitwise, chosen, moved
from rocfuse.sim.vector_op import VectorOp, row

Array = np.ndarray


def _minimum(a: Array, b: Array) -> Array:
    """The smaller number; -0 is smaller than +0."""
    return np.where((a == 0) & (b == 0), np.where(np.signbit(a), a, b), np.fmin(a, b))


def _maximum(a: Array, b: Array) -> Array:
    return np.where((a == 0) & (b == 0), np.where(np.signbit(a), b, a), np.fmax(a, b))


def _median(a: Array, b: Array, c: Array) -> Array:
    low, high = _minimum(a, b), _maximum(a, b)
    middle = _maximum(low, _minimum(high, c))
    nan = np.isnan(a) | np.isnan(b) | np.isnan(c)
    return np.where(nan, _minimum(_minimum(a, b), c), middle)


def _fract(x: Array) -> Array:
    below_one = np.nextafter(x.dtype.type(1), x.dtype.type(0))
    return np.minimum(x - np.floor(x), below_one)


def _frexp_exponent(dtype: Any) -> Callable[[Array], Array]:
    return lambda x: np.where(np.isfinite(x), np.frexp(x)[1], 0).astype(dtype)


def _frexp_mantissa(x: Array) -> Array:
    return np.where(np.isfinite(x), np.frexp(x)[0], x).astype(x.dtype)


def _turns(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def compute(x: Array) -> Array:
        return function(2 * np.pi * np.remainder(x, 1.0))

    return compute


def _legacy_product(a: Array, b: Array) -> Array:
    return np.where((a == 0) | (b == 0), F32(0), a * b)


def _class(bits: Any) -> Callable[[Array, Array], Array]:
    def test(x: Array, mask: Array) -> Array:
        tiny = np.finfo(x.dtype).tiny
        size = np.abs(x)
        negative = np.signbit(x)
        quiet = (x.view(bits) >> bits({2: 9, 4: 22, 8: 51}[x.dtype.itemsize]) & bits(1)).astype(bool)
        nan = np.isnan(x)
        finite = [np.isinf(x), np.isfinite(x) & (size >= tiny), (size < tiny) & (x != 0), x == 0]
        kinds = [nan & ~quiet, nan & quiet, *(kind & negative for kind in finite)]
        kinds += [kind & ~negative for kind in reversed(finite)]
        result = np.zeros(np.broadcast_shapes(x.shape, mask.shape), bool)
        for at, kind in enumerate(kinds):
            result |= kind & ((mask >> mask.dtype.type(at)) & mask.dtype.type(1)).astype(bool)
        return result

    return test


def _byte(at: int) -> Callable[[Array], Array]:
    return lambda x: (x >> U32(8 * at) & U32(255)).astype(F32)


def _pack(low: Array, high: Array) -> Array:
    low, high = np.broadcast_arrays(low, high)
    return low.view(U16).astype(U32) | (high.view(U16).astype(U32) << U32(16))


def _pack_integers(dtype: Any) -> Callable[[Array, Array], Array]:
    info = np.iinfo(dtype)
    return lambda a, b: _pack(*(np.clip(x, info.min, info.max).astype(dtype).view(U16) for x in (a, b)))


def _pack_normal(dtype: Any) -> Callable[[Array, Array], Array]:
    low, scale = (-1.0, 32767.0) if dtype is I16 else (0.0, 65535.0)

    def compute(a: Array, b: Array) -> Array:
        return _pack(*(np.rint(np.clip(x.astype(F64), low, 1) * scale).astype(dtype).view(U16) for x in (a, b)))

    return compute


def _float_rows(kind: str) -> dict[str, VectorOp]:
    """Rows that exist alike for f16, f32 and f64."""
    one, two, three = f"{kind} = {kind}", f"{kind} = {kind} {kind}", f"{kind} = {kind} {kind} {kind}"
    fma = {"f16": arith.fma_f16, "f32": arith.fma_f32, "f64": arith.fma_f64}[kind]
    full = kind == "f64"
    denormals = kind != "f32"
    exponents = {"f16": ("i16", I16), "f32": ("i32", I32), "f64": ("i32", I32)}[kind]
    table = {
        "add": row(two, lambda a, b: a + b),
        "mul": row(two, lambda a, b: a * b),
        "max": row(two, _maximum),
        "min": row(two, _minimum),
        "fma": row(three, fma, keep=True),
        "fmac": row(three, fma, accumulate=True, keep=True),
        "rcp": row(one, through_f64(lambda x: 1.0 / x, denormals)),
        "rsq": row(one, through_f64(lambda x: 1.0 / np.sqrt(x), denormals)),
        "sqrt": row(one, through_f64(np.sqrt, denormals)),
        "floor": row(one, np.floor),
        "ceil": row(one, np.ceil),
        "trunc": row(one, np.trunc),
        "rndne": row(one, np.rint),
        "fract": row(one, _fract),
        "frexp_mant": row(one, _frexp_mantissa),
        "div_fixup": row(three, arith.div_fixup, keep=True),
    }
    table = {f"v_{name}_{kind}": op for name, op in table.items()}
    table[f"v_frexp_exp_{exponents[0]}_{kind}"] = row(f"{exponents[0]} = {kind}", _frexp_exponent(exponents[1]))
    if not full:
        half = {
            "sub": row(two, lambda a, b: a - b),
            "subrev": row(two, lambda a, b: b - a),
            "exp": row(one, through_f64(np.exp2, denormals)),
            "log": row(one, through_f64(np.log2, denormals)),
            "sin": row(one, through_f64(_turns(np.sin), denormals)),
            "cos": row(one, through_f64(_turns(np.cos), denormals)),
            "med3": row(three, _median),
            "max3": row(three, lambda a, b, c: _maximum(_maximum(a, b), c)),
            "min3": row(three, lambda a, b, c: _minimum(_minimum(a, b), c)),
            "mad": row(three, lambda a, b, c: a * b + c, keep=True),
            "mac": row(three, lambda a, b, c: a * b + c, accumulate=True, keep=True),
            "fmamk": row(three, fma, keep=True),
            "fmaak": row(three, fma, keep=True),
        }
        table |= {f"v_{name}_{kind}": op for name, op in half.items()}
    return table


def _conversions() -> dict[str, VectorOp]:
    def simple(result: str, source: str, dtype: Any) -> VectorOp:
        return row(f"{result} = {source}", lambda x: x.astype(dtype))

    floor_half = to_integer(I32, lambda x: np.floor(x + 0.5))
    return {
        "v_cvt_f32_f16": simple("f32", "f16", F32),
        "v_cvt_f16_f32": simple("f16", "f32", F16),
        "v_cvt_f64_f32": simple("f64", "f32", F64),
        "v_cvt_f32_f64": simple("f32", "f64", F32),
        "v_cvt_f32_i32": simple("f32", "i32", F32),
        "v_cvt_f32_u32": simple("f32", "u32", F32),
        "v_cvt_f64_i32": simple("f64", "i32", F64),
        "v_cvt_f64_u32": simple("f64", "u32", F64),
        "v_cvt_f16_i16": simple("f16", "i16", F16),
        "v_cvt_f16_u16": simple("f16", "u16", F16),
        "v_cvt_i32_f32": row("i32 = f32", to_integer(I32)),
        "v_cvt_u32_f32": row("u32 = f32", to_integer(U32)),
        "v_cvt_i32_f64": row("i32 = f64", to_integer(I32)),
        "v_cvt_u32_f64": row("u32 = f64", to_integer(U32)),
        "v_cvt_i16_f16": row("i16 = f16", to_integer(I16)),
        "v_cvt_u16_f16": row("u16 = f16", to_integer(U16)),
        "v_cvt_flr_i32_f32": row("i32 = f32", to_integer(I32, np.floor)),
        "v_cvt_rpi_i32_f32": row("i32 = f32", floor_half),
        **{f"v_cvt_f32_ubyte{at}": row("f32 = b32", _byte(at)) for at in range(4)},
        "v_cvt_pkrtz_f16_f32": row(
            "b32 = f32 f32", lambda a, b: _pack(arith.round_to_zero_f16(a), arith.round_to_zero_f16(b))
        ),
        "v_cvt_pk_i16_i32": row("b32 = i32 i32", _pack_integers(I16)),
        "v_cvt_pk_u16_u32": row("b32 = u32 u32", _pack_integers(U16)),
        "v_cvt_pknorm_i16_f32": row("b32 = f32 f32", _pack_normal(I16)),
        "v_cvt_pknorm_u16_f32": row("b32 = f32 f32", _pack_normal(U16)),
    }


# gfx942's fp8 is FNUZ
_FP8 = {"fp8": ml_dtypes.float8_e4m3fnuz, "bf8": ml_dtypes.float8_e5m2fnuz}


def _fp8_rows() -> dict[str, VectorOp]:
    def unpack(dtype: Any) -> Callable[[Array], Array]:
        return lambda x: (x & U32(255)).astype(np.uint8).view(dtype).astype(F32)

    def unpack_pair(dtype: Any) -> Callable[[Array], Array]:
        def compute(x: Array) -> Array:
            low, high = (((x >> x.dtype.type(at)) & x.dtype.type(255)).astype(np.uint8) for at in (0, 8))
            values = [part.view(dtype).astype(F32).view(U32).astype(np.uint64) for part in (low, high)]
            return values[0] | values[1] << np.uint64(32)

        return compute

    def pack(dtype: Any) -> Callable[[Array, Array], Array]:
        top = F32(ml_dtypes.finfo(dtype).max)

        def saturate(x: Array) -> Array:
            return np.where(np.isnan(x), x, np.clip(x, -top, top)).astype(dtype).view(np.uint8).astype(U16)

        return lambda a, b: saturate(a) | saturate(b) << U16(8)

    table = {}
    for name, dtype in _FP8.items():
        table[f"v_cvt_f32_{name}"] = row("f32 = b32", unpack(dtype))
        table[f"v_cvt_pk_f32_{name}"] = row("b64 = b16", unpack_pair(dtype))
        table[f"v_cvt_pk_{name}_f32"] = row("b16 = f32 f32", pack(dtype), keep=True)
    return table


def _division(kind: str) -> dict[str, VectorOp]:
    three = f"{kind} {kind} {kind}"
    return {
        f"v_div_scale_{kind}": row(f"{kind} mask = {three}", arith.div_scale),
        f"v_div_fmas_{kind}": row(f"{kind} = {three} mask", arith.div_fmas, implicit="vcc"),
    }


TABLE: dict[str, VectorOp] = {
    **_float_rows("f16"),
    **_float_rows("f32"),
    **_float_rows("f64"),
    **_conversions(),
    **_fp8_rows(),
    **_division("f32"),
    **_division("f64"),
    "v_rcp_iflag_f32": row("f32 = f32", through_f64(lambda x: 1.0 / x)),
    "v_mul_legacy_f32": row("f32 = f32 f32", _legacy_product),
    "v_ldexp_f32": row("f32 = f32 i32", arith.ldexp),
    "v_ldexp_f64": row("f64 = f64 i32", arith.ldexp),
    "v_ldexp_f16": row("f16 = f16 i16", arith.ldexp),
    "v_cmp_class_f16": row("mask = f16 b16", _class(U16), exact=True),
    "v_cmp_class_f32": row("mask = f32 b32", _class(U32), exact=True),
    "v_cmp_class_f64": row("mask = f64 b32", _class(np.uint64), exact=True),
    "v_pack_b32_f16": row("b32 = f16 f16", _pack, moved(0, 1), exact=True),
    "v_cndmask_b32": row("b32 = b32 b32 mask", lambda a, b, c: np.where(c, b, a), chosen, exact=True),
    "v_mov_b32": row("b32 = b32", lambda a: a, bitwise, exact=True),
    "v_mov_b64": row("b64 = b64", lambda a: a, bitwise, exact=True),
    "v_accvgpr_read_b32": row("b32 = b32", lambda a: a, bitwise, exact=True),
    "v_accvgpr_write_b32": row("b32 = b32", lambda a: a, bitwise, exact=True),
    "v_accvgpr_mov_b32": row("b32 = b32", lambda a: a, bitwise, exact=True),
}
