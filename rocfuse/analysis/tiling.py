"""Candidates for the one tiling of a kernel, the filter with its reasons, and the choice. Pure: no MLIR."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from rocfuse.analysis.combine import Combine, OutputTile, Room, plan_combine
from rocfuse.analysis.combine import registers as combine_registers
from rocfuse.analysis.copies import LDS_ACCESS_BYTES, Copy, Dealing, Tile, plan_copies
from rocfuse.analysis.lds import LdsAccount, account, with_combine
from rocfuse.analysis.operands import ELEMENT_BYTES, operand_loads, output_direction
from rocfuse.analysis.problem import Access, Problem, remembered
from rocfuse.analysis.register_need import loop_need
from rocfuse.analysis.registers import (
    RegisterNeed,
    budget,
    most_at_occupancy,
    most_registers,
    occupancy,
    waves_per_simd,
)
from rocfuse.analysis.swizzle import LaneSteps, Swizzle, derive
from rocfuse.records import changed, record
from rocfuse.targets import MatrixInstruction, Target

MOST_STAGES = 3
# one K loop with an accumulator for each GEMM, or a loop for each GEMM one after another
LOOP_FORMS = ("fused", "sequential")
# the pass behind rocdl.iglp_opt searches: 64 take it 5 s, 128 take it 5 minutes, and it spills
MOST_IGLP_INSTRUCTIONS = 64
SCHEDULES = ("plain", "prefetch", "iglp", "interleaved", "ping-pong")


@record
class Tiling:
    """One choice for all GEMMs of a kernel. A workgroup computes tile_m x tile_n of each product."""

    tile_m: int
    tile_n: int
    tile_k: int
    waves_m: int
    waves_n: int
    matrix_op: str
    stages: int = 1
    schedule: str = "interleaved"
    loop_form: str = "fused"
    split_k: int = 1  # workgroups that share the K of one tile

    @property
    def tile(self) -> tuple[int, int, int]:
        """M, the N of each GEMM, K."""
        return self.tile_m, self.tile_n, self.tile_k

    @property
    def waves(self) -> int:
        """Waves of a workgroup."""
        return self.waves_m * self.waves_n

    def text(self, gemms: int) -> str:
        """`256x(128+128)x64`: M, the N of each GEMM, K."""
        columns = "+".join([str(self.tile_n)] * gemms) if gemms <= 4 else f"{gemms}*{self.tile_n}"
        return f"{self.tile_m}x{columns if gemms == 1 else f'({columns})'}x{self.tile_k}"


@record
class Fill:
    """How the first tiles come in before a K loop."""

    tiles: int  # on their way to LDS at once
    late_zeros: bool  # accumulators are zeroed when these tiles are in LDS, not while they are on their way


@record
class Plan:
    """A tiling that the filter accepted, with its account."""

    tiling: Tiling
    instruction: MatrixInstruction
    operands: tuple[Access, ...]  # distinct, in LDS order
    names: tuple[str, ...]
    dealing: Dealing
    combine: Combine
    lds: LdsAccount
    registers: RegisterNeed
    register_budget: int
    fill: Fill
    group_m: int = 1  # rows of tiles in a group of the grid

    @property
    def copies(self) -> tuple[Copy, ...]:
        """The dealing of each operand."""
        return self.dealing.copies


@record
class Rejected:
    """Why a tiling is not possible, in one line with the numbers, and the account's table where it is about LDS."""

    tiling: Tiling
    reason: str
    over: float = 0.0  # need / have - 1, where a budget is exceeded
    faults: int = 0  # of the shape, where it is impossible
    table: tuple[str, ...] = ()
    option: str = ""  # of the caller, whose ceiling it is

    @property
    def distance(self) -> tuple[int, float]:
        """How far it is from fitting: the caller's ceiling is closer than the target's, and that than another shape."""
        if self.over:
            return (0 if self.option else 1), self.over
        return 2, self.faults


