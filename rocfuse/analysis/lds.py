"""The joint LDS account of a kernel: every buffer of every GEMM, its offset, size and lifetime. Pure: no MLIR."""

from __future__ import annotations

from collections.abc import Sequence

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.records import changed, record


@record
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


@record
class LdsAccount:
    """The buffers of a kernel laid out in one block. `allocated_bytes` is rounded up to the target's granule."""

    buffers: tuple[Buffer, ...]
    bytes: int
    allocated_bytes: int
    padding_bytes: int = 0

    def table(self) -> tuple[str, ...]:
        """The account of the phase that needs most, a line a buffer, for people."""
        most = max(self.buffers, key=lambda buffer: buffer.end_bytes).live
        return tuple(
            f"{buffer.name} stage {buffer.stage}: {buffer.size_bytes} B at {buffer.offset_bytes} ({buffer.live})"
            for buffer in self.buffers
            if buffer.live == most
        )


def account(tiles: Sequence[tuple[str, int]], stages: int, granule_bytes: int) -> LdsAccount:
    """Lay out `stages` copies of the tiles (name, bytes) one after the other, 16-byte aligned."""
    loop = _laid_out([(name, size, "loop", stage) for stage in range(stages) for name, size in tiles])
    return _whole(loop, loop, granule_bytes)


def with_combine(loop: LdsAccount, buffers: Sequence[tuple[str, int]], granule_bytes: int) -> LdsAccount:
    """The account with buffers of the combine (name, bytes), from 0 on: they live when the loop's are dead.

    The phase that needs more is the block's length.
    """
    combine = _laid_out([(name, size, "combine", 0) for name, size in buffers])
    if not combine or combine[-1].end_bytes <= loop.bytes:
        return changed(loop, buffers=(*loop.buffers, *combine))
    return _whole((*loop.buffers, *combine), combine, granule_bytes)


def _whole(buffers: tuple[Buffer, ...], longest: tuple[Buffer, ...], granule_bytes: int) -> LdsAccount:
    end = longest[-1].end_bytes if longest else 0
    padding = end - sum(buffer.size_bytes for buffer in longest)
    return LdsAccount(buffers, end, -(-end // granule_bytes) * granule_bytes, padding)


def _laid_out(wanted: Sequence[tuple[str, int, str, int]]) -> tuple[Buffer, ...]:
    """Buffers (name, bytes, live, stage) from 0 on."""
    buffers: list[Buffer] = []
    end = 0
    for name, size, live, stage in wanted:
        offset = -(-end // LDS_ACCESS_BYTES) * LDS_ACCESS_BYTES
        buffers.append(Buffer(name, offset, size, live, stage))
        end = offset + size
    return tuple(buffers)
