"""The cost model against what the simulator counts: python bench/cost.py [--json] [--layers=N] [--each=N]

For some layers a spread of the plans that the search accepts is compiled, and one workgroup of each runs in the
simulator. Of the K loop's trips the simulator gives matrix cycles, instructions (each takes its SIMD's issue slot for 4
cycles) and LDS cycles (bytes at the full rate, and bank conflicts). Judged are

- predicted matrix, issue and LDS cycles of a K tile: the median error of each is at most 15 %;
- the order: rank correlation of the loop time that the three predict with the one that they give when counted, at
  least 0.8 (a K tile takes the longest of them, in the model's batches of workgroups);
- the choices: for latency by that count at most 5 % slower than the best plan of its layer, for throughput at most 5 %
  more than the least that a plan takes of a full GPU by the same counts.

The model's own loop time also has what cannot be counted, waits for memory and at barriers; its correlation is shown.
Nothing ran on a GPU. Exit code 1 when a bar does not hold.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.decisions import decide
from bench.kernel_rows import Layer, Work, program, random_inputs
from rocfuse.analysis.cost import Objective, Step
from rocfuse.analysis.grid import GridFill
from rocfuse.analysis.perf_config import format as perf_config
from rocfuse.analysis.registers import occupancy
from rocfuse.analysis.search import Candidate
from rocfuse.analysis.tiling import workgroups
from rocfuse.codegen.contract import build_contract
from rocfuse.codegen.link import link
from rocfuse.compiler import generate
from rocfuse.sim import simulate
from rocfuse.targets import GFX942 as TARGET

LAYERS = (  # k is long enough for a loop in every plan
    Work(Layer("SD 2.1", 2560, 640, "geglu", True), "kn", 4096),
    Work(Layer("SDXL", 5120, 1280, "geglu", True), "nk", 1024),
    Work(Layer("Llama-2-7B", 11008, 4096, "swiglu", False), "kn", 1024),
    Work(Layer("Llama-3-8B", 14336, 4096, "swiglu", False), "nk", 4096),
)
# the counted figure that judges the choice for an objective
FIGURES = {"latency": "counted_loop", "throughput": "counted_full"}
MOST_ERROR, LEAST_CORRELATION, MOST_REGRET = 0.15, 0.8, 0.05


@dataclass(frozen=True)
class Counts:
    """Cycles of a K tile: matrix and issue of one wave, LDS of the workgroup."""

    matrix: float
    issue: float
    lds: float


@dataclass(frozen=True)
class Row:
    """One plan of one layer, predicted and counted."""

    layer: str
    config: str
    chosen: tuple[str, ...]  # the objectives that it is chosen for
    predicted: Counts
    counted: Counts
    predicted_loop: float  # cycles of the busiest compute unit
    counted_loop: float
    model_loop: float  # with waits
    counted_full: float  # a compute unit's share of all workgroups, on a full GPU


def predicted(step: Step) -> Counts:
    """What the model says of a K tile."""
    return Counts(step.matrix_cycles, step.instructions * TARGET.issue_cycles, step.lds_cycles)


def counted(work: Work, config: str, stages: int, waves: int) -> Counts | None:
    """What one workgroup does in the loop, by K tile; None where the kernel has no loop."""
    code = generate(program(work, 2), options={"rocfuse-plan-kernels": {"perf-config": config}})
    hsaco = link(code.obj)
    contract = build_contract(code.facts, hsaco, TARGET)
    result = simulate(hsaco, contract, random_inputs(contract), workgroups=range(1))
    (stats,) = result.stats["kernels"].values()
    loop = stats["loop"]
    if not loop or not loop["matrix_cycles"]:
        return None
    lds = loop["lds_bytes_per_trip"] / TARGET.lds_bytes_per_cycle_per_cu + loop["bank_conflict_cycles_per_trip"]
    issue = sum(loop["instructions"].values()) * TARGET.issue_cycles
    return Counts(loop["matrix_cycles"] / stages, issue / stages, lds * waves / stages)


def loop_cycles(one: Counts, batches: Sequence[tuple[int, float]], tiles: int, waves: int) -> float:
    """A compute unit's loops of `tiles` K tiles at the longest of the three: (workgroups together, how often)."""
    total = 0.0
    for size, times in batches:
        on_simd = math.ceil(size * waves / TARGET.simds_per_cu)
        total += times * tiles * max(on_simd * one.matrix, on_simd * one.issue, size * one.lds)
    return total


