"""Fit the polynomials of rocfuse/transforms/polynomials.py: python bench/fit_polynomials.py prints the table.

Each is a minimax fit by Lawson's iteratively reweighted least squares in float64, of a function of the variable named,
with the weight that makes the printed error relative to the final result (or absolute, where the result is 2^p).
Coefficients are then rounded to f32 (those of a name that ends in DOUBLE are not), highest power first.
"""

import math
from collections.abc import Callable

import numpy as np


def fit(
    function: Callable[[float], float], low: float, high: float, degree: int, relative: bool, double: bool
) -> tuple[list[float], float]:
    """Coefficients (highest power first) and the largest error on [low, high]; rounded to f32 unless `double`."""
    nodes = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.linspace(0, np.pi, 4001))
    values = np.array([function(node) for node in nodes])
    scale = 1 / np.abs(values) if relative else np.ones_like(values)
    basis = np.polynomial.chebyshev.chebvander((2 * nodes - low - high) / (high - low), degree)
    weights = np.ones_like(values)
    best: tuple[float, np.ndarray] = (math.inf, np.zeros(degree + 1))
    for _ in range(300):
        factor = np.sqrt(weights) * scale
        solution = np.linalg.lstsq(basis * factor[:, None], values * factor, rcond=None)[0]
        error = np.abs(basis @ solution - values) * scale
        if error.max() < best[0]:
            best = (float(error.max()), solution)
        weights *= error / error.max() + 1e-12
        weights /= weights.sum()
    series = np.polynomial.Chebyshev(best[1], domain=[low, high]).convert(kind=np.polynomial.Polynomial)
    coefficients = [float(one if double else np.float32(one)) for one in series.coef[::-1]]
    error = np.abs(np.polyval(coefficients, nodes) - values) * scale
    return coefficients, float(error.max())


def even(function: Callable[[float], float], limit: float) -> Callable[[float], float]:
    """function(x) / x as a function of x squared; `limit` is its value at 0."""
    return lambda t: function(math.sqrt(t)) / math.sqrt(t) if t > 1e-12 else limit


TABLE: dict[str, tuple[str, Callable[[float], float], float, float, int, bool]] = {
    "ERF_HALF": ("erf(x)/x of x*x, x <= 2.6", even(math.erf, 2 / math.sqrt(math.pi)), 0, 2.6**2, 7, True),
    "ERF_NEAR": ("erf(x)/x of x*x, x <= 0.95", even(math.erf, 2 / math.sqrt(math.pi)), 0, 0.95**2, 6, True),
    "ERF_FAR": ("log2(erfc(x)), 0.95 <= x <= 4", lambda x: math.log2(math.erfc(x)), 0.95, 4, 9, False),
    "ERFC_HALF": ("log2(erfc(x)), x <= 4.3", lambda x: math.log2(math.erfc(x)), 0, 4.3, 7, False),
    "ERFC_BFLOAT": ("log2(erfc(x)), x <= 10", lambda x: math.log2(math.erfc(x)), 0, 10, 8, False),
    "ERFC_DOUBLE": (
        "log2(erfc(x) exp(x x) / t) of t = 1/(1 + x/2), x <= 10.2",
        lambda t: math.log2(math.erfc(2 / t - 2)) + (2 / t - 2) ** 2 / math.log(2) - math.log2(t),
        1 / 6.1,
        1,
        12,
        False,
    ),
    "TANH_NEAR": ("tanh(x)/x of x*x, x <= 0.6", even(math.tanh, 1), 0, 0.36, 5, True),
    "SINH_NEAR": ("sinh(x)/x of x*x, x <= 1", even(math.sinh, 1), 0, 1, 4, True),
    "EXPM1": ("expm1(x)/x, |x| <= 0.36", lambda x: math.expm1(x) / x if abs(x) > 1e-9 else 1, -0.36, 0.36, 6, True),
    "SIN": ("sin(x)/x of x*x, x <= 0.8", even(math.sin, 1), 0, 0.64, 3, True),
    "COS": ("cos(x) of x*x, x <= 0.8", lambda t: math.cos(math.sqrt(t)), 0, 0.64, 4, True),
    "ASIN": ("asin(x)/x of x*x, x <= 1/2", even(math.asin, 1), 0, 0.25, 5, True),
    "ATAN": ("atan(x)/x of x*x, x <= 1", even(math.atan, 1), 0, 1, 10, True),
    "LOG2": (
        "log2(m)/(s) of s*s with s = (m-1)/(m+1), sqrt(1/2) <= m <= sqrt(2)",
        lambda t: math.log2((1 + math.sqrt(t)) / (1 - math.sqrt(t))) / math.sqrt(t) if t > 1e-12 else 2 / math.log(2),
        0,
        0.0295,
        4,
        True,
    ),
}


def two_over_pi(pieces: int) -> list[int]:
    """2/pi in 24-bit integers, the first worth 2**-24, with pi = 16 arctan(1/5) - 4 arctan(1/239)."""
    bits = 24 * pieces + 64

    def arctan_inverse(n: int) -> int:
        power, total, k = (1 << bits) // n, 0, 1
        while power:
            total += power // k if k % 4 == 1 else -(power // k)
            power, k = power // (n * n), k + 2
        return total

    pi = 16 * arctan_inverse(5) - 4 * arctan_inverse(239)
    ratio = (2 << 2 * bits) // pi
    return [ratio >> bits - 24 * (number + 1) & 0xFFFFFF for number in range(pieces)]


if __name__ == "__main__":
    print(f"TWO_OVER_PI = ({', '.join(f'0x{one:06X}' for one in two_over_pi(8))})")
    for name, (text, function, low, high, degree, relative) in TABLE.items():
        coefficients, error = fit(function, low, high, degree, relative, name.endswith("DOUBLE"))
        print(f"# {text}; {'relative' if relative else 'absolute'} error {error:.1e} = 2^{math.log2(error):.1f}")
        print(f"{name} = ({', '.join(map(repr, coefficients))})")
