"""What a product op multiplies: its operands, the roles of its loop dims, what it adds to."""

from __future__ import annotations

from mlir import ir

from rocfuse.analysis.contraction import Roles, infer_roles
from rocfuse.analysis.slices import Access, dims_of
from rocfuse.records import record
from rocfuse.transforms.matching import Structured, defining_op, element_type, structured
from rocfuse.transforms.refused import Refused

FLOATS = ("f16", "bf16", "f32")


@record
class Product:
    """A sum of products `init + Σ_k A·B` as an op states it; A is its first input."""

    op: ir.Operation
    a: ir.Value
    b: ir.Value
    init: ir.Value
    a_map: Access
    b_map: Access
    out_map: Access
    roles: Roles
    extents: tuple[int, ...]


def match_product(op: ir.Operation) -> Product:
    """Read a product op; raises Refused for one that no matrix instruction computes."""
    view = structured(op)
    if view is None:
        raise Refused(op, f"{op.name} is not a plain product")
    a_map, b_map, out_map = view.maps
    roles = infer_roles(dims_of(a_map), dims_of(b_map), dims_of(out_map), view.loops)
    if isinstance(roles, str):
        raise Refused(op, f"{op.name} is not a plain product: {roles}")
    accumulator = str(element_type(op.results[0]))
    if accumulator not in FLOATS:
        raise Refused(op, f"the product accumulates in {accumulator} (need f16, bf16 or f32); convert the operands")
    if not _is_multiply_add(view):
        names = [inner.operation.name for inner in list(view.body.operations)[:-1]]
        raise Refused(
            op, f"the product's body is {', '.join(names)} (need out + a·b, operands extended); move the rest out"
        )
    extents = tuple(view.extent(dim) for dim in range(view.loops))
    a, b, init = view.operands
    return Product(op, a, b, init, a_map, b_map, out_map, roles, extents)


def _is_multiply_add(view: Structured) -> bool:
    """Whether the body is `out + ext(a) * ext(b)`."""
    a, b, out = view.body.arguments
    add = defining_op(view.yields[0])
    if add is None or add.name != "arith.addf" or out not in list(add.operands):
        return False
    left, right = add.operands
    multiply = defining_op(right if left == out else left)
    if multiply is None or multiply.name != "arith.mulf":
        return False
    factors = [_without_extension(operand) for operand in multiply.operands]
    return factors in ([a, b], [b, a])


def _without_extension(value: ir.Value) -> ir.Value:
    while (op := defining_op(value)) is not None and op.name == "arith.extf":
        value = op.operands[0]
    return value
