"""Which elements a lane owns: everything is computed from the plan and the instruction's maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlir import ir

from rocfuse.analysis.copies import Copy
from rocfuse.layouts import LinearMap
from rocfuse.lowering import index_math as ix
from rocfuse.plan_attributes import KernelPlan


@dataclass(frozen=True)
class Chunk:
    """Consecutive elements of one lane in an accumulator block: the first is at (m, n) of the workgroup's tile.

    `first` numbers the accumulator register of the first one; the direction is the plan's `along`.
    """

    m: ix.Term
    n: ix.Term
    first: int
    width: int


class Lanes:
    """Index terms of one thread; emits its shared terms at the current insertion point."""

    def __init__(self, plan: KernelPlan, thread: ir.Value) -> None:
        self.plan, self.thread = plan, thread
        self.lane = ix.mask(thread, _log2(plan.wave_lanes))
        wave = ix.shift_right(thread, _log2(plan.wave_lanes))
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

    def unit(self, copy: Copy, part: int, rows: int, tile_k: int) -> tuple[ix.Term, ix.Term]:
        """(row, k) in the tile of this thread's unit number `part`."""
        along_k = copy.along == "k"
        chunks = tile_k // copy.unit_k if along_k else rows // copy.unit_rows
        threads = self.plan.threads
        inner, outer = ix.mask(self.thread, _log2(chunks)), ix.shift_right(self.thread, _log2(chunks))
        if threads >= chunks:
            outer = ix.add(outer, part * threads // chunks)
        else:
            turns = chunks // threads
            inner, outer = ix.add(self.thread, part % turns * threads), part // turns
        return (
            (ix.mul(outer, copy.unit_rows), ix.mul(inner, copy.unit_k))
            if along_k
            else (ix.mul(inner, copy.unit_rows), ix.mul(outer, copy.unit_k))
        )

    def lds_index(self, operand: int, row: ix.Term, k: ix.Term) -> ix.Term:
        """Element offset of (row, k) in an operand's swizzled tile; k is a multiple of what is accessed at once."""
        swizzle = self.plan.swizzles[operand]
        chunk_bits = _log2(swizzle.chunk)
        turn = ix.mask(ix.shift_right(row, swizzle.row_shift), _log2(swizzle.mask + 1))
        chunk = ix.xor(ix.shift_right(k, chunk_bits), turn)
        inside = ix.mask(k, chunk_bits)
        return ix.add(ix.mul(row, self.plan.tile_k), ix.shift_left(chunk, chunk_bits), inside)

    def fragment(self, operand: int, block: int, k_slice: int) -> ix.Term:
        """Element offset of this lane's part of a k slice.

        One read feeds several instructions: the lanes' k parts are spread over the whole slice, for A and B alike, so a
        product's terms are summed in another order but each exactly once.
        """
        plan, role = self.plan, self.plan.roles[operand]
        rows = plan.block_m if role == "a" else plan.block_n
        row = ix.add(self.fragment_row[role], block * rows)
        k = ix.add(ix.mul(self.fragment_k[role], plan.sharing(2)), k_slice * plan.k_slice(2))
        return self.lds_index(operand, row, k)

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
