"""Run a batch of workgroups: waves that are at the same instruction go together, barriers hold workgroups."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rocfuse.diagnostics import CompileError
from rocfuse.sim.decode import Instruction
from rocfuse.sim.isa import compile_instruction
from rocfuse.sim.isa_lds import land, reopen
from rocfuse.sim.machine import Machine, Pending
from rocfuse.sim.step import LDS, SMEM, VMEM, Context, Step

MAX_BACKWARD_BRANCHES = 20_000_000  # of one batch: what does not end is reported


@dataclass
class Group:
    """Waves at the same instruction with the same outstanding accesses."""

    at: int
    members: np.ndarray
    queues: dict[str, list[Pending]] = field(default_factory=lambda: {VMEM: [], LDS: [], SMEM: []})
    pending: set[int] = field(default_factory=set)

    def key(self) -> tuple[object, ...]:
        """Groups with equal keys may go on as one."""
        return (self.at, *(tuple(entry.step_index for entry in queue) for queue in self.queues.values()))

    def split(self, members: np.ndarray, at: int) -> Group:
        """Some of the waves, going on at `at`."""
        return Group(at, members, {name: list(queue) for name, queue in self.queues.items()}, set(self.pending))

    def issue(self, entry: Pending) -> None:
        """An access starts."""
        self.queues[entry.queue].append(entry)
        self.pending |= entry.registers

    def wait(self, vector: int, local: int) -> list[Pending]:
        """s_waitcnt: vector memory and LDS complete in order, scalar memory in any. Returns what reached the LDS."""
        landed: list[Pending] = []
        if vector >= 0:
            done = max(0, len(self.queues[VMEM]) - vector)
            landed = [entry for entry in self.queues[VMEM][:done] if entry.accesses]
            del self.queues[VMEM][:done]
        if local >= 0:
            del self.queues[LDS][: max(0, len(self.queues[LDS]) - local)]
        if local == 0:
            self.queues[SMEM].clear()
        self.pending = {register for queue in self.queues.values() for entry in queue for register in entry.registers}
        return landed


def merge(groups: list[Group]) -> Group:
    """One group out of several with equal keys."""
    if len(groups) == 1:
        return groups[0]
    first = groups[0]
    for name, queue in first.queues.items():
        for at, entry in enumerate(queue):
            accesses = list(entry.accesses)
            for other in groups[1:]:
                accesses += [a for a in other.queues[name][at].accesses if not any(a is known for known in accesses)]
            queue[at] = Pending(entry.step_index, entry.registers, entry.queue, accesses)
    first.members = np.sort(np.concatenate([group.members for group in groups]))
    return first


def compile_program(instructions: list[Instruction], context: Context) -> list[Step]:
    """All instructions as steps; an unknown one is an error."""
    return [compile_instruction(instruction, context) for instruction in instructions]


class Executor:
    """Runs batches of one program and counts how often each instruction ran."""

    def __init__(self, machine: Machine, steps: list[Step], kernel: str, start: int = 0) -> None:
        self.machine = machine
        self.steps = steps
        self.kernel = kernel
        self.counts = [0] * len(steps)
        self.budget = MAX_BACKWARD_BRANCHES
        self.start = start
        self.touched = [step.registers | step.late for step in steps]

    def run(self) -> None:
        """Run all waves of the batch to their end."""
        machine = self.machine
        ready = [Group(self.start, np.arange(machine.waves))]
        waiting: list[Group] = []
        ended = np.zeros(machine.waves, bool)
        while ready or waiting:
            if not ready:
                ready = self._release(waiting, ended)
                waiting = []
            ready.sort(key=lambda group: group.at)
            first = ready[0].key()
            together = [group for group in ready if group.key() == first]
            ready = [group for group in ready if group.key() != first]
            self._run_group(merge(together), ready, waiting, ended)

    def _run_group(self, group: Group, ready: list[Group], waiting: list[Group], ended: np.ndarray) -> None:
        machine, steps, counts = self.machine, self.steps, self.counts
        suspects, touched = machine.suspects, self.touched
        machine.enter(group.members)
        size = len(group.members)
        stops = {other.at for other in ready}
        issued = machine.issued
        at = group.at
        while True:
            if at >= len(steps):
                raise CompileError(f"kernel {self.kernel}: execution runs past the last instruction")
            step = steps[at]
            machine.instruction = step.instruction
            counts[at] += size
            if group.pending and not group.pending.isdisjoint(touched[at]):
                self._check_wait(group, step)
            if suspects and not suspects.isdisjoint(step.reads):
                step.run_tainted(machine)
            else:
                step.run(machine)
                if suspects and not suspects.isdisjoint(step.writes):
                    machine.define(step.writes)
            if issued:
                for entry in issued:
                    group.issue(entry)
                issued.clear()
            at += 1
            if step.control:
                at = self._control(group, step, at, ready, waiting, ended)
                if at < 0:
                    return
            if stops and at in stops:
                group.at = at
                ready.append(group)
                return

    def _control(
        self, group: Group, step: Step, at: int, ready: list[Group], waiting: list[Group], ended: np.ndarray
    ) -> int:
        """Where the group goes on; -1 when the scheduler has to decide."""
        machine = self.machine
        if step.control == "wait":
            for entry in group.wait(*step.detail):
                land(machine, entry.accesses, group.members)
            return at
        if step.control == "branch":
            return self._branch(group, step, at, ready)
        if step.control == "end":
            ended[group.members] = True
            return -1
        group.at = at  # a barrier
        if machine.everyone and not ended.any():
            self._pass_barrier([group])
            return at
        waiting.append(group)
        return -1

    def _branch(self, group: Group, step: Step, at: int, ready: list[Group]) -> int:
        target = step.instruction.target
        if target < at:
            self.budget -= 1
            if self.budget < 0:
                raise CompileError(f"kernel {self.kernel}: `{step.instruction.text}` does not end")
        if step.detail is None:
            group.at = target
        else:
            taken = step.detail(self.machine)
            if taken.all():
                group.at = target
            elif not taken.any():
                group.at = at
            else:
                ready.append(group.split(group.members[taken], target))
                ready.append(group.split(group.members[~taken], at))
                return -1
        if ready:
            ready.append(group)
            return -1
        return group.at

    def _release(self, waiting: list[Group], ended: np.ndarray) -> list[Group]:
        """Every wave waits or has ended: the barriers open."""
        machine = self.machine
        per = machine.waves_per_group
        gone = ended.reshape(-1, per)
        for group in waiting:
            short = group.members[gone[group.members // per].any(axis=1)]
            if len(short):
                machine.instruction = self.steps[group.at - 1].instruction
                missing = int(np.argmax(gone[short[0] // per]))
                machine.report("barrier", f"wave {missing} ended without this barrier", int(short[0]), -1, len(short))
        self._pass_barrier(waiting)
        return list(waiting)

    def _pass_barrier(self, groups: list[Group]) -> None:
        machine = self.machine
        everyone = np.concatenate([group.members for group in groups])
        machine.epoch[np.unique(everyone // machine.waves_per_group)] += 1
        for group in groups:
            open_accesses = [entry for queue in group.queues.values() for entry in queue if entry.accesses]
            for entry in open_accesses:
                machine.instruction = self.steps[entry.step_index].instruction
                reopen(machine, entry.accesses, group.members)

    def _check_wait(self, group: Group, step: Step) -> None:
        """Registers of an outstanding load are used; loads of one in-order queue may follow each other."""
        busy = group.pending & step.registers
        for queue, entries in group.queues.items():
            if queue == step.queue and queue != SMEM:
                continue
            for entry in entries:
                busy |= entry.registers & step.late
        if not busy:
            return
        for entries in group.queues.values():
            for entry in entries:
                if entry.registers & busy:
                    load = self.steps[entry.step_index].instruction
                    text = f"uses the result of `{load.text}` at {load.address:#x}, which no s_waitcnt has waited for"
                    self.machine.report("missing-wait", text, int(group.members[0]), -1, len(group.members))
                    return
