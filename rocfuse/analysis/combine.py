"""How the combine of a kernel reads its other operands and writes its results, and what it needs. Pure: no MLIR.

A line is an operand that varies along one direction at most: a bias, a scale. Lanes load its part of the tile before
the K loop and write it to LDS behind the loop, where every lane finds what it needs. Results go through LDS as well
where that makes wide stores of whole rows out of narrow ones (store_tile.py). Both take LDS that the loop is done with.
"""

from __future__ import annotations

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.analysis.operands import ELEMENT_BYTES, access_vector, output_direction
from rocfuse.analysis.problem import Access, Problem, remembered
from rocfuse.analysis.store_tile import Staging, stage
from rocfuse.records import record
from rocfuse.targets import MatrixInstruction, Target

# Elements of a block that a lane computes the body for at once: as many as are consecutive in its registers (c_map).
_RUN = 4
# f32 intermediates of an element that are alive at once: a function's argument, its square, a sum and the other factor
_INTERMEDIATES = 4
_VALUES_AN_ADDRESS = 10  # as sweeps of bench/account.py showed
_REGISTER_BYTES = 4


@record
class OutputTile:
    """What a workgroup and each of its waves compute of a product: rows of the output by columns."""

    m: int
    n: int
    waves_m: int
    waves_n: int

    def extent(self, direction: str) -> int:
        """Elements of the tile along m or n."""
        return self.m if direction == "m" else self.n

    def wave_extent(self, direction: str) -> int:
        """Elements of a wave along m or n."""
        return self.m // self.waves_m if direction == "m" else self.n // self.waves_n


@record
class LineLoad:
    """The load of a line of `extent` elements: `parts` loads a thread of `vector` elements, threads in order."""

    direction: str  # the tile's direction along which it varies; "" for a single element
    extent: int
    vector: int
    parts: int
    registers: int  # 32-bit, that hold it during the loop


@record
class Store:
    """How one output is written: through a scratch of each wave, or directly (`staging` None) for the reason given."""

    staging: Staging | None
    reason: str


@record
class Combine:
    """The decisions of a kernel. `lines` and `through` have an entry an extra operand.

    An operand of the results' shape takes their way back through the scratch of output `through`. Where both are None,
    each lane reads what it needs.
    """

    lines: tuple[LineLoad | None, ...]
    through: tuple[int | None, ...]
    stores: tuple[Store, ...]
    buffers: tuple[tuple[str, int], ...]  # name and bytes of each LDS buffer that it needs
    registers: int  # a lane, beside the accumulators

    @property
    def held_registers(self) -> int:
        """Registers a lane that hold lines during the K loop."""
        return sum(line.registers for line in self.lines if line)


@record
class Room:
    """What a combine may take: lines `loop_bytes` of LDS, which are there anyway, and all of it `most_bytes`.

    Lines may hold `loop_registers` a lane during the loop. Operands that are fetched ahead make the combine need no
    more than `registers` a lane beside the accumulators.
    """

    loop_bytes: int
    most_bytes: int
    loop_registers: int
    registers: int


