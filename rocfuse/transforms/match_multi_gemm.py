"""Finding the products of a function and the combine that they feed: `match_function` gives a Match or a Refusal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from mlir import ir

from rocfuse.analysis.contraction import ROLE_ORDER, Role, Roles
from rocfuse.analysis.slices import Access, Index, identity, through_map
from rocfuse.diagnostics import Refusal
from rocfuse.records import record
from rocfuse.transforms.combine import CONSTANT_OPERAND, Collector, Node, OperandNode, ProductNode
from rocfuse.transforms.matching import (
    DYNAMIC,
    RESHAPES,
    defining_op,
    element_type,
    entry_block,
    is_product,
    is_reduction,
    is_static_tensor,
    name_of,
    nested_ops,
    shape_of,
    sums_by_constant,
)
from rocfuse.transforms.products import FLOATS, Product, match_product
from rocfuse.transforms.refused import Refused
from rocfuse.transforms.views import View, memory_view, trace_operand


@record
class Gemm:
    """One product over the common loops, and the extent of its own k."""

    a: View
    b: View
    depth: int
    location: ir.Location


@record
class Result:
    """One result: the value that the combine replaces, the reshapes after it, its dims as loops of the combine."""

    value: ir.Value
    reshapes: tuple[ir.Operation, ...]  # from the return backwards
    node: Node
    dims: tuple[int, ...]
    kept: tuple[int, ...]  # dims of `value` that are loops; the others have extent 1


@record
class Match:
    """A function that is G products and one combine. Loops are the roles in order, k last.

    `extents` are those of the loops without k: of the products and of the combine.
    """

    function: ir.Operation
    terminator: ir.Operation
    location: ir.Location
    dims: tuple[Role, ...]
    extents: tuple[int, ...]
    gemms: tuple[Gemm, ...]
    operands: tuple[OperandNode, ...]
    results: tuple[Result, ...]


CALLS = "calls are no part of a kernel; inline them with rocfuse.opt --pass-pipeline=inline, or move them out"
NO_PRODUCT = "nothing to fuse: no product of two tensors; a linalg or tosa matmul is needed"


def match_function(function: ir.Operation, alone: bool = True) -> Match | Refusal:
    """Match a function, which is `alone` in its module or not."""
    try:
        if not any(is_product(op) for op in nested_ops(function)):
            raise _no_product(function, alone)
        return _match(function)
    except Refused as refused:
        return refused.refusal


def _no_product(function: ir.Operation, alone: bool) -> Refused:
    for op in filter(is_reduction, nested_ops(function)):
        if any(isinstance(value.type, ir.MemRefType) for value in op.operands):
            return Refused(op, f"{op.name} on buffers; tensors are needed: compile the program before bufferization")
        if sums_by_constant(op):
            return Refused(op, CONSTANT_OPERAND)
        return Refused(op, f"nothing to fuse: {op.name} is no product of two tensors (a convolution, a sum?)")
    for op in nested_ops(function):
        if op.name == "func.call":
            return Refused(op, f"nothing to fuse: no product of two tensors, and {CALLS}")
    other = "" if alone else f"; compile the other functions without @{name_of(function)}"
    return Refused(function, f"{NO_PRODUCT}{other}")


def _match(function: ir.Operation) -> Match:
    terminator = _check_shape(function)
    values = [_strip_reshapes(value) for value in terminator.operands]
    first, _ = values[0]
    collector = Collector()
    reader = defining_op(first) or terminator
    rank = len(shape_of(first))
    nodes = [collector.node(first, identity(rank), reader)]
    orders = [tuple(range(rank))]
    for value, _ in values[1:]:
        order = _order_of(value, first, collector, terminator)
        orders.append(order)
        nodes.append(collector.node(value, tuple(Index(dim) for dim in order), terminator))
    return _Assembler(function, terminator, shape_of(first), collector).match(values, nodes, orders)


def _check_shape(function: ir.Operation) -> ir.Operation:
    """Raise Refused unless the function is one block of pure tensor ops on static tensors; returns its return."""
    if len(list(function.regions[0].blocks)) != 1:
        raise Refused(function, "the function has control flow; a kernel is made of one straight block")
    block = entry_block(function)
    for value in block.arguments:
        if isinstance(value.type, ir.RankedTensorType) and DYNAMIC in shape_of(value):
            raise Refused(function, f"argument {value.arg_number} is {value.type}: dynamic dims; make the shape static")
    ops = [one.operation for one in block.operations]
    for op in ops[:-1]:
        if not op.name.startswith(("linalg.", "tensor.", "arith.", "math.")):
            if op.name == "func.call":
                raise Refused(op, CALLS)
            raise Refused(op, f"{op.name} in the function; a kernel is made of tensor, linalg and arith ops")
    for op in filter(is_product, ops):
        types = [str(element_type(value)) for value in op.operands]
        if any(one not in FLOATS for one in types):
            text = f"the product multiplies {types[0]} by {types[1]} into {types[2]} (need two f16 or two bf16)"
            raise Refused(op, f"{text}; convert them")
    terminator = ops[-1]
    for value in terminator.operands:
        if not is_static_tensor(value) or str(element_type(value)) not in FLOATS:
            raise Refused(terminator, f"a result is {value.type}; static tensors of {', '.join(FLOATS)} are fused")
    if not list(terminator.operands):
        raise Refused(terminator, "the function returns nothing; return the combined tensor")
    return terminator


def _strip_reshapes(value: ir.Value) -> tuple[ir.Value, tuple[ir.Operation, ...]]:
    """The value behind the reshapes on the way to the return, and those."""
    reshapes: list[ir.Operation] = []
    while (op := defining_op(value)) is not None and op.name in RESHAPES:
        reshapes.append(op)
        value = op.operands[0]
    return value, tuple(reshapes)


def _order_of(value: ir.Value, first: ir.Value, known: Collector, reader: ir.Operation) -> tuple[int, ...]:
    """Which loop of the first result indexes each dim of another one: the order in which they share products."""
    shape, wanted = shape_of(first), shape_of(value)
    if sorted(shape) != sorted(wanted):
        extents = " and ".join("x".join(map(str, one)) for one in (shape, wanted))
        raise Refused(reader, f"the results have different shapes, {extents}; one kernel has one output shape")
    uses = {(node.op.results[0], node.access) for node in known.products}
    orders = [one for one in permutations(range(len(shape))) if tuple(shape[dim] for dim in one) == wanted]
    for order in orders:
        probe = Collector()
        probe.node(value, tuple(Index(dim) for dim in order), reader)
        if uses & {(node.op.results[0], node.access) for node in probe.products}:
            return order
    return orders[0]


class _Assembler:
    """Gives all products one set of loops."""

    def __init__(
        self, function: ir.Operation, terminator: ir.Operation, shape: tuple[int, ...], collector: Collector
    ) -> None:
        self.function = function
        self.terminator = terminator
        self.shape = shape
        self.collector = collector

    def match(
        self,
        values: Sequence[tuple[ir.Value, tuple[ir.Operation, ...]]],
        nodes: Sequence[Node],
        orders: Sequence[tuple[int, ...]],
    ) -> Match:
        """Roles, extents and operands of every product; raises Refused where they do not agree."""
        uses = self.collector.products
        if not uses:
            raise Refused(self.terminator, "nothing to fuse: the result does not depend on a product")
        products = [match_product(use.op) for use in uses]
        kept = self._covered(uses[0], products[0])
        roles, swap = self._roles(uses, products, kept)
        order = sorted(kept, key=lambda dim: (ROLE_ORDER.index(roles[dim]), dim))
        gemms: list[Gemm] = []
        for use, product, swapped in zip(uses, products, swap, strict=True):
            gemm = self._gemm(use, product, swapped, order)
            known = [one for one, other in enumerate(gemms) if _same(gemm, other)]
            use.gemm = known[0] if known else len(gemms)
            if not known:
                gemms.append(gemm)
        operands = self._operands(len(gemms), order)
        results = [
            Result(
                value,
                reshapes,
                node,
                dims=tuple(order.index(dim) for dim in places if dim in order),
                kept=tuple(position for position, dim in enumerate(places) if dim in order),
            )
            for (value, reshapes), node, places in zip(values, nodes, orders, strict=True)
        ]
        root = defining_op(values[0][0]) or self.terminator
        dims: tuple[Role, ...] = (*(roles[dim] for dim in order), "k")
        extents = tuple(self.shape[dim] for dim in order)
        return Match(
            self.function, self.terminator, root.location, dims, extents, tuple(gemms), operands, tuple(results)
        )

    def _covered(self, use: ProductNode, product: Product) -> tuple[int, ...]:
        """The loops of the result that a product runs over; raises Refused for a part of it, or a broadcast."""
        loops = self._loops(use, product)
        found: list[int] = []
        for position, index in enumerate(loops):
            extent = product.extents[position]
            if product.roles.of_dim[position] == "k":
                continue
            wanted = 1 if index.dim is None else self.shape[index.dim]
            if index.dim is not None and extent == wanted and index.offset == 0:
                found.append(index.dim)
            elif extent != 1:
                raise Refused(
                    use.op,
                    f"{wanted} of the product's {extent} elements along one dimension are combined, from "
                    f"{index.offset} on; run rocfuse-split-sliced-gemms first, or combine slices of equal width",
                )
        missing = [extent for dim, extent in enumerate(self.shape) if dim not in found and extent != 1]
        if missing:
            widths = "x".join(str(extent) for extent in shape_of(use.op.results[0]))
            raise Refused(
                use.op,
                f"products of unequal width are combined: one of {widths} for a result of "
                f"{'x'.join(map(str, self.shape))}; all products of a kernel have the result's extents",
            )
        return tuple(found)

    def _loops(self, use: ProductNode, product: Product) -> Access:
        """How the product's own loops run over the loops of the result; k is the loop after those."""
        last = len(self.shape)
        found: list[Index] = [Index(last)] * len(product.roles.of_dim)
        for index, read in zip(product.out_map, use.access, strict=True):
            if index.dim is not None:
                found[index.dim] = read
        return tuple(found)

    def _roles(
        self, uses: Sequence[ProductNode], products: Sequence[Product], kept: tuple[int, ...]
    ) -> tuple[dict[int, Role], list[bool]]:
        """The role of each loop, and for each product whether its second input is A.

        The last dim of the result is n, so that neighbours in memory are neighbours in the combine.
        """
        common: dict[int, Role] = {}
        swap: list[bool] = []
        for use, product in zip(uses, products, strict=True):
            if set(self._covered(use, product)) != set(kept):
                raise Refused(use.op, "the products do not run over the same dimensions of the result")
            own = self._roles_of(use, product, product.roles)
            other = self._roles_of(use, product, product.roles.swapped())
            if not common:
                swap.append(own[max(kept)] == "m")
                common = other if swap[0] else own
                _check_roles(use.op, common)
            elif common in (own, other):
                swap.append(common != own)
            else:
                texts = " and ".join("(" + ", ".join(one[dim] for dim in kept) + ")" for one in (common, own))
                raise Refused(use.op, f"the products do not agree on which dims are batch, m and n: {texts}")
        return common, swap

    def _roles_of(self, use: ProductNode, product: Product, roles: Roles) -> dict[int, Role]:
        return {
            index.dim: role
            for index, role in zip(self._loops(use, product), roles.of_dim, strict=True)
            if role != "k" and index.dim is not None
        }

    def _gemm(self, use: ProductNode, product: Product, swapped: bool, order: list[int]) -> Gemm:
        loops = self._loops(use, product)
        views: list[View] = []
        for value, own in ((product.a, product.a_map), (product.b, product.b_map)):
            view = trace_operand(value, through_map(own, loops), use.op)
            view = view.renumbered([*order, len(self.shape)])
            _check_view(view, use.op)
            views.append(view)
        types = [str(element_type(view.base)) for view in views]
        if types[0] != types[1] or types[0] not in ("f16", "bf16"):
            raise Refused(
                use.op,
                f"the product multiplies {types[0]} by {types[1]} (need two f16 or two bf16); convert them",
            )
        a, b = reversed(views) if swapped else views
        return Gemm(a, b, _k_extent(product), use.op.location)

    def _operands(self, gemms: int, order: list[int]) -> tuple[OperandNode, ...]:
        """The combine's other inputs, numbered after the products; equal ones are one."""
        distinct: list[OperandNode] = []
        for node in self.collector.operands:
            node.view = node.view.renumbered(order)
            same = [position for position, other in enumerate(distinct) if other.view == node.view]
            node.argument = gemms + (same[0] if same else len(distinct))
            if not same:
                distinct.append(node)
        return tuple(distinct)


