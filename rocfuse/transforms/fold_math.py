"""Fold float ops on constants that upstream leaves alone: inexact casts, f16 math, and so on.

A result is evaluated in float64 and rounded once to its type, by the attribute that holds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mlir import ir
from mlir.dialects import arith

from rocfuse.transforms.math_grades import constant_value

_FUNCTIONS: dict[str, Callable[..., float]] = {
    "arith.extf": lambda x: x,
    "arith.truncf": lambda x: x,
    "arith.addf": lambda x, y: x + y,
    "arith.subf": lambda x, y: x - y,
    "arith.mulf": lambda x, y: x * y,
    "arith.divf": lambda x, y: x / y,
    "arith.remf": math.fmod,
    "arith.negf": lambda x: -x,
    "math.absf": abs,
    "math.sqrt": math.sqrt,
    "math.rsqrt": lambda x: 1 / math.sqrt(x),
    "math.exp": math.exp,
    "math.exp2": lambda x: 2.0**x,
    "math.expm1": math.expm1,
    "math.log": math.log,
    "math.log2": math.log2,
    "math.log10": math.log10,
    "math.log1p": math.log1p,
    "math.erf": math.erf,
    "math.erfc": math.erfc,
    "math.tanh": math.tanh,
    "math.sin": math.sin,
    "math.cos": math.cos,
    "math.tan": math.tan,
    "math.atan": math.atan,
    "math.asin": math.asin,
    "math.acos": math.acos,
    "math.asinh": math.asinh,
    "math.acosh": math.acosh,
    "math.atanh": math.atanh,
    "math.atan2": math.atan2,
    "math.sinh": math.sinh,
    "math.cosh": math.cosh,
    "math.powf": math.pow,
}


def fold_constants(root: ir.Operation) -> None:
    """Replace ops below `root` whose operands are all constants. What float64 cannot evaluate (1/0) is left."""
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name in _FUNCTIONS and not isinstance(op.results[0].type, ir.RankedTensorType):
            found.append(op)
        return ir.WalkResult.ADVANCE

    root.walk(visit, ir.WalkOrder.PRE_ORDER)
    for op in found:
        operands = [constant_value(operand) for operand in op.operands]
        value = _evaluate(op.name, operands)
        if value is None:
            continue
        kind = op.results[0].type
        with ir.InsertionPoint(op):
            op.results[0].replace_all_uses_with(_constant(kind, value, op.location))
        op.erase()


def erase_dead_constants(root: ir.Operation) -> None:
    """Erase float constants and casts that nothing uses any more."""
    dead: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "arith.constant" and not list(op.results[0].uses):
            dead.append(op)
        return ir.WalkResult.ADVANCE

    root.walk(visit)
    for op in dead:
        op.erase()


def _evaluate(name: str, operands: list[float | None]) -> float | None:
    known = [one for one in operands if one is not None]
    if len(known) != len(operands):
        return None
    try:
        return _FUNCTIONS[name](*known)
    except (ArithmeticError, ValueError):
        return None


def _constant(kind: ir.Type, value: float, location: ir.Location) -> ir.Value:
    if isinstance(kind, ir.VectorType):
        element = ir.FloatAttr.get(ir.VectorType(kind).element_type, value)
        return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, element), loc=location)
    return arith.constant(kind, ir.FloatAttr.get(kind, value), loc=location)