@record
class Limits:
    """Ceilings that the caller sets below the target's."""

    lds_bytes: int | None = None
    registers: int | None = None
    waves_per_simd: int | None = None


def check(problem: Problem, tiling: Tiling, target: Target, limits: Limits | None = None) -> Plan | Rejected:
    """Account for one tiling, or say what rules it out. `problem` is canonical."""
    limits = limits or Limits()
    row = target.matrix_instruction(tiling.matrix_op)
    if reasons := list(_shape_reasons(problem, tiling, row, target)):
        return Rejected(tiling, reasons[0], faults=len(reasons))
    operands, names = problem.operands, problem.operand_names
    dealing = _dealing(problem, tiling.tile, tiling.waves, tiling.loop_form, target.wave_lanes)
    if isinstance(dealing, str):
        return Rejected(tiling, dealing, faults=1)
    lds = account_of(problem, tiling, target)
    for rejected in _lds_reasons(tiling, lds, target, limits):
        return rejected
    copies = _brought_in(problem, tiling, dealing)
    registers = _registers(problem, tiling, row, copies, target)
    for rejected in _register_reasons(tiling, lds, registers.total, target, limits):
        return rejected
    fill = _fill(problem, tiling, registers, copies)
    chosen = _combine(problem, tiling, lds, registers, target, limits)
    held, combine = registers.copies + chosen.held_registers, chosen.registers
    if (held, combine) != (registers.copies, registers.combine):
        registers = changed(registers, copies=held, combine=combine)
    lds = with_combine(lds, chosen.buffers, target.lds_granule_bytes)
    have = budget(target, registers.total, lds.allocated_bytes, tiling.waves)
    if limits.registers is not None:
        have = min(have, limits.registers)
    return Plan(tiling, row, operands, names, dealing, chosen, lds, registers, have, fill)


