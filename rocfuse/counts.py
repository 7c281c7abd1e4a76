"""What a compiled kernel takes, from instructions that the simulator counted in one workgroup. Nothing runs on a GPU.

The counts are exact: instructions, matrix cycles, LDS bytes and bank conflicts, bytes of memory. What is made of them
is not a time: everything overlaps as well as the hardware's units allow, and latencies are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rocfuse.analysis.cost import Objective
from rocfuse.analysis.grid import GridFill
from rocfuse.analysis.registers import occupancy
from rocfuse.compiler import CodeObject
from rocfuse.diagnostics import CompileError
from rocfuse.records import record
from rocfuse.sim.launch import DTYPES
from rocfuse.targets import Target

_PERIOD = 1_000_003  # elements of random data, repeated: no power of two, so that rows of an array differ


@record
class Counted:
    """Cycles that each unit of the busiest compute unit is busy, all workgroups that it runs together.

    For throughput: of any compute unit of a full GPU, with its share of all workgroups.
    """

    matrix: int  # of a SIMD
    issue: int  # of a SIMD's issue slots
    lds: int
    memory: int  # of the path from L2
    cycles: int  # the longest of them in each batch of workgroups, where the SIMD's is `matrix` and what it exposes

    @property
    def bound(self) -> str:
        """The unit that is busy longest."""
        parts = {"matrix": self.matrix, "issue": self.issue, "lds": self.lds, "memory": self.memory}
        return max(parts, key=lambda name: parts[name])


def count(code: CodeObject, kernel: str, target: Target, objective: Objective = "latency") -> Counted:
    """Execute workgroup 0 of a kernel and count. Raises CompileError where the simulator finds a fault."""
    result = code.simulate(*_random_arrays(code.contract), workgroups=range(1), processes=1)
    if result.faults:
        raise CompileError(f"the simulator found a fault: {result.faults[0]}")
    (entry,) = (one for one in code.contract["kernels"] if one["name"] == kernel)
    return counted(result.stats["kernels"][kernel], entry, target, objective)


def counted(
    stats: Mapping[str, Any], entry: Mapping[str, Any], target: Target, objective: Objective = "latency"
) -> Counted:
    """The counts of one workgroup (`stats` as the simulator gives them) for a compute unit.

    The busiest one runs its workgroups in batches. In a batch, a SIMD's matrix work adds up and the other instructions
    of one of its waves are exposed, because barriers bring all waves to the same place. For throughput, every compute
    unit has its share of the workgroups, in the batches that take least (see `full_gpu` in the cost model).
    """
    grid = GridFill(math.prod(entry["grid"]), target.compute_units)
    most = occupancy(target, entry["registers"], entry["lds_allocated_bytes"], stats["waves"]).workgroups
    if objective == "latency":
        return _in_batches(stats, grid.batches(most), target)
    return min((_in_batches(stats, (one,), target) for one in grid.shares(most)), key=lambda one: one.cycles)


def _in_batches(stats: Mapping[str, Any], batches: Sequence[tuple[int, float]], target: Target) -> Counted:
    """Batches of workgroups, one after another: (workgroups that run together, how often)."""
    waves = stats["waves"]
    matrix = stats["matrix_cycles"] / waves
    instructions = sum(stats["instructions"].values()) / waves
    others = instructions - stats["instructions"]["matrix"] / waves
    lds = stats["lds"]
    lds_cycles = (lds["read_bytes"] + lds["write_bytes"]) / target.lds_bytes_per_cycle_per_cu
    lds_cycles += lds["bank_conflict_cycles"]
    fill = sum(one["bytes"] for one in stats["global"]) / target.fill_bytes_per_cycle_per_cu
    total = dict.fromkeys(("matrix", "issue", "lds", "memory", "cycles"), 0.0)
    for held, times in batches:
        on_simd = -(-held * waves // target.simds_per_cu)
        busy = {
            "matrix": on_simd * matrix,
            "issue": on_simd * instructions * target.issue_cycles,
            "lds": held * lds_cycles,
            "memory": held * fill,
        }
        exposed = busy["matrix"] + others * target.issue_cycles
        for name, cycles in {**busy, "cycles": max(exposed, *busy.values())}.items():
            total[name] += times * cycles
    return Counted(**{name: math.ceil(cycles) for name, cycles in total.items()})


def _random_arrays(contract: Mapping[str, Any]) -> list[np.ndarray]:
    """An array for each input of a contract; counts do not depend on the values, but NaN would hide faults."""
    arguments = {one["name"]: one for kernel in contract["kernels"] for one in kernel["args"]}
    values = 0.05 * np.random.default_rng(0).standard_normal(_PERIOD, np.float32)
    arrays = []
    for name in contract["inputs"]:
        entry = arguments.get(name, {"shape": [1], "dtype": "f32"})  # an argument that no kernel reads
        arrays.append(np.resize(values.astype(DTYPES[entry["dtype"]]), entry["shape"]))
    return arrays
