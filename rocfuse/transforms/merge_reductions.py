"""Products over several k dims that lie side by side in both operands become products over one.

Upstream's fusion moves a reshape of the activations through a product and splits its k on the way:

    %p = linalg.generic {(b, s, n, h, d) -> (b, s, h, d), (h, d, n), (b, s, n)} ins(%x, %w_expanded)
  →
    %x2 = tensor.collapse_shape %x [[0], [1], [2, 3]]      (a view: the dims are neighbours in memory)
    %p = linalg.generic {(b, s, n, k) -> (b, s, k), (k, n), (b, s, n)} ins(%x2, %w)
"""

from __future__ import annotations

from itertools import pairwise

from mlir import ir
from mlir.dialects import tensor

from rocfuse.analysis.slices import Access, Index
from rocfuse.transforms.matching import (
    Structured,
    element_type,
    is_product,
    map_of_dims,
    nested_ops,
    shape_of,
    structured,
)


def merge_reductions(function: ir.Operation) -> bool:
    """Merge the k dims of every product where that is a reshape of its operands; returns whether there was one."""
    changed = False
    # listed first: an op that is replaced takes the ops of its body with it
    for op in [one for one in nested_ops(function) if one.name == "linalg.generic" and is_product(one)]:
        view = structured(op)
        while view is not None and (pair := _neighbours(view)) is not None:
            view = _merged(view, *pair)
            changed = True
    return changed


def _neighbours(view: Structured) -> tuple[int, int] | None:
    """Two reduction dims that follow each other, in this order, in both operands."""
    for outer in view.reductions:
        for inner in view.reductions:
            if outer != inner and all(_follow(access, outer, inner) for access in view.maps[:2]):
                return outer, inner
    return None


def _follow(access: Access, outer: int, inner: int) -> bool:
    dims = [index.dim for index in access]
    return (outer, inner) in pairwise(dims)


def _merged(view: Structured, outer: int, inner: int) -> Structured | None:
    """The product with `inner` merged into `outer`."""
    op = view.op
    with op.location, ir.InsertionPoint(op):
        operands = [_collapsed(value, access, outer) for value, access in zip(view.operands, view.maps, strict=True)]
        clone = op.clone().operation
    for position, operand in enumerate(operands):
        clone.operands[position] = operand
    maps = [_without(access, inner) for access in view.maps]
    kinds = [kind for dim, kind in enumerate(ir.ArrayAttr(op.attributes["iterator_types"])) if dim != inner]
    with op.context:
        affine = [map_of_dims([index.dim for index in one if index.dim is not None], view.loops - 1) for one in maps]
        clone.attributes["indexing_maps"] = ir.ArrayAttr.get([ir.AffineMapAttr.get(one) for one in affine])
        clone.attributes["iterator_types"] = ir.ArrayAttr.get(kinds)
    op.results[0].replace_all_uses_with(clone.results[0])
    op.erase()
    return structured(clone)


def _without(access: Access, gone: int) -> Access:
    """The access without loop `gone`; the loops after it move up."""
    kept = [index for index in access if index.dim != gone]
    return tuple(
        Index(index.dim - 1, index.offset) if index.dim is not None and index.dim > gone else index for index in kept
    )


def _collapsed(value: ir.Value, access: Access, outer: int) -> ir.Value:
    """The operand with the dim that `outer` indexes and the next one as one dim; the result has neither."""
    dims = [index.dim for index in access]
    if outer not in dims:
        return value
    at = dims.index(outer)
    shape = list(shape_of(value))
    groups = [[dim] for dim in range(at)] + [[at, at + 1]] + [[dim] for dim in range(at + 2, len(shape))]
    merged = [*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :]]
    return tensor.CollapseShapeOp(ir.RankedTensorType.get(merged, element_type(value)), value, groups).result
