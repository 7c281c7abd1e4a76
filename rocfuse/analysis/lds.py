"""The joint LDS account of a kernel: every buffer of every GEMM, its offset, size and lifetime. Pure: no MLIR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rocfuse.analysis.copies import LDS_ACCESS_BYTES


@dataclass(frozen=True)
class Swizzle:
    """XOR layout of a rows x tile_k tile: 16-byte chunk c of row r is kept at chunk c ^ ((r >> row_shift) & mask).

    A permutation within the row, so it costs no LDS. `chunk` is in elements.
    """

    chunk: int
    row_shift: int
    mask: int

    def element(self, row: int, k: int, tile_k: int) -> int:
        """Where element (row, k) is kept, in elements from the start of the tile."""
        chunk = k // self.chunk ^ (row >> self.row_shift & self.mask)
        return row * tile_k + chunk * self.chunk + k % self.chunk


def choose_swizzle(tile_k: int, element_bytes: int, banks_bytes: int) -> Swizzle:
    """Spread the chunks of a column over the banks: rows that share a line of banks keep their order.

    `banks_bytes` is the width of all banks together (32 banks of 4 bytes on CDNA3).
    """
    chunk = LDS_ACCESS_BYTES // element_bytes
    chunks = max(tile_k // chunk, 1)
    rows_per_line = max(banks_bytes // (tile_k * element_bytes), 1)
    lines_mask = min(chunks, banks_bytes // LDS_ACCESS_BYTES) - 1
    return Swizzle(chunk, rows_per_line.bit_length() - 1, lines_mask)


@dataclass(frozen=True)
class Buffer:
    """One planned LDS buffer. It is alive in the phase `live` ("loop" or "combine")."""

    name: str
    offset_bytes: int
    size_bytes: int
    live: str
    stage: int

    @property
    def end_bytes(self) -> int:
        """First byte after the buffer."""
        return self.offset_bytes + self.size_bytes


@dataclass(frozen=True)
class LdsAccount:
    """The buffers of a kernel laid out in one block. `allocated_bytes` is rounded up to the target's granule."""

    buffers: tuple[Buffer, ...]
    bytes: int
    allocated_bytes: int
    padding_bytes: int = 0

    def table(self) -> tuple[str, ...]:
        """The account a line a buffer, for people."""
        return tuple(
            f"{buffer.name} stage {buffer.stage}: {buffer.size_bytes} B at {buffer.offset_bytes} ({buffer.live})"
            for buffer in self.buffers
        )


def account(tiles: Sequence[tuple[str, int]], stages: int, granule_bytes: int) -> LdsAccount:
    """Lay out `stages` copies of the tiles (name, bytes) one after the other, 16-byte aligned."""
    buffers: list[Buffer] = []
    end = 0
    for stage in range(stages):
        for name, size in tiles:
            offset = -(-end // LDS_ACCESS_BYTES) * LDS_ACCESS_BYTES
            buffers.append(Buffer(name, offset, size, "loop", stage))
            end = offset + size
    padding = end - sum(buffer.size_bytes for buffer in buffers)
    return LdsAccount(tuple(buffers), end, -(-end // granule_bytes) * granule_bytes, padding)
