"""The combine: everything elementwise between the products and the results, as one expression.

A collector walks back from a result to products, arguments and constants and notes how each is read; the emitter
writes the same expression as the region of one linalg.generic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlir import ir
from mlir.dialects import arith

from rocfuse.analysis.slices import Access, loops_of_result, through_map
from rocfuse.transforms.matching import (
    RESHAPES,
    Structured,
    defining_op,
    element_type,
    is_product,
    is_static_tensor,
    nested_ops,
    reshape_source_access,
    scalar_constant,
    static_slice,
    structured,
    sums_by_constant,
)
from rocfuse.transforms.products import FLOATS
from rocfuse.transforms.refused import Refused
from rocfuse.transforms.views import View, memory_view

CONSTANT_OPERAND = "an operand of the product is a constant; operands must be function arguments: pass it as one"


@dataclass(eq=False)
class ProductNode:
    """One use of a product; `gemm` is set when the products are put together."""

    op: ir.Operation
    access: Access
    init: Node | None = None  # None: it starts at zero
    gemm: int = -1


@dataclass(eq=False)
class OperandNode:
    """An element of a function argument; `argument` is set when the combine is put together."""

    view: View
    argument: int = -1


@dataclass(eq=False)
class ScalarNode:
    """A constant."""

    value: ir.Attribute


@dataclass(eq=False)
class BodyNode:
    """One result of an elementwise op on the nodes of its block arguments."""

    view: Structured
    result: int
    arguments: dict[int, Node]


Node = ProductNode | OperandNode | ScalarNode | BodyNode


@dataclass
class Collector:
    """Turns values into nodes. One value read in one way is one node."""

    products: list[ProductNode] = field(default_factory=list)
    operands: list[OperandNode] = field(default_factory=list)
    _made: dict[tuple[ir.Value, Access], Node] = field(default_factory=dict)

    def node(self, value: ir.Value, access: Access, reader: ir.Operation) -> Node:
        """The expression for `value` read through `access`. Raises Refused for what no combine computes."""
        key = (value, access)
        if key not in self._made:
            self._made[key] = self._make(value, access, reader)
        return self._made[key]

    def _make(self, value: ir.Value, access: Access, reader: ir.Operation) -> Node:
        op = defining_op(value)
        if op is None:
            return self._operand(value, access, reader)
        if op.name == "arith.constant":
            return _scalar(op)
        if is_product(op):
            return self._product(op, access)
        view = structured(op)
        if view is not None and view.elementwise:
            return self._body(view, value, access)
        numbers = static_slice(op)
        if numbers is not None and all(stride == 1 for stride in numbers.strides):
            return self.node(op.operands[0], numbers.source_access(access), op)
        if op.name in RESHAPES:
            source = reshape_source_access(op, access)
            if source is not None:
                return self.node(op.operands[0], source, op)
            if memory_view(value) is not None:
                return self._operand(value, access, reader)
        raise Refused(op, _why_not(op))

    def _operand(self, value: ir.Value, access: Access, reader: ir.Operation) -> OperandNode:
        if not is_static_tensor(value):
            raise Refused(reader, f"{reader.name} reads {value.type}; the combine takes tensors of static shape")
        if str(element_type(value)) not in FLOATS:
            raise Refused(reader, f"{reader.name} reads {element_type(value)}; the combine takes {', '.join(FLOATS)}")
        node = OperandNode(View(value, access))
        self.operands.append(node)
        return node

    def _product(self, op: ir.Operation, access: Access) -> ProductNode:
        if any(_reads_product(operand) for operand in list(op.operands)[:2]):
            text = f"{op.name} {_reduces(op)} of another product's result; compute that product in a kernel before it"
            raise Refused(op, text)
        node = ProductNode(op, access)
        self.products.append(node)
        init = self.node(op.operands[2], access, op)
        node.init = None if _is_zero(init) else init
        return node

    def _body(self, view: Structured, value: ir.Value, access: Access) -> Node:
        result = list(view.op.results).index(value)
        loops = loops_of_result(view.output_map(result), access, view.loops)
        if loops is None:
            raise Refused(view.op, f"{view.op.name} does not compute each element once")
        _check_body(view)
        arguments: dict[int, Node] = {}
        for position, argument in enumerate(view.body.arguments):
            if list(argument.uses):
                source = view.operands[position]
                arguments[position] = self.node(source, through_map(view.maps[position], loops), view.op)
        return BodyNode(view, result, arguments)


def _scalar(op: ir.Operation) -> ScalarNode:
    attr = op.attributes["value"]
    if isinstance(attr, ir.DenseElementsAttr):
        if not attr.is_splat:
            raise Refused(op, "a constant tensor of several values is read; pass it as an argument")
        attr = attr.get_splat_value()
    if str(attr.type) not in FLOATS:
        raise Refused(op, f"a constant of type {attr.type} is read; the combine takes {', '.join(FLOATS)}")
    return ScalarNode(attr)


def _is_zero(node: Node) -> bool:
    if isinstance(node, ScalarNode):
        return bool(node.value.value == 0)
    if isinstance(node, BodyNode):
        result = node.view.yields[node.result]
        for position, argument in node.arguments.items():
            if result == node.view.body.arguments[position]:
                return _is_zero(argument)
        return scalar_constant(result) == 0
    return False


def _check_body(view: Structured) -> None:
    """Raise Refused if the body is not float arithmetic on its arguments and constants."""
    for op in nested_ops(view.op):
        if op.name == "linalg.yield":
            continue
        if not op.name.startswith(("arith.", "math.")) or len(op.regions):
            raise Refused(op, f"{op.name} in an elementwise op; the combine takes arith and math ops")
        for value in (*op.operands, *op.results):
            if isinstance(value.type, ir.ComplexType | ir.F64Type):
                raise Refused(op, f"{op.name} on {value.type}; the combine takes {', '.join(FLOATS)}")
    for op in nested_ops(view.op):
        for operand in op.operands:
            source = defining_op(operand)
            outside = source is not None and source.parent != view.op
            if (outside and source is not None and source.name != "arith.constant") or (
                source is None and operand not in list(view.body.arguments)
            ):
                raise Refused(op, f"{op.name} reads a scalar that is not constant; pass it as a tensor argument")


def _reads_product(value: ir.Value) -> bool:
    """Whether a value depends on a product."""
    waiting, seen = [value], set()
    while waiting:
        op = defining_op(waiting.pop())
        if op is None or op in seen:
            continue
        if is_product(op):
            return True
        seen.add(op)
        waiting += list(op.operands)
    return False


def _reduces(op: ir.Operation) -> str:
    """How many elements a structured op sums over, in words."""
    view = structured(op)
    extents = [view.extent(dim) for dim in view.reductions] if view is not None else []
    return f"reduces over {' x '.join(map(str, extents))} elements"


def _why_not(op: ir.Operation) -> str:
    """Why an op between products and results cannot be part of the combine."""
    view = structured(op)
    if op.name.startswith("linalg.") and any(inner.name == "linalg.index" for inner in nested_ops(op)):
        return f"{op.name} reads its place by linalg.index; the combine is the same everywhere: pass a tensor instead"
    if op.name == "tensor.extract_slice":
        numbers = static_slice(op)
        if numbers is None:
            return "a slice of the result at a place that is not constant; make offsets and sizes constant"
        step = next(stride for stride in numbers.strides if stride != 1)
        return f"a slice with a step of {step} (need 1): interleaved columns; store the halves apart"
    if sums_by_constant(op):
        return CONSTANT_OPERAND
    if view is not None and view.reductions:
        return f"{op.name} {_reduces(op)} after the product; the combine is elementwise: reduce in another kernel"
    if op.name in RESHAPES:
        return (
            f"{op.name} of {op.operands[0].type} splits or merges dimensions of a computed tensor; "
            "reshape the arguments instead"
        )
    if op.name == "tensor.empty":
        return "the elements of a tensor.empty are read; fill it first"
    return f"{op.name} between the products and the result; the combine is made of elementwise linalg ops"


class Emitter:
    """Writes nodes into the region of the combine at the current insertion point."""

    def __init__(self, arguments: Sequence[ir.Value]) -> None:
        self.arguments = arguments
        self._values: dict[int, ir.Value] = {}
        self._bodies: dict[tuple[int, tuple[tuple[int, int], ...]], dict[int, ir.Value]] = {}

    def value(self, node: Node) -> ir.Value:
        """The scalar of `node`; every node is written once."""
        if id(node) not in self._values:
            self._values[id(node)] = self._write(node)
        return self._values[id(node)]

    def _write(self, node: Node) -> ir.Value:
        if isinstance(node, OperandNode):
            return self.arguments[node.argument]
        if isinstance(node, ScalarNode):
            return arith.ConstantOp(node.value.type, node.value).result
        if isinstance(node, ProductNode):
            return self._product(node)
        return self._body(node)

    def _product(self, node: ProductNode) -> ir.Value:
        value = self.arguments[node.gemm]
        if node.init is not None:
            start = self.value(node.init)
            if start.type != value.type:
                start = arith.ExtFOp(value.type, start).result
            value = arith.AddFOp(value, start).result
        wanted = element_type(node.op.results[0])
        return value if wanted == value.type else arith.TruncFOp(wanted, value).result

    def _body(self, node: BodyNode) -> ir.Value:
        inputs = {position: self.value(argument) for position, argument in node.arguments.items()}
        # two results of one op on the same inputs share its body
        key = (hash(node.view.body.arguments[0]), tuple(sorted((p, hash(v)) for p, v in inputs.items())))
        if key not in self._bodies:
            self._bodies[key] = self._clone(node.view, inputs)
        return self._bodies[key][node.result]

    def _clone(self, view: Structured, inputs: dict[int, ir.Value]) -> dict[int, ir.Value]:
        known = [(view.body.arguments[position], value) for position, value in inputs.items()]
        mapped = {old: new for old, new in known}
        for op in list(view.body.operations)[:-1]:
            clone = op.operation.clone().operation
            for position, operand in enumerate(op.operands):
                clone.operands[position] = mapped.get(operand, operand)
            mapped.update(zip(op.results, clone.results, strict=True))
        return {position: mapped.get(result, result) for position, result in enumerate(view.yields)}