def spread(accepted: Sequence[Candidate], count: int) -> list[Candidate]:
    """`count` of them, evenly spread over the order by predicted time."""
    ranked = sorted(accepted, key=lambda one: one.cost.busy)
    return [ranked[at * (len(ranked) - 1) // (count - 1)] for at in range(count)]


def rows(work: Work, each: int) -> Iterator[Row]:
    """The chosen plans of a layer and a spread of the others."""
    chosen: dict[Candidate, tuple[str, ...]] = {}
    every: dict[Candidate, None] = {}
    for objective in get_args(Objective):
        decision = decide(program(work, 2), {"objective": objective})
        accepted = [one for one in decision.results if isinstance(one, Candidate)]
        (choice,) = (one for one in accepted if one.tiling == decision.chosen.tiling)
        chosen[choice] = (*chosen.get(choice, ()), objective)
        every |= dict.fromkeys(accepted)
    for one in dict.fromkeys([*chosen, *spread(list(every), each)]):
        tiling = one.tiling
        config = perf_config(tiling, one.plan.group_m)
        counts = counted(work, config, tiling.stages, tiling.waves)
        if counts is None:
            continue
        name = f"{work.layer.name} {work.m}x{work.layer.n}x{work.layer.k} {work.layout}"
        model = predicted(one.cost.ranges[0].step)
        grid = GridFill(workgroups(decision.problem, tiling), TARGET.compute_units)
        tiles = sum(part.tiles for part in one.cost.ranges)
        batches = grid.batches(one.cost.resident)
        loops = [loop_cycles(which, batches, tiles, tiling.waves) for which in (model, counts)]
        held = occupancy(TARGET, one.plan.register_budget, one.plan.lds.allocated_bytes, tiling.waves).workgroups
        full = min(loop_cycles(counts, (share,), tiles, tiling.waves) for share in grid.shares(held))
        yield Row(name, config, chosen.get(one, ()), model, counts, *loops, one.cost.loop, full)


def correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Spearman's: Pearson's of the ranks, equal values sharing theirs."""
    ranks = []
    for values in zip(*pairs, strict=True):
        order = np.unique(np.asarray(values), return_inverse=True)[1]
        count = np.bincount(order)
        ranks.append((np.cumsum(count) - (count - 1) / 2)[order])
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def judge(found: Sequence[Row]) -> Iterator[tuple[str, float, float, bool]]:
    """(figure, value, bar, holds) of everything that is judged."""
    for part in ("matrix", "issue", "lds"):
        errors = [abs(getattr(r.predicted, part) / getattr(r.counted, part) - 1) for r in found]
        yield f"{part} cycles, median error", float(np.median(errors)), MOST_ERROR, np.median(errors) <= MOST_ERROR
    layers = list(dict.fromkeys(row.layer for row in found))
    for layer in layers:
        own = [row for row in found if row.layer == layer]
        waits = correlation([(row.model_loop, row.counted_loop) for row in own])
        yield f"{layer}: the same with waits, not judged", waits, -1.0, True
        value = correlation([(row.predicted_loop, row.counted_loop) for row in own])
        yield f"{layer}: rank correlation of {len(own)} plans", value, LEAST_CORRELATION, value >= LEAST_CORRELATION
        for objective, figure in FIGURES.items():
            chosen = next(getattr(row, figure) for row in own if objective in row.chosen)
            regret = chosen / min(getattr(row, figure) for row in own) - 1
            yield f"{layer}: the choice for {objective} over the best", regret, MOST_REGRET, regret <= MOST_REGRET


def main() -> int:
    """Run the sweep and print what holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print every row as JSON")
    parser.add_argument("--layers", type=int, default=len(LAYERS), help="how many layers (default %(default)s)")
    parser.add_argument("--each", type=int, default=20, help="plans of a layer, 2 or more (default %(default)s)")
    arguments = parser.parse_args()
    found: list[Row] = []
    for work in LAYERS[: arguments.layers]:
        for row in rows(work, max(arguments.each, 2)):
            found.append(row)
            pairs = zip(asdict(row.predicted).items(), asdict(row.counted).values(), strict=True)
            text = ", ".join(f"{name} {model:.0f}/{count:.0f}" for (name, model), count in pairs)
            loops = f"loop {row.predicted_loop:.0f}/{row.counted_loop:.0f}"
            print(f"{row.layer}  {row.config}  {text}, {loops}  {' '.join(row.chosen)}", file=sys.stderr)
    verdicts = list(judge(found))
    if arguments.json:
        print(json.dumps([asdict(row) for row in found], indent=2))
    else:
        print(f"{len(found)} plans; predicted / counted, no GPU involved")
        for figure, value, bar, holds in verdicts:
            print(f"{'holds' if holds else 'FAILS'}  {figure}: {value:.3f} (bar {bar})")
    return 0 if all(holds for *_, holds in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
