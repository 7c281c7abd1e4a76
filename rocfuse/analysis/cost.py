"""What a tiling takes: cycles of a workgroup and of the grid, and the order of the grid. Pure: no MLIR."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rocfuse.analysis.problem import Problem
from rocfuse.analysis.registers import waves_per_simd
from rocfuse.analysis.tiling import Plan, Tiling, k_tiles, loaded, tile_bytes, workgroups
from rocfuse.targets import Target

# Bytes that a compute unit draws from L2 a cycle (64 B/clk on CDNA3), and what a workgroup costs beside its loop.
_FILL_BYTES_PER_CYCLE = 64
_WORKGROUP_CYCLES = 2000


@dataclass(frozen=True)
class Cost:
    """A first-order count of a tiling's cycles: `matrix` and `loads` of a workgroup, `rounds` of a compute unit.

    A workgroup's K loop takes the longer of its matrix cycles and of its loads at `_FILL_BYTES_PER_CYCLE`, plus a fixed
    cost; a compute unit runs its share of the workgroups one after another.
    """

    matrix: int
    loads: int
    rounds: int

    @property
    def workgroup(self) -> int:
        """Cycles of one workgroup."""
        return max(self.matrix, self.loads) + _WORKGROUP_CYCLES

    @property
    def total(self) -> int:
        """Cycles of the kernel."""
        return self.rounds * self.workgroup


def cost(problem: Problem, tiling: Tiling, target: Target) -> Cost:
    """What a tiling of legal shape takes, whether its account fits or not."""
    row = target.matrix_instruction(tiling.matrix_op)
    steps = sum(-(-size // tiling.tile_k) for size in problem.k_sizes)
    matrix = steps * tiling.tile_k * tiling.tile_m * tiling.tile_n * row.cycles
    matrix //= row.m * row.n * row.k * min(tiling.waves, target.simds_per_cu)
    moved = sum(k_tiles(problem, access, tiling) * tile_bytes(access, tiling) for access in loaded(problem, tiling))
    loads = moved // _FILL_BYTES_PER_CYCLE
    return Cost(matrix, loads, -(-workgroups(problem, tiling) // target.compute_units))


def group_rows(problem: Problem, plan: Plan, target: Target) -> int:
    """Rows of tiles in a group of the grid: the power of two that makes what one XCD runs at once nearly square.

    r rows and c columns of tiles with r·c workgroups in flight read r·tile_m + c·G·tile_n values a k: least where
    r = sqrt(in flight · G · tile_n / tile_m).
    """
    tiling = plan.tiling
    groups_of_cu = max(target.lds_bytes_per_cu // max(plan.lds.allocated_bytes, 1), 1)
    waves = waves_per_simd(target, plan.register_budget, plan.lds.allocated_bytes, tiling.waves)
    groups_of_cu = min(groups_of_cu, max(waves * target.simds_per_cu // tiling.waves, 1))
    in_flight = target.compute_units // target.xcds * groups_of_cu
    rows = math.sqrt(in_flight * problem.gemms * tiling.tile_n / tiling.tile_m)
    tiles_m = -(-problem.size("m") // tiling.tile_m)
    return min(1 << max(round(math.log2(rows)), 0), tiles_m)
