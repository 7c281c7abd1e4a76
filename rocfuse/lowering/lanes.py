"""Which elements a lane owns: everything is computed from the plan and the instruction's maps."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator

from rocfuse.analysis.swizzle import Swizzle
from rocfuse.layouts import LinearMap
from rocfuse.lowering import index_math as ix
from rocfuse.plan_attributes import KernelPlan
from rocfuse.records import record


@record
class Chunk:
    """Consecutive elements of one lane in an accumulator block: the first is at (m, n) of the workgroup's tile.

    `first` numbers the accumulator register of the first one; the direction is the plan's `along`.
    """

    m: ix.Term
    n: ix.Term
    first: int
    width: int


class Lanes:
    """Index terms of one thread, given as a value (terms are emitted at the insertion point) or as a number."""

    def __init__(self, plan: KernelPlan, thread: ix.Term) -> None:
        self.plan, self.thread = plan, thread
        self._tile_rows: dict[tuple[ix.Term, int, tuple[int, ...]], tuple[ix.Term, ix.Term]] = {}
        self.lane = ix.mask(thread, _log2(plan.wave_lanes))
        self.wave = wave = ix.shift_right(thread, _log2(plan.wave_lanes))
        wave_n: ix.Term = ix.mask(wave, _log2(plan.waves_n))
        wave_m: ix.Term = ix.shift_right(wave, _log2(plan.waves_n)) if plan.waves_m > 1 else 0
        self.wave_row = {"a": ix.mul(wave_m, plan.wave_m), "b": ix.mul(wave_n, plan.wave_n)}
        row = plan.instruction
        swapped = plan.along == "n"
        maps = {"a": (row.b_map, "n") if swapped else (row.a_map, "m")}
        maps["b"] = (row.a_map, "m") if swapped else (row.b_map, "n")
        self.fragment_row = {role: ix.add(self.wave_row[role], self._lane_term(*maps[role])) for role in maps}
        self.fragment_k = {role: self._lane_term(maps[role][0], "k") for role in maps}
        self.c_dims = ("n", "m") if swapped else ("m", "n")  # the instruction's dims that run along our (m, n)
        self.c_row = self._lane_term(row.c_map, self.c_dims[0])
        self.c_column = self._lane_term(row.c_map, self.c_dims[1])

    def _lane_term(self, one: LinearMap, dim: str) -> ix.Term:
        """The lane's share of a coordinate."""
        parts = [
            ix.shift_left(ix.mask(ix.shift_right(self.lane, f.source_bit), f.width), f.destination_bit)
            for f in one.lane_fields(dim)
        ]
        return ix.add(*parts)

    def unit(self, operand: int, part: int) -> tuple[ix.Term, ix.Term]:
        """(row, k) in the operand's tile of this thread's unit number `part`."""
        copy, sharers = self.plan.copies[operand], len(self.plan.group(operand))
        threads = _log2(self.plan.threads // sharers)
        place: dict[str, list[ix.Term]] = {"row": [], "k": []}
        for field in copy.fields(self.plan.rows(operand), self.plan.tile_k):
            bits = self._unit_bits(part, field.source_bit, field.width, threads)
            place[field.dim].append(ix.mul(bits, field.scale))
        return ix.add(*place["row"]), ix.add(*place["k"])

    def _unit_bits(self, part: int, low: int, width: int, threads: int) -> ix.Term:
        """Bits of the number of this thread's unit: the thread's low `threads` bits, then `part`."""
        moving: ix.Term = 0
        if low < threads:
            moving = ix.shift_right(self.thread, low)
            own = min(width, threads - low)
            if low + own < _log2(self.plan.threads):
                moving = ix.mask(moving, own)
            if low + width < threads:
                return moving
        fixed = part << threads >> low & (1 << width) - 1
        return ix.add(moving, fixed)

    def lds_index(self, operand: int, row: ix.Term, k: ix.Term, more: int = 0) -> ix.Term:
        """Element offset of (row + more, k) in an operand's swizzled tile; k is a multiple of what is accessed at once.

        The bits of `more` are zero in `row`. Those that the swizzle does not look at are a constant that is added last.
        """
        swizzle = self.plan.swizzles[operand]
        apart = more & ~self._moved_by(swizzle)
        first, turn = self._tile_row(row, more - apart, swizzle)
        return ix.add(ix.xor(ix.add(first, k), turn), apart * self.plan.tile_k)

    def _tile_row(self, row: ix.Term, more: int, swizzle: Swizzle) -> tuple[ix.Term, ix.Term]:
        """Where row + more starts in a tile, and how its chunks are turned, in elements; once for all k."""
        key = (row, more, swizzle.images)
        if key not in self._tile_rows:
            moved = ix.add(row, more)
            turn = ix.shift_left(self.turn(moved, swizzle.images), _log2(swizzle.chunk))
            self._tile_rows[key] = ix.mul(moved, self.plan.tile_k), turn
        return self._tile_rows[key]

    def unit_rows(self, operand: int) -> list[int]:
        """The rows of a unit, in an order in which those that lie a constant apart in LDS follow each other."""
        moved = self._moved_by(self.plan.swizzles[operand])
        return sorted(range(self.plan.copies[operand].unit_rows), key=lambda row: (row & moved, row))

    def _moved_by(self, swizzle: Swizzle) -> int:
        """The row bits whose step in LDS is no constant: the swizzle looks at them, or the XOR may change them."""
        reach = functools.reduce(operator.or_, swizzle.images, 0) * swizzle.chunk
        bits = enumerate(swizzle.images)
        return sum(1 << bit for bit, image in bits if image or self.plan.tile_k << bit <= reach)

    @staticmethod
    def turn(row: ix.Term, images: tuple[int, ...]) -> ix.Term:
        """The swizzle's function of a row: row bits that move alike are taken together."""
        runs: dict[int, int] = {}  # distance -> mask of the row bits that move down by it
        for bit, image in enumerate(images):
            for target in range(image.bit_length()):
                if image >> target & 1:
                    runs[bit - target] = runs.get(bit - target, 0) | 1 << bit
        total: ix.Term = 0
        for distance, bits in sorted(runs.items()):
            kept = ix.bits(row, bits)
            total = ix.xor(total, ix.shift_right(kept, distance) if distance >= 0 else ix.shift_left(kept, -distance))
        return total

    def fragment(self, operand: int, block: int, k_slice: int) -> ix.Term:
        """Element offset of this lane's part of a k slice.

        One read feeds several instructions: the lanes' k parts are spread over the whole slice, for A and B alike, so a
        product's terms are summed in another order but each exactly once.
        """
        plan, role = self.plan, self.plan.roles[operand]
        rows = plan.block_m if role == "a" else plan.block_n
        k = ix.add(ix.mul(self.fragment_k[role], plan.sharing(2)), k_slice * plan.k_slice(2))
        return self.lds_index(operand, self.fragment_row[role], k, block * rows)

    def chunks(self, i: int, j: int) -> Iterator[Chunk]:
        """This lane's elements of accumulator block (i, j), in register order, as runs along the plan's direction."""
        plan, one = self.plan, self.plan.instruction.c_map
        width = one.contiguous_registers("m")
        m = ix.add(self.wave_row["a"], self.c_row)
        n = ix.add(self.wave_row["b"], self.c_column)
        for first in range(0, one.registers, width):
            steps = dict(zip(one.dims, one.register_part(first), strict=True))
            yield Chunk(
                ix.add(m, i * plan.block_m + steps[self.c_dims[0]]),
                ix.add(n, j * plan.block_n + steps[self.c_dims[1]]),
                first,
                width,
            )


def _log2(value: int) -> int:
    return value.bit_length() - 1
