"""The forms from the kernel on: blockwise, wave and llvm, as tables of the dialects that may appear in a kernel."""

from __future__ import annotations

from mlir import ir

from rocfuse.diagnostics import Refusal
from rocfuse.dialect import GEMM, MULTI_GEMM, walk

_PRODUCTS = (MULTI_GEMM, GEMM)  # they are in functions; no kernel has one
_KERNEL = ("gpu.", "scf.", "arith.", "math.", "memref.", "vector.")


def blockwise_form(module: ir.Module) -> Refusal | None:
    """Kernels are gpu.funcs of blockwise steps, loops and the combine's arithmetic; nothing is a tensor."""
    return _kernels(module, "gpu.func", (*_KERNEL, "rocfuse."))


def wave_form(module: ir.Module) -> Refusal | None:
    """Kernels are gpu.funcs of upstream ops that one lane executes; no step is left."""
    return _kernels(module, "gpu.func", (*_KERNEL, "amdgpu.", "rocdl.", "llvm.fence"))


def llvm_form(module: ir.Module) -> Refusal | None:
    """Kernels are llvm.funcs of LLVM and ROCDL ops only."""
    return _kernels(module, "llvm.func", ("llvm.", "rocdl."))


def _kernels(module: ir.Module, kind: str, dialects: tuple[str, ...]) -> Refusal | None:
    functions = [op for op in walk(module, kind) if op.parent.name == "gpu.module"]
    if not functions:
        return Refusal(f"there is no {kind} in a gpu.module")
    for op in (one for function in functions for one in _others(function, dialects)):
        return Refusal(f"{op.name} is left in a kernel", str(op.location))
    return None


def _others(function: ir.Operation, dialects: tuple[str, ...]) -> list[ir.Operation]:
    """The ops inside of a function that are of no dialect of these."""
    found: list[ir.Operation] = []
    usual: set[str] = set()

    def visit(op: ir.Operation) -> ir.WalkResult:
        name = op.name
        if name not in usual:
            if name.startswith(dialects) and name not in _PRODUCTS:
                usual.add(name)
            elif op != function:
                found.append(op)
        return ir.WalkResult.ADVANCE

    function.walk(visit)
    return found
