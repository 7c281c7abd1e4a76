"""The rocfuse dialect in Python: loading it, building its ops, reading them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlir import ir
from mlir._mlir_libs._mlirDialectsIRDL import load_dialects
from mlir.dialects import vector

import rocfuse.bindings  # noqa: F401  (before any op is looked at)
from rocfuse.records import record

MULTI_GEMM = "rocfuse.multi_gemm"
GEMM = "rocfuse.gemm"
PLAN = "rocfuse.plan"
CONFIG = "rocfuse.config"  # a perf config, on a multi_gemm or on the function around it
BATCH, M, N, K = "batch", "m", "n", "k"
# dialects of ops that Python code builds; the parser and upstream passes load what they meet and make. Canonicalization
# looks at the patterns of every dialect that is loaded.
_BUILT = (
    *("affine", "amdgpu", "arith", "cf", "func", "gpu", "irdl", "linalg", "llvm", "math", "memref", "rocdl", "scf"),
    *("tensor", "ub", "vector"),
)
_FUNCTIONS = ("func.func", "gpu.func", "llvm.func")


def dialect_path() -> Path:
    """Where rocfuse.irdl.mlir is: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parent
    installed = package / "dialects" / "rocfuse.irdl.mlir"
    return installed if installed.is_file() else package.parent / "dialects" / "rocfuse.irdl.mlir"


def create_context() -> ir.Context:
    """A context that knows the upstream dialects and rocfuse's."""
    context = ir.Context(load_on_create_dialects=[])
    for name in _BUILT:
        context.get_dialect_descriptor(name)  # loads it
    context.enable_multithreading(False)  # threads cost more than they bring to a kernel
    with context, ir.Location.unknown():
        load_dialects(ir.Module.parse(dialect_path().read_text()))
    return context


@record
class Gemm:
    """One product of a multi_gemm: its operands and their maps from the loop dims."""

    a: ir.Value
    b: ir.Value
    a_map: ir.AffineMap
    b_map: ir.AffineMap
    product: ir.Value


class MultiGemm:
    """A read-only view of a `rocfuse.multi_gemm` op.

    Its region holds one `rocfuse.gemm` a product. Loop dims are named by `dims` (each batch, m, n or k; k is last and
    single); products are indexed by the loop dims without k, in order.
    """

    def __init__(self, op: ir.OpView | ir.Operation) -> None:
        self.op = op.operation

    @property
    def dims(self) -> tuple[str, ...]:
        """The role of each loop dim."""
        return tuple(ir.StringAttr(attr).value for attr in ir.ArrayAttr(self.op.attributes["dims"]))

    @property
    def gemms(self) -> tuple[Gemm, ...]:
        """The products, in result order."""
        body = list(self.op.regions[0].blocks[0].operations)
        found = []
        for value, product in zip(body[-1].operands, self.op.results, strict=True):
            op = value.owner
            a_map, b_map = (ir.AffineMapAttr(one).value for one in ir.ArrayAttr(op.attributes["indexing_maps"]))
            found.append(Gemm(op.operands[0], op.operands[1], a_map, b_map, product))
        return tuple(found)

    @property
    def plan(self) -> ir.DictAttr | None:
        """The plan that `rocfuse-plan-kernels` wrote, if it ran."""
        return ir.DictAttr(self.op.attributes[PLAN]) if PLAN in self.op.attributes else None


def build_multi_gemm(
    operands: Sequence[tuple[ir.Value, ir.Value]],
    maps: Sequence[tuple[ir.AffineMap, ir.AffineMap]],
    dims: Sequence[str],
    product_type: ir.Type,
    location: ir.Location,
) -> ir.Operation:
    """Create a multi_gemm of `len(operands)` GEMMs at the current insertion point; `product_type` is f32."""
    op = ir.Operation.create(
        MULTI_GEMM,
        results=[product_type] * len(operands),
        attributes={"dims": ir.ArrayAttr.get([ir.StringAttr.get(dim) for dim in dims])},
        regions=1,
        loc=location,
    )
    with ir.InsertionPoint(op.regions[0].blocks.append()), location:
        products = []
        for (a, b), pair in zip(operands, maps, strict=True):
            attr = ir.ArrayAttr.get([ir.AffineMapAttr.get(one) for one in pair])
            gemm = ir.Operation.create(
                GEMM, results=[product_type], operands=[a, b], attributes={"indexing_maps": attr}
            )
            products.append(gemm.result)
        vector.YieldOp(products)
    return op


def walk(module: ir.Module, *names: str) -> Iterator[ir.Operation]:
    """Every op called one of `names` in the module, outermost first; safe against changes while iterating."""
    found: list[ir.Operation] = []
    # what is in no function is not looked for inside of one
    shallow = all(name in (*_FUNCTIONS, "gpu.module") for name in names)

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name in names:
            found.append(op)
        return ir.WalkResult.SKIP if shallow and op.name in _FUNCTIONS else ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return iter(found)
