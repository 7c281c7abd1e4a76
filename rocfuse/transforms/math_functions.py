"""Formulas for functions that gfx942 has no instruction for, in f32.

Grade says what a result must be good for. HALF: an f16 result of f16 operands, which f32 holds with room to spare.
BFLOAT: a bf16 result, which has f32's range, so that denormals need care. SINGLE: an f32 result, within 4 ulp over the
whole range. A formula takes f32 operands and gives the f32 number that is then rounded, if at all.

test/unit/test_expand_math.py holds each against correctly rounded values and counts its gfx942 instructions.
"""

from __future__ import annotations

import enum
import math

from rocfuse.transforms import polynomials as poly
from rocfuse.transforms.math_builder import Flag, Num
from rocfuse.transforms.math_double import double_exp2, double_log, double_log2, plus_root

LOG2_E = 1 / math.log(2)
LN2 = math.log(2)
TINY = 2.0**-126
INFINITY = math.inf
NAN = math.nan


class Grade(enum.Enum):
    """What the result of a formula is rounded to."""

    HALF = "f16"
    BFLOAT = "bf16"
    SINGLE = "f32"

    @property
    def wide(self) -> bool:
        """Whether operands and results have f32's range."""
        return self is not Grade.HALF


def exp2(x: Num, grade: Grade) -> Num:
    """2**x. With f32's range, results below 2**-126 are made 64 times 2 larger and scaled back."""
    if not grade.wide:
        return x.hardware_exp2()
    low = x.compare("olt", -126.0)
    return (x + low.select(64.0, 0.0)).hardware_exp2() * low.select(2.0**-64, 1.0)


def exp(x: Num, grade: Grade) -> Num:
    """e**x as 2**(x log2 e): the product's rounding costs |x| 2**-24, nothing to f16 and bf16."""
    return x.exp() if grade is Grade.SINGLE else exp2(x * LOG2_E, grade)


def expm1(x: Num, grade: Grade) -> Num:
    """e**x - 1; near 0 by its series, as the difference cancels."""
    if grade is not Grade.SINGLE:
        near = x * x.polynomial((1 / 24, 1 / 6, 1 / 2, 1.0))
        return abs(x).compare("olt", 0.125).select(near, (x * LOG2_E).hardware_exp2() - 1.0)
    near = x * x.polynomial(poly.EXPM1)
    return abs(x).compare("olt", 0.35).select(near, x.exp() - 1.0)


def log2(x: Num, grade: Grade) -> Num:
    """The logarithm to base 2; a denormal operand is scaled first."""
    if not grade.wide:
        return x.hardware_log2()
    low = x.compare("olt", TINY)
    return (x * low.select(2.0**32, 1.0)).hardware_log2() - low.select(32.0, 0.0)


def log(x: Num, grade: Grade) -> Num:
    """The natural logarithm."""
    return x.log() if grade is Grade.SINGLE else log2(x, grade) * LN2


def log10(x: Num, grade: Grade) -> Num:
    """The logarithm to base 10."""
    return x.log() * (1 / math.log(10)) if grade is Grade.SINGLE else log2(x, grade) * math.log10(2)


def log1p(x: Num, grade: Grade) -> Num:
    """log(1 + x). SINGLE: log(u) x/(u-1) with u = 1+x rounded, where the two errors cancel (W. Kahan)."""
    u = x + 1.0
    if grade is not Grade.SINGLE:
        near = x * x.polynomial((1 / 5, -1 / 4, 1 / 3, -1 / 2, 1.0))
        return abs(x).compare("olt", 2.0**-4).select(near, u.hardware_log2() * LN2)
    d = u - 1.0
    exact = d.compare("oeq", 0.0) | d.compare("oeq", INFINITY)
    return exact.select(x, u.log() * (x / exact.select(1.0, d)))


