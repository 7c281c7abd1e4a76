"""tensor ops that move elements, evaluated box by box: see interpret.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from mlir import ir

from rocfuse.diagnostics import CompileError
from rocfuse.sim import cpu

Box = tuple[tuple[int, int], ...]
Read = Callable[[ir.Value, Box], np.ndarray]


def whole(value: ir.Value) -> Box:
    """The box of all of a tensor."""
    return tuple((0, extent) for extent in ir.RankedTensorType(value.type).shape)


def _extents(box: Box) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in box)


def _empty(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    return np.zeros(_extents(box), cpu.numpy_type(ir.RankedTensorType(op.results[0].type).element_type))


def _constant(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    attribute = op.attributes["value"]
    dtype = cpu.numpy_type(ir.RankedTensorType(op.results[0].type).element_type)
    if attribute.is_splat:
        return np.broadcast_to(np.asarray(attribute.get_splat_value().value, dtype), _extents(box))
    return np.array(attribute).astype(dtype)[tuple(slice(*one) for one in box)]


def _cast(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    return read(op.operands[0], box)


def _static(op: ir.Operation) -> tuple[list[int], list[int], list[int]]:
    """Offsets, sizes and strides of a slice op. Raises CompileError for dynamic ones."""
    lists = [list(ir.DenseI64ArrayAttr(op.attributes[f"static_{name}"])) for name in ("offsets", "sizes", "strides")]
    if any(number < -(2**62) for one in lists for number in one):
        raise CompileError(f"the numpy reference needs static offsets in '{op.name}'", str(op.location))
    return lists[0], lists[1], lists[2]


def _kept_dims(sizes: Sequence[int], shape: Sequence[int]) -> list[int]:
    """Which dims of a slice a rank-reduced type keeps: unit dims are dropped from the left as far as needed."""
    kept, position = [], 0
    for dim, size in enumerate(sizes):
        droppable = size == 1 and len(sizes) - dim > len(shape) - position
        if position < len(shape) and shape[position] == size and not droppable:
            kept.append(dim)
            position += 1
    return kept


def _extract_slice(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    offsets, sizes, strides = _static(op)
    kept = _kept_dims(sizes, ir.RankedTensorType(op.results[0].type).shape)
    source, steps = [], []
    for dim, (offset, stride) in enumerate(zip(offsets, strides, strict=True)):
        start, stop = box[kept.index(dim)] if dim in kept else (0, 1)
        source.append((offset + start * stride, offset + (stop - 1) * stride + 1 if stop > start else offset))
        steps.append(slice(None, None, stride))
    return read(op.operands[0], tuple(source))[tuple(steps)].reshape(_extents(box))


def _insert_slice(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    offsets, sizes, strides = _static(op)
    if any(stride != 1 for stride in strides):
        raise CompileError("the numpy reference needs unit strides in 'tensor.insert_slice'", str(op.location))
    result = np.array(read(op.operands[1], box))
    overlap = [
        (max(start, offset), min(stop, offset + size))
        for (start, stop), offset, size in zip(box, offsets, sizes, strict=True)
    ]
    if any(start >= stop for start, stop in overlap):
        return result
    shape = ir.RankedTensorType(op.operands[0].type).shape
    inside = [(start - offset, stop - offset) for (start, stop), offset in zip(overlap, offsets, strict=True)]
    part = read(op.operands[0], tuple(inside[dim] for dim in _kept_dims(sizes, shape)))
    place = tuple(slice(start - first, stop - first) for (start, stop), (first, _) in zip(overlap, box, strict=True))
    result[place] = part.reshape(_extents(tuple(overlap)))
    return result


def _groups(op: ir.Operation) -> list[list[int]]:
    return [
        [ir.IntegerAttr(dim).value for dim in ir.ArrayAttr(one)] for one in ir.ArrayAttr(op.attributes["reassociation"])
    ]


def _expand_shape(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    """Each group of result dims is one source dim: read the hull of its linear indices and pick."""
    shape = ir.RankedTensorType(op.results[0].type).shape
    indices = []
    for group in _groups(op):
        linear = np.zeros((), np.int64)
        for dim in group:
            linear = linear[..., None] * shape[dim] + np.arange(*box[dim])
        indices.append(linear.ravel())
    if any(not len(one) for one in indices):
        return _empty(op, box, read)
    array = read(op.operands[0], tuple((int(one[0]), int(one[-1]) + 1) for one in indices))
    for axis, one in enumerate(indices):
        if len(one) != array.shape[axis]:
            array = array.take(one - one[0], axis)
    return array.reshape(_extents(box))


def _collapse_shape(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    """Each source group is one result dim: read the boxes that cover its linear range, then cut."""
    shape = ir.RankedTensorType(op.operands[0].type).shape
    source: list[tuple[int, int]] = []
    cuts = []
    for group, (start, stop) in zip(_groups(op), box, strict=True):
        if start >= stop:
            return _empty(op, box, read)
        base, first, last = 0, start, stop - 1
        for position in range(len(group)):
            inner = math.prod(shape[one] for one in group[position + 1 :])
            low, high = first // inner, last // inner
            source.append((low, high + 1))
            base += low * inner
            if low == high:
                first, last = first % inner, last % inner
            else:
                first, last = 0, inner - 1
        cuts.append(slice(start - base, stop - base))
    array = read(op.operands[0], tuple(source))
    merged, position = [], 0
    for group in _groups(op):
        merged.append(math.prod(array.shape[position : position + len(group)]))
        position += len(group)
    return array.reshape(merged)[tuple(cuts)]


def _concat(op: ir.Operation, box: Box, read: Read) -> np.ndarray:
    dim = ir.IntegerAttr(op.attributes["dim"]).value
    parts, base = [], 0
    for operand in op.operands:
        extent = ir.RankedTensorType(operand.type).shape[dim]
        start, stop = max(box[dim][0] - base, 0), min(box[dim][1] - base, extent)
        if start < stop:
            parts.append(read(operand, (*box[:dim], (start, stop), *box[dim + 1 :])))
        base += extent
    return np.concatenate(parts, dim) if parts else _empty(op, box, read)


SHAPE_OPS: dict[str, Callable[[ir.Operation, Box, Read], np.ndarray]] = {
    "tensor.empty": _empty,
    "arith.constant": _constant,
    "tensor.cast": _cast,
    "tensor.extract_slice": _extract_slice,
    "tensor.insert_slice": _insert_slice,
    "tensor.expand_shape": _expand_shape,
    "tensor.collapse_shape": _collapse_shape,
    "tensor.concat": _concat,
}
