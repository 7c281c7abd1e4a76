"""The few things of the LLVM dialect that rocfuse needs; upstream's module first defines a class for every op."""

from __future__ import annotations

from collections.abc import Sequence

from mlir import ir
from mlir._mlir_libs._mlirDialectsLLVM import translate_module_to_llvmir

__all__ = [
    "call_intrinsic",
    "constant",
    "extractelement",
    "fence",
    "insertelement",
    "translate_module_to_llvmir",
    "undef",
]

_ACQUIRE_RELEASE = 6  # llvm::AtomicOrdering


def fence(scope: str) -> None:
    """An acquire-release fence of a synchronisation scope."""
    ordering = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), _ACQUIRE_RELEASE)
    ir.Operation.create("llvm.fence", attributes={"ordering": ordering, "syncscope": ir.StringAttr.get(scope)})


def constant(value: ir.Attribute, kind: ir.Type) -> ir.Value:
    """A constant."""
    return ir.Operation.create("llvm.mlir.constant", results=[kind], attributes={"value": value}).result


def undef(kind: ir.Type) -> ir.Value:
    """A value of a type, whichever."""
    return ir.Operation.create("llvm.mlir.undef", results=[kind]).result


def extractelement(vector: ir.Value, position: ir.Value) -> ir.Value:
    """An element of a vector."""
    kind = ir.VectorType(vector.type).element_type
    return ir.Operation.create("llvm.extractelement", results=[kind], operands=[vector, position]).result


def insertelement(vector: ir.Value, element: ir.Value, position: ir.Value) -> ir.Value:
    """The vector with one element replaced."""
    operands = [vector, element, position]
    return ir.Operation.create("llvm.insertelement", results=[vector.type], operands=operands).result


def call_intrinsic(kind: ir.Type, name: str, operands: Sequence[ir.Value]) -> ir.Value:
    """A call of an LLVM intrinsic by its name."""
    attributes: dict[str, ir.Attribute] = {
        "intrin": ir.StringAttr.get(name),
        "op_bundle_sizes": ir.DenseI32ArrayAttr.get([]),
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(operands), 0]),
    }
    return ir.Operation.create("llvm.call_intrinsic", results=[kind], operands=operands, attributes=attributes).result