def tanh(x: Num, grade: Grade) -> Num:
    """1 - 2/(e**2x + 1), or a polynomial near 0, where that cancels.

    SINGLE: 1 - 2t/(1 + t) with t = e**-2|x|, which is small where the result is near 1: 1 + tanh x is good as well.
    """
    if grade is Grade.SINGLE:
        t = (abs(x) * (-2 * LOG2_E)).hardware_exp2()
        far = (t * (t + 1.0).hardware_reciprocal()).fma(-2.0, 1.0).copysign(x)
        return abs(x).compare("olt", 0.6).select(x * (x * x).polynomial(poly.TANH_NEAR), far)
    far = ((x * (2 * LOG2_E)).hardware_exp2() + 1.0).hardware_reciprocal().fma(-2.0, 1.0)
    return abs(x).compare("olt", 2.0**-4).select(x * (x * x).polynomial((-1 / 3, 1.0)), far)


def one_plus_tanh(x: Num) -> Num:
    """2/(1 + e**-2x), for HALF and BFLOAT: nothing cancels where tanh x is near -1, nor near 0."""
    return ((x * (-2 * LOG2_E)).hardware_exp2() + 1.0).hardware_reciprocal() * 2.0


def erf(x: Num, grade: Grade) -> Num:
    """x P(x x) up to where the result rounds to 1; SINGLE: 1 - 2**Q(|x|) from 0.95 on."""
    if grade is not Grade.SINGLE:
        sign = x.builder.constant(1.0).copysign(x)
        return abs(x).compare("ogt", 2.6).select(sign, x * (x * x).polynomial(poly.ERF_HALF))
    a = abs(x)
    near = x * (x * x).polynomial(poly.ERF_NEAR)
    far = (1.0 - a.polynomial(poly.ERF_FAR).hardware_exp2()).copysign(x)
    far = a.compare("ogt", 4.0).select(x.builder.constant(1.0).copysign(x), far)
    return a.compare("olt", 0.95).select(near, far)


def erfc(x: Num, grade: Grade) -> Num:
    """2**Q(|x|), reflected for x < 0; 0 where it is below the smallest denormal.

    SINGLE is in f64: 2**(Q(t) - x x log2 e) t with t = 1/(1 + |x|/2); beyond 10.2 it rounds to 0.
    """
    a = abs(x)
    if grade is Grade.SINGLE:
        d = a.compare("ogt", 10.2).select(10.2, a).to_double()
        t = 1.0 / d.fma(0.5, 1.0)
        size = double_exp2((d * d).fma(-LOG2_E, t.polynomial(poly.ERFC_DOUBLE))) * t
        size = x.compare("olt", 0.0).select(2.0 - size, size).to_single()
        return x.compare("uno", x).select(x, size)
    half = grade is Grade.HALF
    power = exp2(a.polynomial(poly.ERFC_HALF if half else poly.ERFC_BFLOAT), grade)
    power = a.compare("ogt", 4.3 if half else 10.0).select(0.0, power)
    return x.compare("olt", 0.0).select(2.0 - power, power)


def sqrt(x: Num, grade: Grade) -> Num:
    """The square root; a denormal operand is scaled by an even power of 2 first."""
    if grade is Grade.SINGLE:
        return x.sqrt()
    if not grade.wide:
        return x.hardware_sqrt()
    low = x.compare("olt", TINY)
    return (x * low.select(2.0**32, 1.0)).hardware_sqrt() * low.select(2.0**-16, 1.0)


def rsqrt(x: Num, grade: Grade) -> Num:
    """1 / sqrt(x)."""
    return 1.0 / x.sqrt() if grade is Grade.SINGLE else sqrt(x, grade).hardware_reciprocal()


def divide(a: Num, b: Num, grade: Grade) -> Num:
    """a / b within 2 ulp of f32: the denominator is scaled so that neither it nor its reciprocal is denormal."""
    if grade is Grade.SINGLE:
        return a / b
    if not grade.wide:
        return a * b.hardware_reciprocal()
    size = abs(b)
    scale = size.compare("ogt", 2.0**96).select(2.0**-32, size.compare("olt", 2.0**-96).select(2.0**32, 1.0))
    return a * (b * scale).hardware_reciprocal() * scale


def cosh(x: Num, grade: Grade) -> Num:
    """e**|x| / 2 + e**-|x| / 2, the halving inside the exponent so that it overflows no earlier than the result."""
    if grade is Grade.SINGLE:
        h = (abs(x) * 0.5).exp()
        e = h * 0.5 * h
    else:
        e = abs(x).fma(LOG2_E, -1.0).hardware_exp2()
    return e + e.hardware_reciprocal() * 0.25


