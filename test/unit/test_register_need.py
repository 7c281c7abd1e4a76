"""The need of a loop on numbers: what is alive at once in each kind of schedule."""

from dataclasses import replace

import pytest

from rocfuse.analysis.copies import Copy
from rocfuse.analysis.register_need import loop_need

ALONG_K = Copy("k", vector=8, loads=1, unit_rows=1, unit_k=8, parts=2)  # 8 registers, 2 loads, 2 writes
ALONG_ROWS = Copy("row", vector=4, loads=4, unit_rows=4, unit_k=4, parts=1)  # 8 registers, 4 loads, 4 writes


def need(**changes):
    given = {
        "accumulators": 64,
        "slice_registers": 16,
        "slices": 2,
        "copies": (ALONG_K, ALONG_K),
        "tiles": 8,
        "stages": 1,
        "schedule": "interleaved",
        "combine": 0,
    }
    return loop_need(**(given | changes))


def test_a_pipelined_loop_holds_two_slices_and_the_next_tile():
    found = need()
    assert (found.accumulators, found.fragments, found.copies) == (64, 32, 16)
    assert found.addresses == (4 + 4) // 2  # one for two loads, and for two writes
    assert found.total == 64 + 32 + 16 + 4 + found.overhead


def test_a_loop_of_one_slice_reads_the_next_tile_when_half_of_this_one_is_multiplied():
    assert need(slices=1).fragments == 24


@pytest.mark.parametrize("changes", [{"schedule": "plain"}, {"tiles": 1}])
def test_a_tile_is_in_lds_before_its_fragments_are_read(changes):
    found = need(**changes)
    assert (found.fragments, found.copies) == (16, 16 // 4)  # 16 after 16, in places that are free in part
    assert need(**changes, copies=(ALONG_K,) * 4).copies == 32 - 16 + 16 // 4


def test_what_llvm_orders_is_read_as_early_as_can_be():
    assert need(schedule="prefetch").fragments == need().fragments
    assert need(schedule="iglp", slices=4).fragments == need(schedule="prefetch", slices=4).fragments == 64
    assert need(slices=4).fragments == 32


def test_copies_of_several_tiles_a_turn_change_places():
    assert need(stages=2).copies == need(stages=3).copies == 20


def test_a_unit_along_rows_is_there_twice_while_it_is_turned():
    along_k = (ALONG_K, replace(ALONG_ROWS, along="k"))
    along_rows = (ALONG_K, ALONG_ROWS)
    assert need(copies=along_rows).copies == need(copies=along_k).copies + 4  # half of it at any time
    ordered_by_llvm = {"schedule": "prefetch"}
    assert need(copies=along_rows, **ordered_by_llvm).copies == need(copies=along_k, **ordered_by_llvm).copies + 8


def test_the_combine_comes_after_the_loop():
    assert need(combine=10).total == need().total
    assert need(combine=100).total == 64 + 110 + need().overhead  # a tenth more for addresses
