"""The tilings that are tried for a kernel, and the choice among those that fit. Pure: no MLIR."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rocfuse.analysis.cost import cost
from rocfuse.analysis.problem import Problem
from rocfuse.analysis.tiling import Plan, Tiling
from rocfuse.targets import Target


def candidates(problem: Problem, target: Target) -> Iterator[Tiling]:
    """Tilings in order of preference: the largest tile first, each with the waves that suit it."""
    form = "fused" if len(set(problem.k_sizes)) == 1 else "sequential"
    shapes = ((256, 128), (128, 128), (128, 64), (64, 128), (64, 64), (32, 64), (32, 32), (16, 64), (16, 32), (16, 16))
    for tile_m, tile_n in shapes:
        for tile_k in (64, 32):
            for waves_m, waves_n in _wave_grids(tile_m, tile_n):
                for row in target.matrix_instructions:
                    yield Tiling(tile_m, tile_n, tile_k, waves_m, waves_n, row.name, loop_form=form)


def _wave_grids(tile_m: int, tile_n: int) -> tuple[tuple[int, int], ...]:
    if tile_m >= 256:
        return ((4, 2), (2, 2))
    if tile_m >= 64 and tile_n >= 64:
        return ((2, 2), (4, 2))
    return ((1, 2), (1, 1)) if tile_n >= tile_m else ((2, 1), (1, 1))


def choose(plans: Sequence[Plan], problem: Problem, target: Target) -> Plan:
    """The plan with the fewest cycles; the larger tile wins ties (fewer bytes a flop), then the one that came first."""

    def key(plan: Plan) -> tuple[int, int]:
        return cost(problem, plan.tiling, target).total, -plan.tiling.tile_m * plan.tiling.tile_n

    return min(plans, key=key)


def distance(one: Tiling, other: Tiling) -> float:
    """How far apart two tilings are: doublings between their sizes, and a little for each other difference."""
    sizes = ("tile_m", "tile_n", "tile_k", "stages", "waves_m", "waves_n", "split_k")
    doublings = sum(abs(math.log2(max(getattr(one, s), 1) / max(getattr(other, s), 1))) for s in sizes)
    return doublings + 0.5 * sum(getattr(one, name) != getattr(other, name) for name in ("matrix_op", "schedule"))
