"""Reading linalg, tensor and arith ops for the matchers: what an op computes, and how it is accessed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlir import ir

from rocfuse.analysis.slices import (
    Access,
    Index,
    dropped_dims,
    identity,
    is_projected_permutation,
    through_collapse,
    through_expand,
    through_slice,
)
from rocfuse.bindings.linalg import get_indexing_maps
from rocfuse.records import record

DYNAMIC = ir.ShapedType.get_dynamic_size()
RESHAPES = ("tensor.expand_shape", "tensor.collapse_shape")


def defining_op(value: ir.Value) -> ir.Operation | None:
    """The op that makes `value`; None for a block argument."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def users(value: ir.Value) -> list[ir.Operation]:
    """The ops that use `value`, each once, in order of appearance in the use list."""
    found: list[ir.Operation] = []
    for use in value.uses:
        op = use.owner.operation
        if op not in found:
            found.append(op)
    return found


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The extents of a ranked tensor; a dynamic one is DYNAMIC."""
    return tuple(ir.RankedTensorType(value.type).shape)


def is_tensor(value: ir.Value) -> bool:
    """Whether the value is a ranked tensor."""
    return isinstance(value.type, ir.RankedTensorType)


def is_static_tensor(value: ir.Value) -> bool:
    """Whether the value is a ranked tensor of static shape."""
    return is_tensor(value) and DYNAMIC not in shape_of(value)


def element_type(value: ir.Value) -> ir.Type:
    """The element type of a tensor, or the type itself."""
    return ir.RankedTensorType(value.type).element_type if is_tensor(value) else value.type


def functions(module: ir.Module, refused: Collection[str] = ()) -> list[ir.Operation]:
    """The functions of a module that have a body, in order: each is a program. Those named in `refused` stay out."""
    return [op for op in _functions_of(module.body) if len(op.regions[0].blocks) > 0 and name_of(op) not in refused]


def name_of(function: ir.Operation) -> str:
    """The symbol of a function, without the @."""
    return ir.StringAttr(function.attributes["sym_name"]).value


def entry_block(function: ir.Operation) -> ir.Block:
    """The first block of a function."""
    return function.regions[0].blocks[0]


def nested_ops(op: ir.Operation) -> list[ir.Operation]:
    """Every op below `op`, outermost first."""
    found: list[ir.Operation] = []

    def visit(inner: ir.Operation) -> ir.WalkResult:
        found.append(inner)
        return ir.WalkResult.ADVANCE

    op.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found[1:]


def access_of_map(affine_map: ir.AffineMap) -> Access | None:
    """An affine map of `d_i`, and constants as an Access; None for anything else."""
    indices: list[Index] = []
    for expr in affine_map.results:
        if isinstance(expr, ir.AffineDimExpr):
            indices.append(Index(expr.position))
        elif isinstance(expr, ir.AffineConstantExpr):
            indices.append(Index(None, expr.value))
        else:
            return None
    return tuple(indices)


def map_of_dims(dims: Sequence[int], loops: int) -> ir.AffineMap:
    """The affine map (d0, …) -> (dims…)."""
    return ir.AffineMap.get(loops, 0, [ir.AffineDimExpr.get(dim) for dim in dims])


@record
class Structured:
    """A linalg op on tensors with its maps in pure form. `maps` covers inputs, then outputs."""

    op: ir.Operation
    maps: tuple[Access, ...]
    loops: int
    inputs: int

    @property
    def operands(self) -> list[ir.Value]:
        """Inputs, then outputs."""
        return list(self.op.operands)

    @property
    def body(self) -> ir.Block:
        """The block that computes one element."""
        return self.op.regions[0].blocks[0]

    @property
    def yields(self) -> list[ir.Value]:
        """What the body gives to each result."""
        return list(list(self.body.operations)[-1].operation.operands)

    def output_map(self, result: int = 0) -> Access:
        """The map of one result."""
        return self.maps[self.inputs + result]

    @property
    def reductions(self) -> tuple[int, ...]:
        """The loop dims that no result covers."""
        covered = {index.dim for one in self.maps[self.inputs :] for index in one}
        return tuple(dim for dim in range(self.loops) if dim not in covered)

    @property
    def elementwise(self) -> bool:
        """Whether every loop is parallel and each result is a permutation of them."""
        outputs = self.maps[self.inputs :]
        return all(is_projected_permutation(one) and len(one) == self.loops for one in outputs)

    def extent(self, dim: int) -> int:
        """The extent of a loop dim, read off an operand."""
        for value, access in zip(self.operands, self.maps, strict=True):
            for size, index in zip(shape_of(value) if access else (), access, strict=False):
                if index.dim == dim:
                    return size
        return 1


def structured(op: ir.Operation) -> Structured | None:
    """The linalg op in pure form, or None: not linalg, on buffers, maps not of single dims, or it reads its index."""
    if not op.name.startswith("linalg.") or len(op.regions) != 1 or len(op.results) == 0:
        return None
    blocks = list(op.regions[0].blocks)
    attrs = get_indexing_maps(op) if len(blocks) == 1 else None
    if attrs is None or not all(isinstance(result.type, ir.RankedTensorType) for result in op.results):
        return None
    affine_maps = [attr.value for attr in attrs]
    maps = [access_of_map(one) for one in affine_maps]
    if any(one is None for one in maps) or any(inner.name == "linalg.index" for inner in nested_ops(op)):
        return None
    pure = tuple(one for one in maps if one is not None)
    return Structured(op, pure, affine_maps[0].n_dims, len(pure) - len(op.results))


def is_elementwise(op: ir.Operation) -> bool:
    """Whether `op` is a linalg op without reductions whose results are permutations of its loops."""
    view = structured(op)
    return view is not None and view.elementwise


def is_product(op: ir.Operation) -> bool:
    """Whether `op` multiplies two tensors and sums: two inputs, a reduction, plain maps, any element type."""
    view = structured(op) if len(op.results) == 1 and len(op.operands) == 3 else None
    if view is None or not view.reductions:
        return False
    if not all(is_projected_permutation(one) for one in view.maps):
        return False
    names = {inner.name for inner in nested_ops(op)}
    a, b = ({index.dim for index in one} for one in view.maps[:2])
    return bool(names & {"arith.mulf", "arith.muli", "arith.andi", "complex.mul"}) and set(view.reductions) <= a & b


def is_reduction(op: ir.Operation) -> bool:
    """Whether `op` is a linalg op that sums (or folds in another way) over a loop."""
    if not op.name.startswith("linalg.") or "iterator_types" not in op.attributes:
        return False
    return any("reduction" in str(kind) for kind in ir.ArrayAttr(op.attributes["iterator_types"]))


def sums_by_constant(op: ir.Operation) -> bool:
    """Whether `op` sums one tensor times a constant: what is left of a product when an operand of it is a constant.

    Of ones no factor is left, but the loop of the result that only the constant had.
    """
    view = structured(op)
    if view is not None and len(view.maps) == 2 and view.reductions:
        read, written = ({index.dim for index in one} for one in view.maps)
        if not written <= read:
            return True
    inputs = len(op.operands) - len(op.results)
    factors = [operand for inner in nested_ops(op) if inner.name == "arith.mulf" for operand in inner.operands]
    return is_reduction(op) and inputs == 1 and any(scalar_constant(factor) is not None for factor in factors)


def reassociation(op: ir.Operation) -> list[list[int]]:
    """The groups of an expand_shape or collapse_shape."""
    groups = ir.ArrayAttr(op.attributes["reassociation"])
    return [[ir.IntegerAttr(dim).value for dim in ir.ArrayAttr(group)] for group in groups]


def reshape_source_access(op: ir.Operation, access: Access) -> Access | None:
    """The access of a unit reshape's source; None if the reshape splits or merges real dims."""
    if op.name == "tensor.expand_shape":
        return through_expand(access, reassociation(op), shape_of(op.results[0]))
    return through_collapse(access, reassociation(op), shape_of(op.operands[0]))


