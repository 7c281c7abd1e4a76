"""The report of `rocfuse.plan` for people: text made of the dictionary of plan_report.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rocfuse.diagnostics import count
from rocfuse.plan_report import Report


def text(found: Mapping[str, Any]) -> str:
    """The report for people."""
    return "\n\n".join("\n".join(_lines(kernel, found["target"])) for kernel in found["kernels"]) + "\n"


def _lines(kernel: Report, target: str) -> Iterator[str]:
    k_sizes = dict.fromkeys(kernel["k"]) if len(set(kernel["k"])) == 1 else kernel["k"]
    shape = ", ".join(f"{role} {kernel[role]}" for role in ("batch", "m", "n"))
    shape += f", k {' and '.join(map(str, k_sizes))}"
    yield f"kernel {kernel['name']} on {target}: {count(kernel['gemms'], 'GEMM')} of {shape}, {kernel['dtype']}"
    yield ""
    yield from _plan_lines(kernel)
    yield ""
    yield from _cost_lines(kernel["cost"], kernel["unfused"], kernel["objective"])
    yield ""
    yield from _lds_lines(kernel["lds"])
    yield from _combine_lines(kernel["combine"])
    yield ""
    yield from _register_lines(kernel["registers"], kernel["occupancy"])
    yield ""
    yield from _traffic_lines(kernel["traffic"])
    yield ""
    yield from _candidate_lines(kernel)


_OBJECTIVES = {
    "latency": "one launch that has the GPU to itself",
    "throughput": "what is taken of a GPU that other work keeps full",
}


def _plan_lines(kernel: Report) -> Iterator[str]:
    grid = kernel["grid"]
    yield f"plan       {_describe(kernel['plan'])}"
    yield f"config     {kernel['perf_config']}"
    by = "" if kernel["objective_by"] == "option" else f", by {kernel['objective_by']}"
    yield f"objective  {kernel['objective']}{by}: {_OBJECTIVES[kernel['objective']]}"
    if alone := kernel["alone"]:
        yield f"alone      {alone['slower_percent']:g} % slower than {alone['text']}, {alone['microseconds']:g} us"
    if kernel["pins"]:
        yield f"pinned by  {', '.join(one['by'] for one in kernel['pins'])}"
    tiles = f"{grid['tiles_m']} x {grid['tiles_n']} tiles"
    batches = f"{count(grid['batches'], 'batch', 'es')} of " if grid["batches"] > 1 else ""
    yield f"grid       {count(grid['workgroups'], 'workgroup')} of {grid['threads']} threads: {batches}{tiles}"
    yield f"order      {grid['xcds']} XCDs, a chunk of tiles each; groups of {count(grid['group_m'], 'row')} of tiles"
    last = f"the last runs {count(grid['last_round_workgroups'], 'workgroup')} ({grid['last_round_percent']:g} %)"
    units = f"{count(grid['rounds'], 'round')}, {last}"
    yield f"rounds     {units}; grid fills {grid['fill_percent']:g} % of {grid['compute_units']} CUs"


def _cost_lines(cost: Report, unfused: Sequence[Report], objective: str) -> Iterator[str]:
    yield f"predicted  {cost['microseconds']:g} us: {cost['total_cycles']} cycles, {cost['bound']} bound"
    full = f"{cost['full_gpu_cycles']} cycles, {cost['full_gpu_bound']} bound"
    yield f"taken      {cost['full_gpu_microseconds']:g} us of a full GPU: {full}"
    busiest = ", ".join(f"{name} {cost[f'{name}_cycles']}" for name in ("prologue", "loop", "combine"))
    yield f"compute    {cost['compute_cycles']} cycles of the busiest CU: {busiest}"
    memory = (("L2", "l2"), ("Infinity Cache", "infinity_cache"), ("HBM", "hbm"))
    parts = ", ".join(f"{name} {cost[f'{key}_cycles']}" for name, key in memory)
    yield f"memory     {parts} cycles; launch {cost['launch_cycles']}"
    for step in cost["k_tiles"]:
        of = f"of {count(step['gemms'], 'GEMM')}: " if len(cost["k_tiles"]) > 1 else ""
        parts = ", ".join(f"{name} {step[f'{name}_cycles']}" for name in ("matrix", "issue", "lds", "fill"))
        held = f"the CU, with {count(cost['resident'], 'workgroup')}"
        yield f"a K tile   {of}{parts} cycles of {held}; {count(step['tiles'], 'tile')}"
    others = [(one["name"], one["kernels"], one) for one in unfused]
    unit, time = ("us", "microseconds") if objective == "latency" else ("us of a full GPU", "full_gpu_microseconds")
    rows = [[name, kernels, one[time], one["bytes"]] for name, kernels, one in (("fused", 1, cost), *others)]
    yield ""
    yield from _table(["program", "kernels", unit, "bytes"], rows)


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
    parts = ("accumulators", "fragments", "copies", "addresses", "combine", "overhead", "total")
    yield from _table(["registers", "a lane"], [[name, registers[name]] for name in parts])
    yield "fragments, copies and addresses are dead in the combine: the total has them or it, whichever is more"
    yield f"budget {registers['budget']} a wave, limit {registers['limit']} for this workgroup"
    yield ""
    by = {name: have[f"workgroups_by_{name}"] for name in ("registers", "lds", "waves")}
    limits = ", ".join(f"{_LIMITS[name]} {'any' if most is None else most}" for name, most in by.items())
    held = f"{count(have['waves_per_simd'], 'wave')} a SIMD, {count(have['workgroups_per_cu'], 'workgroup')} a CU"
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
    counts = (
        f"{count(kernel['candidates'], 'candidate')}, {kernel['accepted']} accepted, compared by {kernel['objective']}"
    )
    shown: list[Report] = kernel["all"] if "all" in kernel else kernel["losers"]
    title = "all of them" if "all" in kernel else "the best losers" if shown else "no losers"
    yield f"{counts}; {title}"
    rows = [[_describe(one), one["verdict"], one["reason"]] for one in shown]
    yield from _table([], rows)


def _describe(plan: Report) -> str:
    """A tiling in a line."""
    waves = plan["waves"]
    total = waves["m"] * waves["n"]
    form = "" if plan["loop_form"] == "fused" else f", {plan['loop_form']} loops"
    shape = f"{plan['text']}, {waves['m']}x{waves['n']} {'wave' if total == 1 else 'waves'}, {plan['matrix_op']}"
    return f"{shape}, {count(plan['stages'], 'stage')}, {plan['schedule']}{form}"


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
