"""rocfuse-plan-kernels: one tiling and one account for all GEMMs of a kernel, written into the IR."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlir import ir

from rocfuse.analysis import operands, perf_config, search
from rocfuse.analysis import tiling as tilings
from rocfuse.analysis.combine import Combine
from rocfuse.analysis.cost import Cost, Objective
from rocfuse.analysis.problem import Problem, canonical
from rocfuse.analysis.registers import waves_per_simd
from rocfuse.analysis.search import Candidate, Found, Result
from rocfuse.analysis.tiling import Limits, Plan, Rejected
from rocfuse.analysis.unfused import Unfused, alternatives
from rocfuse.diagnostics import CompileError, UsageError, apart
from rocfuse.dialect import MULTI_GEMM, PLAN, walk
from rocfuse.fused_kernel import FusedKernel, read_kernel
from rocfuse.passes import Pass, PassContext, register
from rocfuse.plan_attributes import to_attribute
from rocfuse.records import record
from rocfuse.targets import Target
from rocfuse.transforms.pins import Pins, Source, source_of_attribute, source_of_line
from rocfuse.tuning_key import kernel_key

_OPTIONS = "pass options"


@record
class Decision:
    """What was considered for a kernel, and the choice. `problem` is canonical."""

    name: str
    problem: Problem
    found: Found
    chosen: Plan
    cost: Cost
    pins: Pins

    @property
    def results(self) -> tuple[Result, ...]:
        """Everything that was considered, in order."""
        return self.found.results

    @property
    def objective(self) -> Objective:
        """What the plan was chosen for."""
        return self.found.objective

    @property
    def alone(self) -> Candidate | None:
        """What latency would choose, where throughput was not asked for and costs a launch alone."""
        return self.found.alone


@register
@dataclass(frozen=True)
class PlanKernels(Pass):
    """Choose one tiling for all GEMMs of a kernel and account for its LDS and registers together.

    Candidates are filtered with reasons, one is chosen, and the choice is written into the IR. Any part can be pinned:
    by an option, by `perf-config`, one line of text for several (`v1:m128,n64,k64`), or by such a line in the program,
    `rocfuse.config = "v1:…"` on the multi_gemm or on the function. An option goes before `perf-config`, that before
    the attribute, that before what a tuning db records for the kernel, and the model chooses the rest.

    `objective` is what the model chooses for: `latency`, the time of one launch that has the GPU to itself, or
    `throughput`, what the kernel takes of a GPU that other work keeps full. `auto` is throughput for results of at
    least 1024 rows and columns, as long as a launch alone is at most 2.5 times slower for it, else latency; a remark
    says what it costs. It pins nothing.

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
    perf_config: str | None = None
    fuse: Literal["always", "auto"] = "always"
    objective: Literal["auto", "latency", "throughput"] = "auto"
    max_lds_bytes: int | None = None
    max_registers: int | None = None
    min_waves_per_simd: int | None = None

    def __post_init__(self) -> None:
        """Refuse option values that no program can be compiled with. Raises UsageError."""
        if self.fuse == "auto":
            text = "fuse=auto chooses the unfused program where that is faster, and that cannot be emitted yet"
            raise UsageError(f"{self.name}: {text}; write fuse=always")
        if self.group_m == 0:
            raise UsageError(f"{self.name}: group-m: need 1 or more, have 0")
        if self.perf_config is not None:
            try:
                perf_config.parse(self.perf_config)
            except UsageError as error:
                raise UsageError(f"{self.name}: {error}") from error

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Plan every multi_gemm of the module. Raises CompileError with need/have numbers where nothing fits."""
        for op in list(walk(module, MULTI_GEMM)):
            decision = self.decide(read_kernel(op.parent), context)
            if context.on_remark:
                for text in remarks(decision, context.target):
                    context.remark(op.location, f"{self.name}: {text}")
            with module.context:
                op.attributes[PLAN] = plan_attribute(decision, context.target)

    def decide(self, kernel: FusedKernel, context: PassContext) -> Decision:
        """Consider every candidate for a kernel and choose. Raises CompileError where nothing fits."""
        target, location = context.target, str(kernel.gemm.op.location)
        problem = canonical(kernel.problem)
        self._check_extents(kernel, problem, target)
        pins = self._pins(kernel, target)
        recorded = self._recorded(kernel, context)
        if recorded and not set(recorded.values) <= set(pins.values):
            every = pins.then(recorded)
            found = self._try(problem, every, target)
            if found.chosen:
                return self._decision(kernel, problem, every, found)
            text = f"{recorded.name} has a choice for this kernel that does not fit: {_closest(found.results).reason}"
            pinned = f" ({every.text()})" if pins.values else ""
            context.remark(location, f"{self.name}: {text}{pinned}; the model chooses")
        found = self._try(problem, pins, target)
        if not found.chosen:
            raise self._nothing_fits(found, problem, pins, target, location)
        return self._decision(kernel, problem, pins, found)

    def _pins(self, kernel: FusedKernel, target: Target) -> Pins:
        """What the user pins, the strongest source first: pass options, then perf-config, then the program."""
        options = {field: getattr(self, field) for field in perf_config.FIELDS if getattr(self, field) is not None}
        sources = [Source(_OPTIONS, options)]
        if self.perf_config is not None:
            sources.append(source_of_line("perf-config", self.perf_config, target))
        attribute = source_of_attribute(kernel.gemm.op, target)
        return Pins((*sources, attribute) if attribute else tuple(sources))

    def _recorded(self, kernel: FusedKernel, context: PassContext) -> Source | None:
        """What the tuning db holds for a kernel; None where it does not know it, or is not for this compiler."""
        if context.tuning is None:
            return None
        line = context.tuning.choices.get(kernel_key(kernel, context.target))
        if line is None:
            return None
        try:
            return source_of_line(context.tuning.path, line, context.target)
        except UsageError as error:
            text = f"{context.tuning.path} has a choice for this kernel that does not fit: {error}"
            context.remark(str(kernel.gemm.op.location), f"{self.name}: {text}; the model chooses")
            return None

    def _try(self, problem: Problem, pins: Pins, target: Target) -> Found:
        """Every candidate with what is pinned, filtered."""
        limits = Limits(self.max_lds_bytes, self.max_registers, self.min_waves_per_simd)
        asked = (problem, target, limits, pins.tiling, pins.group_m)
        return search.search_by_size(*asked) if self.objective == "auto" else search.search(*asked, self.objective)

    def _decision(self, kernel: FusedKernel, problem: Problem, pins: Pins, found: Found) -> Decision:
        assert found.chosen
        return Decision(kernel.name, problem, found, found.chosen.plan, found.chosen.cost, pins)

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
                longest = max(inner, key=lambda d: (problem.sizes[d] - 1) * access.strides[d])
                have = f"{target.buffer_extent_bytes} B of one buffer resource"
                text = f"{name}: extent {need} B > {have}; split the product along {problem.roles[longest]}"
                raise CompileError(f"{self.name}: {text}", str(kernel.gemm.op.location))

    def _nothing_fits(self, found: Found, problem: Problem, pins: Pins, target: Target, location: str) -> CompileError:
        """The rejection that came closest, budgets before shapes, and which pins to change for one that fits."""
        closest = _closest(found.results)
        # one pin less, or none at all
        looser = [self._try(problem, pins.without(field), target) for field in pins.tiling]
        free = self._try(problem, Pins(), target)
        fitting = [one.tiling for tried in looser for one in tried.results if isinstance(one, Candidate)]
        fitting = fitting or [one.tiling for one in free.results if isinstance(one, Candidate)]
        if fitting:
            nearest = min(fitting, key=lambda one: search.distance(one, closest.tiling))
            values = dataclasses.asdict(nearest)
            changes = {field: values[field] for field, value in pins.tiling.items() if values[field] != value} or values
            texts = (f"{field.replace('_', '-')}={value}" for field, value in changes.items())
            advice = f"try {' '.join(texts)} ({nearest.text(problem.gemms)})"
        else:
            ceiling = {"": "split the products or their batch", "min-waves-per-simd": "lower min-waves-per-simd"}
            advice = f"no tiling fits; {ceiling.get(closest.option, f'raise {closest.option}')}"
            least = _closest(free.results)
            if least.distance < closest.distance:
                advice += f"; the least without pins is {least.tiling.text(problem.gemms)}: {least.reason}"
        text = f"{self.name}: {closest.tiling.text(problem.gemms)}: {closest.reason}; {advice}"
        named = [source.name for source in pins.sources if source.values]
        # where all pins are options, they are in the command already
        notes = () if named in ([], [_OPTIONS]) else (f"pinned: {pins.text()}",)
        return CompileError(text, location, (*closest.table, *notes))


def _closest(results: Sequence[Result]) -> Rejected:
    rejected = [one for one in results if isinstance(one, Rejected)]
    return min(rejected, key=lambda one: one.distance)


def remarks(decision: Decision, target: Target) -> Iterator[str]:
    """What the user may want to decide differently, with the predicted times of both ways."""
    clock = target.engine_clock_mhz
    free = not decision.pins.values  # what a pin costs says nothing about fusing
    if free and (best := _better_unfused(decision, target, decision.objective)):
        fused, unfused = apart(decision.cost.predicted(decision.objective) / clock, best.cycles / clock, 1)
        times = f"{fused} us fused > {unfused} us unfused"
        yield f"predicted {decision.objective}: {times} ({best.name}); fused all the same"
    if decision.alone:
        slow, fast = apart(decision.cost.total / clock, decision.alone.cost.total / clock, 1)
        most, least = apart(decision.alone.cost.taken / clock, decision.cost.taken / clock, 1)
        times = f"predicted alone {slow} us > {fast} us of {decision.alone.tiling.text(decision.problem.gemms)}"
        if free and (best := _better_unfused(decision, target, "latency")):
            times += f" and {best.cycles / clock:.1f} us unfused"
        yield f"chosen for throughput, {least} us of a full GPU, not {most}: {times}; try objective=latency"


def _better_unfused(decision: Decision, target: Target, objective: Objective) -> Unfused | None:
    """The best program without fusing, where it is predicted to be better for an objective."""
    best = next(iter(alternatives(decision.problem, target, objective)), None)
    return best if best and best.cycles < decision.cost.predicted(objective) else None


def plan_attribute(decision: Decision, target: Target) -> ir.DictAttr:
    """The plan as a dictionary attribute; every later pass reads it and decides nothing."""
    plan, problem = decision.chosen, decision.problem
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
            tilings.buffer_names(problem, tiling.loop_form),
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
        "perf_config": perf_config.format(tiling, plan.group_m),
        "objective": decision.objective,
        "contiguous": operands.output_direction(problem),
        "grid": tilings.workgroups(problem, tiling),
        "copies": copies,
        "fill": plan.fill.tiles,
        "late_zeros": plan.fill.late_zeros,
        "copied_together": [[plan.names[i] for i in group] for group in plan.dealing.groups if len(group) > 1],
        "combine": _combine(plan.combine),
        "lds": buffers,
        "lds_bytes": lds.bytes,
        "lds_allocated_bytes": lds.allocated_bytes,
        "lds_padding_bytes": lds.padding_bytes,
        "registers": plan.registers.total,
        "register_budget": plan.register_budget,
        "waves_per_simd": waves,
    }
    return ir.DictAttr(to_attribute(values))


def _combine(combine: Combine) -> dict[str, object]:
    """How the other operands reach the combine and how its results are stored."""
    return {
        "operands": [
            {"line": dataclasses.asdict(line)} if line else {} if output is None else {"through": output}
            for line, output in zip(combine.lines, combine.through, strict=True)
        ],
        "stores": [
            {"reason": one.reason} | ({"staging": dataclasses.asdict(one.staging)} if one.staging else {})
            for one in combine.stores
        ],
    }
