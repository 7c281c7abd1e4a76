"""rocfuse-plan-kernels: one tiling and one account for all GEMMs of a kernel, written into the IR."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlir import ir

from rocfuse.analysis import cost as costs
from rocfuse.analysis import operands, search
from rocfuse.analysis import tiling as tilings
from rocfuse.analysis.problem import Problem, canonical
from rocfuse.analysis.registers import waves_per_simd
from rocfuse.analysis.tiling import Limits, Plan, Rejected, Tiling
from rocfuse.diagnostics import CompileError
from rocfuse.dialect import MULTI_GEMM, PLAN, walk
from rocfuse.fused_kernel import FusedKernel, read_kernel
from rocfuse.passes import Pass, PassContext, register
from rocfuse.plan_attributes import to_attribute
from rocfuse.targets import Target

_PINS = ("tile_m", "tile_n", "tile_k", "stages", "waves_m", "waves_n", "matrix_op", "schedule", "loop_form", "split_k")


@dataclass(frozen=True)
class Decision:
    """What was considered for a kernel, in order of preference, and the choice. `problem` is canonical."""

    name: str
    problem: Problem
    results: tuple[Plan | Rejected, ...]
    chosen: Plan


@register
@dataclass(frozen=True)
class PlanKernels(Pass):
    """Choose one tiling for all GEMMs of a kernel and account for its LDS and registers together.

    Candidates are filtered with reasons, one is chosen, and the choice is written into the IR; options pin any part.

        %g:2 = "rocfuse.multi_gemm"() ({…}) {dims = ["m", "n", "k"]}
      →
        %g:2 = "rocfuse.multi_gemm"() ({…}) {dims = ["m", "n", "k"], rocfuse.plan = {
          tile = [128, 128, 64], waves = [2, 2], matrix_op = "32x32x8", stages = 1, lds_bytes = 49152, …}}
    """

    name = "rocfuse-plan-kernels"
    requires = ("fused",)
    ensures = ("planned",)

    tile_m: int | None = None
    tile_n: int | None = None
    tile_k: int | None = None
    stages: int | None = None
    waves_m: int | None = None
    waves_n: int | None = None
    matrix_op: str | None = None
    loop_form: Literal["fused", "sequential"] | None = None
    schedule: Literal["plain", "prefetch", "iglp", "interleaved", "ping-pong"] | None = None
    split_k: int | None = None
    group_m: int | None = None
    fuse: Literal["always"] = "always"
    max_lds_bytes: int | None = None
    max_registers: int | None = None
    min_waves_per_simd: int | None = None

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Plan every multi_gemm of the module. Raises CompileError with need/have numbers where nothing fits."""
        for op in list(walk(module, MULTI_GEMM)):
            decision = self.decide(read_kernel(op.parent), context.target)
            with module.context:
                op.attributes[PLAN] = plan_attribute(decision.chosen, decision.problem, context.target)

    def decide(self, kernel: FusedKernel, target: Target) -> Decision:
        """Consider every candidate for a kernel and choose. Raises CompileError where nothing fits."""
        problem = canonical(kernel.problem)
        self._check_extents(kernel, problem, target)
        limits = Limits(self.max_lds_bytes, self.max_registers, self.min_waves_per_simd)
        tried = _dedupe(self._pinned(tiling) for tiling in search.candidates(problem, target))
        results = tuple(tilings.check(problem, tiling, target, limits) for tiling in tried)
        plans = [result for result in results if isinstance(result, Plan)]
        if not plans:
            rejected = [result for result in results if isinstance(result, Rejected)]
            free = [tilings.check(problem, tiling, target, limits) for tiling in search.candidates(problem, target)]
            fitting = [one for one in free if isinstance(one, Plan)]
            raise self._nothing_fits(rejected, fitting, problem, str(kernel.gemm.op.location))
        chosen = search.choose(plans, problem, target)
        chosen = replace(chosen, group_m=self.group_m or costs.group_rows(problem, chosen, target))
        return Decision(kernel.name, problem, results, chosen)

    def _check_extents(self, kernel: FusedKernel, problem: Problem, target: Target) -> None:
        """Refuse what has no elements, and what the buffer resource of one batch of an array cannot bound."""
        if 0 in problem.sizes:
            sizes = " x ".join(f"{role} {size}" for role, size in zip(problem.roles, problem.sizes, strict=True))
            text = f"{sizes}: a dim has no elements (need at least 1); there is nothing to launch"
            raise CompileError(f"{self.name}: {text}", str(kernel.gemm.op.location))
        inner = [d for d, role in enumerate(problem.roles) if role != "batch"]
        for access in problem.accesses:
            elements = 1 + sum((problem.sizes[d] - 1) * access.strides[d] for d in inner)
            need = elements * operands.ELEMENT_BYTES[access.element_type]
            if need > target.buffer_extent_bytes:
                name = kernel.arrays[access.array].name
                text = (
                    f"{name}: extent {need} B > {target.buffer_extent_bytes} B of one buffer resource; split the batch"
                )
                raise CompileError(f"{self.name}: {text}", str(kernel.gemm.op.location))

    def _pinned(self, tiling: Tiling) -> Tiling:
        pins = {name: getattr(self, name) for name in _PINS if getattr(self, name) is not None}
        return replace(tiling, **pins)

    def _nothing_fits(
        self, rejected: Sequence[Rejected], free: Sequence[Plan], problem: Problem, location: str
    ) -> CompileError:
        """The rejection that came closest, budgets before shapes, and the nearest tiling that would fit."""
        closest = min(rejected, key=lambda one: (one.severity, one.excess))
        advice = "no tiling fits; " + ("raise the limit" if closest.by_caller else "split the products")
        if free:
            nearest = min((plan.tiling for plan in free), key=lambda one: search.distance(one, closest.tiling))
            changes = [
                f"{field.replace('_', '-')}={getattr(nearest, field)}"
                for field in _PINS
                if getattr(nearest, field) != getattr(closest.tiling, field)
            ]
            advice = f"try {' '.join(changes)} ({nearest.text(problem.gemms)})"
        text = f"{self.name}: {closest.tiling.text(problem.gemms)}: {closest.reason}; {advice}"
        return CompileError(text, location, closest.table)


