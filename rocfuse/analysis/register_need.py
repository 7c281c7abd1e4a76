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

# of the copies of a tile, where LLVM orders its steps: units of the next tile are loaded while some still wait
_EARLY_COPIES = 1.5
# of the fragments of each k slice after the second, where LLVM spreads the reads of a tile (iglp)
_EARLY_FRAGMENTS = 0.5
# loads that share an address
_LOADS_AN_ADDRESS = 2


def loop_need(
    *,
    accumulators: int,
    slice_registers: int,
    slices: int,
    copies: Sequence[Copy],
    tiles: int,
    schedule: str,
    combine: int,
) -> RegisterNeed:
    """The need of a loop that multiplies `tiles` tiles of `slices` k slices each.

    `slice_registers` hold the fragments of one slice, `copies` are what a thread brings in of one tile, and `combine`
    is what the values of the combine take beside the accumulators.
    """
    ordered = schedule in ORDERED
    pipelined = schedule != "plain" and tiles > 1
    # a pipelined loop reads the fragments of the next slice, of the next tile if need be, while it multiplies this one
    held = 2.0 if pipelined and (slices > 1 or ordered) else 1.0
    if schedule == "iglp":
        held += _EARLY_FRAGMENTS * max(slices - 2, 0)
    fragments = math.ceil(slice_registers * held)
    units = sum(one.registers for one in copies)
    # a unit that is contiguous along rows is there twice while it is turned
    turned = sum(one.unit_rows * one.unit_k for one in copies if one.along == "row") // 2
    moved = units + turned // 2 if ordered else units * (_EARLY_COPIES if pipelined else 1.0) + turned
    if not pipelined:  # a tile is in LDS before its fragments are read
        moved = max(moved - fragments, 0)
    loads, writes = sum(one.parts * one.loads for one in copies), sum(one.parts * one.unit_rows for one in copies)
    addresses = loads // _LOADS_AN_ADDRESS + writes
    return RegisterNeed(accumulators, fragments, math.ceil(moved), addresses, with_addresses(combine))
