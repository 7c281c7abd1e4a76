"""Arrays in memory as buffer resources: bounded loads and stores of one lane."""

from __future__ import annotations

from dataclasses import replace

from mlir import ir
from mlir.dialects import arith, memref, vector

from rocfuse.bindings import amdgpu
from rocfuse.lowering import index_math as ix
from rocfuse.plan_attributes import VECTOR
from rocfuse.records import record


@record
class Resource:
    """One batch of an array: a buffer resource over its elements, with the view's sizes and strides.

    Offsets count from the view's first element. A load at or past `extent` returns zero and a store there is dropped,
    so `extent` is the offset that masked accesses are sent to.
    """

    buffer: ir.Value
    plain: ir.Value  # the same elements as an ordinary memref, for loads with a scalar offset
    sizes: tuple[int, int]
    strides: tuple[int, int]
    extent: int
    vector: int  # widest aligned access along the contiguous direction, in elements
    element_bytes: int

    @staticmethod
    def of_view(op: ir.Operation) -> Resource:
        """Turn a `memref.reinterpret_cast` (the view of one batch) into a resource at the insertion point."""
        kind = ir.MemRefType(op.result.type)
        strides, offset = ir.StridedLayoutAttr(kind.layout).strides, ir.StridedLayoutAttr(kind.layout).offset
        sizes = kind.shape
        element_bytes = kind.element_type.width // 8
        width = ir.IntegerAttr(op.attributes[VECTOR]).value
        last = sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        extent = -(-(last + 1) // width) * width
        layout = ir.StridedLayoutAttr.get(offset, [1]) if offset else None
        flat = ir.MemRefType.get([extent], kind.element_type, layout)
        offsets = list(op.operands)[1:]
        view = memref.reinterpret_cast(flat, op.operands[0], offsets, [], [], [offset], [extent], [1])
        buffer = _bounded(view, extent * element_bytes)
        return Resource(buffer, view, tuple(sizes), tuple(strides), extent, width, element_bytes)

    def zero_past_k(self, tile_k: int) -> bool:
        """Whether an operand's k past the end of K is past the end of the array, where a load gives zero by itself.

        So it is where k is the outermost dim, unless offsets of the last tile do not fit into 32 bits.
        """
        size, stride = self.sizes[1], self.strides[1]
        return size * stride >= self.extent and (size + 2 * tile_k) * stride * self.element_bytes < 1 << 32

    def or_other(self, condition: ir.Value, other: Resource) -> Resource:
        """The other one, of equal sizes and strides, where a condition on scalars holds."""
        anywhere = ir.StridedLayoutAttr.get(ir.ShapedType.get_dynamic_stride_or_offset(), [1])
        kind = ir.MemRefType.get([self.extent], ir.MemRefType(self.plain.type).element_type, anywhere)
        chosen = arith.select(condition, *(memref.cast(kind, one.plain) for one in (other, self)))
        return replace(self, buffer=_bounded(chosen, self.extent * self.element_bytes), plain=chosen)


def _bounded(view: ir.Value, valid_bytes: int) -> ir.Value:
    """A flat view as a buffer resource."""
    kind = ir.MemRefType(view.type)
    space = ir.Attribute.parse("#amdgpu.address_space<fat_raw_buffer>")
    bounded = ir.MemRefType.get(kind.shape, kind.element_type, memory_space=space)
    i64 = ir.IntegerType.get_signless(64)
    valid = arith.constant(i64, ir.IntegerAttr.get(i64, valid_bytes))
    return amdgpu.fat_raw_buffer_cast(view, valid, bounded)


def read_vector(resource: Resource, index: ix.Term, width: int) -> ir.Value:
    """Load `width` elements at `index`."""
    kind = ir.VectorType.get([width], ir.MemRefType(resource.buffer.type).element_type)
    if width == 1:
        return vector.from_elements(kind, [memref.load(resource.buffer, [ix.to_index(index)])])
    return vector.load(kind, resource.buffer, [ix.to_index(index)], alignment=width * resource.element_bytes)


def write_vector(part: ir.Value, buffer: ir.Value, index: ix.Term) -> None:
    """Store a vector at `index` of a flat buffer, aligned to its size.

    A single element is loaded and stored as a scalar: LLVM 22's optimiser aborts on some shuffles of 1-element vectors.
    """
    kind, at = ir.VectorType(part.type), [ix.to_index(index)]
    if kind.shape[0] == 1:
        memref.store(vector.extract(part, [], [0]), buffer, at)
    else:
        vector.store(part, buffer, at, alignment=kind.shape[0] * kind.element_type.width // 8)


def stream_vector(resource: Resource, fixed: ix.Term, moving: ix.Term, width: int) -> ir.Value:
    """Load `width` elements at `fixed + moving`, where `moving` is the same for all lanes.

    The moving part is a scalar operand of the instruction, so that a loop over it changes no vector register.
    """
    element = ir.MemRefType(resource.buffer.type).element_type
    kind = element if width == 1 else ir.VectorType.get([width], element)
    scalar = None if moving == 0 else ix.value_of(moving)
    loaded = amdgpu.raw_buffer_load(kind, resource.plain, ix.value_of(fixed), scalar)
    return vector.from_elements(ir.VectorType.get([1], element), [loaded]) if width == 1 else loaded


def masked_k(resource: Resource, fixed: ix.Term, k: ix.Term) -> ix.Term:
    """`fixed`, or past the end of the array where k is past the end of K; the offsets inside are those of any load."""
    return arith.select(ix.less(k, resource.sizes[1]), ix.value_of(fixed), ix.constant(resource.extent))


def masked_elements(loaded: ir.Value, k: ix.Term, k_size: int) -> ir.Value:
    """A vector of elements k, k + 1, …, with zero for those past the end of K.

    A vector that straddles the end has padding of the row behind it, which may hold anything.
    """
    kind = ir.VectorType(loaded.type)
    width = kind.shape[0]
    if k_size % width == 0:
        return loaded
    zero = arith.constant(kind.element_type, ir.FloatAttr.get(kind.element_type, 0.0))
    kept = [arith.select(ix.less(ix.add(k, i), k_size), vector.extract(loaded, [], [i]), zero) for i in range(width)]
    return vector.from_elements(kind, kept)


def masked_row(resource: Resource, index: ix.Term, at: tuple[ix.Term, ix.Term], tile: tuple[int, int]) -> ix.Term:
    """`index`, or past the end where the position `at` is outside the array; free where the tile divides the array."""
    conditions = [
        ix.less(position, size) for position, size, step in zip(at, resource.sizes, tile, strict=True) if size % step
    ]
    if not conditions:
        return index
    inside = conditions[0] if len(conditions) == 1 else arith.andi(*conditions)
    return arith.select(inside, ix.value_of(index), ix.constant(resource.extent))


def joined(parts: list[ir.Value], kind: ir.VectorType) -> ir.Value:
    """Vectors of one width, one after another, as a vector of type `kind`."""
    width = ir.VectorType(parts[0].type).shape[0]
    flat = ir.VectorType.get([width * len(parts)], kind.element_type)
    if len(parts) == 1:
        whole = parts[0]
    elif width == 1:
        whole = vector.from_elements(flat, [vector.extract(part, [], [0]) for part in parts])
    else:
        whole = arith.constant(flat, ir.DenseElementsAttr.get_splat(flat, ir.FloatAttr.get(kind.element_type, 0.0)))
        for i, part in enumerate(parts):
            whole = vector.insert_strided_slice(part, whole, [i * width], [1])
    return whole if whole.type == kind else vector.shape_cast(kind, whole)