def sinh(x: Num, grade: Grade) -> Num:
    """e**|x| / 2 - e**-|x| / 2 with the sign of x; a polynomial up to 1."""
    if grade is Grade.SINGLE:
        h = (abs(x) * 0.5).exp()
        e = h * 0.5 * h
    else:
        e = abs(x).fma(LOG2_E, -1.0).hardware_exp2()
    far = (e - e.hardware_reciprocal() * 0.25).copysign(x)
    return abs(x).compare("olt", 1.0).select(x * (x * x).polynomial(poly.SINH_NEAR), far)


def cbrt(x: Num, grade: Grade) -> Num:
    """2**(log2|x| / 3) with the sign of x; SINGLE adds a step of Newton's."""
    y = (log2(abs(x), Grade.BFLOAT if grade.wide else grade) * (1 / 3)).hardware_exp2()
    if grade is Grade.SINGLE:
        step = y - (y - abs(x) * (y * y).hardware_reciprocal()) * (1 / 3)
        y = (abs(y).compare("ogt", 0.0) & abs(y).compare("olt", INFINITY)).select(step, y)
    return y.copysign(x)


def _quarter_turns(x: Num, grade: Grade) -> tuple[Num, Num]:
    """|x| in quarter turns: the nearest whole number modulo 4, and the angle in radians that is left.

    HALF: |x| <= 65504, so that n has 16 bits and two fused steps are exact to 2**-34. Else in f64: |x| times 24-bit
    pieces of 2/pi is exact, each product is reduced modulo 4 turns, which is exact too, and the rest is summed; for
    SINGLE with the rounding errors of the sum (D. Knuth's TwoSum), as the rest can be as small as 2**-29.
    """
    if grade is Grade.HALF:
        n = (abs(x) * (2 / math.pi)).round_even()
        r = n.fma(-1.5707963705062866, abs(x))  # pi/2 rounded to f32, and what it lacks
        return n - (n * 0.25).floor() * 4.0, n.fma(4.371139000186241e-08, r)
    a = abs(x).to_double()
    total = error = a.builder.constant(0.0)
    for number, piece in reversed(list(enumerate(poly.TWO_OVER_PI))):
        product = a * (piece * 2.0 ** (-24 * (number + 1)))
        part = (product * 0.25).floor().fma(-4.0, product)
        new = total + part
        if grade is Grade.SINGLE:
            kept = new - total
            error = error + ((total - (new - kept)) + (part - kept))
        total = new
    n = total.round_even()
    r = ((total - n) + error) * (math.pi / 2)
    return (n - (n * 0.25).floor() * 4.0).to_single(), r.to_single()


def _sine_cosine(x: Num, grade: Grade) -> tuple[Num, Num]:
    """sin and cos of |x|."""
    quadrant, r = _quarter_turns(x, grade)
    t = r * r
    sine, cosine = r * t.polynomial(poly.SIN), t.polynomial(poly.COS)
    odd = quadrant.compare("oeq", 1.0) | quadrant.compare("oeq", 3.0)
    negative_sine = quadrant.compare("oge", 2.0)
    negative_cosine = quadrant.compare("oeq", 1.0) | quadrant.compare("oeq", 2.0)
    sine, cosine = odd.select(cosine, sine), odd.select(sine, cosine)
    return negative_sine.select(-sine, sine), negative_cosine.select(-cosine, cosine)


def _odd(x: Num, value: Num) -> Num:
    """A function of |x| as an odd function of x; x itself where that is 0."""
    return x.compare("oeq", 0.0).select(x, x.compare("olt", 0.0).select(-value, value))


def sin(x: Num, grade: Grade) -> Num:
    """The sine."""
    return _odd(x, _sine_cosine(x, grade)[0])


def cos(x: Num, grade: Grade) -> Num:
    """The cosine."""
    return _sine_cosine(x, grade)[1]


def tan(x: Num, grade: Grade) -> Num:
    """The tangent."""
    sine, cosine = _sine_cosine(x, grade)
    return _odd(x, divide(sine, cosine, Grade.HALF if grade is Grade.HALF else Grade.BFLOAT))


