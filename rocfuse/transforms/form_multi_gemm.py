"""rocfuse-form-multi-gemm: the products of a function and their combine become rocfuse.multi_gemm + one linalg.generic.

Before (tensor form):

    %y0 = linalg.generic {product} ins(%x, %w0 : tensor<64x128xf16>, tensor<256x128xf16>) … -> tensor<64x256xf32>
    %y1 = linalg.generic {product} ins(%x, %w1 : tensor<64x128xf16>, tensor<256x128xf16>) … -> tensor<64x256xf32>
    %a  = linalg.generic {elementwise} ins(%y0, %bias) …
    %o  = linalg.generic {elementwise} ins(%a, %y1, %residual) … -> tensor<64x256xf16>

After (fused form):

    %g:2 = "rocfuse.multi_gemm"() ({
      %p0 = "rocfuse.gemm"(%x, %w0) {indexing_maps = […]} : … -> tensor<64x256xf32>
      %p1 = "rocfuse.gemm"(%x, %w1) {indexing_maps = […]} : … -> tensor<64x256xf32>
      vector.yield %p0, %p1 : …
    }) {dims = ["m", "n", "k"]} : () -> (tensor<64x256xf32>, tensor<64x256xf32>)
    %o = linalg.generic {all parallel} ins(%g#0, %g#1, %bias, %residual) … -> tensor<64x256xf16>

The match is structural: it walks back from the results, so that names and the order of independent ops do not count.
Every function is a program of its own: one that cannot be matched is refused with the op and the reason, and stays as
it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from mlir import ir
from mlir.dialects import tensor

from rocfuse.bindings import linalg
from rocfuse.diagnostics import CompileError, Refusal
from rocfuse.dialect import MULTI_GEMM, build_multi_gemm
from rocfuse.passes import Pass, PassContext, register, run_upstream
from rocfuse.transforms.combine import Emitter
from rocfuse.transforms.match_multi_gemm import NO_PRODUCT, Match, match_function
from rocfuse.transforms.matching import element_type, entry_block, erase_dead, functions, map_of_dims, name_of

_NAME = "rocfuse-form-multi-gemm"


@register
@dataclass(frozen=True)
class FormMultiGemm(Pass):
    """Make the products that feed one combine one rocfuse.multi_gemm, function by function."""

    name: ClassVar[str] = _NAME
    requires: ClassVar[tuple[str, ...]] = ("tensor",)
    ensures: ClassVar[tuple[str, ...]] = ("fused",)

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Fuse the pattern of every function in place; a function that is refused is left as it is.

        Raises CompileError for a module within the module.
        """
        for op in module.body.operations:
            if op.operation.name == "builtin.module":
                text = "a module within the module: its functions would not be compiled; compile it by itself"
                raise CompileError(f"{_NAME}: {text}", str(op.location))
        bodies = functions(module)
        if not bodies:
            context.refuse(Refusal(f"{_NAME}: {NO_PRODUCT}", str(module.operation.location)))
        for function in functions(module, context.refused):
            if any(op.operation.name == MULTI_GEMM for op in entry_block(function).operations):
                continue  # it is in the fused form already
            found = match_function(function, alone=len(bodies) == 1)
            if isinstance(found, Refusal):
                reason = f"{_NAME}: {found.reason}"
                context.refuse(replace(found, reason=reason, function=name_of(function)))
                continue
            _build(found)
            # equal slices become one value, so that what is read once is loaded once; not canonicalize: it would drop
            # a combine that only passes the product on
            run_upstream(function, "func.func(cse)")


def _build(found: Match) -> None:
    """Write multi_gemm and combine in front of the return, and drop what they replace."""
    with ir.InsertionPoint(found.terminator), found.location:
        loops = len(found.dims)
        pairs = []
        for gemm in found.gemms:
            extents = (*found.extents, gemm.depth)
            pairs.append((gemm.a.materialize(extents), gemm.b.materialize(extents)))
        maps = [(gemm.a.affine_map(loops), gemm.b.affine_map(loops)) for gemm in found.gemms]
        product_type = ir.RankedTensorType.get(found.extents, ir.F32Type.get())
        products = build_multi_gemm(pairs, maps, found.dims, product_type, found.gemms[0].location)
        values = _combine(found, list(products.results))
    _return(found, values)
    erase_dead(entry_block(found.function))


def _combine(found: Match, products: list[ir.Value]) -> list[ir.Value]:
    """The linalg.generic of the combine; returns its results."""
    loops = len(found.extents)
    parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
    inputs = [*products, *(node.view.materialize(found.extents) for node in found.operands)]
    maps = [map_of_dims(range(loops), loops) for _ in products]
    maps += [node.view.affine_map(loops) for node in found.operands]
    inits: list[ir.Value] = []
    for result in found.results:
        shape = [found.extents[dim] for dim in result.dims]
        inits.append(tensor.EmptyOp(shape, element_type(result.value)).result)
        maps.append(map_of_dims(result.dims, loops))
    op = linalg.generic(inputs, inits, maps, [parallel] * loops)
    types = [element_type(value) for value in (*inputs, *inits)]
    block = op.regions[0].blocks.append(*types, arg_locs=[found.location] * len(types))
    with ir.InsertionPoint(block):
        emitter = Emitter(list(block.arguments))
        linalg.yield_([emitter.value(result.node) for result in found.results])
    return list(op.results)


def _return(found: Match, values: list[ir.Value]) -> None:
    """Return the results of the combine, in the shapes that the function promises."""
    with ir.InsertionPoint(found.terminator), found.location:
        for position, (result, value) in enumerate(zip(found.results, values, strict=True)):
            if value.type != result.value.type:
                value = _add_unit_dims(value, result.value.type, result.kept)
            for reshape in reversed(result.reshapes):
                clone = reshape.clone().operation
                clone.operands[0] = value
                value = clone.results[0]
            found.terminator.operands[position] = value


def _add_unit_dims(value: ir.Value, type_: ir.Type, kept: Sequence[int]) -> ir.Value:
    """Expand a result to the type that it had, whose dims `kept` are the ones that it has now."""
    shape = list(ir.RankedTensorType(type_).shape)
    starts = [0, *list(kept)[1:]]
    groups = [list(range(start, end)) for start, end in zip(starts, [*starts[1:], len(shape)], strict=True)]
    return tensor.ExpandShapeOp(type_, value, groups, [], shape).result
