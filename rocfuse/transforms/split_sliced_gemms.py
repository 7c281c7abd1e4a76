"""rocfuse-split-sliced-gemms: slices of one product become products of slices.

Before: one wide product, elementwise ops on it, and only slices read the result.

    %y = linalg.generic {product} ins(%x, %w : tensor<64x128xf16>, tensor<128x256xf16>) … -> tensor<64x256xf32>
    %z = linalg.generic {elementwise} ins(%y, %bias : tensor<64x256xf32>, tensor<256xf32>) … -> tensor<64x256xf32>
    %l = tensor.extract_slice %z[0, 0] [64, 128] [1, 1] : tensor<64x256xf32> to tensor<64x128xf32>
    %r = tensor.extract_slice %z[0, 128] [64, 128] [1, 1] : tensor<64x256xf32> to tensor<64x128xf32>

After: each slice has its own product of the part of the operands that it needs.

    %w0 = tensor.extract_slice %w[0, 0] [128, 128] [1, 1]       %b0 = tensor.extract_slice %bias[0] [128] [1]
    %y0 = linalg.generic {product} ins(%x, %w0) … -> tensor<64x128xf32>
    %l  = linalg.generic {elementwise} ins(%y0, %b0) … -> tensor<64x128xf32>          (and %r from %w1, %b1)

Slices along the columns of the result slice B, along its rows A, along its batch both. Any number of slices, any
offsets. It does nothing unless every reader of the product, through elementwise ops, is a slice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from mlir import ir
from mlir.dialects import tensor

from rocfuse.analysis.slices import Box, Index, box_of, box_through_reshape, full_box, through_map
from rocfuse.diagnostics import Refusal
from rocfuse.passes import Pass, PassContext, register, run_upstream
from rocfuse.transforms.matching import (
    RESHAPES,
    Slice,
    defining_op,
    element_type,
    entry_block,
    erase_dead,
    full_access,
    functions,
    is_elementwise,
    is_product,
    is_static_tensor,
    is_tensor,
    name_of,
    nested_ops,
    reassociation,
    reshape_source_access,
    shape_of,
    static_slice,
    structured,
    users,
)

_NAME = "rocfuse-split-sliced-gemms"
_CLEAN = "func.func(cse,canonicalize)"
_RESHAPE = "func.func(linalg-fuse-elementwise-ops,canonicalize,cse)"


@register
@dataclass(frozen=True)
class SplitSlicedGemms(Pass):
    """Rewrite slice(dot(A, B) + bias) to dot(A, slice(B)) + slice(bias)."""

    name: ClassVar[str] = _NAME
    requires: ClassVar[tuple[str, ...]] = ()
    ensures: ClassVar[tuple[str, ...]] = ()

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Split until nothing fires; a function with a product that is sliced but cannot be split is refused."""
        for function in functions(module, context.refused):
            changed = False
            while _split_once(function):
                changed = True
                erase_dead(entry_block(function))
            refusals = [region.verdict for region in _regions(function) if region.verdict is not None]
            for refusal in refusals:
                context.refuse(replace(refusal, function=name_of(function)))
            if changed and not refusals:
                _clean(function)


def _clean(function: ir.Operation) -> None:
    """Equal slices become one, and what stood between a slice and its product goes."""
    run_upstream(function, _CLEAN)
    if any(_moves_dims(op) for op in nested_ops(function)):
        # reshapes that slices kept away from their product can now move through it
        run_upstream(function, _RESHAPE)


@dataclass
class _Region:
    """A product, the elementwise ops after it, and the slices that read them."""

    product: ir.Operation
    chain: list[ir.Operation] = field(default_factory=list)
    slices: list[ir.Operation] = field(default_factory=list)
    verdict: Refusal | None = None

    @property
    def fires(self) -> bool:
        """Whether to split it."""
        return bool(self.slices) and self.verdict is None


def _regions(function: ir.Operation) -> list[_Region]:
    """Every product of the function with what reads it."""
    return [_region(op) for op in nested_ops(function) if is_product(op)]


