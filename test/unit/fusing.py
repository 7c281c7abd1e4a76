"""Running the tensor-level passes on texts, and running what comes out on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mlir import ir

from rocfuse.diagnostics import Refusal
from rocfuse.dialect import MULTI_GEMM, MultiGemm, create_context, walk
from rocfuse.passes import PassContext
from rocfuse.pipeline import parse_pipeline, run_pipeline
from rocfuse.sim import cpu
from rocfuse.sim.reference import evaluate_module_text

INPUTS = Path(__file__).parents[1] / "inputs"
FUSE = "rocfuse-normalize,rocfuse-split-sliced-gemms,rocfuse-form-multi-gemm"


def run(text: str, pipeline: str = FUSE) -> tuple[str, list[Refusal]]:
    """The module after `pipeline`, and what was refused."""
    context = PassContext()
    module = ir.Module.parse(text, context=create_context())
    run_pipeline(module, parse_pipeline(pipeline), context)
    return str(module), context.refusals


def fuse(text: str) -> str:
    """The fused form of a program that must fuse."""
    fused, refusals = run(text)
    assert not refusals, refusals
    assert fused.count(f'"{MULTI_GEMM}"') == 1
    assert fused.count("linalg.generic") == 1
    return fused


def refusal(text: str) -> str:
    """The reason for which a program is refused."""
    _, refusals = run(text)
    assert len(refusals) == 1, refusals
    return refusals[0].reason


def unfuse(text: str) -> str:
    """The same program with every multi_gemm as plain products in f32, for the CPU."""
    module = ir.Module.parse(text, context=create_context())
    with module.context, ir.Location.unknown():
        for op in walk(module, MULTI_GEMM):
            gemm = MultiGemm(op)
            loops = len(gemm.dims)
            out_map = ir.AffineMap.get(loops, 0, [ir.AffineDimExpr.get(dim) for dim in range(loops - 1)])
            for one in gemm.gemms:
                with ir.InsertionPoint(op):
                    one.product.replace_all_uses_with(_product(one, out_map, gemm.dims))
            op.erase()
        return str(module)


def _product(one, out_map, dims):
    from mlir.dialects import arith, linalg, tensor

    f32 = ir.F32Type.get()
    empty = tensor.EmptyOp(list(one.product.type.shape), f32).result
    zero = linalg.fill(arith.ConstantOp(f32, 0.0).result, outs=[empty])
    maps = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in (one.a_map, one.b_map, out_map)])
    kinds = [f"#linalg.iterator_type<{'reduction' if role == 'k' else 'parallel'}>" for role in dims]
    op = linalg.GenericOp(
        [empty.type], [one.a, one.b], [zero], maps, ir.ArrayAttr.get([ir.Attribute.parse(kind) for kind in kinds])
    )
    types = [one.a.type.element_type, one.b.type.element_type, f32]
    block = op.regions[0].blocks.append(*types, arg_locs=[ir.Location.unknown()] * 3)
    with ir.InsertionPoint(block):
        a, b, total = block.arguments
        term = arith.MulFOp(arith.ExtFOp(f32, a).result, arith.ExtFOp(f32, b).result).result
        linalg.YieldOp([arith.AddFOp(total, term).result])
    return op.results[0]


def arguments(text: str, seed: int = 0) -> list[np.ndarray]:
    """Random arguments for the one function of a program."""
    rng = np.random.default_rng(seed)
    with ir.Context(), ir.Location.unknown():
        module = cpu.parse_program(text)  # held: the function does not keep it
        types, _ = cpu.signature(cpu.entry_function(module))
        return [rng.standard_normal(tuple(one.shape)).astype(cpu.numpy_type(one.element_type)) for one in types]


def results(text: str, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What the program computes."""
    return evaluate_module_text(text, arrays)


def assert_same(before: str, after: str, tolerance: float = 0.0) -> None:
    """Both programs compute the same: bit for bit, or within `tolerance` of the largest element."""
    arrays = arguments(before)
    wanted, have = results(before, arrays), results(after, arrays)
    assert len(wanted) == len(have)
    for one, other in zip(wanted, have, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        if tolerance:
            one, other = one.astype(np.float64), other.astype(np.float64)
            assert np.abs(one - other).max() <= tolerance * np.abs(one).max()
        else:
            np.testing.assert_array_equal(one, other)