@record
class Slice:
    """A static tensor.extract_slice."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dropped: frozenset[int]

    def source_access(self, access: Access) -> Access:
        """The access of the source when the slice is read through `access`."""
        return through_slice(access, self.offsets, self.dropped)


def static_slice(op: ir.Operation) -> Slice | None:
    """The numbers of an extract_slice; None if one of them is dynamic."""
    if op.name != "tensor.extract_slice" or len(op.operands) != 1:
        return None
    offsets, sizes, strides = (
        tuple(ir.DenseI64ArrayAttr(op.attributes[f"static_{name}"])) for name in ("offsets", "sizes", "strides")
    )
    dropped = dropped_dims(sizes, shape_of(op.results[0]))
    return None if dropped is None else Slice(offsets, sizes, strides, dropped)


def scalar_constant(value: ir.Value) -> float | int | None:
    """The number in an arith.constant, of a scalar or of a splat; None for anything else."""
    op = defining_op(value)
    if op is None or op.name != "arith.constant":
        return None
    attr = op.attributes["value"]
    if isinstance(attr, ir.DenseElementsAttr):
        if not attr.is_splat:
            return None
        attr = attr.get_splat_value()
    return attr.value if isinstance(attr, ir.FloatAttr | ir.IntegerAttr) else None


def full_access(value: ir.Value) -> Access:
    """Dimension i of the tensor is indexed by loop i."""
    return identity(len(shape_of(value)))


def erase_dead(block: ir.Block) -> None:
    """Erase the tensor-level ops of `block` whose results nobody uses."""
    changed = True
    while changed:
        changed = False
        for op in reversed([one.operation for one in block.operations]):
            pure = op.name.startswith(("linalg.", "tensor.", "arith.", "math."))
            if pure and len(op.results) and not any(list(result.uses) for result in op.results):
                op.erase()
                changed = True


def restore(module: ir.Module, snapshot: ir.OpView, names: Collection[str]) -> None:
    """Give the functions of these names the form that they have in `snapshot`, a clone of the module's op."""
    before = {name_of(op): op for op in _functions_of(snapshot.operation.regions[0].blocks[0])}
    for op in _functions_of(module.body):
        if name_of(op) in names:
            before[name_of(op)].clone(ir.InsertionPoint(op))
            op.erase()


def _functions_of(block: ir.Block) -> list[ir.Operation]:
    return [op.operation for op in block.operations if op.operation.name == "func.func"]