def _combine(
    problem: Problem, tiling: Tiling, loop: LdsAccount, registers: RegisterNeed, target: Target, limits: Limits
) -> Combine:
    """How the combine reads and writes, in what a plan that fits leaves: it fits afterwards as well.

    Its LDS may be more than the loop's where that costs no workgroup of a compute unit.
    """
    now = occupancy(target, registers.total, loop.allocated_bytes, tiling.waves)
    most = min(target.lds_bytes_per_workgroup, target.lds_bytes_per_cu // max(now.workgroups, 1))
    if limits.lds_bytes is not None:
        most = min(most, limits.lds_bytes)
    tile = OutputTile(tiling.tile_m, tiling.tile_n, tiling.waves_m, tiling.waves_n)
    row = target.matrix_instruction(tiling.matrix_op)
    have = most_at_occupancy(target, now, tiling.waves)
    # lines are worth a wave less on a SIMD, unless the caller says otherwise: without them every lane reads its own
    ceiling = have if limits.waves_per_simd else most_registers(target, tiling.waves)
    if limits.registers is not None:
        have, ceiling = min(have, limits.registers), min(ceiling, limits.registers)
    free = have - registers.accumulators - registers.overhead
    held = ceiling - registers.accumulators - registers.overhead - registers.loop
    room = Room(loop.bytes, most, held, free)
    return plan_combine(problem, tile, row, target, room, registers.combine)


def _lds_reasons(tiling: Tiling, lds: LdsAccount, target: Target, limits: Limits) -> Iterator[Rejected]:
    """Budgets of LDS that a tiling of legal shape exceeds."""
    most = target.lds_bytes_per_workgroup
    for have, owner, option in (
        (most, f"on {target.name}", "max-lds-bytes" if most == limits.lds_bytes else ""),
        (limits.lds_bytes, "(max-lds-bytes)", "max-lds-bytes"),
    ):
        if have is not None and lds.bytes > have:
            text = f"lds {lds.bytes} B > {have} B {owner}"
            yield Rejected(tiling, text, _over(lds.bytes, have), table=lds.table(), option=option)


def _register_reasons(
    tiling: Tiling, lds: LdsAccount, registers: int, target: Target, limits: Limits
) -> Iterator[Rejected]:
    """Budgets of registers that it exceeds, and waves that a SIMD does not hold with them."""
    most = most_registers(target, tiling.waves)
    for have, owner, option in (
        (most, f"for {tiling.waves} waves a workgroup", "max-registers" if most == limits.registers else ""),
        (limits.registers, "(max-registers)", "max-registers"),
    ):
        if have is not None and registers > have:
            yield Rejected(tiling, f"registers {registers} > {have} {owner}", _over(registers, have), option=option)
    wanted = limits.waves_per_simd
    if wanted is not None:
        waves = waves_per_simd(target, registers, lds.allocated_bytes, tiling.waves)
        if waves < wanted:
            text = f"need {wanted} waves a SIMD, have {waves} (min-waves-per-simd)"
            yield Rejected(tiling, text, _over(wanted, waves), option="min-waves-per-simd")


def _over(need: int, have: int) -> float:
    return need / max(have, 1) - 1


def account_of(problem: Problem, tiling: Tiling, target: Target) -> LdsAccount:
    """The LDS that every distinct operand needs together in the K loop, whether it fits or not."""
    return _account(problem, tiling.tile, tiling.stages, tiling.loop_form, target.lds_granule_bytes)


@remembered
def _account(
    problem: Problem, tile: tuple[int, int, int], stages: int, loop_form: str, granule_bytes: int
) -> LdsAccount:
    # one tile a distinct operand, or one A and one B that loops in sequence share
    sizes: dict[str, int] = {}
    for access, name in zip(problem.operands, buffer_names(problem, loop_form), strict=True):
        sizes[name] = max(sizes.get(name, 0), tile_bytes(access, tile))
    return account(list(sizes.items()), stages, granule_bytes)


def tile_bytes(access: Access, tile: tuple[int, int, int]) -> int:
    """Bytes of an operand's tile, in one stage."""
    return _rows(access, tile) * tile[2] * ELEMENT_BYTES[access.element_type]


def loaded(problem: Problem, loop_form: str) -> tuple[Access, ...]:
    """What a K step of every GEMM brings into LDS: loops in sequence load a shared operand again."""
    return problem.operands if loop_form == "fused" else problem.a + problem.b


def buffer_names(problem: Problem, loop_form: str) -> tuple[str, ...]:
    """The LDS tile that each distinct operand uses."""
    if loop_form == "sequential":
        return tuple(access.role.upper() for access in problem.operands)
    return problem.operand_names


def workgroups(problem: Problem, tiling: Tiling) -> int:
    """Workgroups of the whole grid."""
    rows, columns = -(-problem.size("m") // tiling.tile_m), -(-problem.size("n") // tiling.tile_n)
    return rows * columns * problem.size("batch")


def _rows(access: Access, tile: tuple[int, int, int]) -> int:
    return tile[0] if access.role == "a" else tile[1]


@remembered
def _dealing(
    problem: Problem, tile: tuple[int, int, int], waves: int, loop_form: str, wave_lanes: int
) -> Dealing | str:
    tiles = []
    operands = zip(
        problem.operands, problem.operand_names, operand_loads(problem), _kinds(problem, loop_form), strict=True
    )
    for access, name, load, kind in operands:
        size = ELEMENT_BYTES[access.element_type]
        tiles.append(Tile(name, _rows(access, tile), load.along, load.vector, size, kind))
    return plan_copies(tiles, tile[2], waves, wave_lanes)


@remembered
def _kinds(problem: Problem, loop_form: str) -> tuple[int, ...]:
    """A number for each operand, the same for those that differ in nothing but their place in memory."""
    numbers: dict[tuple[Hashable, ...], int] = {}
    found = []
    for access, name, load in zip(problem.operands, problem.operand_names, operand_loads(problem), strict=True):
        own = name if loop_form == "sequential" else ""  # loops in sequence bring in one B at a time
        kind = (access.role, access.element_type, access.strides, load, own)
        found.append(numbers.setdefault(kind, len(numbers)))
    return tuple(found)


def _shape_reasons(problem: Problem, tiling: Tiling, row: MatrixInstruction, target: Target) -> Iterator[str]:
    if tiling.split_k != 1:
        yield f"split-k: need 1, have {tiling.split_k}: split-K is not lowered yet"
    for name, value in (("tile-m", tiling.tile_m), ("tile-n", tiling.tile_n), ("tile-k", tiling.tile_k)):
        if value < 1 or value & (value - 1):
            yield f"{name}: need a power of two, have {value}"
    if min(tiling.tile) < 1:
        return
    if not 1 <= tiling.stages <= MOST_STAGES:
        yield f"stages: need 1 to {MOST_STAGES}, have {tiling.stages}"
    k_sizes = tuple(dict.fromkeys(problem.k_sizes))
    steps = -(-min(k_sizes) // tiling.tile_k)
    if tiling.stages > steps:
        yield f"stages {tiling.stages} > {steps}, the tiles of k {min(k_sizes)}"
    if tiling.loop_form == "fused" and len(k_sizes) > 1:
        have = " and ".join(map(str, k_sizes))
        yield f"loop-form fused: need one k, have {have}; needs loop-form=sequential"
    if tiling.schedule == "plain" and tiling.stages != 1:
        yield f"stages {tiling.stages} > 1: the plain schedule has one stage"
    if tiling.waves > target.max_workgroup_waves:
        yield f"waves {tiling.waves} > {target.max_workgroup_waves} in a workgroup"
    threads = workgroups(problem, tiling) * tiling.waves * target.wave_lanes
    if threads > target.launch_threads:
        yield f"threads {threads} > {target.launch_threads} of one launch"
    # the product is computed transposed, so the instruction's n runs along our m; all rows of the table are square
    for name, tile, waves, unit in (
        ("tile-m", tiling.tile_m, tiling.waves_m, row.m),
        ("tile-n", tiling.tile_n, tiling.waves_n, row.n),
    ):
        if waves < 1:
            yield f"waves-{name[-1]}: need 1 or more, have {waves}"
        elif tile % (waves * unit):
            yield f"{name}: need a multiple of {waves} waves x {unit} ({row.name}), have {tile}"
    for element_type in {access.element_type for access in problem.operands} - set(row.element_types):
        yield f"{row.name} does not multiply {element_type}"
    step = k_slice(row, 2)
    if tiling.schedule == "ping-pong":
        if tiling.waves != 2 * target.simds_per_cu:
            yield f"ping-pong: need {2 * target.simds_per_cu} waves, have {tiling.waves}"
        if tiling.tile_k // step < 2:
            yield f"ping-pong: need 2 k slices of {step} in tile-k, have {tiling.tile_k // step}"
    turn = _matrix_instructions(problem, tiling, row)
    if tiling.schedule == "iglp" and turn > MOST_IGLP_INSTRUCTIONS:
        yield f"iglp: matrix instructions of a turn {turn} > {MOST_IGLP_INSTRUCTIONS}, which LLVM orders in seconds"
    if tiling.tile_k % step:
        yield f"tile-k: need a multiple of the k slice {step} ({row.name}), have {tiling.tile_k}"


def _matrix_instructions(problem: Problem, tiling: Tiling, row: MatrixInstruction) -> int:
    """Matrix instructions of a wave in one turn of its K loop."""
    products = problem.gemms if tiling.loop_form == "fused" else 1
    flop = products * tiling.stages * tiling.tile_m * tiling.tile_n * tiling.tile_k
    return flop // (row.m * row.n * row.k * max(tiling.waves, 1))


def swizzles(plan: Plan, target: Target) -> tuple[Swizzle, ...]:
    """The layout of every operand's tile; only for the plan that is chosen, as the search takes time."""
    return tuple(
        operand_swizzle(copy, _rows(access, plan.tiling.tile), plan.tiling, plan.instruction, target)
        for access, copy in zip(plan.operands, plan.copies, strict=True)
    )


def operand_swizzle(copy: Copy, rows: int, tiling: Tiling, row: MatrixInstruction, target: Target) -> Swizzle:
    """The layout of an operand's tile that suits both the writes of its units and the reads of its fragments."""
    bits = target.wave_lanes.bit_length() - 1
    size = 2
    origin = copy.unit(0, rows, tiling.tile_k)
    places = [copy.unit(1 << bit, rows, tiling.tile_k) for bit in range(bits)]
    writes = tuple((place[0] - origin[0], place[1] - origin[1]) for place in places)
    sharing = k_slice(row, size) // row.k
    # rows of A and of B are spread over lanes alike: the instructions are square
    reads = tuple((m, k * sharing) for m, k in row.a_map.lane_bits)
    write_bits = copy.unit_k * size * 8
    accesses = [LaneSteps(reads, LDS_ACCESS_BYTES, target.lds_phases["read_b128"])]
    if f"write_b{write_bits}" in target.lds_phases:
        accesses.append(LaneSteps(writes, write_bits // 8, target.lds_phases[f"write_b{write_bits}"]))
    block = max(row.m, row.n)
    return derive(tuple(accesses), block, rows, tiling.tile_k, size, target.lds_banks * target.lds_bank_bytes)


def k_slice(row: MatrixInstruction, element_bytes: int) -> int:
    """k that one 128-bit fragment read of a wave covers: several instructions share a read."""
    return row.k * (LDS_ACCESS_BYTES // element_bytes // row.fragment_elements)


def _registers(
    problem: Problem, tiling: Tiling, row: MatrixInstruction, copies: Sequence[Copy], target: Target
) -> RegisterNeed:
    lanes = tiling.waves * target.wave_lanes
    blocks_m, blocks_n = tiling.tile_m // tiling.waves_m // row.m, tiling.tile_n // tiling.waves_n // row.n
    together = problem.gemms if tiling.loop_form == "fused" else 1
    along = blocks_n if output_direction(problem) == "n" else blocks_m
    return loop_need(
        accumulators=problem.gemms * tiling.tile_m * tiling.tile_n // lanes,
        slice_registers=(blocks_m + together * blocks_n) * LDS_ACCESS_BYTES // 4,
        slices=tiling.tile_k // k_slice(row, 2),
        copies=copies,
        tiles=-(-max(problem.k_sizes) // tiling.tile_k),
        stages=tiling.stages,
        schedule=tiling.schedule,
        combine=combine_registers(problem, row.accumulator_elements, along),
    )


def _brought_in(problem: Problem, tiling: Tiling, dealing: Dealing) -> list[Copy]:
    """What a thread copies of one K tile: of loops in sequence the largest A and the largest B."""
    if tiling.loop_form == "fused":
        return [dealing.copies[group[0]] for group in dealing.groups]
    copies = list(zip((access.role for access in problem.operands), dealing.copies, strict=True))
    return [max((one for role, one in copies if role == side), key=lambda one: one.registers) for side in ("a", "b")]


def _fill(problem: Problem, tiling: Tiling, registers: RegisterNeed, copies: Sequence[Copy]) -> Fill:
    """As many tiles at once as in the registers of the loop find room, in those of the accumulators if need be."""
    tile = sum(copy.registers for copy in copies)
    accumulators = registers.accumulators // (problem.gemms if tiling.loop_form == "sequential" else 1)
    most = 1 + (accumulators + registers.fragments) // tile
    # what the loop writes ahead, and the tile that it loads meanwhile; a plain loop brings in each tile itself
    ahead = 1 if tiling.schedule == "plain" else 1 + max(1, tiling.stages - 1)
    at_once = min(most, ahead, -(-max(problem.k_sizes) // tiling.tile_k))
    return Fill(at_once, (at_once - 1) * tile > registers.fragments)