def atan(x: Num, grade: Grade) -> Num:
    """A polynomial up to 1, and pi/2 less the polynomial of 1/|x| above. 3 ulp for SINGLE."""
    a = abs(x)
    large = a.compare("ogt", 1.0)
    one = x.builder.constant(1.0)
    u = large.select(divide(one, a, Grade.BFLOAT) if grade is Grade.SINGLE else a.hardware_reciprocal(), a)
    p = u * (u * u).polynomial(poly.ATAN)
    return large.select(math.pi / 2 - p, p).copysign(x)


def atan2(y: Num, x: Num, grade: Grade) -> Num:
    """The angle of the point (x, y): atan of the smaller over the larger size, put into its octant."""
    tall, left = abs(y).compare("ogt", abs(x)), x.builder.constant(1.0).copysign(x).compare("olt", 0.0)
    low, high = tall.select(abs(x), abs(y)), tall.select(abs(y), abs(x))
    u = divide(low, high, grade)
    u = high.compare("oeq", 0.0).select(0.0, low.compare("oeq", INFINITY).select(1.0, u))
    p = u * (u * u).polynomial(poly.ATAN)
    p = tall.select(math.pi / 2 - p, p)
    return x.compare("uno", y).select(NAN, left.select(math.pi - p, p).copysign(y))


def _asin_parts(x: Num, grade: Grade) -> tuple[Flag, Num, Num]:
    """Whether |x| <= 1/2, asin(x) if so, and asin(sqrt((1 - |x|)/2)) if not: NaN beyond 1."""
    a = abs(x)
    t = (1.0 - a) * 0.5
    root = t.sqrt() if grade is Grade.SINGLE else t.hardware_sqrt()
    return a.compare("ole", 0.5), x * (x * x).polynomial(poly.ASIN), root * t.polynomial(poly.ASIN)


def asin(x: Num, grade: Grade) -> Num:
    """A polynomial up to 1/2, and pi/2 less twice the arc of the half angle above."""
    small, near, half = _asin_parts(x, grade)
    return small.select(near, half.fma(-2.0, math.pi / 2).copysign(x))


def acos(x: Num, grade: Grade) -> Num:
    """pi/2 - asin(x) up to 1/2, and twice the arc of the half angle above, from pi for x < 0."""
    small, near, half = _asin_parts(x, grade)
    far = x.compare("olt", 0.0).select(half.fma(-2.0, math.pi), half * 2.0)
    return small.select(math.pi / 2 - near, far)


def asinh(x: Num, grade: Grade) -> Num:
    """log(|x| + sqrt(x x + 1)), in f64 for SINGLE; near 0 by its series, as the logarithm cancels."""
    a = abs(x)
    if grade is Grade.SINGLE:
        far = double_log(plus_root(a.to_double(), 1.0)).to_single()
        far = a.compare("olt", INFINITY).select(far, a).copysign(x)
        return a.compare("olt", 2.0**-8).select(x * (x * x).polynomial((3 / 40, -1 / 6, 1.0)), far)
    near = x * (x * x).polynomial((3 / 40, -1 / 6, 1.0))
    large = a.compare("ogt", 2.0**20)  # beyond, x x could overflow and 1 is nothing to it
    whole = large.select(a, a + a.fma(a, 1.0).hardware_sqrt()).hardware_log2() + large.select(1.0, 0.0)
    return a.compare("olt", 0.25).select(near, (whole * LN2).copysign(x))


def acosh(x: Num, grade: Grade) -> Num:
    """log(x + sqrt(x x - 1)), in f64 for SINGLE; NaN below 1."""
    if grade is Grade.SINGLE:
        inside = x.compare("ogt", 1.0) & x.compare("olt", INFINITY)
        far = double_log(plus_root(inside.select(x, 2.0).to_double(), -1.0)).to_single()
        edge = x.compare("oeq", 1.0).select(0.0, x.compare("olt", 1.0).select(NAN, x))
        return inside.select(far, edge)
    large = x.compare("ogt", 2.0**20)
    whole = large.select(x, x + ((x - 1.0) * (x + 1.0)).hardware_sqrt())
    # log2 of a number below 1 is that of no result
    whole = x.compare("olt", 1.0).select(NAN, whole)
    return (whole.hardware_log2() + large.select(1.0, 0.0)) * LN2


