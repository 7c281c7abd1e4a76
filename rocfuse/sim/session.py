"""One simulation: decode, lay out memory, run the kernels in launch order, collect."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rocfuse.codegen.elf import Kernel, read_kernels
from rocfuse.diagnostics import UsageError
from rocfuse.sim import SimulationResult
from rocfuse.sim.decode import Instruction, decode_binary, decode_text
from rocfuse.sim.faults import FaultLog
from rocfuse.sim.l2 import LineCounter
from rocfuse.sim.launch import Launch, Memory, build_launch, build_memory, match_inputs
from rocfuse.sim.runner import GridRunner
from rocfuse.sim.stats import check_account, kernel_stats
from rocfuse.sim.step import Context
from rocfuse.targets import get_target

SMALL_GRID_WAVES = 512  # below this a second process costs more than it saves


def run_contract(
    hsaco: bytes,
    contract: Mapping[str, Any],
    arrays: Sequence[np.ndarray],
    *,
    isa_text: str | None,
    processes: int | None,
    workgroups: Sequence[tuple[int, int, int]] | range | None,
    mfma_order: str,
    check: bool,
    progress: bool,
    l2: bool,
) -> SimulationResult:
    """The body of `simulate`."""
    if mfma_order not in ("increasing", "decreasing"):
        raise UsageError(f"mfma_order: need increasing or decreasing, have {mfma_order}")
    kernels = {kernel.name: kernel for kernel in read_kernels(hsaco)}
    inputs = match_inputs(contract, arrays)
    memory = build_memory(contract, inputs, len(contract["kernels"]))
    log = FaultLog(check)
    waves: dict[str, int] = {}
    stats: dict[str, Any] = {"source": "text" if isa_text is not None else "binary", "kernels": {}}
    for at, entry in enumerate(contract["kernels"]):
        if entry["name"] not in kernels:
            raise UsageError(f"the code object has no kernel {entry['name']}; it has {', '.join(kernels)}")
        kernel = kernels[entry["name"]]
        target = get_target(contract.get("target", kernel.target))
        if kernel.target != target.name:
            raise UsageError(f"the code object is for {kernel.target}, the contract says {target.name}")
        launch = build_launch(entry, kernel, inputs, memory, at, target)
        if launch.lds_bytes > target.lds_bytes_per_workgroup:
            need = f"at most {target.lds_bytes_per_workgroup} B of LDS on {target.name}"
            raise UsageError(f"kernel {kernel.name}: need {need}, have {launch.lds_bytes} B")
        chosen = _choose(launch, workgroups)
        context = Context(kernel, target, mfma_order)
        counter = LineCounter(memory.memory, launch, target) if l2 else None
        runner = GridRunner(launch, _decode(kernel, isa_text), context, memory.memory, check, progress, counter)
        totals = runner.run(chosen, _processes(processes, len(chosen) * launch.waves_per_group))
        log.extend(totals.faults)
        complaint = check_account(entry, totals, bool(chosen))
        if complaint:
            log.add("lds-account", f"kernel {kernel.name}: {complaint}")
        stats["kernels"][kernel.name] = kernel_stats(runner.steps, totals, memory.memory)
        if counter is not None:
            stats["kernels"][kernel.name]["l2"] = counter.stats(totals.requested)
        waves.update({a["name"]: launch.waves_per_group for a in entry["args"] if a["kind"] == "out"})
    outputs, written, writers = _outputs(contract, memory)
    if workgroups is None:
        _check_written(contract, memory, log)
    per_group = [waves[name] for name in contract["outputs"]]
    return SimulationResult(outputs, stats, log.faults(), stats["source"], written, writers, per_group)


def _decode(kernel: Kernel, isa_text: str | None) -> list[Instruction]:
    if isa_text is not None:
        return decode_text(isa_text, kernel.name)
    return decode_binary(kernel.code, kernel.address, kernel.target, kernel.name)


def _choose(launch: Launch, workgroups: Sequence[tuple[int, int, int]] | range | None) -> Sequence[int]:
    """The numbers of the workgroups to run."""
    total = math.prod(launch.grid)
    if workgroups is None:
        return range(total)
    chosen = []
    for entry in workgroups:
        if isinstance(entry, (int, np.integer)):
            if not 0 <= entry < total:
                raise UsageError(f"workgroup {entry} is not in a grid of {total}")
            chosen.append(int(entry))
        else:
            if any(not 0 <= e < g for e, g in zip(entry, launch.grid, strict=True)):
                raise UsageError(f"workgroup {entry} is not in the grid {launch.grid}")
            x, y, z = entry
            chosen.append(x + launch.grid[0] * (y + launch.grid[1] * z))
    return chosen


def _processes(asked: int | None, waves: int) -> int:
    if asked is not None:
        return max(1, asked)
    if waves < SMALL_GRID_WAVES or not hasattr(os, "fork"):
        return 1
    return min(os.cpu_count() or 1, 8)


def _outputs(
    contract: Mapping[str, Any], memory: Memory
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    outputs, written, writers = [], [], []
    for name in contract["outputs"]:
        if name not in memory.outputs:
            raise UsageError(f"output {name} is an argument of no kernel")
        shape, dtype = memory.outputs[name]
        region = memory.memory.regions[memory.index[name]]
        outputs.append(memory.memory.bytes_of(region).view(dtype).reshape(shape).copy())
        written.append(memory.memory.written_of(region).astype(bool))
        writers.append(memory.memory.writers_of(region).copy())
    return outputs, written, writers


def _check_written(contract: Mapping[str, Any], memory: Memory, log: FaultLog) -> None:
    """A full grid writes every byte of every output."""
    for name in contract["outputs"]:
        region = memory.memory.regions[memory.index[name]]
        missing = int(region.size - memory.memory.written_of(region).astype(bool).sum())
        if missing:
            first = int(np.argmin(memory.memory.written_of(region)))
            log.add(
                "output-unwritten", f"{name}: {missing} of {region.size} bytes were never written, the first is {first}"
            )
