"""The contract says what the ELF says, and a code object that is not what was planned gets none."""

import re
from dataclasses import replace

import pytest
from mlir import ir

import rocfuse
from rocfuse.analysis.registers import waves_per_simd
from rocfuse.codegen.contract import KernelFacts, build_contract
from rocfuse.codegen.elf import read_kernels
from rocfuse.diagnostics import CompileError
from rocfuse.dialect import MULTI_GEMM, create_context, walk
from rocfuse.fused_kernel import read_kernel
from rocfuse.passes import PassContext
from rocfuse.pipeline import parse_pipeline, run_pipeline
from rocfuse.targets import GFX942

TEXT = """
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @pair(%x: tensor<40x36xf16>, %unused: tensor<3xf32>, %u: tensor<36x20xf16>, %v: tensor<36x20xf16>)
    -> (tensor<40x20xf16>, tensor<40x20xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<40x20xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<40x20xf32>) -> tensor<40x20xf32>
  %p = linalg.matmul ins(%x, %u : tensor<40x36xf16>, tensor<36x20xf16>)
    outs(%z : tensor<40x20xf32>) -> tensor<40x20xf32>
  %q = linalg.matmul ins(%x, %v : tensor<40x36xf16>, tensor<36x20xf16>)
    outs(%z : tensor<40x20xf32>) -> tensor<40x20xf32>
  %f = tensor.empty() : tensor<40x20xf16>
  %r:2 = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%p, %q : tensor<40x20xf32>, tensor<40x20xf32>) outs(%f, %e : tensor<40x20xf16>, tensor<40x20xf32>) {
  ^bb0(%a: f32, %b: f32, %o0: f16, %o1: f32):
    %s = arith.mulf %a, %b : f32
    %t = arith.truncf %s : f32 to f16
    linalg.yield %t, %s : f16, f32
  } -> (tensor<40x20xf16>, tensor<40x20xf32>)
  return %r#0, %r#1 : tensor<40x20xf16>, tensor<40x20xf32>
}"""
PLANNED = "rocfuse-normalize,rocfuse-split-sliced-gemms,rocfuse-form-multi-gemm,rocfuse-plan-kernels"


@pytest.fixture(scope="module")
def code():
    return rocfuse.compile(TEXT)


@pytest.fixture(scope="module")
def facts():
    module = ir.Module.parse(TEXT, context=create_context())
    run_pipeline(module, parse_pipeline(PLANNED), PassContext())
    return [KernelFacts.of(read_kernel(op.parent)) for op in walk(module, MULTI_GEMM)]


def test_the_figures_are_those_of_the_elf(code):
    (kernel,) = read_kernels(code.hsaco)
    metadata, plan = kernel.metadata, code.plan
    assert plan["name"] == kernel.name == "pair"
    assert plan["lds_bytes"] == metadata[".group_segment_fixed_size"]
    assert plan["registers"] == metadata[".vgpr_count"] == plan["vgprs"] + plan["agprs"]
    assert plan["sgprs"] == metadata[".sgpr_count"]
    assert plan["spills"] == metadata[".vgpr_spill_count"] + metadata[".sgpr_spill_count"] == 0
    assert plan["scratch_bytes"] == metadata[".private_segment_fixed_size"] == 0
    assert plan["block"] == [metadata[".max_flat_workgroup_size"], 1, 1] == [*metadata[".reqd_workgroup_size"]]
    assert len(plan["args"]) * 8 == metadata[".kernarg_segment_size"]


def test_arguments_are_named_in_kernel_order_and_an_unused_one_is_an_input_only(code):
    assert code.contract["inputs"] == ["arg0", "arg1", "arg2", "arg3"]
    assert code.contract["outputs"] == ["out0", "out1"]
    found = [(a["index"], a["name"], a["kind"], a["dtype"], a["shape"], a["strides"]) for a in code.plan["args"]]
    assert found == [
        (0, "arg0", "in", "f16", [40, 36], [36, 1]),
        (1, "arg2", "in", "f16", [36, 20], [20, 1]),
        (2, "arg3", "in", "f16", [36, 20], [20, 1]),
        (3, "out0", "out", "f16", [40, 20], [20, 1]),
        (4, "out1", "out", "f32", [40, 20], [20, 1]),
    ]


def test_the_problem_and_its_grid(code):
    plan = code.plan
    assert (plan["gemms"], plan["m"], plan["n"], plan["k"], plan["batch"]) == (2, 40, 20, [36, 36], 1)
    tile = plan["tile"]
    assert plan["grid"] == [-(-40 // tile["m"]) * -(-20 // tile["n"]), 1, 1]
    assert plan["block"][0] == 64 * plan["waves"]["m"] * plan["waves"]["n"]


def test_lds_buffers_fill_the_block(code):
    buffers = code.plan["lds_buffers"]
    assert sum(b["bytes"] for b in buffers) + code.plan["lds_padding_bytes"] == code.plan["lds_bytes"]
    assert max(b["offset"] + b["bytes"] for b in buffers) == code.plan["lds_bytes"]
    assert code.plan["lds_allocated_bytes"] % GFX942.lds_granule_bytes == 0


def test_occupancy_is_that_of_the_registers_which_the_descriptor_reserves(code):
    reserved = int(re.search(r"\.amdhsa_next_free_vgpr (\d+)", code.isa)[1])
    waves = code.plan["block"][0] // 64
    assert code.plan["waves_per_simd"] == waves_per_simd(GFX942, reserved, code.plan["lds_allocated_bytes"], waves)


def test_the_contract_is_built_from_the_plan_and_the_elf_alone(code, facts):
    assert build_contract(facts, code.hsaco, GFX942) == code.contract


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lds_bytes": 1}, r"pair: lds \d+ B in the ELF, 1 B planned"),
        ({"register_budget": 8}, r"pair: registers \d+ > 8 planned"),
    ],
)
def test_an_elf_that_is_not_what_was_planned_is_an_error(code, facts, change, message):
    wrong = [replace(facts[0], plan=facts[0].plan | change)]
    with pytest.raises(CompileError, match=message):
        build_contract(wrong, code.hsaco, GFX942)


def test_a_kernel_that_is_not_in_the_elf_is_an_error(code, facts):
    with pytest.raises(CompileError, match="the code object has no kernel other"):
        build_contract([replace(facts[0], name="other")], code.hsaco, GFX942)
