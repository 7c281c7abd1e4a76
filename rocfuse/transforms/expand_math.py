"""rocfuse-expand-math: math functions become what the hardware has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from mlir import ir
from mlir.dialects import arith

from rocfuse.diagnostics import CompileError
from rocfuse.passes import Pass, PassContext, register
from rocfuse.transforms import fold_math
from rocfuse.transforms import math_functions as functions
from rocfuse.transforms.matching import nested_ops
from rocfuse.transforms.math_builder import Builder, Num
from rocfuse.transforms.math_functions import Grade
from rocfuse.transforms.math_grades import (
    Grades,
    comes_from_f16,
    constant_value,
    element_type,
    is_absorbed,
    lower_bound,
)

_FORMULAS: dict[str, Callable[[Num, Grade], Num]] = {
    f"math.{name}": getattr(functions, name)
    for name in (
        *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "cbrt"),
        *("tanh", "erf", "erfc", "sinh", "cosh", "sin", "cos", "tan", "atan"),
        *("asin", "acos", "asinh", "acosh", "atanh"),
    )
}
_FORMULAS_OF_TWO = {"math.atan2": functions.atan2, "arith.remf": functions.remainder}
# f32 results that end in f16 or bf16 and may be of v_exp and v_rcp grade; erf is not, as 1 + erf(x) cancels. Inverse
# functions are not either: their narrow formulas count on the few values near 1 that a narrow operand has.
_EXACT = ("erf", "sin", "cos", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh")
_LOOSE = frozenset(_FORMULAS) - {f"math.{name}" for name in _EXACT}
# Ops that lower well in every float type, or (WIDENED) in f32 only.
_NATIVE = ("math.absf", "math.copysign", "math.fma", "math.isnan", "math.absi", "math.ctlz", "math.cttz", "math.ctpop")
_WIDENED = ("math.floor", "math.ceil", "math.trunc", "math.round", "math.roundeven")
_NARROW = {"f16": Grade.HALF, "bf16": Grade.BFLOAT}


@register
@dataclass(frozen=True)
class ExpandMath(Pass):
    """Rewrite math functions and divisions into ops that gfx942 has instructions for.

    Upstream's lowering turns f16, bf16 and most f32 math ops into calls to a device library, or crashes. Here an f16 or
    bf16 op is evaluated in f32 and rounded, at most 1 ulp of its type from the correctly rounded value; an f32 op stays
    within 4 ulp, unless its result only ever reaches f16 or bf16 through elementwise ops: then v_exp_f32 and v_rcp_f32
    are good enough. Ops on constants are folded. What has no expansion is an error at the op.

        %e = math.exp %x : f16
        // becomes
        %c = arith.constant 1.44269502 : f32
        %0 = arith.extf %x : f16 to f32
        %1 = arith.mulf %0, %c : f32
        %2 = math.exp2 %1 fastmath<afn> : f32        // v_exp_f32
        %e = arith.truncf %2 : f32 to f16
    """

    name: ClassVar[str] = "rocfuse-expand-math"

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Expand in every kernel function, or in the whole module when it has no multi_gemm and nothing was refused."""
        with module.context:
            kernels = _functions_with_gemms(module)
            if not kernels and context.refusals:
                return
            for root in kernels or [module.operation]:
                expand(root)


def expand(root: ir.Operation) -> None:
    """Expand every scalar or vector math op below `root`. Raises CompileError at one that cannot be."""
    fold_math.fold_constants(root)
    grades = Grades()
    sums = [op for op in nested_ops(root) if _is_one_plus_tanh(op, grades)]
    jobs = []
    for op in nested_ops(root):
        if op.name == "math.tanh" and all(use.owner.operation in sums for use in op.results[0].uses):
            continue
        candidate = op.name.startswith("math.") or op.name in ("arith.divf", "arith.remf")
        if candidate and not isinstance(op.results[0].type, ir.RankedTensorType):
            jobs.append((op, _job(op, grades)))
        if _is_float64(op) and op.name != "arith.constant":
            raise _refused(
                op, "has f64 values that are not constant, and kernels compute in f32; cast to f32 before it"
            )
    for op in sums:
        _replace_one_plus_tanh(op)
    for op, job in jobs:
        if job is not None:
            with ir.InsertionPoint(op):
                results = job()
            for old, new in zip(op.results, results, strict=True):
                old.replace_all_uses_with(new)
            op.erase()
    fold_math.erase_dead_constants(root)


Job = Callable[[], list[ir.Value]]


