"""Global memory: one arena for all arguments, each of which is a region with an address range of its own."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np

from rocfuse.diagnostics import UsageError
from rocfuse.sim.kernels_memory import REGION_SHIFT


@dataclass(frozen=True)
class Region:
    """One kernel argument, or the kernarg segment."""

    name: str
    size: int
    writable: bool
    offset: int  # in the arena
    address: int  # what the kernel sees
    written_at: int  # in the map of written bytes; -1: not writable


def _shared(size: int, dtype: type[np.generic]) -> np.ndarray:
    try:
        return np.frombuffer(mmap.mmap(-1, max(size, 4)), dtype)
    except OSError as error:
        raise UsageError(f"cannot get {size} B of memory for the arguments: {error.strerror}") from None


class GlobalMemory:
    """Regions in shared memory, so that forked processes write the same bytes."""

    def __init__(self, sizes: list[tuple[str, int, bool]]) -> None:
        self.regions: list[Region] = []
        offset = written = 0
        for at, (name, size, writable) in enumerate(sizes):
            if size > 1 << REGION_SHIFT:
                raise UsageError(f"{name}: need at most {1 << REGION_SHIFT} B, have {size} B")
            self.regions.append(
                Region(name, size, writable, offset, (at + 1) << REGION_SHIFT, written if writable else -1)
            )
            offset += -(-size // 64) * 64 + 64
            written += -(-size // 16) * 16 if writable else 0
        self.arena = _shared(offset, np.uint8)
        self.written = _shared(written, np.uint8)
        self.writers = _shared(2 * written, np.uint32)  # one for every two bytes
        self.base = np.array([(r.address, r.size, r.offset) for r in self.regions], np.int64).reshape(-1, 3)
        self.written_at = np.array([r.written_at for r in self.regions], np.int64)

    def bytes_of(self, region: Region) -> np.ndarray:
        """The bytes of a region."""
        return self.arena[region.offset : region.offset + region.size]

    def written_of(self, region: Region) -> np.ndarray:
        """Which bytes of a writable region were written."""
        return self.written[region.written_at : region.written_at + region.size]

    def writers_of(self, region: Region) -> np.ndarray:
        """Who wrote a region: for every two bytes, 1 + wave of the grid * 64 + lane."""
        first = region.written_at >> 1
        return self.writers[first : first + (region.size + 1) // 2]

    def name_of(self, index: int) -> str:
        """The name of the region with this index, for a message."""
        return self.regions[index].name if 0 <= index < len(self.regions) else "no argument"
