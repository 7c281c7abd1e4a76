"""Operands as views of function arguments: tracing a value back to memory, and taking the part that is read."""

from __future__ import annotations

from collections.abc import Sequence

from mlir import ir
from mlir.dialects import tensor

from rocfuse.analysis import views as memory
from rocfuse.analysis.slices import (
    Access,
    Index,
    dims_of,
    loops_of_result,
    through_map,
)
from rocfuse.records import record
from rocfuse.transforms.matching import (
    RESHAPES,
    defining_op,
    element_type,
    is_static_tensor,
    map_of_dims,
    reassociation,
    reshape_source_access,
    shape_of,
    static_slice,
    structured,
)
from rocfuse.transforms.refused import Refused


@record
class View:
    """A tensor that is memory as it stands (an argument or reshapes of one), and how it is read."""

    base: ir.Value
    access: Access

    def renumbered(self, order: Sequence[int]) -> View:
        """The same view over the loops in `order`; loops that are left out have extent 1."""
        return View(
            self.base,
            tuple(
                Index(order.index(index.dim), index.offset) if index.dim in order else Index(None, index.offset)
                for index in self.access
            ),
        )

    @property
    def dims(self) -> tuple[int, ...]:
        """The loop dims in the order of the tensor dims that materialize() keeps."""
        return tuple(index.dim for index in self.access if index.dim is not None)

    def materialize(self, extents: Sequence[int]) -> ir.Value:
        """The part that loops of `extents` read, at the insertion point: the base or one extract_slice of it."""
        sizes = [1 if index.dim is None else extents[index.dim] for index in self.access]
        if all(index == Index(index.dim) and index.dim is not None for index in self.access) and sizes == list(
            shape_of(self.base)
        ):
            return self.base
        offsets = [index.offset for index in self.access]
        kept = [size for size, index in zip(sizes, self.access, strict=True) if index.dim is not None]
        type_ = ir.RankedTensorType.get(kept, element_type(self.base))
        return tensor.ExtractSliceOp(type_, self.base, [], [], [], offsets, sizes, [1] * len(sizes)).result

    def affine_map(self, loops: int) -> ir.AffineMap:
        """The indexing map of the materialized value."""
        return map_of_dims(self.dims, loops)


def memory_view(value: ir.Value) -> memory.View | None:
    """Where a view of a function argument lies in its memory; None if `value` is not one."""
    op = defining_op(value)
    if op is None:
        return memory.dense(shape_of(value)) if is_static_tensor(value) else None
    source = memory_view(op.operands[0]) if op.name in (*RESHAPES, "tensor.extract_slice") else None
    if source is None:
        return None
    if op.name == "tensor.expand_shape":
        return memory.expanded(source, reassociation(op), shape_of(value))
    if op.name == "tensor.collapse_shape":
        return memory.collapsed(source, reassociation(op))
    numbers = static_slice(op)
    if numbers is None or any(stride != 1 for stride in numbers.strides):
        return None
    part = memory.sliced(source, numbers.offsets, numbers.sizes, numbers.strides)
    return memory.dropped(part, sorted(numbers.dropped))


def trace_operand(value: ir.Value, access: Access, reader: ir.Operation) -> View:
    """The view behind an operand of a product, through slices, unit reshapes, transposes and exact casts.

    Raises Refused, at the op that is in the way, for an operand that some op computes.
    """
    while (op := defining_op(value)) is not None:
        numbers = static_slice(op)
        if numbers is not None and all(stride == 1 for stride in numbers.strides):
            value, access = op.operands[0], numbers.source_access(access)
            continue
        source = reshape_source_access(op, access) if op.name in RESHAPES else None
        if source is not None and len(dims_of(source)) == len(dims_of(access)):
            value, access = op.operands[0], source
            continue
        # what merges dims, or is a loop's only (unit) dim, stays: it is a view of memory as well
        if op.name in RESHAPES and memory_view(value) is not None:
            break
        if op.name == "arith.constant":
            raise Refused(
                reader, "an operand of the product is a constant; operands must be function arguments: pass it as one"
            )
        moved = _through_copy(op, access)
        if moved is None:
            raise Refused(
                op,
                f"an operand of the product is computed by {op.name} in this function; "
                "a product takes function arguments and views of them: compute it before the kernel",
            )
        value, access = moved
    if not is_static_tensor(value):
        raise Refused(reader, f"an operand of the product, {value.type}, has dynamic dims; make them static")
    return View(value, access)


def _through_copy(op: ir.Operation, access: Access) -> tuple[ir.Value, Access] | None:
    """The source of a transpose, broadcast or widening cast of one tensor."""
    view = structured(op)
    if view is None or view.inputs != 1 or len(op.results) != 1 or not view.elementwise:
        return None
    result = view.yields[0]
    while (inner := defining_op(result)) is not None and inner.name == "arith.extf":
        result = inner.operands[0]
    loops = loops_of_result(view.output_map(), access, view.loops)
    if loops is None or result != view.body.arguments[0]:
        return None
    return op.operands[0], through_map(view.maps[0], loops)
