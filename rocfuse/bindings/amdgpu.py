"""The matrix op of amdgpu, which a kernel has hundreds of: as a plain op it is made in a third of the time."""

from __future__ import annotations

from mlir import ir


def mfma(shape: tuple[int, int, int], a: ir.Value, b: ir.Value, accumulator: ir.Value) -> ir.Value:
    """accumulator + a · b, by the instruction of this shape (m, n, k)."""
    i32 = ir.IntegerType.get_signless(32)
    attributes = {name: ir.IntegerAttr.get(i32, size) for name, size in zip("mnk", shape, strict=True)}
    operands = [a, b, accumulator]
    return ir.Operation.create(
        "amdgpu.mfma", results=[accumulator.type], operands=operands, attributes=attributes
    ).result