def _region(product: ir.Operation) -> _Region:
    region = _Region(product)
    others: list[ir.Operation] = []
    waiting = [product]
    while waiting:
        op = waiting.pop()
        region.chain.append(op)
        for user in (user for result in op.results for user in users(result)):
            if user.name == "tensor.extract_slice":
                if user not in region.slices:
                    region.slices.append(user)
            elif _passes_slices(user):
                if user not in region.chain and user not in waiting:
                    waiting.append(user)
            else:
                others.append(user)
    if region.slices:
        region.verdict = _verdict(region, others)
    return region


def _moves_dims(op: ir.Operation) -> bool:
    """Whether `op` is a reshape that splits or merges dims."""
    return op.name in RESHAPES and reshape_source_access(op, full_access(op.results[0])) is None


def _passes_slices(op: ir.Operation) -> bool:
    """Whether a slice of the op's result may be the op on slices of its operands."""
    return op.name in RESHAPES or is_elementwise(op)


def _verdict(region: _Region, others: list[ir.Operation]) -> Refusal | None:
    """Why a sliced product cannot be split, if so."""
    for op in region.chain:
        if not all(is_static_tensor(result) for result in op.results):
            return _refusal(op, f"the sliced product {op.results[0].type} has dynamic dims; make its shape static")
    for op in region.slices:
        numbers = static_slice(op)
        if numbers is None:
            return _refusal(op, "a slice of the product has offsets or sizes that are not constant; make them so")
        if any(stride != 1 for stride in numbers.strides):
            step = next(stride for stride in numbers.strides if stride != 1)
            return _refusal(
                op, f"the product is sliced with a step of {step} (need 1): interleaved columns; store the halves apart"
            )
    for op in region.slices:
        cut = _cut_reshape(op, region.chain)
        if cut is not None:
            return _refusal(cut, f"a slice cuts dims that {cut.name} of {cut.operands[0].type} splits or merges")
    if others:
        kept = ", ".join(sorted({op.name for op in others}))
        return _refusal(
            others[0],
            f"{_count(region.slices)} of the product, and {kept} reads all of it; slice for every reader or for none",
        )
    return None


def _count(slices: list[ir.Operation]) -> str:
    return f"{len(slices)} slice{'s' if len(slices) > 1 else ''}"


def _refusal(op: ir.Operation, text: str) -> Refusal:
    return Refusal(f"{_NAME}: {text}", location=str(op.location))


def _split_once(function: ir.Operation) -> bool:
    """Replace the slices of every product that can be split; returns whether there was one."""
    regions = [region for region in _regions(function) if region.fires]
    chain = [op for region in regions for op in region.chain]
    done: list[ir.Operation] = []
    for region in regions:
        for op in region.slices:
            numbers = static_slice(op)
            if op not in done and numbers is not None:
                done.append(op)
                _Splitter(chain, ir.InsertionPoint(op)).replace(op, numbers)
    for op in done:
        op.erase()
    return bool(done)


def _operand_boxes(op: ir.Operation, value: ir.Value, box: Box) -> list[Box] | None:
    """The part of each operand that `box` of the result `value` is made of; None if it cuts a reshape's dims."""
    if op.name in RESHAPES:
        groups = reassociation(op)
        narrow, shape, source = range(len(groups)), shape_of(value), shape_of(op.operands[0])
        expand = op.name == "tensor.expand_shape"
        pairs = [(group, [dim]) if expand else ([dim], group) for dim, group in zip(narrow, groups, strict=True)]
        part = box_through_reshape(box, pairs, shape, source)
        return None if part is None else [part]
    view = structured(op)
    if view is None:
        return None
    extents = [view.extent(dim) for dim in range(view.loops)]
    offsets = [0] * view.loops
    for index, (offset, size) in zip(view.output_map(list(op.results).index(value)), box, strict=True):
        if index.dim is not None:
            offsets[index.dim], extents[index.dim] = offset, size
    loops = tuple(Index(dim, offset) for dim, offset in enumerate(offsets))
    return [box_of(through_map(one, loops), extents) for one in view.maps]


def _cut_reshape(op: ir.Operation, chain: list[ir.Operation]) -> ir.Operation | None:
    """The reshape between a product and slice `op` that the slice cannot pass, if there is one."""
    numbers = static_slice(op)
    waiting = [(op.operands[0], tuple(zip(numbers.offsets, numbers.sizes, strict=True)))] if numbers else []
    seen: set[tuple[ir.Value, Box]] = set()
    while waiting:
        value, box = waiting.pop()
        source = defining_op(value)
        if (value, box) in seen or source is None or source not in chain:
            continue
        seen.add((value, box))
        boxes = _operand_boxes(source, value, box)
        if boxes is None:
            return source
        waiting += [pair for pair in zip(source.operands, boxes, strict=True) if pair[1]]
    return None


