"""What `rocfuse.plan` says of a kernel: one dictionary, which is the JSON; plan_text.py makes the text of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rocfuse.analysis import operands, perf_config
from rocfuse.analysis import tiling as tilings
from rocfuse.analysis.cost import Cost, Objective, Step
from rocfuse.analysis.grid import GridFill
from rocfuse.analysis.problem import Problem
from rocfuse.analysis.registers import most_registers, occupancy
from rocfuse.analysis.search import TOLERANCE, Candidate, Result
from rocfuse.analysis.tiling import Plan, Rejected, Tiling
from rocfuse.analysis.traffic import traffic
from rocfuse.analysis.unfused import alternatives
from rocfuse.diagnostics import apart
from rocfuse.targets import Target
from rocfuse.transforms.plan_kernels import Decision

VERSION = 1
_BEST = 5  # losers of each kind that are shown without --all

Report = dict[str, Any]


def report(decisions: Sequence[Decision], target: Target, every: bool) -> Report:
    """The plans of a module; with `every`, all candidates in the order in which they were considered."""
    return {
        "version": VERSION,
        "target": target.name,
        "kernels": [_kernel(decision, target, every) for decision in decisions],
    }


def _kernel(decision: Decision, target: Target, every: bool) -> Report:
    problem, plan = decision.problem, decision.chosen
    together = [problem.gemms] if plan.tiling.loop_form == "fused" else [1] * problem.gemms
    candidates = [_candidate(result, decision, target) for result in decision.results]
    result = {
        "name": decision.name,
        "gemms": problem.gemms,
        **{role: problem.size(role) for role in ("batch", "m", "n")},
        "k": list(problem.k_sizes),
        "dtype": problem.a[0].element_type,
        "perf_config": perf_config.format(plan.tiling, plan.group_m),
        "objective": decision.objective,
        "objective_by": decision.found.by,
        "alone": _alone(decision, target),
        "pins": [{"by": source.name, **source.values} for source in decision.pins.sources if source.values],
        "plan": {**_tiling(plan.tiling, problem), "contiguous": operands.output_direction(problem)},
        "grid": _grid(problem, plan, target),
        "cost": _cost(decision.cost, target, together),
        "unfused": _unfused(problem, target, decision.objective),
        "lds": _lds(plan, target),
        "combine": _combine(plan),
        "registers": _registers(plan, target),
        "occupancy": _occupancy(plan, target),
        "traffic": _traffic(problem, plan.tiling),
        "candidates": len(decision.results),
        "accepted": sum(isinstance(result, Candidate) for result in decision.results),
        "losers": _best(candidates, decision.objective),
    }
    if every:
        result["all"] = candidates
    return result


def _tiling(tiling: Tiling, problem: Problem) -> Report:
    return {
        "text": tiling.text(problem.gemms),
        "tile": {"m": tiling.tile_m, "n": tiling.tile_n, "k": tiling.tile_k},
        "waves": {"m": tiling.waves_m, "n": tiling.waves_n},
        "matrix_op": tiling.matrix_op,
        "stages": tiling.stages,
        "schedule": tiling.schedule,
        "loop_form": tiling.loop_form,
        "split_k": tiling.split_k,
    }


def _grid(problem: Problem, plan: Plan, target: Target) -> Report:
    """The grid, and how evenly the compute units share it when each runs its workgroups one after another."""
    tiling = plan.tiling
    fill = GridFill(tilings.workgroups(problem, tiling), target.compute_units)
    return {
        "workgroups": fill.workgroups,
        "threads": tiling.waves * target.wave_lanes,
        "batches": problem.size("batch"),
        "tiles_m": -(-problem.size("m") // tiling.tile_m),
        "tiles_n": -(-problem.size("n") // tiling.tile_n),
        "group_m": plan.group_m,
        "xcds": target.xcds,
        "compute_units": target.compute_units,
        "rounds": fill.rounds,
        "last_round_workgroups": fill.last_round,
        "last_round_percent": _percent(fill.last_round, target.compute_units),
        "fill_percent": round(100 * fill.share, 1),
    }


def _cost(cost: Cost, target: Target, gemms: Sequence[int]) -> Report:
    """Predicted cycles, whole; of a K tile what the resident workgroups take of each part of a compute unit."""
    names = ("compute", "prologue", "loop", "combine", "matrix", "l2", "infinity_cache", "hbm", "launch")
    return {
        "total_cycles": cost.total,
        "microseconds": round(cost.total / target.engine_clock_mhz, 2),
        "bound": cost.bound,
        "full_gpu_cycles": cost.predicted("throughput"),
        "full_gpu_microseconds": round(cost.predicted("throughput") / target.engine_clock_mhz, 2),
        "full_gpu_bound": cost.bound_for("throughput"),
        **{f"{name}_cycles": round(getattr(cost, name)) for name in names},
        "k_tiles": [
            {"gemms": count, "tiles": one.tiles, **_step(one.step, cost.resident, target)}
            for one, count in zip(cost.ranges, gemms, strict=True)
        ],
        "resident": cost.resident,
        "rounds": cost.rounds,
        "bytes": cost.bytes,
        "requested_bytes": cost.requested_bytes,
    }


def _step(step: Step, resident: int, target: Target) -> Report:
    on_simd = -(-resident * step.waves // target.simds_per_cu)
    return {
        "matrix_cycles": on_simd * step.matrix_cycles,
        "issue_cycles": round(on_simd * step.instructions * target.issue_cycles),
        "lds_cycles": resident * step.lds_cycles,
        "fill_cycles": resident * step.load_bytes // target.fill_bytes_per_cycle_per_cu,
        "instructions": round(step.instructions, 1),
    }


def _unfused(problem: Problem, target: Target, objective: Objective) -> list[Report]:
    """The programs without fusing, with the time that the objective is about under the name it has in `cost`."""
    cycles, time = ("total_cycles", "") if objective == "latency" else ("full_gpu_cycles", "full_gpu_")
    return [
        {
            "name": one.name,
            "kernels": one.kernels,
            cycles: one.cycles,
            f"{time}microseconds": round(one.cycles / target.engine_clock_mhz, 2),
            "bytes": one.bytes,
        }
        for one in alternatives(problem, target, objective)
    ]


def _alone(decision: Decision, target: Target) -> Report | None:
    """What latency would choose and how much faster it is alone, where throughput was not asked for and is slower."""
    if decision.alone is None:
        return None
    have, least = decision.cost.total, decision.alone.cost.total
    return {
        "text": decision.alone.tiling.text(decision.problem.gemms),
        "perf_config": perf_config.format(decision.alone.tiling, decision.alone.plan.group_m),
        "total_cycles": least,
        "microseconds": round(least / target.engine_clock_mhz, 2),
        "slower_percent": _percent(have - least, least),
    }


def _lds(plan: Plan, target: Target) -> Report:
    lds = plan.lds
    buffers = [
        {"name": b.name, "stage": b.stage, "offset": b.offset_bytes, "bytes": b.size_bytes, "live": b.live}
        for b in lds.buffers
    ]
    return {
        "buffers": buffers,
        "padding_bytes": lds.padding_bytes,
        "bytes": lds.bytes,
        "allocated_bytes": lds.allocated_bytes,
        "limit_bytes": target.lds_bytes_per_workgroup,
    }


def _combine(plan: Plan) -> Report:
    """How the combine reads its other operands and writes its results."""
    return {
        "operands": [
            _LINES[line.direction] if line else _OWN if output is None else f"rows, by way of the LDS of result{output}"
            for line, output in zip(plan.combine.lines, plan.combine.through, strict=True)
        ],
        "results": [{"staged": one.staging is not None, "reason": one.reason} for one in plan.combine.stores],
    }


_OWN = "each lane reads its own"
_LINES = {
    "m": "a column, loaded once before the loop",
    "n": "a row, loaded once before the loop",
    "": "one element, loaded once before the loop",
}


def _registers(plan: Plan, target: Target) -> Report:
    """32-bit registers a lane; the estimate, and what code generation is held to."""
    need = plan.registers
    return {
        "accumulators": need.accumulators,
        "fragments": need.fragments,
        "copies": need.copies,
        "addresses": need.addresses,
        "combine": need.combine,
        "overhead": need.overhead,
        "total": need.total,
        "budget": plan.register_budget,
        "limit": most_registers(target, plan.tiling.waves),
    }


def _occupancy(plan: Plan, target: Target) -> Report:
    waves, lds = plan.tiling.waves, plan.lds.allocated_bytes
    have = occupancy(target, plan.registers.total, lds, waves)
    return {
        "workgroups_per_cu": have.workgroups,
        "waves_per_simd": have.waves_per_simd,
        "limited_by": list(have.limits),
        "workgroups_by_registers": have.workgroups_by_registers,
        "workgroups_by_lds": have.workgroups_by_lds,
        "workgroups_by_waves": have.workgroups_by_waves,
        "waves_per_simd_at_budget": occupancy(target, plan.register_budget, lds, waves).waves_per_simd,
    }


def _traffic(problem: Problem, tiling: Tiling) -> Report:
    moved = traffic(problem, tiling)
    return {
        "arrays": [{"name": s.name, "bytes": s.once, "with_rereads": s.with_rereads} for s in moved.streams],
        "bytes": moved.once,
        "with_rereads": moved.with_rereads,
        "flops": moved.flops,
        "flop_per_byte": round(moved.flop_per_byte, 2),
        "flop_per_byte_with_rereads": round(moved.flop_per_byte_with_rereads, 2),
    }


def _candidate(result: Result, decision: Decision, target: Target) -> Report:
    """A candidate, and the one number that lost it."""
    tiling = result.tiling
    if isinstance(result, Rejected):
        verdict, reason, total, full = "rejected", result.reason, None, None
    else:
        total, full = (result.cost.predicted(one) for one in ("latency", "throughput"))
        verdict, reason = "accepted", lost_by(result.cost, decision.cost, target, decision.objective)
        if tiling == decision.chosen.tiling:
            verdict, reason = "chosen", f"fewest {UNITS[decision.objective]}, as far as the model can tell"
    entry = {**_tiling(tiling, decision.problem), "perf_config": perf_config.format(tiling), "verdict": verdict}
    return {**entry, "reason": reason, "total_cycles": total, "full_gpu_cycles": full}


# what the plans of a kernel are compared by
UNITS: Mapping[Objective, str] = {"latency": "cycles of latency", "throughput": "cycles of a full GPU"}


def lost_by(cost: Cost, best: Cost, target: Target, objective: Objective = "latency") -> str:
    """What made an accepted tiling lose: its cycles, and the part of them that compares worst with the best."""
    units, launch = UNITS[objective], best.launch if objective == "latency" else 0.0
    taken, fewest = cost.cycles(objective), best.cycles(objective)
    have, least = apart(launch + taken, launch + fewest)
    if objective == "throughput" and best.bound_for(objective) != "compute" and taken <= fewest * (1 + TOLERANCE):
        if cost.bound_for(objective) == "compute":
            return f"{have} {units}, as good as {least}; it takes compute units, not memory"
        if cost.busy >= best.busy:  # of plans that memory bounds, latency decides
            return f"{have} {units}, as good as {least}; alone {lost_by(cost, best, target)}"
    if taken <= fewest * (1 + TOLERANCE) and cost.requested_bytes >= best.requested_bytes:
        if cost.requested_bytes > best.requested_bytes:
            return f"asks for {cost.requested_bytes} > {best.requested_bytes} B in as good as the same {have} {units}"
        text = (
            f"{have} {'>=' if taken >= fewest else 'as good as'} {least} {units} for the same {best.requested_bytes} B"
        )
        return text if taken >= fewest else f"{text}, with more stages or instructions"
    text = f"{have} > {least} {units} (+{100 * (taken - fewest) / (launch + fewest):.1f} %)"
    if (bound := cost.bound_for(objective)) != "compute":
        return f"{text}: {bound} {' > '.join(apart(taken, fewest))} cycles"
    return f"{text}: {_worst(cost, best, target, objective)}"


def _worst(cost: Cost, best: Cost, target: Target, objective: Objective) -> str:
    """Why the compute units of a plan take longer than those of a better one."""
    busy, most = (one.matrix_share(objective) for one in (cost, best))
    worse = {
        f"tiles are {100 * cost.useful:.0f} % full": best.useful / cost.useful,
        f"matrix cores busy {' % < '.join(apart(100 * busy, 100 * most))} %": most / busy,
    }
    if objective == "latency":  # nothing is idle on a full GPU
        worse = {f"grid fills {100 * cost.fill:.0f} % of {target.compute_units} CUs": best.fill / cost.fill, **worse}
    text = max(worse, key=lambda one: worse[one])
    if worse[text] >= 1 + TOLERANCE / 10:
        return text
    # no worse in any of these: it multiplies more, and the other parts with it
    sums = [one if objective == "latency" else one.full for one in (cost, best)]
    parts = {name: [getattr(one, name) for one in sums] for name in ("loop", "prologue", "combine")}
    longest = max(parts, key=lambda name: parts[name][0] - parts[name][1])
    return f"{longest} {' > '.join(apart(*parts[longest]))} cycles"


def _best(candidates: Sequence[Report], objective: Objective) -> list[Report]:
    """The accepted that came closest, then the rejected in order; one of each tile first, then the others."""
    key = "total_cycles" if objective == "latency" else "full_gpu_cycles"
    accepted = sorted((one for one in candidates if one["verdict"] == "accepted"), key=lambda one: one[key])
    best: list[Report] = []
    for ranked in (accepted, [one for one in candidates if one["verdict"] == "rejected"]):
        tiles: dict[tuple[int, int], Report] = {}
        others = [one for one in ranked if tiles.setdefault((one["tile"]["m"], one["tile"]["n"]), one) is not one]
        best += [*tiles.values(), *others][:_BEST]
    return best


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)