def _check_roles(op: ir.Operation, roles: dict[int, Role]) -> None:
    for role in ("m", "n"):
        if role not in roles.values():
            raise Refused(op, f"the product has no {role} dimension; give the vector a dimension of 1")


def _same(one: Gemm, other: Gemm) -> bool:
    """Whether two products are one: the same elements of the same arrays. A view begins somewhere; k says how far."""
    return (one.a, one.b, one.depth) == (other.a, other.b, other.depth)


def _k_extent(product: Product) -> int:
    wide = [product.extents[dim] for dim in product.roles.dims("k") if product.extents[dim] != 1]
    if len(wide) > 1:
        raise Refused(
            product.op,
            f"the product sums over {len(wide)} dimensions, {' x '.join(map(str, wide))} (need 1); "
            "collapse them in the arguments",
        )
    return wide[0] if wide else 1


def _check_view(view: View, op: ir.Operation) -> None:
    """Raise Refused for an operand whose neighbours in memory no loop of the product visits (interleaved columns)."""
    place = memory_view(view.base)
    if place is None:
        raise Refused(op, f"an operand of the product, {view.base.type}, is no view of an argument's memory")
    steps = [stride for stride, index in zip(place.strides, view.access, strict=True) if index.dim is not None]
    if steps and 1 not in steps:
        raise Refused(
            op,
            f"an operand is read with a step of {min(steps)} elements (need 1): interleaved columns; store them apart",
        )
