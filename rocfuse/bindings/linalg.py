"""The two ops of linalg that rocfuse builds; upstream's module first defines a class for every op."""

from __future__ import annotations

from collections.abc import Sequence

from mlir import ir
from mlir._mlir_libs._mlirDialectsLinalg import get_indexing_maps

__all__ = ["generic", "get_indexing_maps", "yield_"]


def generic(
    inputs: Sequence[ir.Value], inits: Sequence[ir.Value], maps: Sequence[ir.AffineMap], kinds: Sequence[ir.Attribute]
) -> ir.Operation:
    """A linalg.generic with an empty region; `kinds` are the iterator types. Its results are of the inits' types."""
    attributes: dict[str, ir.Attribute] = {
        "indexing_maps": ir.ArrayAttr.get([ir.AffineMapAttr.get(one) for one in maps]),
        "iterator_types": ir.ArrayAttr.get(list(kinds)),
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(inputs), len(inits)]),
    }
    types = [one.type for one in inits]
    operands = [*inputs, *inits]
    return ir.Operation.create("linalg.generic", results=types, operands=operands, attributes=attributes, regions=1)


def yield_(values: Sequence[ir.Value]) -> None:
    """The terminator of the region."""
    ir.Operation.create("linalg.yield", operands=values)
