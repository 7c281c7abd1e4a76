"""rocfuse-verify: the constraints on rocfuse ops that IRDL cannot state, by the labels in dialects/README.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mlir import ir

from rocfuse.analysis.contraction import dims_in_order
from rocfuse.analysis.slices import Access, dims_of, is_projected_permutation
from rocfuse.diagnostics import CompileError
from rocfuse.dialect import GEMM, MULTI_GEMM, walk
from rocfuse.passes import Pass, PassContext, register
from rocfuse.records import record
from rocfuse.transforms.matching import access_of_map, element_type, is_tensor, shape_of


@record
class Problem:
    """One op that breaks one constraint."""

    location: str
    label: str
    text: str

    def message(self) -> str:
        """The text with its label."""
        return f"{self.label}: {self.text}"


@register
@dataclass(frozen=True)
class Verify(Pass):
    """Check the constraints on rocfuse ops; changes nothing.

    An op that breaks one is an error at that op, which names the constraint:

        "rocfuse.multi_gemm"() ({…}) {dims = ["n", "m", "k"]}   →   error: multi_gemm_c2: dims are n, m, k (need …)
    """

    name: ClassVar[str] = "rocfuse-verify"
    requires: ClassVar[tuple[str, ...]] = ()
    ensures: ClassVar[tuple[str, ...]] = ()

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Raise CompileError for the first op that breaks a constraint; the others are its notes."""
        verify_module(module)


def verify_module(module: ir.Module) -> None:
    """Raise CompileError if an op breaks a constraint."""
    problems = find_problems(module)
    if problems:
        first, *others = problems
        raise CompileError(first.message(), first.location, tuple(other.message() for other in others))


def find_problems(module: ir.Module) -> list[Problem]:
    """Every broken constraint of every rocfuse op; for one op only those that the earlier ones let us check."""
    found: list[Problem] = []
    for op in walk(module, MULTI_GEMM, GEMM):
        if op.name == MULTI_GEMM:
            found += [Problem(str(op.location), label, text) for label, text in _multi_gemm(op)]
        elif op.parent is None or op.parent.operation.name != MULTI_GEMM:
            text = f"{GEMM} is in {op.parent.name if op.parent else 'nothing'} (need {MULTI_GEMM})"
            found.append(Problem(str(op.location), "multi_gemm_c1", text))
    return found


def _multi_gemm(op: ir.Operation) -> Iterator[tuple[str, str]]:
    """The broken constraints of one multi_gemm as (label, text)."""
    problem = _structure(op)
    if problem:
        yield "multi_gemm_c1", problem
        return
    dims = [_string(attr) for attr in ir.ArrayAttr(op.attributes["dims"])]
    if not dims_in_order(dims):
        yield (
            "multi_gemm_c2",
            f"dims are {', '.join(dims)} (need batch*, m+, n+, k in this order)",
        )
        return
    body = [inner.operation for inner in op.regions[0].blocks[0].operations]
    gemms, maps = body[:-1], []
    for number, gemm in enumerate(gemms):
        pair = _maps(gemm, len(dims))
        if isinstance(pair, str):
            yield "multi_gemm_c3", f"gemm {number}: {pair}"
            return
        maps.append(pair)
    for number, (gemm, pair) in enumerate(zip(gemms, maps, strict=True)):
        yield from _roles(number, pair, dims)
        yield from _types(number, gemm)
    yield from _extents(op, gemms, maps, dims)


def _structure(op: ir.Operation) -> str | None:
    """multi_gemm_c1: the region is the GEMMs and a yield of their products, in order, which the op's results are."""
    body = [inner.operation for inner in op.regions[0].blocks[0].operations]
    if len(op.operands) or list(op.regions[0].blocks[0].arguments):
        return "it has operands or block arguments; its GEMMs read values from above"
    if not body or body[-1].name != "vector.yield":
        return "its region does not end with vector.yield"
    gemms = body[:-1]
    foreign = [inner.name for inner in gemms if inner.name != GEMM]
    if foreign:
        return f"its region holds {foreign[0]} (need {GEMM} alone)"
    if not gemms:
        return f"its region holds no {GEMM} (need at least 1)"
    products = [inner.results[0] for inner in gemms]
    if list(body[-1].operands) != products:
        return f"vector.yield gives {len(body[-1].operands)} values (need the {len(products)} products, in order)"
    if [result.type for result in op.results] != [product.type for product in products]:
        return "the types of its results are not those of its products"
    return None


