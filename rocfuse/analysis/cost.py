"""The cost model: cycles of a K tile, of a workgroup and of the grid. Pure: no MLIR.

Everything is counted from the plan: instructions of a wave (`step`), what they keep busy, and how often it happens.
The rates are the target table's; what is assumed about overlap is stated in `batch_cycles` and `cost`. Nothing was
fitted to a run on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import cache, cached_property, partial
from typing import Literal

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.analysis.grid import GridFill
from rocfuse.analysis.operands import ELEMENT_BYTES, row_dim
from rocfuse.analysis.problem import Problem, remembered
from rocfuse.analysis.registers import occupancy
from rocfuse.analysis.schedule import ORDERED, ORDERS, Shape
from rocfuse.analysis.tiling import Plan, Tiling, k_slice, tile_bytes, workgroups
from rocfuse.analysis.traffic import traffic
from rocfuse.records import record
from rocfuse.targets import Target

# What a plan is chosen for: the time of one launch that has the GPU to itself, or what it takes of a GPU that other
# work keeps full.
Objective = Literal["latency", "throughput"]

# Wave instructions for each element that a lane computes of the result: activation, rounding and store of a gated
# layer. The simulator counts 9 (reglu) to 30 (geglu with erf) outside of the loop.
_COMBINE_INSTRUCTIONS = 16
# Wave instructions of a workgroup before its loop: arguments, tile coordinates, buffer resources, lane offsets.
_SETUP_INSTRUCTIONS = 150


@record
class Step:
    """One K tile of the loop: instructions of one wave, and what all waves of the workgroup ask of the compute unit."""

    matrix: int
    lds_reads: int
    lds_writes: int
    loads: int
    valu: int
    control: float  # waits, barriers, priorities, scalar and branch; a share where the loop holds several tiles
    matrix_cycles: int  # of one wave, on its SIMD
    lds_cycles: int  # of the workgroup
    load_bytes: int  # of the workgroup
    waves: int  # of the workgroup

    @property
    def others(self) -> float:
        """Instructions of a wave that are not matrix instructions."""
        return self.lds_reads + self.lds_writes + self.loads + self.valu + self.control

    @property
    def instructions(self) -> float:
        """Instructions of a wave."""
        return self.matrix + self.others


@record
class Range:
    """A K loop: its step, and how many K tiles it runs."""

    step: Step
    tiles: int


@record
class Batches:
    """Cycles of a compute unit that runs batches of workgroups, one after another, by part."""

    matrix: float  # cycles of the loop in which the busiest SIMD multiplies
    loop: float
    prologue: float
    combine: float

    @property
    def compute(self) -> float:
        """Cycles of all parts."""
        return self.loop + self.prologue + self.combine


@record
class Cost:
    """Cycles of a kernel at the engine clock, and the parts that they come from.

    `loop`, `prologue` and `combine` are a busiest compute unit's; `fill`, `l2` and `hbm` what all bytes take at each
    level. A kernel takes the longest of these, and its launch. `full` is about another question: see `full_gpu`.
    """

    ranges: tuple[Range, ...]
    matrix: float  # cycles of the loop in which the busiest SIMD multiplies
    loop: float
    prologue: float
    combine: float
    l2: float  # every workgroup's tiles, from the L2s
    infinity_cache: float  # what the L2s miss
    hbm: float  # every byte once
    launch: float
    resident: int  # workgroups that a compute unit runs at once
    rounds: int  # workgroups of the busiest compute unit, one after another
    fill: float  # of the rounds' compute units, how many have a workgroup
    useful: float  # of the tiles' elements, how many are results
    bytes: int  # once each
    requested_bytes: int  # by all workgroups
    waves: int  # of a workgroup
    at_full: Callable[[], Batches] = field(compare=False, repr=False)  # for `full`, which not every choice asks for

    @cached_property
    def full(self) -> Batches:
        """Of the workgroups, a compute unit's share where the GPU is always full."""
        return self.at_full()

    @property
    def compute(self) -> float:
        """Cycles of the busiest compute unit."""
        return self.loop + self.prologue + self.combine

    @cached_property
    def busy(self) -> float:
        """Cycles from the first workgroup's start to the last one's end."""
        return max(self.compute, *self._memory.values())

    @cached_property
    def taken(self) -> float:
        """Cycles of the whole GPU that the kernel takes from others, where they keep it full."""
        return max(self.full.compute, *self._memory.values())

    def cycles(self, objective: Objective) -> float:
        """What plans are compared by: `busy` for latency, `taken` for throughput."""
        return self.busy if objective == "latency" else self.taken

    def predicted(self, objective: Objective) -> int:
        """Whole cycles: for latency with the launch, which takes nothing from others."""
        return self.total if objective == "latency" else round(self.taken)

    @property
    def _memory(self) -> dict[str, float]:
        return {"l2": self.l2, "infinity cache": self.infinity_cache, "hbm": self.hbm}

    def matrix_share(self, objective: Objective) -> float:
        """Part of the compute units' cycles, busiest or all, in which their matrix cores multiply, from 0 to 1."""
        return self.matrix / self.compute if objective == "latency" else self.full.matrix / self.full.compute

    @property
    def issued(self) -> float:
        """Instructions of a workgroup's loops."""
        return self.waves * sum(one.tiles * one.step.instructions for one in self.ranges)

    @property
    def total(self) -> int:
        """Cycles of the kernel with its launch."""
        return round(self.launch + self.busy)

    @property
    def bound(self) -> str:
        """What takes longest."""
        return self.bound_for("latency")

    def bound_for(self, objective: Objective) -> str:
        """What takes longest of what the objective asks for."""
        parts = {"compute": self.compute if objective == "latency" else self.full.compute, **self._memory}
        return max(parts, key=lambda name: parts[name])


