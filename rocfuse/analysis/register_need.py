"""How many registers a wave needs in its K loop, by purpose, before code generation. Pure: no MLIR.

What a plan says is counted; what LLVM makes of it is in a few factors, found in sweeps of bench/account.py: how far its
own order of a tile moves loads and reads ahead, how many addresses it keeps, and what it takes beside all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rocfuse.analysis.combine import with_addresses
from rocfuse.analysis.copies import Copy
from rocfuse.analysis.registers import RegisterNeed
from rocfuse.analysis.schedule import ORDERED

# fragments of a loop with one k slice a tile: those of the next tile are read when half of this one is multiplied
_HELD_OF_ONE_SLICE = 1.5
# of the copies of a tile, where a loop iteration has several: they do not all come back to the registers they were in
_ROTATED_COPIES = 1.25
# of the smaller of copies and fragments, where one follows the other: what is in vectors is not free element by element
_OVERLAP = 0.25
# loads, and writes, that share an address
_ACCESSES_AN_ADDRESS = 2
# loads of one element, for one register more: pairs are packed into others, and masked where K ends
_SINGLES_A_REGISTER = 4


def loop_need(
    *,
    accumulators: int,
    slice_registers: int,
    slices: int,
    copies: Sequence[Copy],
    tiles: int,
    stages: int,
    schedule: str,
    combine: int,
) -> RegisterNeed:
    """The need of a loop that multiplies `tiles` tiles of `slices` k slices each.

    `slice_registers` hold the fragments of one slice, `copies` are what a thread brings in of one tile, and `combine`
    is what the values of the combine take beside the accumulators.
    """
    ordered = schedule in ORDERED
    pipelined = schedule != "plain" and tiles > 1
    if not pipelined:
        held = 1.0
    elif slices == 1:
        held = _HELD_OF_ONE_SLICE
    else:  # the next slice is read while this one is multiplied; LLVM's own order reads all slices that there are
        held = 2.0 if ordered else slices
    fragments = math.ceil(slice_registers * held)
    # a unit that is contiguous along rows is there twice while it is turned
    turned = sum(one.unit_rows * one.unit_k for one in copies if one.along == "row") // 2
    moved = sum(one.registers for one in copies) * (_ROTATED_COPIES if stages > 1 else 1.0)
    moved += turned / 2 if ordered else turned
    if not pipelined:  # a tile is in LDS before its fragments are read
        moved = max(moved - fragments, 0) + _OVERLAP * min(moved, fragments)
    accesses = sum(one.parts * (one.loads + one.unit_rows) for one in copies)
    singles = sum(one.parts * one.loads for one in copies if one.vector == 1)
    addresses = -(-accesses // _ACCESSES_AN_ADDRESS) + singles // _SINGLES_A_REGISTER
    return RegisterNeed(accumulators, fragments, math.ceil(moved), addresses, with_addresses(combine))
