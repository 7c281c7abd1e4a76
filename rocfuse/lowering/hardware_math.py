"""Calls that upstream's ROCDL conversion leaves for a device library become the instructions that they mean.

After `rocfuse-expand-math` a `math.exp2` or `math.log2` on f32 denotes v_exp_f32 or v_log_f32, and floor and ceil are
one instruction each; `convert-gpu-to-rocdl` turns them into `__ocml_*` calls. There is no device library here, and none
is needed: renaming the callee to LLVM's intrinsic is the whole lowering.
"""

from __future__ import annotations

from mlir import ir

INTRINSICS = {
    "__ocml_exp2_f32": "llvm.amdgcn.exp2.f32",
    "__ocml_log2_f32": "llvm.amdgcn.log.f32",
    "__ocml_floor_f32": "llvm.floor.f32",
    "__ocml_ceil_f32": "llvm.ceil.f32",
}


def use_hardware_math(module: ir.Module) -> None:
    """Rename the functions of INTRINSICS, and calls of them, in a module in LLVM form (nested gpu.modules included)."""

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "llvm.func":
            name = ir.StringAttr(op.attributes["sym_name"]).value
            if name in INTRINSICS:
                op.attributes["sym_name"] = ir.StringAttr.get(INTRINSICS[name])
        elif op.name == "llvm.call" and "callee" in op.attributes:
            name = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
            if name in INTRINSICS:
                op.attributes["callee"] = ir.FlatSymbolRefAttr.get(INTRINSICS[name])
        return ir.WalkResult.ADVANCE

    with module.context:
        module.operation.walk(visit)