def cost(problem: Problem, plan: Plan, target: Target) -> Cost:
    """What a plan takes.

    A compute unit runs its workgroups in batches (grid.py); nothing overlaps between a batch's prologue, loop and
    combine. Memory moves at peak rates beside it.
    """
    tiling = plan.tiling
    held = occupancy(target, plan.register_budget, plan.lds.allocated_bytes, tiling.waves).workgroups
    count = workgroups(problem, tiling)
    grid = GridFill(count, target.compute_units)
    resident = max(min(held, grid.rounds), 1)
    ranges = ranges_of(problem, plan, target)
    alone = _batches(problem, plan, ranges, grid.batches(resident), target)
    moved = traffic(problem, plan.tiling)
    per_cycle = 1 / target.engine_clock_mhz  # bytes a microsecond -> bytes a cycle
    return Cost(
        ranges,
        alone.matrix,
        alone.loop,
        alone.prologue,
        alone.combine,
        moved.with_rereads / (target.l2_bytes_per_cycle_per_xcd * target.xcds),
        l2_misses(problem, plan, resident, target) / (target.infinity_cache_bytes_per_us * per_cycle),
        moved.once / (target.hbm_bytes_per_us * per_cycle),
        target.launch_ns * target.engine_clock_mhz / 1000,
        resident,
        grid.rounds,
        grid.share,
        math.prod(problem.size(role) for role in ("batch", "m", "n")) / (count * tiling.tile_m * tiling.tile_n),
        moved.once,
        moved.with_rereads,
        tiling.waves,
        partial(full_gpu, problem, plan, ranges, grid, held, target),
    )