def atanh(x: Num, grade: Grade) -> Num:
    """Half the logarithm of (1 + |x|)/(1 - |x|), in f64 for SINGLE; near 0 by its series. NaN beyond 1."""
    a = abs(x)
    if grade is Grade.SINGLE:
        d = a.compare("olt", 1.0).select(a, 0.5).to_double()
        far = (double_log((d + 1.0) / (1.0 - d)) * 0.5).to_single()
        far = a.compare("olt", 1.0).select(far, a.compare("oeq", 1.0).select(INFINITY, NAN)).copysign(x)
        return a.compare("olt", 2.0**-8).select(x * (x * x).polynomial((1 / 5, 1 / 3, 1.0)), far)
    near = x * (x * x).polynomial((1 / 7, 1 / 5, 1 / 3, 1.0))
    far = ((a + 1.0).hardware_log2() - (1.0 - a).hardware_log2()) * (LN2 / 2)
    return a.compare("olt", 0.125).select(near, far.copysign(x))


def remainder(x: Num, y: Num, grade: Grade) -> Num:
    """C's fmod, which is exact: |x| modulo |y| 2**(48 k) for falling k, in f64.

    A quotient is rounded to nearest; that it may be the next whole number does not matter, as the rest is exact all the
    same and at most a bit more than half of the modulus. An f16 quotient is below 2**41 and takes one step.
    """
    a, b = abs(x), abs(y)
    rest, modulus = a.to_double(), b.to_double()
    inverse = 1.0 / modulus
    for k in range(0 if grade is Grade.HALF else 5, -1, -1):
        quotient = (rest * (inverse * 2.0 ** (-48 * k))).round_even()
        rest = (-quotient).fma(modulus * 2.0 ** (48 * k), rest)
    rest = rest.compare("olt", 0.0).select(rest + modulus, rest)
    return a.compare("olt", b).select(a, rest.to_single()).copysign(x)


def power(x: Num, y: Num, grade: Grade) -> Num:
    """x**y as 2**(y log2|x|), with C's special cases; for SINGLE the logarithm and the power are in f64."""
    if grade is not Grade.SINGLE:
        return _power_cases(x, y, exp2(y * log2(abs(x), grade), grade))
    size = _double_power(abs(x).to_double(), y.to_double()).to_single()
    rising = y.compare("ogt", 0.0)
    size = x.compare("oeq", 0.0).select(rising.select(0.0, INFINITY), size)
    size = abs(x).compare("oeq", INFINITY).select(rising.select(INFINITY, 0.0), size)
    return _power_cases(x, y, x.compare("uno", y).select(NAN, size))


def _double_power(x: Num, y: Num) -> Num:
    """x**y for f64 x > 0 within 2**-36, at least 2**-300 and at most 2**300."""
    product = y * double_log2(x)
    product = product.compare("ogt", 300.0).select(300.0, product)
    product = product.compare("olt", -300.0).select(-300.0, product)
    return double_exp2(product)


def _power_cases(x: Num, y: Num, size: Num) -> Num:
    """pow(x, y) given |x|**y where that is not special."""
    one = x.compare("oeq", 1.0) | y.compare("oeq", 0.0)
    one = one | (x.compare("oeq", -1.0) & abs(y).compare("oeq", INFINITY))
    size = one.select(1.0, size)
    whole = y.floor().compare("oeq", y)
    half = y * 0.5
    odd = whole & half.floor().compare("one", half)
    negative = x.compare("olt", 0.0) & x.compare("ogt", -INFINITY) & y.floor().compare("one", y)
    return negative.select(NAN, odd.select(size.copysign(x), size))


def whole_power(x: Num, exponent: int, grade: Grade) -> Num:
    """x**exponent by repeated squaring; the reciprocal is taken last."""
    size, result, square = abs(exponent), None, x
    while size:
        if size & 1:
            result = square if result is None else result * square
        size >>= 1
        if size:
            square = square * square
    if result is None:
        return x.builder.constant(1.0)
    return result if exponent > 0 else divide(x.builder.constant(1.0), result, grade)
