"""Every tiling that the planner offers computes the same, and its account is what the ELF and the execution say."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
from harness import Program, arguments, assert_right, build, cast, check, run, silu_times
from mlir import ir

from rocfuse.analysis import search
from rocfuse.analysis import tiling as tilings
from rocfuse.analysis.problem import canonical
from rocfuse.analysis.tiling import Plan, Tiling
from rocfuse.diagnostics import CompileError
from rocfuse.dialect import MULTI_GEMM, create_context, walk
from rocfuse.fused_kernel import read_kernel
from rocfuse.passes import PassContext
from rocfuse.pipeline import parse_pipeline, run_pipeline
from rocfuse.sim import simulate
from rocfuse.targets import get_target

FUSE = "rocfuse-normalize,rocfuse-split-sliced-gemms,rocfuse-form-multi-gemm"
SHARES = 24  # the geometries are dealt out to this many tests; a quarter of them runs always


@functools.cache
def program() -> str:
    """Two products of one A whose extents no tile divides."""
    one = Program()
    x = one.argument("f16", 150, 100)
    products = [one.product("mk,nk->mn", x, one.argument("f16", 70, 100)) for _ in range(2)]
    return one.text(one.apply("mn,mn->mn", products, silu_times("f16"), "f16"))


@functools.cache
def legal() -> tuple[Tiling, ...]:
    """The candidates for `program()` that the filter leaves."""
    target = get_target("gfx942")
    with create_context():
        module = ir.Module.parse(program())
        run_pipeline(module, parse_pipeline(FUSE), PassContext(target))
        problem = canonical(read_kernel(next(iter(walk(module, MULTI_GEMM))).parent).problem)
    tried = dict.fromkeys(search.geometries(problem, target))
    return tuple(one for one in tried if isinstance(tilings.check(problem, one, target), Plan))


def pins(tiling: Tiling) -> dict[str, object]:
    """The options that pin a tiling."""
    names = ("tile_m", "tile_n", "tile_k", "waves_m", "waves_n", "matrix_op", "stages")
    return {name.replace("_", "-"): getattr(tiling, name) for name in names}


@pytest.mark.parametrize(
    "share", [pytest.param(share, marks=[pytest.mark.full] if share >= 6 else []) for share in range(SHARES)]
)
def test_every_geometry(share: int) -> None:
    arrays = arguments(program())
    for tiling in legal()[share::SHARES]:
        code = build(program(), pins(tiling))
        assert code.plan["tile"] == {"m": tiling.tile_m, "n": tiling.tile_n, "k": tiling.tile_k}
        assert code.plan["matrix_op"] == tiling.matrix_op
        assert_right(program(), arrays, run(code, arrays).outputs)


def test_the_candidates_are_many_and_of_both_matrix_instructions() -> None:
    assert len(legal()) > 20
    assert {one.matrix_op for one in legal()} == {"32x32x8", "16x16x16"}


def test_a_planned_buffer_that_is_too_small_is_reported() -> None:
    code, arrays = build(program(), {"tile-m": 64, "tile-n": 64, "tile-k": 32}), arguments(program())
    buffers = code.plan["lds_buffers"]
    assert len(buffers) == 3 and not run(code, arrays).faults
    for at in range(len(buffers)):
        wrong = copy.deepcopy(code.contract)
        wrong["kernels"][0]["lds_buffers"][at]["bytes"] -= 16
        faults = simulate(code.hsaco, wrong, arrays).faults
        assert any("lds" in fault.kind for fault in faults), buffers[at]


def test_an_account_that_is_too_large_is_reported() -> None:
    code, arrays = build(program(), {"tile-m": 64, "tile-n": 64, "tile-k": 32}), arguments(program())
    wrong = copy.deepcopy(code.contract)
    wrong["kernels"][0]["lds_bytes"] += 16
    assert "lds-account" in {fault.kind for fault in simulate(code.hsaco, wrong, arrays).faults}


def test_the_order_of_sums_in_a_matrix_instruction_does_not_matter_much() -> None:
    arrays = arguments(program())
    code = build(program())
    assert_right(program(), arrays, run(code, arrays, mfma_order="decreasing").outputs)


def test_the_assembly_text_runs_like_the_machine_code() -> None:
    arrays, code = arguments(program()), build(program())
    binary, text = run(code, arrays), run(code, arrays, isa_text=code.isa)
    assert (binary.source, text.source) == ("binary", "text")
    assert np.array_equal(binary.outputs[0], text.outputs[0])


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({"tile-m": 256, "tile-n": 256, "tile-k": 64, "loop-form": "fused"}, r"lds 98304 B > 65536 B"),
        ({"tile-m": 48}, "tile-m: need a power of two, have 48"),
        ({"tile-k": 24}, "tile-k: need a power of two, have 24"),
        ({"tile-m": 16, "matrix-op": "32x32x8"}, "tile-m: need a multiple of"),
        ({"max-lds-bytes": 100}, r"lds \d+ B > 100 B"),
        ({"tile-m": 16, "tile-n": 16, "max-registers": 8}, r"registers \d+ > 8"),
    ],
)
def test_a_plan_that_is_impossible_is_refused_with_its_numbers(plan: dict[str, object], reason: str) -> None:
    with pytest.raises(CompileError, match=reason):
        build(program(), plan)


def test_one_product_of_twice_the_width_has_the_same_cost() -> None:
    """What fusing costs in LDS and matrix instructions: nothing."""

    def single() -> str:
        one = Program()
        product = one.product("mk,nk->mn", one.argument("f16", 128, 64), one.argument("f16", 256, 64))
        return one.text(one.apply("mn->mn", [product], cast("%x0", "f16"), "f16"))

    def double() -> str:
        one = Program()
        x = one.argument("f16", 128, 64)
        products = [one.product("mk,nk->mn", x, one.argument("f16", 128, 64)) for _ in range(2)]
        body = "%y = arith.mulf %x0, %x1 : f32\n" + cast("%y", "f16")
        return one.text(one.apply("mn,mn->mn", products, body, "f16"))

    plan: dict[str, object] = {"tile-m": 128, "tile-k": 64, "waves-m": 2, "waves-n": 2, "matrix-op": "32x32x8"}
    wide = check(single(), plan={**plan, "tile-n": 256})
    fused = check(double(), plan={**plan, "tile-n": 128})
    assert wide.plan["lds_bytes"] == fused.plan["lds_bytes"]
    assert wide.isa.count("v_mfma") == fused.isa.count("v_mfma")


def test_the_figures_of_the_contract_agree() -> None:
    code = build(program())
    assert code.plan["lds_allocated_bytes"] % 512 == 0
    assert 0 <= code.plan["lds_allocated_bytes"] - code.plan["lds_bytes"] < 512
    assert code.plan["vgprs"] + code.plan["agprs"] == code.plan["registers"] <= 512
