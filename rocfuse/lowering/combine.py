"""The combine of a kernel on accumulator blocks: the linalg body, element by element, as vector ops in registers."""

from __future__ import annotations

from mlir import ir
from mlir.dialects import arith

from rocfuse.fused_kernel import FusedKernel
from rocfuse.lowering import index_math as ix
from rocfuse.lowering.steps import action, step
from rocfuse.plan_attributes import KernelPlan


def emit_combine(
    kernel: FusedKernel,
    plan: KernelPlan,
    accumulators: list[list[ir.Value]],
    extras: list[ir.Value],
    outputs: list[ir.Value],
    origin: tuple[ix.Term, ix.Term],
) -> None:
    """Emit reads of the extra operands, the body and the stores, one accumulator block after another.

    `accumulators[g][i * blocks_n + j]` is block (i, j) of product g. A block of an extra operand that does not depend
    on m (or n) is read once for all rows (columns).
    """
    m0, n0 = (ix.value_of(term) for term in origin)
    seen: dict[tuple[int, int, int], ir.Value] = {}
    for i in range(plan.blocks_m):
        for j in range(plan.blocks_n):
            products = [blocks[i * plan.blocks_n + j] for blocks in accumulators]
            others = []
            for number, view in enumerate(extras):
                strides = ir.StridedLayoutAttr(ir.MemRefType(view.type).layout).strides
                key = (number, i if strides[0] else 0, j if strides[1] else 0)
                if key not in seen:
                    seen[key] = step("tile_read", [view, m0, n0], _block_type(view, plan), block=list(key[1:]))
                others.append(seen[key])
            results = _body(kernel, products, others, plan.instruction.accumulator_elements)
            for value, view in zip(results, outputs, strict=True):
                action("tile_write", value, view, m0, n0, block=[i, j])


def _block_type(view: ir.Value, plan: KernelPlan) -> ir.Type:
    return ir.VectorType.get([plan.instruction.accumulator_elements], ir.MemRefType(view.type).element_type)


def _body(kernel: FusedKernel, products: list[ir.Value], others: list[ir.Value], width: int) -> list[ir.Value]:
    """Clone the combine's scalar body with every scalar turned into a vector of `width`."""
    block = kernel.combine.regions[0].blocks[0]
    remaining = iter(others)
    values: dict[ir.Value, ir.Value] = {}
    for argument, product in zip(block.arguments, kernel.product_inputs, strict=False):
        values[argument] = products[product] if product >= 0 else next(remaining)
    for view in block.operations:
        op = view.operation
        if op.name == "linalg.yield":
            return [_lifted(value, values, width) for value in op.operands]
        kinds = [ir.VectorType.get([width], result.type) for result in op.results]
        if op.name == "arith.constant":
            values[op.result] = _splat(op, kinds[0])
            continue
        operands = [_lifted(value, values, width) for value in op.operands]
        attributes = {name: op.attributes[name] for name in op.attributes}
        clone = ir.Operation.create(op.name, results=kinds, operands=operands, attributes=attributes, loc=op.location)
        values.update(zip(op.results, clone.results, strict=True))
    return []


def _lifted(value: ir.Value, values: dict[ir.Value, ir.Value], width: int) -> ir.Value:
    """The vector of a scalar; a constant from outside the body is made into one at its first use."""
    if value not in values:
        values[value] = _splat(value.owner, ir.VectorType.get([width], value.type))
    return values[value]


def _splat(op: ir.Operation | ir.OpView, kind: ir.VectorType) -> ir.Value:
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, op.attributes["value"]))