def _job(op: ir.Operation, grades: Grades) -> Job | None:
    """What replaces an op, decided on the IR as it is before any op is replaced; None to keep the op."""
    kind = element_type(op.operands[0].type)
    if op.name == "arith.divf":
        return _division(op, kind, grades)
    if op.name in _FORMULAS:
        grade = _grade(op, kind, grades)
        return (
            None if grade is Grade.SINGLE and op.name in ("math.exp", "math.log", "math.sqrt") else _formula(op, grade)
        )
    if op.name in _FORMULAS_OF_TWO:
        return _formula_of_two(op, _grade(op, kind, grades))
    if op.name in _NATIVE:
        return None
    if op.name in _WIDENED:
        return _widened(op, kind) if kind in _NARROW else None
    special: dict[str, Callable[[ir.Operation, str, Grades], Job | None]] = {
        "math.powf": _powf,
        "math.fpowi": _fpowi,
        "math.clampf": lambda op, kind, grades: lambda: _clamp(op),
        "math.isinf": lambda op, kind, grades: lambda: _classify(op, kind),
        "math.isfinite": lambda op, kind, grades: lambda: _classify(op, kind),
        "math.isnormal": lambda op, kind, grades: lambda: _classify(op, kind),
        "math.sincos": _sincos,
    }
    if op.name not in special:
        raise _refused(op, "has no expansion for this target; write it with other math ops")
    return special[op.name](op, kind, grades)


def _grade(op: ir.Operation, kind: str, grades: Grades) -> Grade:
    """The grade of a formula. Raises CompileError for a type that no formula is for."""
    if kind in _NARROW:
        grade = _NARROW[kind]
    elif kind == "f32":
        loose = grades.of(op.results[0]) if op.name in _LOOSE else Grade.SINGLE
        # An f32 operand has f32's range even when the result ends in f16; only exp and exp2 may be flushed then.
        flushed = op.name in ("math.exp", "math.exp2") and (loose is Grade.HALF or is_absorbed(op.results[0]))
        grade = loose if loose is Grade.SINGLE else Grade.HALF if flushed else Grade.BFLOAT
    else:
        raise _refused(op, f"is on {kind}, and kernels compute in f32; cast to f32 before it")
    return grade


def _tanh_of(op: ir.Operation) -> ir.Operation | None:
    """The tanh of a sum of it and 1."""
    for one, other in (op.operands, reversed(op.operands)):
        if constant_value(one) == 1.0 and not isinstance(other.owner, ir.Block):
            return other.owner.operation if other.owner.operation.name == "math.tanh" else None
    return None


def _is_one_plus_tanh(op: ir.Operation, grades: Grades) -> bool:
    """1 + tanh x in f32, as in GELU's approximation, of which v_exp and v_rcp grade is good enough."""
    if op.name != "arith.addf" or element_type(op.results[0].type) != "f32" or _tanh_of(op) is None:
        return False
    return not isinstance(op.results[0].type, ir.RankedTensorType) and grades.of(op.results[0]) is not Grade.SINGLE


def _replace_one_plus_tanh(op: ir.Operation) -> None:
    tanh = _tanh_of(op)
    assert tanh
    with ir.InsertionPoint(op):
        op.results[0].replace_all_uses_with(functions.one_plus_tanh(_wide(op, tanh.operands[0])).value)
    op.erase()
    if not list(tanh.results[0].uses):
        tanh.erase()


def _formula(op: ir.Operation, grade: Grade) -> Job:
    def build() -> list[ir.Value]:
        return [_narrow(op, _FORMULAS[op.name](_wide(op, op.operands[0]), grade))]

    return build


def _formula_of_two(op: ir.Operation, grade: Grade) -> Job:
    def build() -> list[ir.Value]:
        first, second = (_wide(op, operand) for operand in op.operands)
        return [_narrow(op, _FORMULAS_OF_TWO[op.name](first, second, grade))]

    return build


def _division(op: ir.Operation, kind: str, grades: Grades) -> Job | None:
    """a / b for f16 and bf16, and for f32 that ends in them; by a constant it is a product."""
    grade = _NARROW[kind] if kind in _NARROW else grades.of(op.results[0])
    if grade is Grade.SINGLE:
        return None
    numerator, denominator = op.operands
    divisor, dividend = constant_value(denominator), constant_value(numerator)
    low = lower_bound(denominator)
    moderate = dividend is not None and abs(dividend) < 2.0**32
    plain = kind == "f16" or comes_from_f16(denominator)
    plain = plain or (grade is Grade.HALF and low is not None and low > 2.0**-96 and moderate)

    def build() -> list[ir.Value]:
        a, b = (_wide(op, operand) for operand in op.operands)  # of now: they may be results of an op that was replaced
        if divisor is not None and 2.0**-96 < abs(divisor) < 2.0**96:
            return [_narrow(op, a * (1 / divisor))]
        return [_narrow(op, functions.divide(a, b, Grade.HALF if plain else Grade.BFLOAT))]

    return build


