"""What `rocfuse.plan` says of a kernel: one dictionary, which is the JSON, and the text made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rocfuse.analysis import cost as costs
from rocfuse.analysis import operands, perf_config
from rocfuse.analysis import tiling as tilings
from rocfuse.analysis.cost import Cost
from rocfuse.analysis.problem import Problem
from rocfuse.analysis.registers import most_registers, occupancy
from rocfuse.analysis.tiling import Plan, Rejected, Tiling
from rocfuse.analysis.traffic import traffic
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
    losers = [_candidate(result, decision, target) for result in decision.results if result.tiling != plan.tiling]
    result = {
        "name": decision.name,
        "gemms": problem.gemms,
        **{role: problem.size(role) for role in ("batch", "m", "n")},
        "k": list(problem.k_sizes),
        "dtype": problem.a[0].element_type,
        "perf_config": perf_config.format(plan.tiling, plan.group_m),
        "pins": [{"by": source.name, **source.values} for source in decision.pins.sources if source.values],
        "plan": {**_tiling(plan.tiling, problem), "contiguous": operands.output_direction(problem)},
        "grid": _grid(problem, plan, target),
        "cost": _cost(costs.cost(problem, plan.tiling, target)),
        "lds": _lds(plan, target),
        "combine": _combine(plan),
        "registers": _registers(plan, target),
        "occupancy": _occupancy(plan, target),
        "traffic": _traffic(problem, plan.tiling),
        "candidates": len(decision.results),
        "accepted": sum(isinstance(result, Plan) for result in decision.results),
        "losers": _best(losers),
    }
    if every:
        result["all"] = [_candidate(one, decision, target) for one in decision.results]
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
    workgroups = tilings.workgroups(problem, tiling)
    rounds = -(-workgroups // target.compute_units)
    last = workgroups - (rounds - 1) * target.compute_units
    return {
        "workgroups": workgroups,
        "threads": tiling.waves * target.wave_lanes,
        "batches": problem.size("batch"),
        "tiles_m": -(-problem.size("m") // tiling.tile_m),
        "tiles_n": -(-problem.size("n") // tiling.tile_n),
        "group_m": plan.group_m,
        "xcds": target.xcds,
        "compute_units": target.compute_units,
        "rounds": rounds,
        "last_round_workgroups": last,
        "last_round_percent": _percent(last, target.compute_units),
        "fill_percent": _percent(workgroups, rounds * target.compute_units),
    }


def _cost(cost: Cost) -> Report:
    return {
        "matrix_cycles": cost.matrix,
        "load_cycles": cost.loads,
        "workgroup_cycles": cost.workgroup,
        "rounds": cost.rounds,
        "total_cycles": cost.total,
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
        "operands": [_LINES[line.direction] if line else "each lane reads its own" for line in plan.combine.lines],
        "results": [{"staged": one.staging is not None, "reason": one.reason} for one in plan.combine.stores],
    }


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
        "flop_per_byte": round(moved.flops / moved.once, 2),
        "flop_per_byte_with_rereads": round(moved.flops / moved.with_rereads, 2),
    }


def _candidate(result: Plan | Rejected, decision: Decision, target: Target) -> Report:
    """A candidate, and the one number that lost it."""
    problem, chosen = decision.problem, decision.chosen.tiling
    tiling = result.tiling
    possible = isinstance(result, Plan) or result.severity < 2  # else there is no such kernel to count
    cost = costs.cost(problem, tiling, target) if possible else None
    if isinstance(result, Rejected):
        verdict, reason = "rejected", result.reason
    elif tiling == chosen:
        verdict, reason = "chosen", "fewest cycles"
    else:
        verdict = "accepted"
        reason = _lost_by(tiling, costs.cost(problem, tiling, target), chosen, costs.cost(problem, chosen, target))
    entry = {**_tiling(tiling, problem), "perf_config": perf_config.format(tiling), "verdict": verdict}
    return {**entry, "reason": reason, "total_cycles": cost.total if cost else None}


def _lost_by(tiling: Tiling, cost: Cost, chosen: Tiling, best: Cost) -> str:
    """What made an accepted tiling lose: its cycles, and which part of them grew most."""
    if cost.total == best.total:
        have, most = tiling.tile_m * tiling.tile_n, chosen.tile_m * chosen.tile_n
        tie = f"tile of {have} < {most} elements" if have < most else "considered later"
        return f"the same {cost.total} cycles; {tie}"
    text = f"{cost.total} > {best.total} cycles (+{100 * (cost.total - best.total) / best.total:.1f} %)"
    if cost.rounds * best.workgroup >= best.rounds * cost.workgroup:
        return f"{text}: {cost.rounds} rounds > {best.rounds}"
    part = "loads" if cost.loads > cost.matrix else "matrix"
    grown = max(cost.loads, cost.matrix), max(best.loads, best.matrix)
    return f"{text}: {part} {grown[0]} > {grown[1]} cycles a workgroup"


def _best(losers: Sequence[Report]) -> list[Report]:
    """The accepted that came closest, then the rejected that would have been fastest; the best one of each tile."""
    ranked = sorted((one for one in losers if one["total_cycles"] is not None), key=lambda one: one["total_cycles"])
    best: list[Report] = []
    for verdict in ("accepted", "rejected"):
        tiles: dict[tuple[int, int], Report] = {}
        for one in ranked:
            if one["verdict"] == verdict:
                tiles.setdefault((one["tile"]["m"], one["tile"]["n"]), one)
        best += list(tiles.values())[:_BEST]
    return best


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)


def text(found: Mapping[str, Any]) -> str:
    """The report for people."""
    return "\n\n".join("\n".join(_lines(kernel, found["target"])) for kernel in found["kernels"]) + "\n"


def _lines(kernel: Report, target: str) -> Iterator[str]:
    k_sizes = dict.fromkeys(kernel["k"]) if len(set(kernel["k"])) == 1 else kernel["k"]
    shape = ", ".join(f"{role} {kernel[role]}" for role in ("batch", "m", "n"))
    shape += f", k {' and '.join(map(str, k_sizes))}"
    yield f"kernel {kernel['name']} on {target}: {_count(kernel['gemms'], 'GEMM')} of {shape}, {kernel['dtype']}"
    yield ""
    yield from _plan_lines(kernel)
    yield ""
    yield from _lds_lines(kernel["lds"])
    yield from _combine_lines(kernel["combine"])
    yield ""
    yield from _register_lines(kernel["registers"], kernel["occupancy"])
    yield ""
    yield from _traffic_lines(kernel["traffic"])
    yield ""
    yield from _candidate_lines(kernel)


def _plan_lines(kernel: Report) -> Iterator[str]:
    grid, cost = kernel["grid"], kernel["cost"]
    yield f"plan       {_describe(kernel['plan'])}"
    yield f"config     {kernel['perf_config']}"
    if kernel["pins"]:
        yield f"pinned by  {', '.join(one['by'] for one in kernel['pins'])}"
    tiles = f"{grid['tiles_m']} x {grid['tiles_n']} tiles"
    batches = f"{_count(grid['batches'], 'batch', 'es')} of " if grid["batches"] > 1 else ""
    yield f"grid       {_count(grid['workgroups'], 'workgroup')} of {grid['threads']} threads: {batches}{tiles}"
    yield f"order      {grid['xcds']} XCDs, a chunk of tiles each; groups of {_count(grid['group_m'], 'row')} of tiles"
    last = f"the last runs {_count(grid['last_round_workgroups'], 'workgroup')} ({grid['last_round_percent']:g} %)"
    units = f"{_count(grid['rounds'], 'round')}, {last}"
    yield f"rounds     {units}; grid fills {grid['fill_percent']:g} % of {grid['compute_units']} CUs"
    bound = "matrix" if cost["matrix_cycles"] >= cost["load_cycles"] else "loads"
    parts = f"matrix {cost['matrix_cycles']}, loads {cost['load_cycles']} a workgroup ({bound} bound)"
    yield f"cost       {cost['total_cycles']} cycles: {parts}, {_count(cost['rounds'], 'round')}"


def _lds_lines(lds: Report) -> Iterator[str]:
    rows = [[b["name"], b["stage"], b["offset"], b["bytes"], b["live"]] for b in lds["buffers"]]
    yield from _table(["LDS", "stage", "offset", "bytes", "live"], rows)
    total = f"total {lds['bytes']} B ({lds['padding_bytes']} B padding)"
    yield f"{total}, allocated {lds['allocated_bytes']} B, limit {lds['limit_bytes']} B a workgroup"


def _combine_lines(combine: Report) -> Iterator[str]:
    for number, form in enumerate(combine["operands"]):
        yield f"extra{number}    {form}"
    for number, result in enumerate(combine["results"]):
        how = "through LDS" if result["staged"] else "direct"
        yield f"result{number}   {how}: {result['reason']}"


def _register_lines(registers: Report, have: Report) -> Iterator[str]:
    parts = ("accumulators", "fragments", "copies", "combine", "overhead", "total")
    yield from _table(["registers", "a lane"], [[name, registers[name]] for name in parts])
    yield "fragments and copies are dead in the combine: the total has them or it, whichever is more"
    yield f"budget {registers['budget']} a wave, limit {registers['limit']} for this workgroup"
    yield ""
    by = {name: have[f"workgroups_by_{name}"] for name in ("registers", "lds", "waves")}
    limits = ", ".join(f"{_LIMITS[name]} {'any' if count is None else count}" for name, count in by.items())
    held = f"{_count(have['waves_per_simd'], 'wave')} a SIMD, {_count(have['workgroups_per_cu'], 'workgroup')} a CU"
    at_budget = have["waves_per_simd_at_budget"]
    sure = "" if at_budget == have["waves_per_simd"] else f"; {at_budget} if the whole register budget is used"
    yield f"occupancy  {held}{sure}"
    yield f"limited by {' and '.join(_LIMITS[name] for name in have['limited_by'])} (workgroups a CU: {limits})"


_LIMITS = {"registers": "registers", "lds": "LDS", "waves": "workgroup size"}


def _traffic_lines(traffic: Report) -> Iterator[str]:
    rows = [[one["name"], one["bytes"], one["with_rereads"]] for one in traffic["arrays"]]
    rows.append(["total", traffic["bytes"], traffic["with_rereads"]])
    rows.append(["flop a byte", traffic["flop_per_byte"], traffic["flop_per_byte_with_rereads"]])
    yield from _table(["memory", "bytes once", "with re-reads"], rows)


def _candidate_lines(kernel: Report) -> Iterator[str]:
    counts = f"{_count(kernel['candidates'], 'candidate')}, {kernel['accepted']} accepted"
    shown: list[Report] = kernel["all"] if "all" in kernel else kernel["losers"]
    title = "all of them" if "all" in kernel else "the best losers" if shown else "no losers"
    yield f"{counts}; {title}"
    rows = [[_describe(one), one["verdict"], one["reason"]] for one in shown]
    yield from _table([], rows)


def _describe(plan: Report) -> str:
    """A tiling in a line."""
    waves = plan["waves"]
    count = waves["m"] * waves["n"]
    form = "" if plan["loop_form"] == "fused" else f", {plan['loop_form']} loops"
    shape = f"{plan['text']}, {waves['m']}x{waves['n']} {'wave' if count == 1 else 'waves'}, {plan['matrix_op']}"
    return f"{shape}, {_count(plan['stages'], 'stage')}, {plan['schedule']}{form}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Columns: text to the left, numbers to the right."""
    cells = [[str(one) for one in row] for row in ([head] if head else []) + list(rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(widths))]
    for row in cells:
        parts = [
            one.rjust(width) if number else one.ljust(width)
            for one, width, number in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(parts).rstrip()


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
