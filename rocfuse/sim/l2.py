"""What the workgroups of an XCD share in its L2: an opt-in count of lines, without capacity and without time.

Workgroup ids are dealt to the XCDs in turn. A window is as many consecutive workgroups of one XCD as its compute units
run at once; within a window a line is fetched once, and nothing is kept from one window to the next.
"""

from __future__ import annotations

import math
import mmap

import numpy as np

from rocfuse.analysis.registers import occupancy
from rocfuse.sim import kernels_memory as kernels
from rocfuse.sim.launch import Launch
from rocfuse.sim.memory import GlobalMemory
from rocfuse.targets import Target


def window_workgroups(launch: Launch, target: Target) -> int:
    """Workgroups that one XCD runs at once, by the contract's registers and LDS or, without them, the code object's."""
    metadata, contract, lds = launch.kernel.metadata, launch.contract, launch.lds_bytes
    granule = target.lds_granule_bytes
    allocated = int(contract.get("lds_allocated_bytes", -(-lds // granule) * granule))
    registers = int(contract.get("registers", metadata.get(".vgpr_count", 0)))
    held = occupancy(target, registers, allocated, launch.waves_per_group).workgroups
    return max(target.compute_units // target.xcds, 1) * max(held, 1)


class LineCounter:
    """The 128-byte lines that loads touch: by workgroup for a batch, by window for the grid.

    The windows' lines are in shared memory: forked processes only ever set them, so that they need no merging.
    """

    def __init__(self, memory: GlobalMemory, launch: Launch, target: Target) -> None:
        self.window = window_workgroups(launch, target)
        self.xcds = target.xcds
        self.per_group = launch.waves_per_group
        self.base = memory.base
        lines = -(-memory.base[:, 1] >> kernels.LINE_SHIFT)
        self.first_line = np.cumsum(lines) - lines  # of each region
        self.lines = int(lines.sum())
        windows = self.xcds * -(-math.prod(launch.grid) // (self.xcds * self.window))
        size = windows * self.lines
        self.windows = np.frombuffer(mmap.mmap(-1, max(size, 1)), np.uint8)[:size].reshape(windows, self.lines)
        self.batch = np.zeros((0, self.lines), np.uint8)

    def begin(self, groups: int) -> None:
        """Forget the batch before; the next one has `groups` workgroups."""
        if len(self.batch) != groups:
            self.batch = np.zeros((groups, self.lines), np.uint8)
        self.batch[:] = 0

    def mark(
        self,
        members: np.ndarray,
        count: int,
        step: int,
        addresses: np.ndarray,
        relative: np.ndarray,
        records: np.ndarray,
        active: np.ndarray,
    ) -> None:
        """Waves `members` load `count` times `step` bytes a lane; what is out of bounds touches nothing."""
        kernels.mark_lines(
            self.batch,
            self.first_line,
            members,
            self.per_group,
            count,
            step,
            addresses,
            relative,
            records,
            active,
            self.base,
        )

    def end(self, workgroups: np.ndarray) -> int:
        """Give the batch's lines to the windows of its `workgroups` (linear ids); their number, by workgroup."""
        local = workgroups // self.xcds
        for at, window in enumerate(local // self.window * self.xcds + workgroups % self.xcds):
            self.windows[window][self.batch[at] != 0] = 1
        return int(np.count_nonzero(self.batch))

    def stats(self, requested: int) -> dict[str, int]:
        """The `l2` entry of a kernel's counters."""
        return {
            "requested_lines": requested,
            "fetched_lines": int(np.count_nonzero(self.windows)),
            "window_workgroups": self.window,
        }
