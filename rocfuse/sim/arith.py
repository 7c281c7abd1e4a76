"""Arithmetic that several instruction tables share: conversions with saturation, fused multiply-add, denormals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rocfuse.sim.jit import fma_f32, fma_f64

U16, I16, U32, I32, U64, I64 = np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64
F16, F32, F64 = np.float16, np.float32, np.float64
Array = np.ndarray

__all__ = ["fma_f32", "fma_f64"]


def flush(x: Array) -> Array:
    """Denormals become zeros of the same sign."""
    tiny = np.finfo(x.dtype).tiny
    return np.where(np.abs(x) < tiny, np.copysign(x.dtype.type(0), x), x)


def fma_f16(a: Array, b: Array, c: Array) -> Array:
    """One rounding: the product of f16s and the sum are exact in f64 for all but absurd exponents."""
    return (a.astype(F64) * b.astype(F64) + c.astype(F64)).astype(F16)


def through_f64(function: Callable[[Array], Array], denormals: bool = False) -> Callable[[Array], Array]:
    """An f32 instruction as the rounded f64 function; the hardware ones flush denormals."""

    def compute(x: Array) -> Array:
        if denormals:
            return function(x.astype(F64)).astype(x.dtype)
        return flush(function(flush(x).astype(F64)).astype(x.dtype))

    return compute


def to_integer(dtype: Any, rounding: Callable[[Array], Array] = np.trunc) -> Callable[[Array], Array]:
    """Float to integer with saturation; NaN becomes 0."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max

    def convert(x: Array) -> Array:
        wide = np.nan_to_num(rounding(x.astype(F64)), nan=0.0, posinf=float(high), neginf=float(low))
        inside = np.clip(wide, float(low), float(high))
        if np.dtype(dtype).itemsize < 8:
            return inside.astype(I64).astype(dtype)
        top = inside >= float(high)
        return np.where(top, dtype(high), np.where(top, 0.0, inside).astype(dtype))

    return convert


def exponent(x: Array) -> Array:
    """The biased exponent field of an f32 or f64."""
    if x.dtype == F32:
        return (x.view(U32) >> U32(23) & U32(255)).astype(I64)
    return (x.view(U64) >> U64(52) & U64(2047)).astype(I64)


def ldexp(x: Array, power: Array) -> Array:
    """x * 2**power with one rounding."""
    if x.dtype == F64:
        return np.ldexp(x, np.clip(power.astype(I64), -4000, 4000).astype(I32))
    return np.ldexp(x.astype(F64), np.clip(power.astype(I64), -600, 600).astype(I32)).astype(x.dtype)


def div_scale(s0: Array, s1: Array, s2: Array) -> tuple[Array, Array]:
    """V_DIV_SCALE: scale numerator or denominator so that the division steps do not leave the range."""
    single = s1.dtype == F32
    step, far, tiny = (64, 96, 23) if single else (128, 768, 53)
    s0, s1, s2 = np.broadcast_arrays(s0, s1, s2)
    least = np.finfo(s1.dtype).tiny
    inverse = np.abs(1.0 / s1.astype(F64)) if single else np.abs(1.0 / s1)
    quotient = np.abs(s2.astype(F64) / s1.astype(F64))
    zero = (s1 == 0) | (s2 == 0)
    apart = exponent(s2) - exponent(s1) >= far
    denormal = (np.abs(s1) < least) & (s1 != 0)
    small_inverse, small_quotient = inverse < least, quotient < least
    rules = [zero, apart, denormal, small_inverse & small_quotient, small_inverse, small_quotient]
    rules.append(exponent(s2) <= tiny)
    up, down = ldexp(s0, np.full(s0.shape, step)), ldexp(s0, np.full(s0.shape, -step))
    on_denominator, on_numerator = np.where(s0 == s1, up, s0), np.where(s0 == s2, up, s0)
    # the guide scales this denominator up, past the range; what v_div_fmas undoes is the quotient of one scaled down
    both_small = np.where(s0 == s1, down, s0)
    nan = np.full(s0.shape, np.nan, s0.dtype)
    value = np.select(rules, [nan, on_denominator, up, both_small, down, on_numerator, up], s0).astype(s0.dtype)
    off, on = np.zeros(s0.shape, bool), np.ones(s0.shape, bool)
    return value, np.select(rules, [off, on, off, on, off, on, off], off)


def div_fmas(a: Array, b: Array, c: Array, scaled: Array) -> Array:
    """V_DIV_FMAS: the last step, undoing the scale of the quotient where VCC says so."""
    single = a.dtype == F32
    value = (fma_f32 if single else fma_f64)(a, b, c)
    step, bias = (64, 127) if single else (128, 1023)
    power = np.where(exponent(c) > bias, step, -step)
    return np.where(scaled, ldexp(value, power), value)


def div_fixup(q: Array, d: Array, n: Array) -> Array:
    """V_DIV_FIXUP: the special cases of n / d."""
    q, d, n = np.broadcast_arrays(q, d, n)
    limit, top = (-150, 255) if q.dtype == F32 else (-1075, 2047)
    sign = np.where(np.signbit(d) ^ np.signbit(n), q.dtype.type(-1), q.dtype.type(1))
    wild = (np.isinf(d) & np.isinf(n)) | ((d == 0) & (n == 0))
    rules = [np.isnan(n), np.isnan(d), wild, (d == 0) | np.isinf(n), np.isinf(d) | (n == 0)]
    infinite, zero = sign * q.dtype.type(np.inf), sign * q.dtype.type(0)
    results = [n, d, np.full(q.shape, -np.nan, q.dtype), infinite, zero]
    if q.dtype != F16:
        rules.append(exponent(n) - exponent(d) < limit)
        results.append(zero)
        rules.append(exponent(d) == top)
        results.append(infinite)
    return np.select(rules, results, np.copysign(q, sign)).astype(q.dtype)


def round_to_zero_f16(x: Array) -> Array:
    """f32 to f16 towards zero."""
    nearest = x.astype(F16)
    too_far = np.abs(nearest.astype(F32)) > np.abs(x)
    return np.where(too_far, np.nextafter(nearest, F16(0)), nearest)


def high_product(a: Array, b: Array, dtype: Any) -> Array:
    """The upper 32 bits of a 32 x 32 bit product."""
    wide = I64 if dtype is I32 else U64
    return (a.astype(wide) * b.astype(wide) >> wide(32)).astype(dtype)


def signed24(x: Array) -> Array:
    """The low 24 bits, sign-extended."""
    return (x.view(I32) << I32(8)) >> I32(8)
