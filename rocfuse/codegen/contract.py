"""The contract of a code object: what a caller must know to launch it, with the ELF's own figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlir import ir

from rocfuse.analysis.problem import Problem, canonical
from rocfuse.analysis.registers import waves_per_simd
from rocfuse.analysis.views import dense
from rocfuse.codegen.elf import read_kernels
from rocfuse.diagnostics import CompileError
from rocfuse.fused_kernel import Array, FusedKernel
from rocfuse.plan_attributes import from_attribute
from rocfuse.records import record
from rocfuse.targets import Target

VERSION = 1
# 128-bit accesses are used where strides and offsets allow them, so every array must start at such an address
ALIGNMENT_BYTES = 16


@record
class KernelFacts:
    """What the contract says of a kernel before code generation; taken from the planned form."""

    name: str
    arrays: tuple[Array, ...]
    inputs: tuple[str, ...]
    problem: Problem
    plan: dict[str, Any]

    @staticmethod
    def of(kernel: FusedKernel) -> KernelFacts:
        """The facts of a planned kernel, as plain values that outlive the IR."""
        plan = kernel.gemm.plan
        if plan is None:
            raise CompileError("the kernel has no plan; run rocfuse-plan-kernels", str(kernel.gemm.op.location))
        values: Any = from_attribute(ir.DictAttr(plan))
        return KernelFacts(kernel.name, kernel.arrays, kernel.inputs, canonical(kernel.problem), values)


def build_contract(facts: Sequence[KernelFacts], hsaco: bytes, target: Target) -> dict[str, Any]:
    """The contract, version 1. Raises CompileError where the ELF is not what was planned.

    Arguments of one kernel are `arg0`, `out0`, …; those of several have the function's name before: `FUNCTION.arg0`.
    """
    found = {kernel.name: kernel for kernel in read_kernels(hsaco)}
    kernels, inputs, outputs = [], [], []
    for fact in facts:
        if fact.name not in found:
            raise CompileError(f"the code object has no kernel {fact.name}")
        prefix = f"{fact.name}." if len(facts) > 1 else ""
        kernels.append(_kernel(fact, prefix, found[fact.name].metadata, target))
        inputs += [prefix + name for name in fact.inputs]
        outputs += [prefix + array.name for array in fact.arrays if array.kind == "out"]
    return {"version": VERSION, "target": target.name, "kernels": kernels, "inputs": inputs, "outputs": outputs}


def _kernel(facts: KernelFacts, prefix: str, metadata: dict[str, Any], target: Target) -> dict[str, Any]:
    plan, problem = facts.plan, facts.problem
    tile_m, tile_n, tile_k = plan["tile"]
    waves = plan["waves"][0] * plan["waves"][1]
    declared = metadata[".group_segment_fixed_size"]
    if declared != plan["lds_bytes"]:
        raise CompileError(f"{facts.name}: lds {declared} B in the ELF, {plan['lds_bytes']} B planned")
    registers, agprs = metadata[".vgpr_count"], metadata.get(".agpr_count", 0)
    if registers > plan["register_budget"]:
        text = f"registers {registers} > {plan['register_budget']} planned; raise max-registers to {registers} or more"
        raise CompileError(f"{facts.name}: {text}")
    return {
        "name": facts.name,
        "grid": [plan["grid"], 1, 1],
        "block": [waves * target.wave_lanes, 1, 1],
        "args": [_argument(index, prefix, array) for index, array in enumerate(facts.arrays)],
        "lds_bytes": plan["lds_bytes"],
        "lds_allocated_bytes": plan["lds_allocated_bytes"],
        "lds_padding_bytes": plan["lds_padding_bytes"],
        "lds_buffers": plan["lds"],
        "vgprs": registers - agprs,
        "agprs": agprs,
        "registers": registers,
        "sgprs": metadata[".sgpr_count"],
        "spills": metadata[".vgpr_spill_count"] + metadata[".sgpr_spill_count"],
        "scratch_bytes": metadata[".private_segment_fixed_size"],
        "waves_per_simd": waves_per_simd(target, registers, plan["lds_allocated_bytes"], waves),
        "gemms": problem.gemms,
        "m": problem.size("m"),
        "n": problem.size("n"),
        "k": list(problem.k_sizes),
        "batch": problem.size("batch"),
        "tile": {"m": tile_m, "n": tile_n, "k": tile_k},
        "waves": {"m": plan["waves"][0], "n": plan["waves"][1]},
        "matrix_op": plan["matrix_op"],
        "stages": plan["stages"],
        "perf_config": plan["perf_config"],
        "copied_together": plan["copied_together"],
    }


def _argument(index: int, prefix: str, array: Array) -> dict[str, Any]:
    return {
        "index": index,
        "name": prefix + array.name,
        "kind": array.kind,
        "dtype": array.element_type,
        "shape": list(array.shape),
        "strides": list(dense(array.shape).strides),
        "alignment": ALIGNMENT_BYTES,
    }
