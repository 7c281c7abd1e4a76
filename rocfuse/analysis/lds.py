"""The joint LDS account of a kernel: every buffer of every GEMM, its offset, size and lifetime. Pure: no MLIR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rocfuse.analysis.copies import LDS_ACCESS_BYTES


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
