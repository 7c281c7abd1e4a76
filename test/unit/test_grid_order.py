"""The grid's order visits every tile once, for odd grids too, and keeps what runs together close."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocfuse.lowering.grid_order import Grid, tile_of

GRIDS = st.builds(
    Grid,
    batches=st.integers(1, 3),
    tiles_m=st.integers(1, 37),
    tiles_n=st.integers(1, 29),
    group_m=st.integers(1, 16),
    xcds=st.sampled_from((1, 8)),
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(GRIDS)
def test_every_tile_has_one_workgroup(grid: Grid) -> None:
    tiles = {tile_of(workgroup, grid) for workgroup in range(grid.workgroups)}
    expected = {(b, m, n) for b in range(grid.batches) for m in range(grid.tiles_m) for n in range(grid.tiles_n)}
    assert tiles == expected


@pytest.mark.parametrize("group_m", [4, 8])
def test_an_xcd_works_on_a_block_of_tiles(group_m: int) -> None:
    """The first 32 workgroups of XCD 3 touch group_m rows and 32 / group_m columns, not 32 of either."""
    grid = Grid(1, 64, 64, group_m, 8)
    tiles = [tile_of(workgroup, grid) for workgroup in range(3, 8 * 32, 8)]
    assert len({m for _, m, _ in tiles}) == group_m
    assert len({n for _, _, n in tiles}) == 32 // group_m
