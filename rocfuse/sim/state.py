"""The machine state of a batch of workgroups: registers, EXEC, and which of their bits were never written.

Every register is one row over all waves of the batch, so that one instruction is one numpy operation:
VGPRs and AGPRs are `vector[row, wave, lane]`, SGPRs are `scalar[row, wave]`. An instruction runs for the waves of one
group (`select`): a slice when all waves go together, else an index array.

A register row is *suspect* while some bit of it may be undefined. `shadow` then holds the undefined bits. Instructions
whose operands are not suspect, nearly all, pay nothing for this.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rocfuse.sim.decode import Instruction
from rocfuse.sim.faults import FaultLog

LANES = 64
AGPR_ROW = 256  # row of a0; v0 is row 0
SCALAR_ID = 1000  # scalar row r has the register id SCALAR_ID + r
FLAT_SCRATCH, XNACK, VCC, TTMP, M0, EXEC, SCC = 102, 104, 106, 108, 124, 126, 128
SCALAR_ROWS = 129
ALL_BITS = np.uint32(0xFFFFFFFF)

Selector = slice | np.ndarray


class State:
    """Registers of `waves` waves, `waves_per_group` to a workgroup."""

    def __init__(self, waves: int, waves_per_group: int, log: FaultLog) -> None:
        self.waves = waves
        self.waves_per_group = waves_per_group
        self.log = log
        self.workgroup_ids: list[tuple[int, int, int]] = []
        self.vector = np.zeros((512, waves, LANES), np.uint32)
        self.vector_f32 = self.vector.view(np.float32)
        self.vector_halves = self.vector.view(np.uint16).reshape(512, waves, LANES, 2)
        self.scalar = np.zeros((SCALAR_ROWS, waves), np.uint32)
        self.lanes = np.zeros((waves, LANES), bool)  # EXEC
        self.suspects: set[int] = set()
        self.vector_shadow: dict[int, np.ndarray] = {}
        self.scalar_shadow = np.zeros((SCALAR_ROWS, waves), np.uint32)
        self.select: Selector = slice(0, waves)
        self.members = np.arange(waves)
        self.everyone = True
        self.full = True
        self.active = self.lanes
        self.instruction: Instruction | None = None

    def enter(self, members: np.ndarray) -> None:
        """Run the following instructions for the waves `members` (sorted)."""
        self.everyone = len(members) == self.waves
        self.select = slice(0, self.waves) if self.everyone else members
        self.members = members
        self.exec_changed()

    def exec_changed(self) -> None:
        """EXEC rows were written: renew the lane masks."""
        pair = np.ascontiguousarray(self.scalar[EXEC : EXEC + 2, self.select].T)
        lanes = np.unpackbits(pair.view(np.uint8), axis=1, bitorder="little").view(bool)
        self.lanes[self.select] = lanes
        self.active = lanes
        self.full = bool((pair == ALL_BITS).all())

    # values

    def read_vector(self, row: int) -> np.ndarray:
        """(waves, lanes) of one vector register, for the selected waves."""
        return self.vector[row, self.select]

    def write_vector(self, row: int, value: np.ndarray) -> None:
        """Write one vector register in the active lanes."""
        if self.full:
            self.vector[row, self.select] = value
        elif self.everyone:
            np.copyto(self.vector[row], value, where=self.active)
        else:
            self.vector[row, self.select] = np.where(self.active, value, self.vector[row, self.select])

    def write_scalar(self, row: int, value: np.ndarray) -> None:
        """Write one scalar register."""
        self.scalar[row, self.select] = value
        if row == EXEC or row == EXEC + 1:
            self.exec_changed()

    def forget(self, registers: frozenset[int]) -> None:
        """Nothing has been written to `registers` yet."""
        self.suspects.clear()
        self.suspects.update(registers)
        self.vector_shadow.clear()
        self.scalar_shadow[:] = 0
        for register in registers:
            if register >= SCALAR_ID:
                self.scalar_shadow[register - SCALAR_ID] = ALL_BITS

    def write_defined_scalar(self, row: int) -> None:
        """A scalar register has a defined value in all waves."""
        self.scalar_shadow[row] = 0
        self.suspects.discard(SCALAR_ID + row)

    # undefined bits

    def read_vector_shadow(self, row: int) -> np.ndarray:
        """Undefined bits of one vector register."""
        if row not in self.suspects:
            return np.zeros((1, 1), np.uint32)
        if row not in self.vector_shadow:
            self.vector_shadow[row] = np.full((self.waves, LANES), ALL_BITS)
        return self.vector_shadow[row][self.select]

    def write_vector_shadow(self, row: int, bits: np.ndarray) -> None:
        """Set the undefined bits of one vector register in the active lanes."""
        dirty = bool(np.any(bits))
        if row not in self.suspects:
            if not dirty:
                return
            self.vector_shadow[row] = np.zeros((self.waves, LANES), np.uint32)
            self.suspects.add(row)
        elif self.full and self.everyone and not dirty:
            self.suspects.discard(row)
            self.vector_shadow.pop(row, None)
            return
        shadow = self.vector_shadow.get(row)
        if shadow is None:
            shadow = self.vector_shadow[row] = np.full((self.waves, LANES), ALL_BITS)
        shadow[self.select] = np.where(self.active, bits, shadow[self.select])
        if not shadow.any():
            self.suspects.discard(row)
            del self.vector_shadow[row]

    def write_scalar_shadow(self, row: int, bits: np.ndarray) -> None:
        """Set the undefined bits of one scalar register."""
        self.scalar_shadow[row, self.select] = bits
        if self.scalar_shadow[row].any():
            self.suspects.add(SCALAR_ID + row)
        else:
            self.suspects.discard(SCALAR_ID + row)

    def define(self, ids: tuple[int, ...]) -> None:
        """The registers `ids` were written with defined bits, in the active lanes."""
        for register in ids:
            if register not in self.suspects:
                continue
            if register < SCALAR_ID:
                self.write_vector_shadow(register, np.zeros((1, 1), np.uint32))
            else:
                self.write_scalar_shadow(register - SCALAR_ID, np.zeros(1, np.uint32))

    # reports

    def report(self, kind: str, message: str, wave: int = -1, lane: int = -1, count: int = 1) -> None:
        """Record a fault of the running instruction; `wave` counts within the batch."""
        group = self.workgroup_ids[wave // self.waves_per_group] if wave >= 0 else None
        local = wave % self.waves_per_group if wave >= 0 else -1
        self.log.add(kind, message, self.instruction, group, local, lane, count)

    def report_lanes(self, kind: str, message: str, wrong: np.ndarray) -> None:
        """Record a fault for the true elements of `wrong` (selected waves, lanes)."""
        if wrong.any():
            wave, lane = np.argwhere(wrong)[0]
            lane = int(lane) if wrong.shape[1] > 1 else -1
            self.report(kind, message, int(self.members[wave]), lane, int(wrong.sum()))


Runner = Callable[[State], None]
