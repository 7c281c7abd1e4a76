"""What one op of a linalg body does, on numpy arrays of all its points at once.

An f16, bf16 or f32 value is held in f32, an f64 value in f64. Every op rounds its result to its type: f16 and bf16
arithmetic is exact or correctly rounded in f32 first, so that rounding again is harmless; math functions are evaluated
in float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import ml_dtypes
import numpy as np
from mlir import ir

from rocfuse.diagnostics import CompileError

_NARROW = {"f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
_TABLE_SIZE = 65536  # an f16 or bf16 function of more points than this is looked up


def held_type(kind: str) -> np.dtype:
    """The numpy type in which values of an element type are held while a body is evaluated."""
    if kind in ("f16", "bf16", "f32"):
        return np.dtype(np.float32)
    integers = {"i1": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "index": np.int64}
    return np.dtype(np.float64) if kind == "f64" else np.dtype(integers[kind])


def hold(array: np.ndarray, kind: str) -> np.ndarray:
    """An array of an element type as it is held."""
    return array.astype(held_type(kind), copy=False)


def round_to(array: np.ndarray, kind: str) -> np.ndarray:
    """Values in f32 or f64 rounded to an element type, as they are held."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if kind in _NARROW:
            return array.astype(_NARROW[kind]).astype(np.float32)
        return array.astype(held_type(kind), copy=False)


def _pointwise(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    def evaluate(x: np.ndarray) -> np.ndarray:
        return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)

    return evaluate


def _round_away(x: np.ndarray) -> np.ndarray:
    away = np.trunc(x)
    return np.copysign(np.where(np.abs(x - away) >= 0.5, away + np.copysign(1.0, x), away), x)


_MATH: dict[str, Callable[..., np.ndarray]] = {
    **{f"math.{name}": getattr(np, name) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt")},
    **{f"math.{name}": getattr(np, name) for name in ("cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"math.{name}": getattr(np, name) for name in ("floor", "ceil", "trunc")},
    **{f"math.a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "math.absf": np.abs,
    "math.atan2": np.arctan2,
    "math.copysign": np.copysign,
    "math.erf": _pointwise(math.erf),
    "math.erfc": _pointwise(math.erfc),
    "math.fma": lambda a, b, c: a * b + c,
    "math.fpowi": np.power,
    "math.powf": np.power,
    "math.round": _round_away,
    "math.roundeven": np.rint,
    "math.rsqrt": lambda x: 1 / np.sqrt(x),
}
_FLOAT: dict[str, Callable[..., np.ndarray]] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.remf": np.fmod,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "arith.extf": lambda x: x,
    "arith.truncf": lambda x: x,
    "arith.sitofp": lambda x: x,
}
_INTEGER: dict[str, Callable[..., np.ndarray]] = {
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.extsi": lambda x: x,
    "arith.trunci": lambda x: x,
    "arith.index_cast": lambda x: x,
    "arith.fptosi": np.trunc,
    "math.absi": np.abs,
    "math.isnan": np.isnan,
    "math.isinf": np.isinf,
    "math.isfinite": np.isfinite,
}
# arith.cmpf's predicates by number: ordered ones 1 to 7, unordered 8 to 14.
_ORDERED: tuple[Callable[..., np.ndarray], ...] = (
    np.equal,
    np.greater,
    np.greater_equal,
    np.less,
    np.less_equal,
    np.not_equal,
)
_SIGNED: tuple[Callable[..., np.ndarray], ...] = (
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
)


def evaluate(op: ir.Operation, operands: list[np.ndarray]) -> np.ndarray:
    """The value of an arith or math op with one result, from its operands as they are held.

    Raises CompileError for an op that is not known here.
    """
    kind = str(op.results[0].type)
    with np.errstate(all="ignore"):
        if op.name in _FLOAT:
            return round_to(_FLOAT[op.name](*operands), kind)
        if op.name in _MATH:
            return _math(op.name, kind, operands)
        if op.name in _INTEGER:
            return _INTEGER[op.name](*operands).astype(held_type(kind))
        if op.name == "arith.select":
            return np.where(*operands)
        if op.name == "arith.cmpf":
            return _compare(ir.IntegerAttr(op.attributes["predicate"]).value, *operands)
        if op.name == "arith.cmpi" and (predicate := ir.IntegerAttr(op.attributes["predicate"]).value) < len(_SIGNED):
            return _SIGNED[predicate](*operands)
        if op.name == "math.clampf":
            return np.minimum(np.maximum(operands[0], operands[1]), operands[2])
    raise CompileError(f"the numpy reference does not know '{op.name}'", str(op.location))


def _math(name: str, kind: str, operands: list[np.ndarray]) -> np.ndarray:
    x = operands[0]
    if len(operands) == 1 and kind in _NARROW and x.size > _TABLE_SIZE:
        return _table(name, kind)[x.astype(_NARROW[kind]).view(np.uint16)]
    wide = [one.astype(np.float64) for one in operands]
    single = _MATH[name](*wide)
    # a narrow op is evaluated in f32, as by the execution engine, and then rounded
    return round_to(single if kind == "f64" else single.astype(np.float32), kind)


@functools.cache
def _table(name: str, kind: str) -> np.ndarray:
    """A function of every f16 or bf16 number, by bit pattern."""
    patterns = np.arange(_TABLE_SIZE, dtype=np.uint16).view(_NARROW[kind])
    with np.errstate(all="ignore"):
        return _math(name, kind, [patterns.astype(np.float32)])


def _compare(predicate: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """arith.cmpf: 0 and 15 are false and true, 7 and 14 only ask about NaN."""
    unordered = np.isnan(a) | np.isnan(b)
    if predicate in (0, 15):
        return np.full(unordered.shape, predicate == 15)
    if predicate in (7, 14):
        return unordered if predicate == 14 else ~unordered
    if predicate < 7:
        return _ORDERED[predicate - 1](a, b) & ~unordered
    return _ORDERED[predicate - 8](a, b) | unordered
