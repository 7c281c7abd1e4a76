"""Building blockwise steps (see dialects/rocfuse.irdl.mlir)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from mlir import ir

from rocfuse.plan_attributes import to_attribute


class Masked(IntEnum):
    """Which k of a tile a `global_read` must not load: none, those from the end of K on, all if it begins there."""

    NO = 0
    END = 1
    PAST = 2


def step(name: str, operands: list[ir.Value], result: ir.Type, **attributes: object) -> ir.Value:
    """Emit `rocfuse.<name>` and return its result."""
    return _create(name, operands, [result], attributes).result


def action(name: str, *operands: ir.Value, **attributes: object) -> None:
    """Emit a `rocfuse.<name>` that has no result."""
    _create(name, list(operands), [], attributes)


def copied(op: ir.Operation, operands: list[ir.Value], **changes: object) -> ir.Operation:
    """A step like `op` with other operands, and some attributes changed."""
    attributes = {name: op.attributes[name] for name in op.attributes}
    attributes |= {name: to_attribute(value) for name, value in changes.items()}
    results = [result.type for result in op.results]
    return ir.Operation.create(op.name, results=results, operands=operands, attributes=attributes)


def share_of(operands: Sequence[ir.Value], waves: int) -> ir.Value:
    """The one of views or LDS tiles of equal shape that a wave copies: each takes an equal share of the waves."""
    chosen = operands[0]
    for number, value in enumerate(operands[1:], start=1):
        kind = ir.MemRefType(value.type)
        if isinstance(kind.layout, ir.StridedLayoutAttr):  # views of arrays differ in their offset
            anywhere = ir.ShapedType.get_dynamic_stride_or_offset()
            layout = ir.StridedLayoutAttr.get(anywhere, ir.StridedLayoutAttr(kind.layout).strides)
            kind = ir.MemRefType.get(kind.shape, kind.element_type, layout=layout)
        chosen = step("wave_select", [chosen, value], kind, from_wave=number * waves // len(operands))
    return chosen


def keep_loop(loop: ir.Operation) -> None:
    """Have LLVM leave a K loop as it is: unrolled into one block, its matrix ops would drift behind all its reads."""
    unroll = "#llvm.loop_unroll<disable = true>"
    loop.attributes["llvm.loop_annotation"] = ir.Attribute.parse(f"#llvm.loop_annotation<unroll = {unroll}>")


def number(op: ir.Operation, name: str) -> int:
    """An integer attribute of a step."""
    return int(ir.IntegerAttr(op.attributes[name]).value)


def _create(name: str, operands: list[ir.Value], results: list[ir.Type], attributes: dict[str, object]) -> ir.Operation:
    values = {key: to_attribute(value) for key, value in attributes.items()}
    return ir.Operation.create(f"rocfuse.{name}", results=results, operands=operands, attributes=values)
