"""The machine: registers, memory, LDS and counters of one batch of workgroups."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rocfuse.sim import kernels_memory as kernels
from rocfuse.sim.faults import FaultLog
from rocfuse.sim.l2 import LineCounter
from rocfuse.sim.memory import GlobalMemory
from rocfuse.sim.state import LANES, State


@dataclass(frozen=True)
class LdsPlan:
    """What the LDS is declared to hold: its size and, when a contract says so, its buffers."""

    size: int
    granule_shift: int  # log2 of the bytes that one tag covers
    owner: (
        np.ndarray
    )  # (2, size): buffer of the loop, buffer of the combine, at each byte; (2, 0) when nothing is planned
    phases: np.ndarray  # of each instruction (phases.py)

    def phase(self, index: int) -> int:
        """The phase of an instruction."""
        return int(self.phases[index])


@dataclass
class Pending:
    """An access that has been issued and not waited for."""

    step_index: int
    registers: frozenset[int]
    queue: str
    # LDS accesses stay open until their wait: (members, addresses, active, size, is_write, mark)
    accesses: list[tuple[np.ndarray, np.ndarray, np.ndarray, int, bool, int]] = field(default_factory=list)


def _waves(tag: int) -> str:
    """The wave part of an LDS tag, for a message."""
    if tag == 255:
        return "several waves"
    return f"a load to LDS of wave {tag & 127}" if tag >= 128 else f"wave {tag}"


class Machine(State):
    """State of a batch, with memory."""

    def __init__(
        self,
        waves: int,
        waves_per_group: int,
        log: FaultLog,
        memory: GlobalMemory,
        plan: LdsPlan,
        steps: int,
        line_counter: LineCounter | None = None,
    ) -> None:
        super().__init__(waves, waves_per_group, log)
        self.line_counter = line_counter
        self.memory = memory
        self.plan = plan
        groups = waves // waves_per_group
        granules = (plan.size >> plan.granule_shift) + 1
        self.lds = np.zeros((groups, plan.size), np.uint8)
        self.poison = np.zeros((0, 0), np.uint8)  # undefined bits in the LDS, once there are any
        self.write_tag = np.zeros((groups, granules), np.uint32)
        self.read_tag = np.zeros((groups, granules), np.uint32)
        self.epoch = np.ones(groups, np.int64)
        self.combine = np.zeros(groups, np.uint8)
        self.top = np.zeros(1, np.int64)
        self.global_counters = np.zeros((steps, len(memory.regions), 3), np.int64)
        self.lds_counters = np.zeros((steps, 2), np.int64)  # bytes, bank-conflict cycles
        self.fault_buffer = np.zeros((kernels.FAULT_KINDS, 5), np.int64)
        self.undefined_buffer = np.zeros((4, waves, LANES), np.uint32)
        self.stored_buffer = np.zeros((4, waves, LANES), bool)
        self.allowed_buffer = np.zeros((waves, LANES), bool)
        self.wave_ids = np.zeros(waves, np.int64)  # within the whole grid
        self.issued: list[Pending] = []  # of the running instruction

    def begin(self, workgroups: list[tuple[int, int, int]], grid: tuple[int, int, int]) -> None:
        """Forget everything of the batch before."""
        self.workgroup_ids = workgroups
        linear = np.array([x + grid[0] * (y + grid[1] * z) for x, y, z in workgroups], np.int64)
        local = np.arange(self.waves_per_group)
        self.wave_ids = (linear[:, None] * self.waves_per_group + local).reshape(-1)
        if self.line_counter is not None:
            self.line_counter.begin(len(workgroups))
        self.epoch[:] = 1
        self.combine[:] = 0
        self.write_tag[:] = 0
        self.read_tag[:] = 0
        self.poison = np.zeros((0, 0), np.uint8)

    def grow_poison(self) -> None:
        """Start to track undefined bits in the LDS."""
        if not self.poison.shape[0]:
            self.poison = np.zeros_like(self.lds)

    def take_faults(self, kinds: dict[int, tuple[str, str]]) -> None:
        """Turn the faults that a kernel noted into reports; `{address}`, `{region}`, `{wave}` are filled in."""
        if not self.fault_buffer[:, 0].any():
            return
        for kind, (name, message) in kinds.items():
            count, wave, lane, address, other = (int(value) for value in self.fault_buffer[kind])
            if count:
                region = self.memory.name_of(other)
                text = message.format(address=f"{address:#x}", region=region, wave=_waves(other))
                self.report(name, text, wave, lane, count)
        self.fault_buffer[:] = 0
