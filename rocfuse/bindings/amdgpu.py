"""The ops of amdgpu that rocfuse builds: plain ones, made in a third of the time that upstream's classes take."""

from __future__ import annotations

from mlir import ir


def mfma(shape: tuple[int, int, int], a: ir.Value, b: ir.Value, accumulator: ir.Value) -> ir.Value:
    """accumulator + a · b, by the instruction of this shape (m, n, k)."""
    attributes = {name: _i32(size) for name, size in zip("mnk", shape, strict=True)}
    operands = [a, b, accumulator]
    return ir.Operation.create(
        "amdgpu.mfma", results=[accumulator.type], operands=operands, attributes=attributes
    ).result


def lds_barrier() -> None:
    """A barrier that waits for LDS and for nothing else."""
    ir.Operation.create("amdgpu.lds_barrier")


def memory_counter_wait(counter: str, outstanding: int) -> None:
    """Wait until no more than so many accesses that a counter ("load" or "ds") counts are outstanding."""
    ir.Operation.create("amdgpu.memory_counter_wait", attributes={counter: _i32(outstanding)})


def fat_raw_buffer_cast(view: ir.Value, valid_bytes: ir.Value, kind: ir.Type) -> ir.Value:
    """A view as a buffer resource of type `kind` that starts at its first element."""
    attributes = {"operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 1, 0]), "resetOffset": ir.UnitAttr.get()}
    operands = [view, valid_bytes]
    return ir.Operation.create(
        "amdgpu.fat_raw_buffer_cast", results=[kind], operands=operands, attributes=attributes
    ).result


def raw_buffer_load(kind: ir.Type, memory: ir.Value, index: ir.Value, scalar: ir.Value | None) -> ir.Value:
    """Load from a flat array at `index` and a scalar offset; zero past the end of the array."""
    operands = [memory, index, *([] if scalar is None else [scalar])]
    sizes = ir.DenseI32ArrayAttr.get([1, 1, len(operands) - 2])
    attributes = {"operandSegmentSizes": sizes, "boundsCheck": ir.BoolAttr.get(True)}
    return ir.Operation.create(
        "amdgpu.raw_buffer_load", results=[kind], operands=operands, attributes=attributes
    ).result


def _i32(value: int) -> ir.Attribute:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(32), value)
