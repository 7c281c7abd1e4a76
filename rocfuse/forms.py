"""The forms of the IR between passes: which ops may appear. Passes declare them, the runner checks them.

Each predicate returns None where the form holds and otherwise the reason why not, with the op and its place. It does
not look at functions that were refused, whose names it is given: they stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from mlir import ir

from rocfuse.diagnostics import Refusal
from rocfuse.dialect import MULTI_GEMM, PLAN, MultiGemm
from rocfuse.lowering.forms import blockwise_form, llvm_form, wave_form
from rocfuse.transforms.matching import (
    RESHAPES,
    access_of_map,
    defining_op,
    entry_block,
    functions,
    is_product,
    nested_ops,
    static_slice,
)
from rocfuse.transforms.views import memory_view

Form = Callable[[ir.Module, Collection[str]], Refusal | None]

_FUSED_OPS = ("arith.constant", "tensor.extract_slice", "tensor.empty", *RESHAPES, MULTI_GEMM, "linalg.generic")


def tensor_form(module: ir.Module, refused: Collection[str] = ()) -> Refusal | None:
    """Structured ops are linalg.generic; no TOSA; no asserts."""
    for op in (op for function in functions(module, refused) for op in nested_ops(function)):
        named = op.name.startswith("linalg.") and len(op.regions) > 0 and op.name != "linalg.generic"
        if named or op.name.startswith("tosa.") or op.name == "cf.assert":
            return _at(op, f"{op.name} is left")
    return None


def fused_form(module: ir.Module, refused: Collection[str] = ()) -> Refusal | None:
    """Every product is in a multi_gemm, and a function with one holds views, it, one combine and the return."""
    found = False
    for function in functions(module, refused):
        ops = [op.operation for op in entry_block(function).operations]
        if any(op.name == MULTI_GEMM for op in ops):
            found = True
            reason = _fused_function(ops)
        else:
            left = [op for op in nested_ops(function) if is_product(op)]
            reason = _at(left[0], f"{left[0].name} is a product outside of a {MULTI_GEMM}") if left else None
        if reason:
            return reason
    return None if found else Refusal(f"there is no {MULTI_GEMM}")


def planned_form(module: ir.Module, refused: Collection[str] = ()) -> Refusal | None:
    """The fused form, and every multi_gemm has a plan."""
    reason = fused_form(module, refused)
    if reason:
        return reason
    for op in (op for function in functions(module, refused) for op in nested_ops(function)):
        if op.name == MULTI_GEMM and PLAN not in op.attributes:
            return _at(op, f"{op.name} has no plan")
    return None


def _of_kernels(form: Callable[[ir.Module], Refusal | None]) -> Form:
    """A form that looks at kernels alone: a function that was refused is none."""
    return lambda module, refused: form(module)


FORMS: Mapping[str, Form] = {
    "tensor": tensor_form,
    "fused": fused_form,
    "planned": planned_form,
    "blockwise": _of_kernels(blockwise_form),
    "wave": _of_kernels(wave_form),
    "llvm": _of_kernels(llvm_form),
}


def _at(op: ir.Operation, text: str) -> Refusal:
    return Refusal(text if op.name in text else f"{text} ({op.name})", str(op.location))


def _fused_function(ops: list[ir.Operation]) -> Refusal | None:
    for op in ops[:-1]:
        if op.name not in _FUSED_OPS:
            return _at(op, "an op that is no constant, view, multi_gemm or combine")
        if op.name in (*RESHAPES, "tensor.extract_slice") and not _is_view(op):
            return _at(op, "neither a view of a function argument nor a reshape of a result")
    gemms = [op for op in ops if op.name == MULTI_GEMM]
    combines = [op for op in ops if op.name == "linalg.generic"]
    if len(gemms) != 1 or len(combines) != 1:
        return _at(gemms[-1], f"{len(gemms)} multi_gemm and {len(combines)} combines in a function (need 1 and 1)")
    for gemm in MultiGemm(gemms[0]).gemms:
        if memory_view(gemm.a) is None or memory_view(gemm.b) is None:
            return _at(gemms[0], "an operand of a GEMM is no view of a function argument")
    return _combine(combines[0], gemms[0]) or _returns(ops[-1], combines[0])


def _is_view(op: ir.Operation) -> bool:
    """A view of an argument, or a reshape on the way to the return."""
    if memory_view(op.results[0]) is not None:
        numbers = static_slice(op)
        return op.name in RESHAPES or (numbers is not None and all(step == 1 for step in numbers.strides))
    return op.name in RESHAPES and _result_behind(op.results[0]) is not None


def _result_behind(value: ir.Value) -> ir.Operation | None:
    """The linalg.generic whose result is `value`, seen through reshapes."""
    while (op := defining_op(value)) is not None and op.name in RESHAPES:
        value = op.operands[0]
    return op if op is not None and op.name == "linalg.generic" else None


def _combine(op: ir.Operation, gemm: ir.Operation) -> Refusal | None:
    """The combine is parallel, reads products and views by projected permutations, and only writes its results."""
    kinds = [str(kind) for kind in ir.ArrayAttr(op.attributes["iterator_types"])]
    if any("parallel" not in kind for kind in kinds):
        return _at(op, "the combine has a loop that is not parallel")
    maps = [access_of_map(ir.AffineMapAttr(one).value) for one in ir.ArrayAttr(op.attributes["indexing_maps"])]
    if any(one is None or any(index.dim is None for index in one) for one in maps):
        return _at(op, "the combine has an indexing map that is no projected permutation")
    inputs = len(maps) - len(op.results)
    products = list(gemm.results)
    for value in list(op.operands)[:inputs]:
        if value not in products and memory_view(value) is None:
            return _at(op, "the combine reads what is neither a product nor a view of a function argument")
    for value, argument in zip(op.operands[inputs:], op.regions[0].blocks[0].arguments[inputs:], strict=True):
        source = defining_op(value)
        if source is None or source.name != "tensor.empty" or list(argument.uses):
            return _at(op, "the combine reads its outputs; they are tensor.empty")
    if not any(value in products for value in op.operands):
        return _at(op, "the combine reads no product")
    return None


def _returns(op: ir.Operation, combine: ir.Operation) -> Refusal | None:
    """Each result of the combine is returned once, and nothing else is."""
    returned: list[ir.Value] = []
    for value in op.operands:
        while (source := defining_op(value)) is not None and source.name in RESHAPES:
            value = source.operands[0]
        returned.append(value)
    if len(returned) != len(combine.results) or any(result not in returned for result in combine.results):
        return _at(op, "the function does not return the results of its combine, each once")
    return None
