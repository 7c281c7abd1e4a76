"""The op of vector that a kernel has hundreds of: as a plain op it is made in a third of the time."""

from __future__ import annotations

from mlir import ir


def part_of(value: ir.Value, first: int, width: int) -> ir.Value:
    """`width` elements of a vector of rank 1, from element `first` on; the vector itself where these are all.

    A shuffle is one op of LLVM's; `vector.extract_strided_slice` would become it by way of a rewrite for each.
    """
    if ir.VectorType(value.type).shape[0] == width:
        return value
    kind = ir.VectorType.get([width], ir.VectorType(value.type).element_type)
    mask = {"mask": ir.DenseI64ArrayAttr.get(list(range(first, first + width)))}
    return ir.Operation.create("vector.shuffle", results=[kind], operands=[value, value], attributes=mask).result
