"""Small kernels for the simulator's tests: from LLVM IR through llvmlite, or from assembly text."""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding as binding
import numpy as np

from rocfuse.codegen.elf import read_kernels
from rocfuse.codegen.link import link
from rocfuse.sim import SimulationResult, simulate
from rocfuse.sim.launch import DTYPES

NAMES = {np.dtype(kind): name for name, kind in reversed(DTYPES.items()) if name != "i1"}

_HEADER = """
target triple = "amdgcn-amd-amdhsa"
target datalayout = "e-m:e-p:64:64-p1:64:64-p2:32:32-p3:32:32-p4:64:64-p5:32:32-p6:32:32-p7:160:256:256:32-p8:128:128:128:48-p9:192:256:256:32-i64:64-v16:16-v24:32-v32:32-v48:64-v96:128-v192:256-v256:256-v512:512-v1024:1024-v2048:2048-n32:64-S32-A5-G1-ni:7:8:9"
"""  # noqa: E501


@functools.cache
def _machine():
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    return binding.Target.from_triple("amdgcn-amd-amdhsa").create_target_machine(cpu="gfx942", opt=3)


@functools.lru_cache(maxsize=64)
def compile_ir(text: str) -> tuple[bytes, str]:
    """LLVM IR text to a code object and its assembly."""
    machine = _machine()

    def optimised():
        module = binding.parse_assembly(_HEADER + text)
        module.verify()
        builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=3))
        builder.getModulePassManager().run(module, builder)
        return module

    return link(machine.emit_object(optimised())), machine.emit_assembly(optimised())


def shell(args: int, lds: int = 0) -> bytes:
    """A code object whose descriptor fits hand-written assembly of kernel k, which is run instead of its code.

    s[0:1] is the kernarg segment, s2 the workgroup, v0 the work item.
    """
    pointers = ", ".join(f"ptr addrspace(1) %p{at}" for at in range(args))
    block = f"@lds = internal addrspace(3) global [{lds} x i8] undef" if lds else ""
    touch = "store volatile i8 0, ptr addrspace(3) @lds" if lds else ""
    text = f"""{block}
define amdgpu_kernel void @k({pointers}) #0 {{
  %g = call i32 @llvm.amdgcn.workgroup.id.x()
  {touch}
  store volatile i32 %g, ptr addrspace(1) %p0
  ret void
}}
declare i32 @llvm.amdgcn.workgroup.id.x()
attributes #0 = {{ "amdgpu-flat-work-group-size"="1,1024" "uniform-work-group-size"="true" }}
"""
    return compile_ir(text)[0]


def run_text(
    body: str,
    inputs: list[np.ndarray],
    outputs: list[tuple[tuple[int, ...], str]],
    lds: int = 0,
    block: int = 64,
    grid: int = 1,
    l2: bool = False,
    **more: object,
) -> SimulationResult:
    """Run hand-written assembly; `more` goes into the contract."""
    hsaco = shell(len(inputs) + len(outputs), lds)
    contract = contract_for(hsaco, inputs, outputs, block, grid)
    contract["kernels"][0].update(more)
    return simulate(hsaco, contract, inputs, isa_text=f"k:\n{body}\n.Lfunc_end0:\n", l2=l2)


def contract_for(
    hsaco: bytes, inputs: list[np.ndarray], outputs: list[tuple[tuple[int, ...], str]], block: int, grid: int = 1
) -> dict:
    """A contract whose arguments are the inputs, then the outputs."""
    args = [
        {"index": at, "name": f"arg{at}", "kind": "in", "dtype": NAMES[array.dtype], "shape": list(array.shape)}
        for at, array in enumerate(inputs)
    ]
    args += [
        {"index": len(inputs) + at, "name": f"out{at}", "kind": "out", "dtype": dtype, "shape": list(shape)}
        for at, (shape, dtype) in enumerate(outputs)
    ]
    kernel = read_kernels(hsaco)[0]
    entry = {"name": kernel.name, "grid": [grid, 1, 1], "block": [block, 1, 1], "args": args}
    entry["lds_bytes"] = kernel.descriptor.lds_bytes
    return {
        "version": 1,
        "target": "gfx942",
        "kernels": [entry],
        "inputs": [f"arg{at}" for at in range(len(inputs))],
        "outputs": [f"out{at}" for at in range(len(outputs))],
    }


def run(
    hsaco: bytes,
    inputs: list[np.ndarray],
    outputs: list[tuple[tuple[int, ...], str]],
    block: int = 64,
    grid: int = 1,
    **options: Any,
) -> SimulationResult:
    """Simulate a kernel whose arguments are the inputs, then the outputs."""
    return simulate(hsaco, contract_for(hsaco, inputs, outputs, block, grid), inputs, **options)


def elementwise_ir(kind: str, rows: list[str], result: str, more: str = "") -> str:
    """A kernel that loads %a, %b, %c of `kind` and stores one row of `rows` results (%r0, %r1, …) of type `result`.

    Row i of the output, 64 elements a workgroup, is `%r{i}`.
    """
    loads = "".join(
        f"""
  %p{x} = getelementptr {kind}, ptr addrspace(1) %arg{x}, i32 %i
  %{x} = load {kind}, ptr addrspace(1) %p{x}"""
        for x in "abc"
    )
    stores = "".join(
        f"""
  {line.replace("%r", f"%r{at}", 1)}
  %k{at} = add i32 %i, {at * 64}
  %q{at} = getelementptr {result}, ptr addrspace(1) %out, i32 %k{at}
  store {result} %r{at}, ptr addrspace(1) %q{at}"""
        for at, line in enumerate(rows)
    )
    return f"""
define amdgpu_kernel void @k(ptr addrspace(1) noalias readonly %arga, ptr addrspace(1) noalias readonly %argb,
    ptr addrspace(1) noalias readonly %argc, ptr addrspace(1) noalias %out) #0 {{
  %i = call i32 @llvm.amdgcn.workitem.id.x(){loads}{stores}
  ret void
}}
declare i32 @llvm.amdgcn.workitem.id.x()
{more}
attributes #0 = {{ "amdgpu-flat-work-group-size"="64,64" "uniform-work-group-size"="true" }}
"""


def run_elementwise(
    kind: str, rows: list[str], result: str, dtype: str, arrays: list[np.ndarray], more: str = ""
) -> np.ndarray:
    """Compile and run `elementwise_ir`; asserts that nothing was reported, and returns (rows, 64)."""
    hsaco, _ = compile_ir(elementwise_ir(kind, rows, result, more))
    outcome = run(hsaco, arrays, [((len(rows), 64), dtype)])
    assert outcome.faults == [], [str(fault) for fault in outcome.faults]
    return outcome.outputs[0]
