"""Which tile a workgroup computes: an order that keeps the operands of neighbours in one L2.

Workgroup ids are dealt to the XCDs in turn, and each XCD has an L2 of its own: an XCD gets a contiguous chunk of the
tiles. Within a batch, tiles are taken in groups of `group_m` rows, down the rows first, so that the workgroups that run
at once cover a block of the output rather than a stripe of it. The same code counts (ints) and emits (i32 values).
"""

from __future__ import annotations

from rocfuse.lowering import index_math as ix
from rocfuse.records import record


@record
class Grid:
    """Tiles of the whole problem, the XCDs of the target and the rows of a group."""

    batches: int
    tiles_m: int
    tiles_n: int
    group_m: int
    xcds: int

    @property
    def workgroups(self) -> int:
        """Workgroups of the launch."""
        return self.batches * self.tiles_m * self.tiles_n


def tile_of(workgroup: ix.Term, grid: Grid) -> tuple[ix.Term, ix.Term, ix.Term]:
    """(batch, m tile, n tile) of a workgroup id; a bijection of the grid."""
    flat = _chunked(workgroup, grid.workgroups, grid.xcds)
    plane = grid.tiles_m * grid.tiles_n
    batch: ix.Term = ix.divide(flat, plane) if grid.batches > 1 else 0
    inside = ix.remainder(flat, plane) if grid.batches > 1 else flat
    if grid.tiles_n == 1:
        return batch, inside, 0
    height = min(grid.group_m, grid.tiles_m)
    width = height * grid.tiles_n
    group = ix.divide(inside, width) if height < grid.tiles_m else 0
    offset = ix.remainder(inside, width) if height < grid.tiles_m else inside
    row, column = ix.remainder(offset, height), ix.divide(offset, height)
    rest = grid.tiles_m % height
    if rest:  # the last group has fewer rows
        last = ix.equal(group, grid.tiles_m // height)
        row = ix.select(last, ix.remainder(offset, rest), row)
        column = ix.select(last, ix.divide(offset, rest), column)
    return batch, ix.add(ix.mul(group, height), row), column


def _chunked(workgroup: ix.Term, workgroups: int, xcds: int) -> ix.Term:
    """The id that makes what one XCD gets contiguous; the first XCDs get one more where it does not divide evenly."""
    if workgroups <= xcds or xcds == 1:
        return workgroup
    xcd, local = ix.remainder(workgroup, xcds), ix.divide(workgroup, xcds)
    share, rest = divmod(workgroups, xcds)
    return ix.add(ix.mul(xcd, share), ix.minimum(xcd, rest) if rest else 0, local)
