"""How good must a scalar f32 result be? What its users do with it, and what is known of a denominator."""

from __future__ import annotations

from mlir import ir

from rocfuse.transforms.math_functions import Grade

# Ops through which an f32 value flows on, element by element. Comparisons are not among them: a branch must not flip.
_FLOWS = frozenset(
    f"arith.{name}"
    for name in ("addf", "subf", "mulf", "divf", "negf", "select", "minimumf", "maximumf", "minnumf", "maxnumf")
)
_DEPTH = 8  # how far back bounds are looked for


def element_type(type_: ir.Type) -> str:
    """The scalar type's name of a scalar or vector type."""
    return str(ir.VectorType(type_).element_type) if isinstance(type_, ir.VectorType) else str(type_)


def constant_value(value: ir.Value) -> float | None:
    """The value of a float constant, or of a splat; None when it is none."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.operation.name != "arith.constant":
        return None
    attribute = owner.operation.attributes["value"]
    if isinstance(attribute, ir.FloatAttr):
        return float(attribute.value)
    if isinstance(attribute, ir.DenseFPElementsAttr) and attribute.is_splat:
        return float(ir.FloatAttr(attribute.get_splat_value()).value)
    return None


class Grades:
    """Answers for one function, as its IR stands when they are asked."""

    def __init__(self) -> None:
        self._ends: dict[ir.Value, frozenset[str]] = {}

    def of(self, value: ir.Value) -> Grade:
        """HALF or BFLOAT when every way from an f32 value on ends in a truncf to f16 (or bf16), else SINGLE."""
        ends = self._find_ends(value)
        if ends == {"f16"}:
            return Grade.HALF
        return Grade.BFLOAT if ends and ends <= {"f16", "bf16"} else Grade.SINGLE

    def _find_ends(self, value: ir.Value) -> frozenset[str]:
        if value not in self._ends:
            ends: frozenset[str] = frozenset()
            for use in value.uses:
                user = use.owner.operation
                if user.name == "arith.truncf":
                    ends |= {element_type(user.results[0].type)}
                elif _flows_on(user):
                    ends |= self._find_ends(user.results[0])
                else:
                    ends |= {"other"}
            self._ends[value] = ends
        return self._ends[value]


def _flows_on(user: ir.Operation) -> bool:
    """Whether an op makes one f32 of its f32 operands, so that only its users tell how good they must be."""
    if user.name not in _FLOWS and not user.name.startswith("math."):
        return False
    return len(user.results) == 1 and element_type(user.results[0].type) == "f32"


def is_absorbed(value: ir.Value) -> bool:
    """Whether a result below 2**-100 may be flushed: every user adds a constant to it beside which that is nothing."""
    uses = list(value.uses)
    for use in uses:
        user = use.owner.operation
        constants = [constant_value(operand) for operand in user.operands]
        if user.name != "arith.addf" or not any(one is not None and abs(one) > 2.0**-60 for one in constants):
            return False
    return bool(uses)


def lower_bound(value: ir.Value, depth: int = _DEPTH) -> float | None:
    """A number that an f32 value is never below, NaN apart; None when nothing is known."""
    constant = constant_value(value)
    if constant is not None or not depth or isinstance(value.owner, ir.Block):
        return constant
    op = value.owner.operation
    if op.name in ("math.exp", "math.exp2", "math.absf", "math.sqrt", "math.cosh"):
        return 0.0
    if op.name == "arith.mulf" and op.operands[0] == op.operands[1]:
        return 0.0
    if op.name in ("arith.extf", "arith.truncf"):
        bound = lower_bound(op.operands[0], depth - 1)
        return None if bound is None else bound * (1 - 2.0**-7) if bound > 0 else bound
    if op.name == "arith.addf":
        bounds = [lower_bound(operand, depth - 1) for operand in op.operands]
        known = [one for one in bounds if one is not None and one >= 0]
        return sum(known) * (1 - 2.0**-20) if len(known) == 2 else None
    if op.name in ("arith.maximumf", "arith.maxnumf"):
        bounds = [lower_bound(operand, depth - 1) for operand in op.operands]
        return max((one for one in bounds if one is not None), default=None)
    return None


def comes_from_f16(value: ir.Value) -> bool:
    """Whether an f32 value is an f16 value, up to its sign: 0, or at least 2**-24, and at most 65504."""
    while not isinstance(value.owner, ir.Block):
        op = value.owner.operation
        if op.name == "arith.extf":
            return element_type(op.operands[0].type) == "f16"
        if op.name not in ("arith.negf", "math.absf"):
            return False
        value = op.operands[0]
    return False