class _Splitter:
    """Builds one slice of a chain from slices of its operands, in front of the slice that it replaces."""

    def __init__(self, chain: list[ir.Operation], ip: ir.InsertionPoint) -> None:
        self.chain = chain
        self.ip = ip
        self.made: dict[tuple[ir.Value, Box], ir.Value] = {}

    def replace(self, op: ir.Operation, numbers: Slice) -> None:
        """Give the users of slice `op` the part of the chain that it reads."""
        with op.location, self.ip:
            box = tuple(zip(numbers.offsets, numbers.sizes, strict=True))
            value = self.part(op.operands[0], box)
            result = op.results[0]
            if numbers.dropped:
                value = _drop_dims(result.type, value, numbers.dropped)
            result.replace_all_uses_with(value)

    def part(self, value: ir.Value, box: Box) -> ir.Value:
        """The box of `value` as a tensor of the same rank."""
        if box == full_box(shape_of(value)):
            return value
        key = (value, box)
        if key not in self.made:
            self.made[key] = self._make(value, box)
        return self.made[key]

    def _make(self, value: ir.Value, box: Box) -> ir.Value:
        op = defining_op(value)
        if op is not None and (op in self.chain or _is_filler(op)):
            if op.name == "tensor.empty":
                return tensor.EmptyOp([size for _, size in box], element_type(value), loc=op.location).result
            boxes = _operand_boxes(op, value, box)
            if boxes is not None:
                return self._again(op, value, box, boxes)
        return _extract(_sized(value, box), value, [offset for offset, _ in box], [size for _, size in box])

    def _again(self, op: ir.Operation, value: ir.Value, box: Box, boxes: list[Box]) -> ir.Value:
        """The op on parts of its operands."""
        operands = [
            self.part(one, part) if is_tensor(one) else one for one, part in zip(op.operands, boxes, strict=True)
        ]
        outputs = [box] if op.name in RESHAPES else boxes[len(boxes) - len(op.results) :]
        types = [_sized(result, part) for result, part in zip(op.results, outputs, strict=True)]
        return _clone(op, operands, types, list(op.results).index(value))


def _is_filler(op: ir.Operation) -> bool:
    """Ops that make a tensor of one number, or of none: cheaper to repeat than to slice."""
    if op.name in ("tensor.empty", "linalg.fill"):
        return True
    view = structured(op)
    return view is not None and view.inputs == 0 and view.elementwise


def _sized(value: ir.Value, box: Box) -> ir.RankedTensorType:
    return ir.RankedTensorType.get([size for _, size in box], element_type(value))


def _extract(result: ir.Type, source: ir.Value, offsets: list[int], sizes: list[int]) -> ir.Value:
    ones = [1] * len(offsets)
    return tensor.ExtractSliceOp(result, source, [], [], [], offsets, sizes, ones).result


def _drop_dims(result: ir.Type, source: ir.Value, dropped: frozenset[int]) -> ir.Value:
    """Drop unit dims: not by a slice, which would be one to split again."""
    kept = [dim for dim in range(len(shape_of(source))) if dim not in dropped]
    starts = [0, *kept[1:]]
    groups = [list(range(start, end)) for start, end in zip(starts, [*kept[1:], len(shape_of(source))], strict=True)]
    return tensor.CollapseShapeOp(result, source, groups if kept else []).result


def _clone(op: ir.Operation, operands: list[ir.Value], types: list[ir.RankedTensorType], result: int = 0) -> ir.Value:
    """The op again on other operands, with the result types that they give it."""
    clone = op.clone().operation
    for position, operand in enumerate(operands):
        clone.operands[position] = operand
    for position, type_ in enumerate(types):
        clone.results[position].set_type(type_)
    if op.name == "tensor.expand_shape":
        clone.attributes["static_output_shape"] = ir.DenseI64ArrayAttr.get(list(types[0].shape))
    return clone.results[result]