def _dedupe(tried: Iterable[Tiling]) -> list[Tiling]:
    return list(dict.fromkeys(tried))


def plan_attribute(plan: Plan, problem: Problem, target: Target) -> ir.DictAttr:
    """The plan as a dictionary attribute; every later pass reads it and decides nothing."""
    tiling, lds = plan.tiling, plan.lds
    buffers = [
        {"name": b.name, "offset": b.offset_bytes, "bytes": b.size_bytes, "live": b.live, "stage": b.stage}
        for b in lds.buffers
    ]
    copies = [
        {
            "operand": name,
            "buffer": buffer,
            "role": access.role,
            **dataclasses.asdict(copy),
            "swizzle": {"chunk": swizzle.chunk, "images": list(swizzle.images)},
        }
        for name, buffer, access, copy, swizzle in zip(
            plan.names,
            tilings.buffer_names(problem, tiling),
            plan.operands,
            plan.copies,
            tilings.swizzles(plan, target),
            strict=True,
        )
    ]
    waves = waves_per_simd(target, plan.registers.total, lds.allocated_bytes, tiling.waves)
    values: dict[str, object] = {
        "tile": [tiling.tile_m, tiling.tile_n, tiling.tile_k],
        "waves": [tiling.waves_m, tiling.waves_n],
        "matrix_op": tiling.matrix_op,
        "stages": tiling.stages,
        "loop_form": tiling.loop_form,
        "schedule": tiling.schedule,
        "split_k": tiling.split_k,
        "group_m": plan.group_m,
        "contiguous": operands.output_direction(problem),
        "grid": tilings.workgroups(problem, tiling),
        "copies": copies,
        "copied_together": [[plan.names[i] for i in group] for group in plan.dealing.groups if len(group) > 1],
        "lds": buffers,
        "lds_bytes": lds.bytes,
        "lds_allocated_bytes": lds.allocated_bytes,
        "lds_padding_bytes": lds.padding_bytes,
        "registers": plan.registers.total,
        "register_budget": plan.register_budget,
        "waves_per_simd": waves,
    }
    return ir.DictAttr(to_attribute(values))