def _powf(op: ir.Operation, kind: str, grades: Grades) -> Job:
    grade = _NARROW[kind] if kind in _NARROW else grades.of(op.results[0])
    exponent = constant_value(op.operands[1])
    if exponent is not None and exponent == int(exponent) and abs(exponent) <= 8:
        return _whole_power(op, int(exponent), grade)

    def build() -> list[ir.Value]:
        x, y = (_wide(op, operand) for operand in op.operands)
        # f32 operands of a result that ends in f16 still have f32's range
        return [_narrow(op, functions.power(x, y, Grade.BFLOAT if kind == "f32" and grade is Grade.HALF else grade))]

    return build


def _fpowi(op: ir.Operation, kind: str, grades: Grades) -> Job:
    grade = _NARROW[kind] if kind in _NARROW else grades.of(op.results[0])
    owner = op.operands[1].owner
    attribute = None if isinstance(owner, ir.Block) else owner.operation.attributes["value"]
    if isinstance(attribute, ir.DenseIntElementsAttr) and attribute.is_splat:
        attribute = attribute.get_splat_value()
    if not isinstance(attribute, ir.IntegerAttr) or abs(attribute.value) > 8:
        raise _refused(op, "takes a constant exponent from -8 to 8 here; use math.powf")
    return _whole_power(op, attribute.value, grade)


def _whole_power(op: ir.Operation, exponent: int, grade: Grade) -> Job:
    return lambda: [_narrow(op, functions.whole_power(_wide(op, op.operands[0]), exponent, grade))]


def _sincos(op: ir.Operation, kind: str, grades: Grades) -> Job:
    grade = _NARROW.get(kind, Grade.SINGLE)

    def build() -> list[ir.Value]:
        x = _wide(op, op.operands[0])
        return [_narrow(op, functions.sin(x, grade)), _narrow(op, functions.cos(x, grade))]

    return build


def _widened(op: ir.Operation, kind: str) -> Job:
    """The same op in f32: exact, as every narrow value is an f32 value."""

    def build() -> list[ir.Value]:
        x = _wide(op, op.operands[0])
        wide = ir.Operation.create(op.name, [x.value.type], [x.value], loc=op.location)
        return [_narrow(op, Num(x.builder, wide.results[0]))]

    return build


def _clamp(op: ir.Operation) -> list[ir.Value]:
    value, low, high = op.operands
    return [arith.minimumf(arith.maximumf(value, low, loc=op.location), high, loc=op.location)]


def _classify(op: ir.Operation, kind: str) -> list[ir.Value]:
    """isinf, isfinite and isnormal by comparing the magnitude."""
    size = abs(_wide(op, op.operands[0]))
    if op.name == "math.isinf":
        return [size.compare("oeq", functions.INFINITY).value]
    finite = size.compare("olt", functions.INFINITY)
    if op.name == "math.isfinite":
        return [finite.value]
    return [(finite & size.compare("oge", 2.0**-14 if kind == "f16" else functions.TINY)).value]


def _builder(op: ir.Operation) -> Builder:
    type_ = op.operands[0].type
    return Builder(tuple(ir.VectorType(type_).shape) if isinstance(type_, ir.VectorType) else None, op.location)


def _wide(op: ir.Operation, value: ir.Value) -> Num:
    """An operand in f32."""
    build = _builder(op)
    wide = build.type(ir.F32Type.get())
    return Num(build, value if value.type == wide else arith.extf(wide, value, loc=op.location))


def _narrow(op: ir.Operation, result: Num) -> ir.Value:
    """A result in the op's own type."""
    type_ = op.results[0].type
    return result.value if result.value.type == type_ else arith.truncf(type_, result.value, loc=op.location)


def _refused(op: ir.Operation, reason: str) -> CompileError:
    return CompileError(f"{ExpandMath.name}: '{op.name}' {reason}", str(op.location))


def _is_float64(op: ir.Operation) -> bool:
    return op.name.startswith(("arith.", "math.")) and any(element_type(one.type) == "f64" for one in op.results)


def _functions_with_gemms(module: ir.Module) -> list[ir.Operation]:
    found = []
    for op in module.body.operations:
        if any(inner.name == "rocfuse.multi_gemm" for inner in nested_ops(op.operation)):
            found.append(op.operation)
    return found
