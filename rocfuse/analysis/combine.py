"""How the combine of a kernel reads its other operands and writes its results, and what it needs. Pure: no MLIR.

A line is an operand that varies along one direction at most: a bias, a scale. Lanes load its part of the tile before
the K loop and write it to LDS behind the loop, where every lane finds what it needs. Results go through LDS as well
where that makes wide stores of whole rows out of narrow ones (store_tile.py). Both take LDS that the loop is done with.
"""

from __future__ import annotations

from dataclasses import dataclass

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.analysis.operands import ELEMENT_BYTES, access_vector, output_direction
from rocfuse.analysis.problem import Access, Problem
from rocfuse.analysis.store_tile import Staging, stage
from rocfuse.targets import MatrixInstruction, Target

# f32 intermediates of a block that are alive at once: the body's longest live range is a function's argument and result
_INTERMEDIATES = 2
_REGISTER_BYTES = 4


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class LineLoad:
    """The load of a line of `extent` elements: `parts` loads a thread of `vector` elements, threads in order."""

    direction: str  # the tile's direction along which it varies; "" for a single element
    extent: int
    vector: int
    parts: int


@dataclass(frozen=True)
class Store:
    """How one output is written: through a scratch of each wave, or directly (`staging` None) for the reason given."""

    staging: Staging | None
    reason: str


@dataclass(frozen=True)
class Combine:
    """The decisions of a kernel. `lines` has an entry an extra operand: None is read directly by each lane."""

    lines: tuple[LineLoad | None, ...]
    stores: tuple[Store, ...]
    buffers: tuple[tuple[str, int], ...]  # name and bytes of each LDS buffer that it needs

    @property
    def held_registers(self) -> int:
        """Registers a lane that hold lines during the K loop (an upper bound: of f32 elements)."""
        return sum(line.parts * line.vector for line in self.lines if line)


def plan_combine(
    problem: Problem, tile: OutputTile, row: MatrixInstruction, target: Target, loop_bytes: int, most_bytes: int
) -> Combine:
    """Decide for every operand and result. What would need more LDS than `most_bytes` together is done directly.

    `loop_bytes` is LDS that is there in any case: lines take no more than it has.
    """
    threads = tile.waves_m * tile.waves_n * target.wave_lanes
    lines: list[LineLoad | None] = []
    buffers: dict[str, int] = {}
    for access in problem.extras:
        line = _line(problem, access, tile, threads)
        if line is not None:
            name = buffer_name("extra", problem.extras.index(access))
            size = line.extent * ELEMENT_BYTES[access.element_type]
            if total_bytes([*(buffers | {name: size}).values()]) > loop_bytes:
                line = None
            else:
                buffers[name] = size
        lines.append(line)
    stores: list[Store] = []
    for number, access in enumerate(problem.outputs):
        staging = _staging(problem, access, tile, row, target)
        if isinstance(staging, Staging):
            size = staging.elements * ELEMENT_BYTES[access.element_type] * (threads // target.wave_lanes)
            need = total_bytes([*buffers.values(), size])
            if need > most_bytes:
                staging = f"its scratch would need {need} B of LDS > {most_bytes} B"
            else:
                buffers[buffer_name("result", number)] = size
        stores.append(
            Store(None, staging) if isinstance(staging, str) else Store(staging, "128-bit stores of whole rows")
        )
    return Combine(tuple(lines), tuple(stores), tuple(buffers.items()))


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
    return LineLoad(direction, extent, vector, -(-extent // (threads * vector)))


def _staging(
    problem: Problem, access: Access, tile: OutputTile, row: MatrixInstruction, target: Target
) -> Staging | str:
    direction = output_direction(problem)
    other = "m" if direction == "n" else "n"
    dim = problem.dims(direction)[0]
    if access.stride(dim) != 1:
        return f"it is not contiguous along {direction}, in which lanes hold results"
    size = ELEMENT_BYTES[access.element_type]
    wide = LDS_ACCESS_BYTES // size
    have = access_vector(problem, access, dim, wide)
    if have < wide:
        return f"its rows are aligned to {have * size} B < {LDS_ACCESS_BYTES} B"
    across = tile.wave_extent(other) // row.n
    return stage(row, across, tile.wave_extent(direction), size, target)


def registers(problem: Problem, block_elements: int, blocks: int) -> int:
    """32-bit registers a lane, at most: other operands, intermediates and results of one accumulator block.

    `block_elements` are a lane's elements of a block, `blocks` the blocks of a wave along the direction in which a lane
    holds consecutive results. An operand that varies only in that direction is read once for all blocks across it.
    """
    direction = output_direction(problem)
    along, across = (problem.dims(role)[0] for role in (direction, "m" if direction == "n" else "n"))
    need = _INTERMEDIATES * block_elements
    for access in dict.fromkeys(problem.extras):
        size = ELEMENT_BYTES[access.element_type]
        if not access.stride(along):
            need += 1  # one element for a whole run
        else:
            need += block_elements * size // 4 * (1 if access.stride(across) else blocks)
    return need + sum(block_elements * ELEMENT_BYTES[access.element_type] // 4 for access in problem.outputs)


def _power(least: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << (least - 1).bit_length()
