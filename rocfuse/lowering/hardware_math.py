"""exp2 and log2 that mean the hardware instruction become it.

After `rocfuse-expand-math` a `math.exp2` or `math.log2` with `afn` on f32 denotes v_exp_f32 or v_log_f32. Upstream
makes LLVM's general intrinsic of it, which LLVM expands to keep denormals (6 instructions), or, by way of
`convert-gpu-to-rocdl`, a call into a device library, which there is none of. Both become AMDGPU's own intrinsic here.
"""

from __future__ import annotations

from mlir import ir

from rocfuse.bindings import llvm

_LIBRARY = {
    "__ocml_exp2_f32": "llvm.amdgcn.exp2.f32",
    "__ocml_log2_f32": "llvm.amdgcn.log.f32",
    "__ocml_floor_f32": "llvm.floor.f32",
    "__ocml_floor_f64": "llvm.floor.f64",
    "__ocml_ceil_f32": "llvm.ceil.f32",
}
_GENERAL = {"llvm.intr.exp2": "llvm.amdgcn.exp2.f32", "llvm.intr.log2": "llvm.amdgcn.log.f32"}


def use_hardware_math(module: ir.Module) -> None:
    """Rewrite the ops above in a module in LLVM form, nested gpu.modules included."""
    general: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        kind = op.name
        if kind == "llvm.func":
            name = ir.StringAttr(op.attributes["sym_name"]).value
            if name in _LIBRARY:
                op.attributes["sym_name"] = ir.StringAttr.get(_LIBRARY[name])
        elif kind == "llvm.call" and "callee" in op.attributes:
            name = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
            if name in _LIBRARY:
                op.attributes["callee"] = ir.FlatSymbolRefAttr.get(_LIBRARY[name])
        elif kind in _GENERAL and "afn" in str(op.attributes["fastmathFlags"]):
            general.append(op)
        return ir.WalkResult.ADVANCE

    with module.context:
        module.operation.walk(visit)
        for op in general:
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(_instruction(op))
            op.erase()


def _instruction(op: ir.Operation) -> ir.Value:
    """The op as AMDGPU's intrinsic, which is scalar: a vector is taken apart."""
    kind, operand = op.results[0].type, op.operands[0]
    name = _GENERAL[op.name]
    if not isinstance(kind, ir.VectorType):
        return llvm.call_intrinsic(kind, name, [operand])
    element_type = ir.VectorType(kind).element_type
    result: ir.Value = llvm.undef(kind)
    integer = ir.IntegerType.get_signless(64)
    for number in range(ir.VectorType(kind).shape[0]):
        position = llvm.constant(ir.IntegerAttr.get(integer, number), integer)
        element = llvm.call_intrinsic(element_type, name, [llvm.extractelement(operand, position)])
        result = llvm.insertelement(result, element, position)
    return result
