"""How a wave's results get from accumulator layout to wide stores: through a scratch of its own in LDS. Pure: no MLIR.

The instruction leaves a lane short runs of many rows; a store should write whole rows. So the wave writes some rows of
its tile to LDS as its lanes hold them, and reads them back in the order of memory. "Rows" run along the contiguous
direction of the output here, be it n or m.
"""

from __future__ import annotations

import functools

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.analysis.swizzle import LaneSteps, Line, images
from rocfuse.layouts import LinearMap
from rocfuse.records import record
from rocfuse.targets import MatrixInstruction, Target


@record
class Staging:
    """A wave's scratch of `rows` x `columns` elements, written `unit` at a time and read `vector` at a time.

    Units are permuted within a line of banks by XOR with `images[i]` for each bit i of the row. A read takes one row
    step of `lane_rows` for each lane bit above those that number a row's vectors, and one of `part_rows` for each bit
    of the read's own number. Where a read's row turns the units inside of a vector, they are put right in registers:
    only rows of `part_rows` do, so that it is known when compiling.
    """

    rows: int
    columns: int
    unit: int
    vector: int
    images: tuple[int, ...]
    lane_rows: tuple[int, ...]
    part_rows: tuple[int, ...]

    @property
    def parts(self) -> int:
        """Reads (and stores) of a lane for one fill of the scratch."""
        return 1 << len(self.part_rows)

    @property
    def elements(self) -> int:
        """Elements of the scratch."""
        return self.rows * self.columns

    def turn(self, row: int) -> int:
        """What the row's bits add (by XOR) to an element's offset."""
        result = 0
        for bit, image in enumerate(self.images):
            if row >> bit & 1:
                result ^= image
        return result * self.unit

    def offset(self, row: int, column: int) -> int:
        """Where the unit of element (row, column) is kept, in elements of the scratch."""
        return (row * self.columns + column) // self.unit * self.unit ^ self.turn(row)

    def part_row(self, part: int) -> int:
        """The row that a read's number adds."""
        return sum(step for bit, step in enumerate(self.part_rows) if part >> bit & 1)


def stage(row: MatrixInstruction, across: int, columns: int, element_bytes: int, target: Target) -> Staging | str:
    """The scratch with the fewest rows that has wide accesses without conflicts, or why results are stored directly.

    `across` x `columns` is a wave's tile in blocks and elements: accumulator blocks across the output's contiguous
    direction, elements along it.
    """
    unit, vector = row.c_map.contiguous_registers("m"), LDS_ACCESS_BYTES // element_bytes
    reach = unit
    while any(step == (reach, 0) for step in row.c_map.lane_bits):
        reach *= 2
    if unit * element_bytes >= LDS_ACCESS_BYTES and reach >= columns:
        return "lanes already store whole rows, 128 bits each"
    least = target.wave_lanes * vector
    blocks = 1
    while blocks <= across:
        rows = blocks * row.n
        found = None
        if rows * columns >= least:
            narrow = [target.lds_phases[f"{way}_b{8 * unit * element_bytes}"] for way in ("write", "read")]
            wide = [target.lds_phases[f"{way}_b128"] for way in ("read", "write")]
            phases = (*narrow, *wide)
            found = _layout(row.c_map, rows, columns, element_bytes, phases, target.lds_banks * target.lds_bank_bytes)
        if found is not None:
            return found
        blocks *= 2
    have = across * row.n * columns
    if have < least:
        return f"a wave has {have} results < {least}, one store of all its lanes"
    return "no layout of its scratch is free of bank conflicts"


@functools.cache
def _layout(
    lanes: LinearMap,
    rows: int,
    columns: int,
    element_bytes: int,
    phases: tuple[tuple[tuple[int, ...], ...], ...],
    banks_bytes: int,
) -> Staging | None:
    """The first layout without conflicts, by the phases of a unit's write and read and of a vector's read and write.

    Operands of a result's shape take the way back: vectors are written, units are read.
    `lanes` takes a lane and a register to a result: its m runs along rows and its n across them.
    """
    unit, vector = lanes.contiguous_registers("m"), LDS_ACCESS_BYTES // element_bytes
    row_bits, chunk_bits = _log2(rows), _log2(columns // vector)
    part_bits = row_bits + chunk_bits - len(lanes.lane_bits)
    units = tuple((across, along) for along, across in lanes.lane_bits)
    narrow = [LaneSteps(units, unit * element_bytes, one) for one in phases[:2]]
    # which row bit is the read's own besides the top ones: the one that may turn units inside of a vector
    for own in reversed(range(row_bits)) if part_bits else (row_bits - 1,):
        order = [*(bit for bit in range(row_bits) if bit != own), own]
        lane_rows = [1 << bit for bit in order[: row_bits - part_bits]]
        part_rows = [1 << bit for bit in order[row_bits - part_bits :]]
        vectors = (*((0, vector << bit) for bit in range(chunk_bits)), *((step, 0) for step in lane_rows))
        wide = [LaneSteps(vectors, LDS_ACCESS_BYTES, one) for one in phases[2:]]
        whole = sum(lane_rows) if unit < vector else 0
        line = Line(columns * element_bytes, element_bytes, banks_bytes, unit * element_bytes, whole)
        found = images((*narrow, *wide), row_bits, line)
        if found is not None:
            return Staging(rows, columns, unit, vector, found, tuple(lane_rows), tuple(part_rows))
    return None


def _log2(value: int) -> int:
    return value.bit_length() - 1
