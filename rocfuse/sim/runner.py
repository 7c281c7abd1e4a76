"""Run the grid of one kernel: batches of workgroups, over one or more processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rocfuse.diagnostics import CompileError, RocfuseError
from rocfuse.sim.decode import Instruction
from rocfuse.sim.execute import Executor, compile_program
from rocfuse.sim.faults import Fault, FaultLog
from rocfuse.sim.l2 import LineCounter
from rocfuse.sim.launch import Launch, start_waves
from rocfuse.sim.machine import LdsPlan, Machine
from rocfuse.sim.memory import GlobalMemory
from rocfuse.sim.phases import UNKNOWN, phases
from rocfuse.sim.step import Context, Step

BATCH_WAVES = 64  # waves that go together: enough to pay for numpy's calls, few enough for the cache


@dataclass
class Totals:
    """What a run counted, summed over batches and processes."""

    counts: np.ndarray  # how often each instruction ran
    memory: np.ndarray  # (instruction, region): bytes, lines, wave instructions
    lds: np.ndarray  # (instruction): bytes, bank-conflict cycles
    top: int = 0  # highest LDS byte touched + 1
    waves: int = 0
    requested: int = 0  # distinct lines that each workgroup loaded, summed; 0 without a line counter
    faults: list[Fault] = field(default_factory=list)

    def add(self, other: Totals) -> None:
        """Sum up."""
        self.counts += other.counts
        self.memory += other.memory
        self.lds += other.lds
        self.top = max(self.top, other.top)
        self.waves += other.waves
        self.requested += other.requested


def lds_granule_shift(steps: Sequence[Step]) -> int:
    """log2 of the smallest LDS access: what a race is tracked by."""
    sizes = [4]
    for step in steps:
        name = step.instruction.mnemonic
        if name.startswith(("ds_read", "ds_write")):
            sizes.append(1 if "8" in name.split("_")[2] and "128" not in name else 2 if "16" in name else 4)
    return {1: 0, 2: 1, 4: 2}[min(sizes)]


def lds_plan(contract: Mapping[str, Any], size: int, steps: Sequence[Step]) -> LdsPlan:
    """The planned buffers by byte; a contract without them plans nothing."""
    granule_shift = lds_granule_shift(steps)
    buffers = contract.get("lds_buffers")
    if not buffers:
        return LdsPlan(size, granule_shift, np.zeros((2, 0), np.int16), np.full(len(steps), UNKNOWN))
    owner = np.full((2, size), -1, np.int16)
    for at, buffer in enumerate(buffers):
        plane = 1 if buffer["live"] == "combine" else 0
        owner[plane, buffer["offset"] : buffer["offset"] + buffer["bytes"]] = at
    return LdsPlan(size, granule_shift, owner, phases(steps))


class GridRunner:
    """Everything that the batches of one kernel share."""

    def __init__(
        self,
        launch: Launch,
        instructions: list[Instruction],
        context: Context,
        memory: GlobalMemory,
        check: bool,
        progress: bool = False,
        line_counter: LineCounter | None = None,
    ) -> None:
        self.launch = launch
        self.size = max(1, BATCH_WAVES // launch.waves_per_group)  # workgroups of a batch
        self.line_counter = line_counter
        self.memory = memory
        self.check = check
        self.progress = progress
        self.steps = compile_program(instructions, context)
        self.context = context
        self.plan = lds_plan(launch.contract, launch.lds_bytes, self.steps)
        self.start = self._start()
        named = [step.registers | step.late for step in self.steps]
        self.registers: frozenset[int] = frozenset().union(*named) if named else frozenset()

    def _start(self) -> int:
        """A kernel with preloaded arguments starts 256 bytes in, behind code that loads them on older firmware."""
        if not self.launch.kernel.descriptor.preload & 127:
            return 0
        entry = self.launch.kernel.address + 256
        for at, step in enumerate(self.steps):
            if step.instruction.address == entry:
                return at
        raise CompileError(f"kernel {self.launch.kernel.name}: argument preloading needs the decoded binary")

    def run_batches(self, workgroups: Sequence[int], take: Any) -> Totals:
        """Run the batches whose index `take` hands out."""
        log = FaultLog(self.check)
        regions = len(self.memory.regions)
        steps = len(self.steps)
        totals = Totals(
            np.zeros(steps, np.int64), np.zeros((steps, regions, 3), np.int64), np.zeros((steps, 2), np.int64)
        )
        machine: Machine | None = None
        started = time.monotonic()
        with np.errstate(all="ignore"):
            while (at := take()) < self.batches(workgroups):
                batch = [self.launch.workgroup(one) for one in workgroups[at * self.size : (at + 1) * self.size]]
                machine = self._run_batch(batch, machine, log, totals)
                if self.progress:
                    print(
                        f"batch {at + 1}/{self.batches(workgroups)}, {time.monotonic() - started:.1f} s",
                        file=sys.stderr,
                    )
        totals.faults = log.faults()
        return totals

    def _run_batch(
        self, batch: list[tuple[int, int, int]], machine: Machine | None, log: FaultLog, totals: Totals
    ) -> Machine:
        per = self.launch.waves_per_group
        waves = per * len(batch)
        if machine is None or machine.waves != waves:
            machine = Machine(waves, per, log, self.memory, self.plan, len(self.steps), self.line_counter)
        machine.begin(batch, self.launch.grid)
        machine.forget(self.registers)
        start_waves(machine, self.launch)
        executor = Executor(machine, self.steps, self.launch.kernel.name, start=self.start)
        executor.run()
        totals.counts += np.array(executor.counts, np.int64)
        totals.memory += machine.global_counters
        totals.lds += machine.lds_counters
        totals.top = max(totals.top, int(machine.top[0]))
        totals.waves += waves
        if self.line_counter is not None:
            totals.requested += self.line_counter.end(machine.wave_ids[::per] // per)
        machine.global_counters[:] = 0
        machine.lds_counters[:] = 0
        return machine

    def batches(self, workgroups: Sequence[int]) -> int:
        """How many bundles of about BATCH_WAVES waves there are."""
        return -(-len(workgroups) // self.size)

    def run(self, workgroups: Sequence[int], processes: int) -> Totals:
        """Run `workgroups`, by number, on up to `processes` processes."""
        processes = min(processes, self.batches(workgroups))
        if processes <= 1:
            return self.run_batches(workgroups, itertools.count().__next__)
        return self._run_forked(workgroups, processes)

    def _run_forked(self, workgroups: Sequence[int], processes: int) -> Totals:
        context = multiprocessing.get_context("fork")
        counter = context.Value("q", 0)

        def take() -> int:
            with counter.get_lock():
                counter.value += 1
                return int(counter.value) - 1

        children = []
        for _ in range(processes - 1):
            reader, writer = os.pipe()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                os.close(reader)
                self._child(workgroups, take, writer)
            os.close(writer)
            children.append((child, reader))
        totals, failure = None, None
        try:
            totals = self.run_batches(workgroups, take)
        finally:
            results = [_collect(child, reader) for child, reader in children]
        log = FaultLog()
        log.extend(totals.faults)
        for result in results:
            if isinstance(result, Totals):
                totals.add(result)
                log.extend(result.faults)
            else:
                failure = failure or result
        if failure is not None:
            raise failure
        totals.faults = log.faults()
        return totals

    def _child(self, workgroups: Sequence[int], take: Any, writer: int) -> None:
        """Run in a forked process and never return; the arguments are in shared memory."""
        try:
            result: Any = self.run_batches(workgroups, take)
        except RocfuseError as error:
            result = error
        except BaseException:  # the parent reports it
            result = CompileError("a process of the simulator failed: " + traceback.format_exc().strip()[-500:])
        with os.fdopen(writer, "wb") as stream:
            pickle.dump(result, stream)
        os._exit(0)


def _collect(child: int, reader: int) -> Totals | RocfuseError:
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    if not data:
        return CompileError("a process of the simulator was ended from outside")
    result: Totals | RocfuseError = pickle.loads(data)
    return result