def plan_combine(
    problem: Problem, tile: OutputTile, row: MatrixInstruction, target: Target, room: Room, need: int
) -> Combine:
    """Decide for every operand and result. What would need more than there is room for is done directly.

    `need` is what `registers` says of the combine.
    """
    threads = tile.waves_m * tile.waves_n * target.wave_lanes
    lines: list[LineLoad | None] = []
    buffers: dict[str, int] = {}
    for access in problem.extras:
        line = _line(problem, access, tile, threads)
        if line is not None:
            name = buffer_name("extra", problem.extras.index(access))
            size = line.extent * ELEMENT_BYTES[access.element_type]
            held = line.registers + sum(one.registers for one in lines if one)
            if total_bytes([*(buffers | {name: size}).values()]) > room.loop_bytes or held > room.loop_registers:
                line = None
            else:
                buffers[name] = size
        lines.append(line)
    stores: list[Store] = []
    for number, access in enumerate(problem.outputs):
        staging = _staging(problem, number, tile, row, target)
        if isinstance(staging, Staging):
            size = staging.elements * ELEMENT_BYTES[access.element_type] * (threads // target.wave_lanes)
            taken = total_bytes([*buffers.values(), size])
            if taken > room.most_bytes:
                staging = f"its scratch would need {taken} B of LDS > {room.most_bytes} B"
            else:
                buffers[buffer_name("result", number)] = size
        stores.append(
            Store(None, staging) if isinstance(staging, str) else Store(staging, "128-bit stores of whole rows")
        )
    through, need = _through(problem, row, stores, room, need)
    return Combine(tuple(lines), through, tuple(stores), tuple(buffers.items()), need)


def _through(
    problem: Problem, row: MatrixInstruction, stores: list[Store], room: Room, need: int
) -> tuple[tuple[int | None, ...], int]:
    """For each operand of the results' shape the output whose scratch it can use, while there are registers for it.

    A fill's elements are in registers together, and those of the next fill are on their way. The second result is what
    the combine needs of registers.
    """
    direction = output_direction(problem)
    along = problem.dims(direction)[0]
    found: dict[Access, int | None] = {}
    for access in dict.fromkeys(problem.extras):
        size = ELEMENT_BYTES[access.element_type]
        wide = LDS_ACCESS_BYTES // size
        full = access.stride(problem.dims("m")[0]) and access.stride(problem.dims("n")[0])
        outputs = [o for o, out in enumerate(problem.outputs) if ELEMENT_BYTES[out.element_type] == size]
        staging, output = next(((stores[o].staging, o) for o in outputs if stores[o].staging), (None, 0))
        found[access] = None
        if full and staging and access_vector(problem, access, along, wide) == wide:
            fill = staging.parts * LDS_ACCESS_BYTES // _REGISTER_BYTES
            # one block is counted already
            more = with_addresses(2 * fill - row.accumulator_elements * size // _REGISTER_BYTES)
            if need + more <= room.registers:
                need += more
                found[access] = output
    return tuple(found[access] for access in problem.extras), need


def with_addresses(values: int) -> int:
    """Registers of `values` of the combine and of what comes with them: an address or a coordinate for ten."""
    return values + -(-values // _VALUES_AN_ADDRESS)


def buffer_name(kind: str, number: int) -> str:
    """The LDS buffer of an extra operand ("extra") or of a result ("result")."""
    return f"{kind}{number}"


def total_bytes(sizes: list[int]) -> int:
    """Bytes of buffers one after another, each aligned for the widest access."""
    end = 0
    for size in sizes:
        end = -(-end // LDS_ACCESS_BYTES) * LDS_ACCESS_BYTES + size
    return end


def _line(problem: Problem, access: Access, tile: OutputTile, threads: int) -> LineLoad | None:
    """How a line is loaded, or None where the operand varies in both directions.

    Each thread loads as little as covers the line, but a register: that keeps few registers over the loop.
    """
    m, n = problem.dims("m")[0], problem.dims("n")[0]
    if access.stride(m) and access.stride(n):
        return None
    direction = "m" if access.stride(m) else "n" if access.stride(n) else ""
    extent = tile.extent(direction) if direction else 1
    size = ELEMENT_BYTES[access.element_type]
    wanted = max(_REGISTER_BYTES // size, _power(-(-extent // threads)))
    vector = 1
    if direction:
        dim = m if direction == "m" else n
        vector = access_vector(problem, access, dim, min(wanted, LDS_ACCESS_BYTES // size, extent))
        while problem.sizes[dim] % vector:
            vector //= 2
    parts = -(-extent // (threads * vector))
    return LineLoad(direction, extent, vector, parts, parts * -(-vector * size // _REGISTER_BYTES))


def _staging(problem: Problem, number: int, tile: OutputTile, row: MatrixInstruction, target: Target) -> Staging | str:
    against = _against_staging(problem, number)
    if against:
        return against
    direction = output_direction(problem)
    other = "m" if direction == "n" else "n"
    across = tile.wave_extent(other) // row.n
    size = ELEMENT_BYTES[problem.outputs[number].element_type]
    return stage(row, across, tile.wave_extent(direction), size, target)


@remembered
def _against_staging(problem: Problem, number: int) -> str | None:
    """Why a result cannot be stored whole rows at a time, whatever the tile."""
    access, direction = problem.outputs[number], output_direction(problem)
    dim = problem.dims(direction)[0]
    if access.stride(dim) != 1:
        return f"it is not contiguous along {direction}, in which lanes hold results"
    size = ELEMENT_BYTES[access.element_type]
    wide = LDS_ACCESS_BYTES // size
    have = access_vector(problem, access, dim, wide)
    if have < wide:
        return f"its rows are aligned to {have * size} B < {LDS_ACCESS_BYTES} B"
    return None


@remembered
def registers(problem: Problem, block_elements: int, blocks: int) -> int:
    """32-bit registers a lane: other operands of one accumulator block, intermediates and results of a run of it.

    `block_elements` are a lane's elements of a block, `blocks` the blocks of a wave along the direction in which a lane
    holds consecutive results. An operand that varies only in that direction is read once for all blocks across it.
    Where no result can go through a scratch, operands are read run by run, one run ahead.
    """
    direction = output_direction(problem)
    along, across = (problem.dims(role)[0] for role in (direction, "m" if direction == "n" else "n"))
    by_runs = all(_against_staging(problem, number) for number in range(len(problem.outputs)))
    need = _INTERMEDIATES * _RUN
    need += sum(_RUN * ELEMENT_BYTES[access.element_type] // 4 for access in problem.outputs)
    for access in dict.fromkeys(problem.extras):
        size = ELEMENT_BYTES[access.element_type]
        if not access.stride(along):
            need += 1  # one element for a whole run
        elif by_runs:
            vector = access_vector(problem, access, along, _RUN)
            need += 2 * _RUN // vector * -(-vector * size // _REGISTER_BYTES)
        else:
            need += block_elements * size // 4 * (1 if access.stride(across) else blocks)
    return need


def _power(least: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << (least - 1).bit_length()
