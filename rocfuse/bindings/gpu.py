"""The ops of gpu that rocfuse builds; upstream's module first defines a class for every op."""

from __future__ import annotations

from collections.abc import Mapping

from mlir import ir


def block_id(dim: str) -> ir.Value:
    """The workgroup's number along "x", "y" or "z", an index."""
    return _id("block_id", dim)


def thread_id(dim: str) -> ir.Value:
    """The lane's number in its workgroup, an index."""
    return _id("thread_id", dim)


def return_() -> None:
    """The terminator of a kernel."""
    ir.Operation.create("gpu.return")


def module(name: str, targets: ir.Attribute) -> ir.Block:
    """The body of a new gpu.module."""
    attributes = {"sym_name": ir.StringAttr.get(name), "targets": targets}
    return ir.Operation.create("gpu.module", attributes=attributes, regions=1).regions[0].blocks.append()


def func(kind: ir.FunctionType, name: str, block_size: int, attributes: Mapping[str, ir.Attribute]) -> ir.Operation:
    """A kernel for workgroups of `block_size` lanes, with an empty region."""
    own = {
        "function_type": ir.TypeAttr.get(kind),
        "sym_name": ir.StringAttr.get(name),
        "gpu.kernel": ir.UnitAttr.get(),
        "known_block_size": ir.DenseI32ArrayAttr.get([block_size, 1, 1]),
    }
    return ir.Operation.create("gpu.func", attributes={**own, **attributes}, regions=1)


def _id(name: str, dim: str) -> ir.Value:
    kind = {"dimension": ir.Attribute.parse(f"#gpu<dim {dim}>")}
    return ir.Operation.create(f"gpu.{name}", results=[ir.IndexType.get()], attributes=kind).result
