"""Logarithm, power of two and a root in f64, for formulas whose f32 steps would lose too much."""

from __future__ import annotations

import math

from rocfuse.transforms.math_builder import Num

LN2 = math.log(2)
LOG2_E = 1 / math.log(2)


def plus_root(a: Num, one: float) -> Num:
    """a + sqrt(a a + one) of an f64 a with a positive radicand: an f32 root and a step of Newton's; 2 a from 2**20."""
    large = a.compare("ogt", 2.0**20)
    square = large.select(1.0, a.fma(a, one))
    root = square.to_single().sqrt().to_double()
    return a + large.select(a, (root + square / root) * 0.5)


def double_log2(x: Num) -> Num:
    """log2(x) of a normal f64 x > 0: 2/ln2 (s + s**3/3 + s**5/5 + ...) with s = (m-1)/(m+1), within 2**-48."""
    exponent, m = x.split_exponent()
    s = (m - 1.0) / (m + 1.0)
    series = (s * s).polynomial([2 * LOG2_E / (2 * k + 1) for k in range(8, -1, -1)])
    return s.fma(series, exponent)


def double_log(x: Num) -> Num:
    """The natural logarithm of a normal f64 x > 0."""
    return double_log2(x) * LN2


def double_exp2(x: Num) -> Num:
    """2**x of an f64 |x| < 1000 within 2**-36, by its Taylor series."""
    n = x.round_even()
    taylor = [LN2**k / math.factorial(k) for k in range(10, -1, -1)]
    return (x - n).polynomial(taylor) * n.power_of_two()
