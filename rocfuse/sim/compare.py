"""The tolerance rule of the project: is a computed array as good as the unfused program would be?

For each 32x32 tile of the last two dims (every leading index apart), with y the array under test, u the unfused program
with the IR's own roundings and r the program in float64:

    max|y - r| <= 2 * max|u - r| + 1 ulp of the output type at the tile's max|r|

and NaN and infinities (with their signs) stand in y exactly where they stand in u. Elements where u or r is not finite
take no part in the maxima; where only r is not finite, y is held against u. An array of rank 1 counts as one row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from rocfuse.diagnostics import UsageError, digits

TILE = 32
Index = tuple[int, ...]
Locate = Callable[[Index], tuple[int, int, int]]


@dataclass(frozen=True)
class Comparison:
    """What a comparison found. `worst_ratio` is the largest error over its bound: 1.0 is just within."""

    ok: bool
    message: str  # one line; with the first wrong element when there is one
    worst_ratio: float
    max_error: float  # max|y - r| over finite elements
    wrong: int  # how many elements are wrong
    first_wrong: Index | None = None
    tile: Index | None = None  # leading indices, then tile row and tile column
    place: tuple[int, int, int] | None = None  # workgroup, wave, lane


def ulp(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The distance of two neighbouring numbers of `dtype` (f16, bf16, f32 or f64) at |values|, as float64.

    Below the smallest normal number it is the smallest denormal, above the largest number that of the largest.
    """
    info = ml_dtypes.finfo(dtype)
    magnitude = np.clip(np.abs(np.asarray(values, np.float64)), float(info.tiny), float(info.max))
    return np.exp2(np.floor(np.log2(magnitude)) - info.nmant)