def _string(attr: ir.Attribute) -> str:
    return attr.value if isinstance(attr, ir.StringAttr) else str(attr)


def _maps(gemm: ir.Operation, loops: int) -> tuple[Access, Access] | str:
    """multi_gemm_c3: two maps of the loop dims, projected permutations as long as their operands' ranks."""
    attrs = list(ir.ArrayAttr(gemm.attributes["indexing_maps"]))
    if len(attrs) != 2 or not all(isinstance(attr, ir.AffineMapAttr) for attr in attrs):
        return f"indexing_maps has {len(attrs)} entries (need 2 affine maps, of A and B)"
    found: list[Access] = []
    for name, operand, attr in zip("ab", gemm.operands, attrs, strict=True):
        one = ir.AffineMapAttr(attr).value
        access = access_of_map(one)
        if one.n_dims != loops or one.n_symbols:
            return f"the map of {name} has {one.n_dims} dims (need {loops}) and {one.n_symbols} symbols (need 0)"
        if access is None or not is_projected_permutation(access):
            return f"the map of {name}, {one}, is no projected permutation"
        if not is_tensor(operand) or len(shape_of(operand)) != len(access):
            return f"the map of {name} has {len(access)} results for {operand.type}"
        found.append(access)
    return found[0], found[1]


def _roles(number: int, pair: tuple[Access, Access], dims: Sequence[str]) -> Iterator[tuple[str, str]]:
    """multi_gemm_c4: A is indexed by every batch, m and k dim and by no other, B by batch, n and k."""
    for name, access, roles in zip("ab", pair, (("batch", "m", "k"), ("batch", "n", "k")), strict=True):
        have = set(dims_of(access))
        need = {dim for dim, role in enumerate(dims) if role in roles}
        if have != need:
            yield "multi_gemm_c4", f"gemm {number}: {name} is indexed by {_dims(have)} (need {_dims(need)})"


def _dims(dims: set[int]) -> str:
    return ", ".join(f"d{dim}" for dim in sorted(dims)) or "nothing"


def _types(number: int, gemm: ir.Operation) -> Iterator[tuple[str, str]]:
    """multi_gemm_c5: A and B are both f16 or both bf16; products are f32."""
    types = [str(element_type(operand)) for operand in gemm.operands]
    if types[0] != types[1] or types[0] not in ("f16", "bf16"):
        yield "multi_gemm_c5", f"gemm {number}: it multiplies {types[0]} by {types[1]} (need two f16 or two bf16)"
    product = str(element_type(gemm.results[0]))
    if product != "f32":
        yield "multi_gemm_c5", f"gemm {number}: its product is of {product} (need f32)"


def _extents(
    op: ir.Operation, gemms: Sequence[ir.Operation], maps: Sequence[tuple[Access, Access]], dims: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """multi_gemm_c6: a dim has one extent in all operands and products (k: in the two operands of a GEMM)."""
    common: dict[int, tuple[int, str]] = {}
    for number, (gemm, pair) in enumerate(zip(gemms, maps, strict=True)):
        own = dict(common)
        for name, operand, access in zip("ab", gemm.operands, pair, strict=True):
            for index, extent in zip(access, shape_of(operand), strict=True):
                if index.dim is None:
                    continue
                known, where = own.setdefault(index.dim, (extent, f"{name} of gemm {number}"))
                if known != extent:
                    yield "multi_gemm_c6", f"gemm {number}: d{index.dim} is {extent} in {name} and {known} in {where}"
        common = {dim: value for dim, value in own.items() if dims[dim] != "k"}
    wanted = [common[dim][0] for dim, role in enumerate(dims) if role != "k" and dim in common]
    shape = shape_of(op.results[0])
    if list(shape) != wanted:
        have, need = ("x".join(map(str, one)) for one in (shape, wanted))
        yield "multi_gemm_c6", f"the products are {have} (need {need}: the extents of the loop dims without k)"
