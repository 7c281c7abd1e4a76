"""rocfuse.sim: run an emitted code object on the CPU, for the whole grid, and check it while it runs.

result = simulate(hsaco, contract, [a, b, c])
result.outputs, result.faults, result.stats
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rocfuse.sim.faults import Fault

__all__ = ["SimulationResult", "simulate"]


@dataclass
class SimulationResult:
    """What a simulation found: outputs in contract order, counters, faults, and what was decoded."""

    outputs: list[np.ndarray]
    stats: dict[str, Any]
    faults: list[Fault]
    source: str  # "binary" or "text"
    written: list[np.ndarray] = field(default_factory=list)  # for each output, which of its bytes were written
    writers: list[np.ndarray] = field(default_factory=list)  # for each two bytes, 1 + wave of the grid * 64 + lane
    waves_per_group: list[int] = field(default_factory=list)  # of the kernel that writes each output

    def locate(self, output: int) -> Callable[[tuple[int, ...]], tuple[int, int, int]]:
        """From an index of an output to the (workgroup, wave, lane) that stored it; -1 where nobody did."""
        array, writers, waves = self.outputs[output], self.writers[output], self.waves_per_group[output]

        def place(index: tuple[int, ...]) -> tuple[int, int, int]:
            byte = int(np.ravel_multi_index(index, array.shape)) * array.dtype.itemsize
            tag = int(writers[byte // 2]) - 1
            return (tag // 64 // waves, tag // 64 % waves, tag % 64) if tag >= 0 else (-1, -1, -1)

        return place


def simulate(
    hsaco: bytes,
    contract: Mapping[str, Any],
    arrays: Sequence[np.ndarray],
    *,
    isa_text: str | None = None,
    processes: int | None = None,
    workgroups: Sequence[tuple[int, int, int]] | range | None = None,
    mfma_order: str = "increasing",
    check: bool = True,
    progress: bool = False,
    l2: bool = False,
) -> SimulationResult:
    """Execute every kernel of a code object on `arrays`, which follow the contract's inputs.

    `isa_text` runs the assembly text instead of the machine code. `workgroups` restricts the run to a band of the
    grid: ids, or linear indices with x first. `mfma_order` is the order of the sums inside a matrix instruction,
    "increasing" or "decreasing" k. `l2` counts the lines that the L2s fetch (docs/simulator.md). Raises UsageError for
    a contract or arrays that do not fit the code object, and CompileError for code that the simulator cannot run;
    faults of the program are in the result.
    """
    from rocfuse.sim.session import run_contract

    return run_contract(
        hsaco,
        contract,
        arrays,
        isa_text=isa_text,
        processes=processes,
        workgroups=workgroups,
        mfma_order=mfma_order,
        check=check,
        progress=progress,
        l2=l2,
    )
