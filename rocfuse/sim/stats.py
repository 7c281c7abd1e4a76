"""What a run counted, as the dictionary that `--stats` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rocfuse.sim.memory import GlobalMemory
from rocfuse.sim.runner import Totals
from rocfuse.sim.step import Step

CATEGORIES = (
    "matrix",
    "valu",
    "salu",
    "lds_read",
    "lds_write",
    "vmem_load",
    "vmem_store",
    "smem",
    "branch",
    "wait",
    "barrier",
    "other",
)


def kernel_stats(steps: Sequence[Step], totals: Totals, memory: GlobalMemory) -> dict[str, Any]:
    """Counts of wave instructions, matrix cycles, LDS and global traffic of one kernel."""
    instructions = dict.fromkeys(CATEGORIES, 0)
    cycles = 0
    lds = {"read_bytes": 0, "write_bytes": 0, "bank_conflict_cycles": 0}
    for at, step in enumerate(steps):
        count = int(totals.counts[at])
        instructions[step.category] += count
        if step.category == "matrix":
            cycles += count * int(step.detail)
        lds["write_bytes" if step.category in ("lds_write", "vmem_load") else "read_bytes"] += int(totals.lds[at, 0])
        lds["bank_conflict_cycles"] += int(totals.lds[at, 1])
    return {
        "waves": totals.waves,
        "instructions": instructions,
        "matrix_cycles": cycles,
        "lds": {**lds, "highest_byte": totals.top},
        "barriers": instructions["barrier"],
        "global": _global(steps, totals, memory),
        "loop": _hot_loop(steps, totals),
    }


def _global(steps: Sequence[Step], totals: Totals, memory: GlobalMemory) -> list[dict[str, Any]]:
    """Bytes and distinct 128-byte lines of each global access, by argument."""
    rows = []
    for at, step in enumerate(steps):
        if step.category not in ("vmem_load", "vmem_store"):
            continue
        for index, region in enumerate(memory.regions):
            size, lines, waves = (int(value) for value in totals.memory[at, index])
            if waves:
                rows.append(
                    {
                        "address": step.instruction.address,
                        "instruction": step.instruction.text,
                        "kind": step.category,
                        "argument": region.name,
                        "wave_instructions": waves,
                        "bytes": size,
                        "lines": lines,
                    }
                )
    return rows


def _hot_loop(steps: Sequence[Step], totals: Totals) -> dict[str, Any] | None:
    """The loop, closed by a backward branch, in which most instructions were spent; None when nothing loops."""
    best: tuple[int, int, int] | None = None
    for at, step in enumerate(steps):
        first = step.instruction.target
        if step.control != "branch" or first < 0 or first > at:
            continue
        inner = any(
            s.control == "branch" and first <= s.instruction.target <= i
            for i, s in enumerate(steps[first:at], start=first)
        )
        spent = int(totals.counts[first : at + 1].sum())
        if not inner and (best is None or spent > best[0]):
            best = (spent, first, at)
    if best is None:
        return None
    _, first, last = best
    body = dict.fromkeys(CATEGORIES, 0)
    cycles = conflicts = lds_bytes = 0
    trips = max(int(totals.counts[last]), 1)
    for at in range(first, last + 1):
        body[steps[at].category] += 1
        lds_bytes += int(totals.lds[at, 0]) if steps[at].category in ("lds_read", "lds_write") else 0
        conflicts += int(totals.lds[at, 1])
        if steps[at].category == "matrix":
            cycles += int(steps[at].detail)
    return {
        "first_address": steps[first].instruction.address,
        "last_address": steps[last].instruction.address,
        "trips": int(totals.counts[last]),
        "instructions": body,
        "matrix_cycles": cycles,
        "lds_bytes_per_trip": lds_bytes / trips,
        "bank_conflict_cycles_per_trip": conflicts / trips,
    }


def check_account(contract: Mapping[str, Any], totals: Totals, complete: bool) -> str:
    """Does the highest LDS byte touched agree with the declared block? An empty text when it does.

    Padding between the buffers of the phase that reaches farthest is below that byte, the rest of it above.
    """
    buffers = contract.get("lds_buffers")
    if not buffers or not complete:
        return ""
    last = max(buffers, key=lambda one: int(one["offset"]) + int(one["bytes"]))
    phase = [(int(one["offset"]), int(one["bytes"])) for one in buffers if one["live"] == last["live"]]
    between = max(map(sum, phase)) - min(phase)[0] - sum(size for _, size in phase)
    need = int(contract["lds_bytes"]) - int(contract.get("lds_padding_bytes", 0)) + between
    if totals.top == need:
        return ""
    return f"the highest LDS byte touched is {totals.top - 1}; lds_bytes less declared padding says {need - 1}"