def compare(y: np.ndarray, u: np.ndarray, r: np.ndarray, *, locate: Locate | None = None) -> Comparison:
    """Compare `y` with the references by the tolerance rule of this module.

    `y` and `u` have the output type (y may be its uint16 bit pattern), `r` is float64, all of one shape. `locate` takes
    an output index to (workgroup, wave, lane) for the report. Raises UsageError when shapes or types do not agree.
    """
    y = _same_type(y, u)
    if y.shape != u.shape or y.shape != r.shape:
        raise UsageError(f"cannot compare shapes {y.shape}, {u.shape} and {r.shape}")
    matrices = u.shape[:-2]
    rows, columns = (1, *u.shape)[-2:] if u.ndim else (1, 1)
    worst, largest, wrong = 0.0, 0.0, 0
    first: tuple[Index, float, float] | None = None
    view = [array.reshape(*matrices, rows, columns) for array in (y, u, r)]
    for leading in np.ndindex(*matrices):
        error, bound, bad = _errors(view[0][leading], view[1][leading], view[2][leading], u.dtype)
        ratio = np.divide(error, bound, where=np.isfinite(error), out=np.zeros_like(error))
        worst = max(worst, float(ratio.max(initial=0.0)))
        largest = max(largest, float(error.max(initial=0.0, where=np.isfinite(error))))
        count = int(np.count_nonzero(bad))
        if count and first is None:
            place = np.unravel_index(int(np.argmax(bad)), bad.shape)
            first = ((*leading, int(place[0]), int(place[1])), float(error[place]), float(bound[place]))
        wrong += count
    if first is None:
        return Comparison(True, f"max error {largest:.3g}, {worst:.2f} of the bound", worst, largest, 0)
    index, error_there, bound_there = first
    tile = (*index[:-2], index[-2] // TILE, index[-1] // TILE)
    index = index[2 - u.ndim :] if u.ndim < 2 else index
    index = index if u.ndim else ()
    got, unfused, exact = digits(float(y[index]), float(u[index]), float(r[index]))
    text = f"got {got}, unfused {unfused}, float64 {exact}"
    if np.isfinite(error_there):  # else one of them is special, and they must be equal
        text += f", error {' > '.join(digits(error_there, bound_there))}"
    return _report(index, tile, text, wrong, y.size, worst, largest, locate)


def compare_exact(y: np.ndarray, u: np.ndarray, *, locate: Locate | None = None) -> Comparison:
    """Compare bit for bit; any two NaN are equal. `y` may be a bit pattern. Raises UsageError as compare."""
    y = _same_type(y, u)
    if y.shape != u.shape:
        raise UsageError(f"cannot compare shapes {y.shape} and {u.shape}")
    bits = np.dtype(f"u{u.dtype.itemsize}")
    bad = np.ascontiguousarray(y).view(bits) != np.ascontiguousarray(u).view(bits)
    if u.dtype.kind not in "iub":
        bad &= ~(np.isnan(y) & np.isnan(u))
    wrong = int(np.count_nonzero(bad))
    if not wrong:
        return Comparison(True, "equal bit for bit", 0.0, 0.0, 0)
    index = tuple(int(one) for one in np.unravel_index(int(np.argmax(bad)), bad.shape))
    matrix = (0, 0, *index)[-2:]
    tile = (*index[:-2], matrix[0] // TILE, matrix[1] // TILE)
    error = np.abs(y.astype(np.float64) - u.astype(np.float64))
    largest = float(error.max(initial=0.0, where=np.isfinite(error)))
    number = int if u.dtype.kind in "iub" else float
    got, expected = digits(number(y[index]), number(u[index]))
    text = f"got {got}, expected {expected}"
    return _report(index, tile, text, wrong, y.size, math.inf, largest, locate)


def _same_type(y: np.ndarray, u: np.ndarray) -> np.ndarray:
    if y.dtype != u.dtype and y.dtype.kind == "u" and y.dtype.itemsize == u.dtype.itemsize:
        y = y.view(u.dtype)
    if y.dtype != u.dtype:
        raise UsageError(f"cannot compare {y.dtype} with {u.dtype}")
    return y


def _errors(y: np.ndarray, u: np.ndarray, r: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """|y - r| (NaN where it does not count), its bound and whether the element is wrong, each rows x columns."""
    values, unfused = y.astype(np.float64), u.astype(np.float64)
    counts = np.isfinite(unfused) & np.isfinite(r)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where(
            np.isfinite(unfused) & np.isfinite(values), np.abs(values - np.where(counts, r, unfused)), np.nan
        )
        allowed = 2 * _tile_max(np.where(counts, np.abs(unfused - r), 0.0))
    allowed += ulp(_tile_max(np.where(counts, np.abs(r), 0.0)), dtype)
    rows, columns = y.shape
    bound = allowed.repeat(TILE, 0)[:rows].repeat(TILE, 1)[:, :columns]
    same_special = np.where(np.isnan(unfused), np.isnan(values), values == unfused)
    finite = np.isfinite(unfused) & np.isfinite(values)
    return error, bound, np.where(finite, error > bound, ~same_special)


def _tile_max(values: np.ndarray) -> np.ndarray:
    """The maximum of each 32x32 tile of a matrix of numbers >= 0; partial tiles at the ends."""
    if not values.size:
        return np.zeros([-(-extent // TILE) for extent in values.shape])
    rows = np.maximum.reduceat(values, np.arange(0, values.shape[0], TILE), axis=0)
    return np.maximum.reduceat(rows, np.arange(0, values.shape[1], TILE), axis=1)


def _report(
    index: Index,
    tile: Index,
    text: str,
    wrong: int,
    size: int,
    worst: float,
    largest: float,
    locate: Locate | None,
) -> Comparison:
    where = f"{wrong} of {size} elements wrong, first at {list(index)} in tile {list(tile)}"
    place = locate(index) if locate else None
    if place:
        where += f", workgroup {place[0]} wave {place[1]} lane {place[2]}"
    return Comparison(False, f"{where}: {text}", worst, largest, wrong, index, tile, place)
