"""How the threads of a workgroup bring one operand tile from memory to LDS.

A tile is `rows` x `tile_k` (rows of A, columns of B), kept in LDS with k contiguous. A thread's unit of work is a block
of `unit_rows` x `unit_k` elements, loaded with `loads` loads of `vector` elements and written to LDS as `unit_rows`
writes of `unit_k` elements; units are dealt to threads in order, the contiguous direction first, so that neighbouring
lanes read neighbouring addresses. Pure: no MLIR.
"""

from __future__ import annotations

from dataclasses import dataclass

LDS_ACCESS_BYTES = 16  # widest ds_read/ds_write


@dataclass(frozen=True)
class Copy:
    """The dealing of one operand tile. `along` is the contiguous direction in memory: "k" or "row"."""

    along: str
    vector: int  # elements a global load
    loads: int  # global loads a unit
    unit_rows: int
    unit_k: int
    parts: int  # units a thread

    def unit(self, index: int, rows: int, tile_k: int) -> tuple[int, int]:
        """(row, k) of the first element of unit `index`."""
        if self.along == "k":
            chunks = tile_k // self.unit_k
            return index // chunks * self.unit_rows, index % chunks * self.unit_k
        chunks = rows // self.unit_rows
        return index % chunks * self.unit_rows, index // chunks * self.unit_k


def plan_copy(rows: int, tile_k: int, threads: int, along: str, vector: int, element_bytes: int) -> Copy | str:
    """Choose the units of a tile of `rows` x `tile_k`, or say why it cannot be dealt evenly.

    `vector` is the widest load that alignment allows, in elements.
    """
    elements = rows * tile_k
    widest = LDS_ACCESS_BYTES // element_bytes
    if elements % threads:
        return f"tile {rows}x{tile_k} has {elements} elements, not a multiple of {threads} threads"
    share = elements // threads
    if along == "k":
        unit_k = min(widest, tile_k, share)
        if share % unit_k:
            return f"tile {rows}x{tile_k} gives a thread {share} elements, not a multiple of {unit_k}"
        vector = min(vector, unit_k)
        return Copy("k", vector, unit_k // vector, 1, unit_k, share // unit_k)
    vector = min(vector, rows, share)
    unit_k = min(widest, tile_k, share // vector)
    if share % (vector * unit_k):
        return f"tile {rows}x{tile_k} gives a thread {share} elements, not a multiple of {vector}x{unit_k}"
    return Copy("row", vector, unit_k, vector, unit_k, share // (vector * unit_k))
