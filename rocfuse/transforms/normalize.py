"""rocfuse-normalize: any importer's linalg, tensor or TOSA to the tensor form.

Before (TOSA, named ops, casts and transposes as separate ops, asserts):

    %t = linalg.transpose ins(%w : tensor<256x64xf16>) outs(%e : tensor<64x256xf16>) permutation = [1, 0]
    %y = linalg.matmul ins(%x, %t : …) outs(%zero : tensor<64x256xf32>) -> tensor<64x256xf32>
    %h = linalg.generic … ins(%y : tensor<64x256xf32>) { arith.truncf }
    %g = linalg.generic … ins(%h : tensor<64x256xf16>) { cf.assert; arith.divf }

After (generics only, transposes in maps, elementwise ops fused):

    %y = linalg.generic {maps (m, n, k) -> (m, k), (n, k), (m, n)} ins(%x, %w : …) { extf; extf; mulf; addf }
    %g = linalg.generic … ins(%y : tensor<64x256xf32>) { arith.truncf; arith.divf }
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from mlir import ir

from rocfuse.analysis.contraction import Role, infer_roles
from rocfuse.analysis.slices import dims_of
from rocfuse.diagnostics import CompileError
from rocfuse.passes import Pass, PassContext, register, run_upstream
from rocfuse.transforms.matching import functions, is_product, nested_ops, scalar_constant, structured
from rocfuse.transforms.merge_reductions import merge_reductions

# Order: TOSA first (it has its own named ops); tensors of arith ops become generics; names go; unit dims go, as they
# stand in the way of reshapes; then everything elementwise is fused, which also moves reshapes through products and
# folds transposes and casts into their maps.
_TOSA = "tosa-to-linalg-named,tosa-to-linalg,tosa-to-tensor,tosa-to-arith"
_GENERICS = "convert-elementwise-to-linalg,canonicalize,cse,linalg-generalize-named-ops"
_NAMED = f"func.func({_TOSA},{_GENERICS},canonicalize,cse)"
_UNIT_DIMS = "func.func(linalg-fold-unit-extent-dims,canonicalize,cse)"
_FUSE = "func.func(linalg-fuse-elementwise-ops,canonicalize,cse)"
_CLEAN = "func.func(canonicalize,cse)"


@register
@dataclass(frozen=True)
class Normalize(Pass):
    """Turn named ops and TOSA into linalg.generic, fuse elementwise ops, fold reshapes, drop asserts."""

    name: ClassVar[str] = "rocfuse-normalize"
    requires: ClassVar[tuple[str, ...]] = ()
    ensures: ClassVar[tuple[str, ...]] = ("tensor",)

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Normalize every function in place, each as if it were alone."""
        for function in functions(module, context.refused):
            _drop_asserts(function, context)
            _run(function, _NAMED)
            if _unit_dims_can_go(function):
                _run(function, _UNIT_DIMS)
            _run(function, _FUSE)
            if merge_reductions(function):
                _run(function, _CLEAN)
            if _fold_constants(function):
                _run(function, _FUSE)


def _run(function: ir.Operation, pipeline: str) -> None:
    """Run an upstream pipeline; its failure is the program's."""
    try:
        run_upstream(function, pipeline)
    except ir.MLIRError as error:
        first = error.error_diagnostics[0] if error.error_diagnostics else None
        location = str(first.location) if first else ""
        raise CompileError(f"rocfuse-normalize: {first.message if first else error}", location) from error


def _unit_dims_can_go(function: ir.Operation) -> bool:
    """Whether every product keeps an m, an n and a k without its dims of extent 1."""
    for op in nested_ops(function):
        view = structured(op)
        if view is None or not is_product(op):
            continue
        a, b, out = (dims_of(access) for access in view.maps)
        roles = infer_roles(a, b, out, view.loops)
        if isinstance(roles, str):
            return False
        needed: tuple[Role, ...] = ("m", "n", "k")
        for role in needed:
            if all(view.extent(dim) == 1 for dim in roles.dims(role)):
                return False
    return True


def _drop_asserts(function: ir.Operation, context: PassContext) -> None:
    """Erase every cf.assert: a kernel has nobody to tell, and a division by zero is an inf in the result."""
    for op in [inner for inner in nested_ops(function) if inner.name == "cf.assert"]:
        text = ir.StringAttr(op.attributes["msg"]).value
        context.remark(op.location, f"rocfuse-normalize: dropped cf.assert '{text}'; the kernel does not check it")
        op.erase()


def _fold_constants(function: ir.Operation) -> bool:
    """Fold what upstream leaves because it is not exact: truncf of a wider constant, sqrt of an f16 constant."""
    changed = False
    for op in nested_ops(function):
        if op.name not in ("arith.truncf", "math.sqrt"):
            continue
        number = scalar_constant(op.operands[0])
        if not isinstance(op.results[0].type, ir.FloatType) or number is None or math.isnan(number):
            continue
        if op.name == "math.sqrt":
            if number < 0:
                continue
            # the f64 root has more than twice the digits of f32, so that rounding it again is rounding it once
            number = math.sqrt(number)
        with op.location:
            value = ir.FloatAttr.get(op.results[0].type, number)
            constant = ir.Operation.create(
                "arith.constant", results=[op.results[0].type], attributes={"value": value}, ip=ir.InsertionPoint(op)
            )
        op.results[0].replace_all_uses_with(constant.results[0])
        op.erase()
        changed = True
    return changed
