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
        "schedule": "interleaved",
        "combine": 0,
    }
    return loop_need(**(given | changes))


def test_a_pipelined_loop_holds_two_slices_and_the_next_tile():
    found = need()
    assert (found.accumulators, found.fragments, found.copies) == (64, 32, 16)
    assert found.addresses == 2 + 4  # an address for two loads, and one for each write
    assert found.total == 64 + 32 + 16 + 6 + found.overhead


@pytest.mark.parametrize("changes", [{"schedule": "plain"}, {"tiles": 1}])
def test_a_tile_is_in_lds_before_its_fragments_are_read(changes):
    found = need(**changes)
    assert (found.fragments, found.copies) == (16, 0)
    assert need(**changes, copies=(ALONG_K,) * 4).copies == 32 - 16


def test_what_llvm_orders_needs_more():
    assert need(schedule="prefetch").copies > need().copies
    assert need(schedule="iglp", slices=4).fragments > need(slices=4).fragments
    # with one slice there is no other to read ahead, unless the plan puts the next tile's first one there
    assert need(schedule="prefetch", slices=1).fragments == 16 < need(slices=1).fragments == 32


def test_a_unit_along_rows_is_there_twice_while_it_is_turned():
    along_rows = need(copies=(ALONG_K, ALONG_ROWS))
    assert along_rows.copies == need(copies=(ALONG_K, replace(ALONG_ROWS, along="k"))).copies + 4


def test_the_combine_comes_after_the_loop():
    assert need(combine=10).total == need().total
    assert need(combine=100).total == 64 + 110 + need().overhead  # a tenth more for addresses