def least_cycles(problem: Problem, tiling: Tiling, target: Target) -> float:
    """What no plan of a tiling stays below, for either objective: its bytes from the L2s, or its matrix work.

    The work is that of whole tiles, dealt evenly to all SIMDs.
    """
    row = target.matrix_instruction(tiling.matrix_op)
    depth = sum(-(-size // tiling.tile_k) * tiling.tile_k for size in problem.k_sizes)
    instructions = workgroups(problem, tiling) * (tiling.tile_m * tiling.tile_n * depth // (row.m * row.n * row.k))
    matrix = instructions * row.cycles / (target.compute_units * target.simds_per_cu)
    return max(traffic(problem, tiling).with_rereads / (target.l2_bytes_per_cycle_per_xcd * target.xcds), matrix)


def full_gpu(
    problem: Problem, plan: Plan, ranges: Sequence[Range], grid: GridFill, held: int, target: Target
) -> Batches:
    """A compute unit's share of all workgroups, in cycles, on a GPU that is always full.

    workgroups / compute units x cycles of a batch of s / s, at the s from 1 to `held` where that is least.

    Other work of the same kind fills what this kernel leaves: no compute unit is idle, there is no last round, and a
    batch is as large as occupancy permits, however small the grid. As in `cost`, nothing overlaps between a batch's
    prologue, loop and combine. Less than `held` at once is for workgroups that do not deal evenly to the SIMDs: they
    are dealt one by one, and a batch would have to wait for the fullest SIMD. Where they do, no number beats `held`.
    """
    sizes = grid.shares(held)
    if plan.tiling.waves % target.simds_per_cu == 0:
        sizes = sizes[-1:]
    shares = (_batches(problem, plan, ranges, (one,), target) for one in sizes)
    return min(shares, key=lambda one: one.compute)


def _batches(
    problem: Problem, plan: Plan, ranges: Sequence[Range], batches: Sequence[tuple[int, float]], target: Target
) -> Batches:
    """Cycles of batches: (workgroups that run together, how often)."""
    latency = target.memory_latency_ns * target.engine_clock_mhz / 1000
    matrix = loop = prologue = combine = 0.0
    for size, times in batches:
        loop += times * sum(one.tiles * batch_cycles(one.step, size, plan, target) for one in ranges)
        on_simd = -(-size * plan.tiling.waves // target.simds_per_cu)
        matrix += times * on_simd * sum(one.tiles * one.step.matrix_cycles for one in ranges)
        prologue += times * (latency * len(ranges) + on_simd * _SETUP_INSTRUCTIONS * target.issue_cycles)
        combine += times * _combine_cycles(problem, plan, size, on_simd, target)
    return Batches(matrix, loop, prologue, combine)


def batch_cycles(step: Step, size: int, plan: Plan, target: Target) -> float:
    """Cycles of one K tile of `size` workgroups that share a compute unit.

    Matrix work of a SIMD's waves adds up. Barriers bring the waves of a workgroup to the same place, so the other
    instructions of one wave are exposed, those of its neighbours on the SIMD are not. Issue slots, LDS and the path
    from L2 are shared by all. A tile's loads have one tile's time to arrive; a plain loop waits for them.
    """
    on_simd = -(-size * plan.tiling.waves // target.simds_per_cu)
    alone = step.matrix_cycles + step.others * target.issue_cycles
    latency = target.memory_latency_ns * target.engine_clock_mhz / 1000
    if plan.tiling.schedule == "plain":
        latency += (-(-plan.tiling.waves // target.simds_per_cu) - 1) * step.matrix_cycles + alone
    return max(
        (on_simd - 1) * step.matrix_cycles + alone,
        on_simd * step.instructions * target.issue_cycles,
        size * step.lds_cycles,
        size * step.load_bytes / target.fill_bytes_per_cycle_per_cu,
        latency,
    )


def ranges_of(problem: Problem, plan: Plan, target: Target) -> tuple[Range, ...]:
    """The K loops of a plan: one for all GEMMs, or one for each."""
    every = list(range(problem.gemms))
    groups = [every] if plan.tiling.loop_form == "fused" else [[g] for g in every]
    tiles = [-(-problem.k_sizes[gemms[0]] // plan.tiling.tile_k) for gemms in groups]
    return tuple(Range(step(problem, plan, gemms, target), n) for gemms, n in zip(groups, tiles, strict=True))


def step(problem: Problem, plan: Plan, gemms: list[int], target: Target) -> Step:
    """The instructions of one K tile of some GEMMs, counted from the plan."""
    tiling, row = plan.tiling, plan.instruction
    used, k_strides, ends = _loaded(problem, tuple(gemms))
    operands = [plan.operands[number] for number in used]
    blocks = {"a": tiling.tile_m // tiling.waves_m // row.m, "b": tiling.tile_n // tiling.waves_n // row.n}
    slices = tiling.tile_k // k_slice(row, 2)
    reads = slices * sum([blocks[access.role] for access in operands])
    matrix = tiling.tile_k // row.k * blocks["a"] * blocks["b"] * len(gemms)
    # tiles of a group are copied side by side: a wave works on one of them
    dealt = [(group[0], plan.copies[group[0]]) for group in plan.dealing.groups if group[0] in used]
    writes = sum([copy.parts * copy.unit_rows for _, copy in dealt])
    loads = sum([copy.parts * copy.loads for _, copy in dealt])
    sizes = {number: ELEMENT_BYTES[plan.operands[number].element_type] for number, _ in dealt}
    # along rows a unit is transposed in registers: one byte permutation for each register that is written
    valu = sum(c.parts * c.unit_rows * c.unit_k * sizes[number] // 4 for number, c in dealt if c.along == "row")
    # steps along k, counter and branch; where the last turn loads a tile past the end of K, a test and what it selects
    scalar = k_strides + 3 / tiling.stages
    tiles, past = divmod(problem.k_sizes[gemms[0]], tiling.tile_k)
    if ends and not past and tiling.schedule != "plain" and (tiles - max(1, tiling.stages - 1)) % tiling.stages == 0:
        scalar += (1 + ends) / tiling.stages
    shape = Shape(slices, matrix // slices // (k_slice(row, 2) // row.k), reads // slices, writes, tiling.stages)
    lds = reads * _phases(LDS_ACCESS_BYTES, target)
    lds += sum(copy.parts * copy.unit_rows * _phases(copy.unit_k * sizes[number], target) for number, copy in dealt)
    return Step(
        matrix,
        reads,
        writes,
        loads,
        valu,
        scalar + _synchronisation(tiling.schedule, shape),
        matrix * row.cycles,
        lds * tiling.waves,
        sum([tile_bytes(access, tiling.tile) for access in operands]),
        tiling.waves,
    )


@remembered
def _loaded(problem: Problem, gemms: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """Of some GEMMs the numbers of the distinct operands, the steps along k and the ends of arrays that they have.

    An end is one that loads have to be kept from: that of an array whose rows go on where K ends.
    """
    used = {access for g in gemms for access in (problem.a[g], problem.b[g])}
    numbers = tuple(number for number, access in enumerate(problem.operands) if access in used)
    inside = {
        access.role for access in used if access.stride(problem.k_dim(access)) < access.stride(row_dim(problem, access))
    }
    return numbers, len({access.stride(problem.k_dim(access)) for access in used}), len(inside)


def _phases(access_bytes: int, target: Target) -> int:
    """LDS cycles of one wave's access without conflicts."""
    wide = max(access_bytes, target.lds_bank_bytes)
    return -(-wide * target.wave_lanes // target.lds_bytes_per_cycle_per_cu)


@cache
def _synchronisation(schedule: str, shape: Shape) -> float:
    """Waits, barriers and priorities of a tile. Where LLVM places the waits, one a load and up to three a k slice."""
    if schedule == "plain":
        return 2 + shape.writes + shape.slices * min(shape.fragments - 1, 3) + 1
    order = ORDERS[schedule](shape, write=True, read=True, following=True)
    count = sum(slot.kind in ("barrier", "set_priority", "wait_lds", "wait_memory") for slot in order)
    if schedule in ORDERED:
        return count + 1  # a barrier waits for LDS first, one of them a tile has something to wait for
    return count + shape.writes + min(shape.slices, 2)


def _combine_cycles(problem: Problem, plan: Plan, size: int, on_simd: int, target: Target) -> float:
    """The combine of `size` workgroups: the longer of its instructions and its stores."""
    tiling = plan.tiling
    elements = tiling.tile_m * tiling.tile_n
    lanes = tiling.waves * target.wave_lanes
    issue = on_simd * elements / lanes * _COMBINE_INSTRUCTIONS * target.issue_cycles
    stores = sum(elements * ELEMENT_BYTES[one.element_type] for one in problem.outputs)
    return max(issue, size * stores / target.fill_bytes_per_cycle_per_cu)


def l2_misses(problem: Problem, plan: Plan, resident: int, target: Target) -> int:
    """Bytes of A and B that the L2s ask for: workgroups in flight on one XCD ask for what they share once.

    `resident` workgroups a compute unit run at once, in groups of `group_m` rows of tiles; nothing is kept from one
    such window to the next.
    """
    tiling = plan.tiling
    count = workgroups(problem, tiling)
    flight = target.compute_units // target.xcds * resident
    share = -(-count // target.xcds)
    window = min(flight, share)
    rows = min(plan.group_m, -(-problem.size("m") // tiling.tile_m), window)
    columns = -(-window // rows)
    asked = 0
    for access in plan.operands:
        extent = rows * tiling.tile_m if access.role == "a" else columns * tiling.tile_n
        extent = min(extent, problem.size("m" if access.role == "a" else "n"))
        asked += extent * problem.sizes[problem.k_dim(access)] * ELEMENT_BYTES[access.element_type]
    return asked * -(-share // window) * min(target.xcds, count)


def group_rows(problem: Problem, plan: Plan, target: Target) -> int:
    """Rows of tiles in a group of the grid: the power of two that makes what one XCD runs at once nearly square.

    r rows and c columns of tiles with r·c workgroups in flight read r·tile_m + c·G·tile_n values a k: least where
    r = sqrt(in flight · G · tile_n / tile_m).
    """
    tiling = plan.tiling
    held = occupancy(target, plan.register_budget, plan.lds.allocated_bytes, tiling.waves).workgroups
    in_flight = target.compute_units // target.xcds * max(held, 1)
    rows = math.sqrt(in_flight * problem.gemms * tiling.tile_n / tiling.tile_m)
    tiles_m = -(-problem.size("m") // tiling.tile_m)
    return min(1 << max(round(math.log2(rows)), 0), tiles_m)
