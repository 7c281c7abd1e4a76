"""Every layout that the planner may choose is free of bank conflicts, for writes and for reads, by the phase model."""

from __future__ import annotations

import itertools

import pytest

from rocfuse.analysis.copies import LDS_ACCESS_BYTES, Copy, plan_copy
from rocfuse.analysis.swizzle import LaneSteps, Swizzle, conflict_cycles
from rocfuse.analysis.tiling import Tiling, k_slice, operand_swizzle
from rocfuse.targets import GFX942, MatrixInstruction

BANKS_BYTES = GFX942.lds_banks * GFX942.lds_bank_bytes
LAYOUTS = (("k", 8), ("k", 2), ("k", 1), ("row", 8), ("row", 4), ("row", 2), ("row", 1))


def write_accesses(copy: Copy, rows: int, tile_k: int) -> LaneSteps:
    """The LDS writes of a wave's units."""
    width = copy.unit_k * 2
    steps = tuple(copy.unit(1 << bit, rows, tile_k) for bit in range(6))
    return LaneSteps(steps, width, GFX942.lds_phases[f"write_b{width * 8}"])


def read_accesses(row: MatrixInstruction) -> LaneSteps:
    """The fragment reads of a wave."""
    sharing = k_slice(row, 2) // row.k
    steps = tuple((m, k * sharing) for m, k in row.a_map.lane_bits)
    return LaneSteps(steps, LDS_ACCESS_BYTES, GFX942.lds_phases["read_b128"])


@pytest.mark.parametrize("row", GFX942.matrix_instructions, ids=lambda row: row.name)
@pytest.mark.parametrize("tile_k", [32, 64, 128])
def test_no_layout_has_conflicts(row: MatrixInstruction, tile_k: int) -> None:
    tried = 0
    for rows, threads, (along, vector) in itertools.product((16, 32, 64, 128, 256), (64, 128, 256, 512), LAYOUTS):
        copy = plan_copy(rows, tile_k, threads, along, vector, 2)
        if isinstance(copy, str):
            continue
        swizzle = operand_swizzle(copy, rows, Tiling(rows, rows, tile_k, 1, 1, row.name), row, GFX942)
        assert conflict_cycles(read_accesses(row), swizzle, tile_k, 2, BANKS_BYTES) == 0, (rows, threads, copy)
        if copy.unit_k > 1:  # 16-bit writes have no phase table
            writes = write_accesses(copy, rows, tile_k)
            assert conflict_cycles(writes, swizzle, tile_k, 2, BANKS_BYTES) == 0, (rows, threads, copy)
        places = {swizzle.element(r, k, tile_k) for r in range(rows) for k in range(tile_k)}
        assert places == set(range(rows * tile_k)), "two elements share a place, or one is outside the tile"
        tried += 1
    assert tried > 50


def test_the_model_counts_conflicts() -> None:
    """Without a swizzle the rows of a 128-byte wide tile all begin in bank 0: 8 lanes a phase, 7 too many."""
    row = GFX942.matrix_instruction("32x32x8")
    plain = Swizzle(8, (0,) * 5)
    assert conflict_cycles(read_accesses(row), plain, 64, 2, BANKS_BYTES) == 8 * 7
