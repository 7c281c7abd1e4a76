"""Loads from global memory straight to LDS: where they land, and when their bytes may be read."""

import numpy as np
import pytest
from simkernels import run_text

# two waves: each loads its 64 numbers to LDS, and stores those of the other
BODY = """
  s_load_dwordx4 s[4:7], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  v_xor_b32_e32 v2, 0x100, v1
  v_readfirstlane_b32 s12, v1
  s_mov_b32 m0, s12
  s_mov_b32 s10, 512
  s_mov_b32 s11, 0x27000
  s_waitcnt lgkmcnt(0)
  s_mov_b32 s8, s4
  s_mov_b32 s9, s5
  LOAD
  s_waitcnt vmcnt(0)
  s_barrier
  ds_read_b32 v3, v2
  s_waitcnt lgkmcnt(0)
  global_store_dword v1, v3, s[6:7]
  s_endpgm
"""
BUFFER = "buffer_load_dword v1, s[8:11], 0 offen lds"
GLOBAL = "global_load_lds_dword v1, s[4:5]"
NUMBERS = np.arange(128, dtype=np.float32)


def _run(body):
    return run_text(body, [NUMBERS], [((128,), "f32")], lds=512, block=128)


@pytest.mark.parametrize("load", [BUFFER, GLOBAL])
def test_they_land_at_m0_and_four_bytes_a_lane(load):
    result = _run(BODY.replace("LOAD", load))
    assert result.faults == [], [str(fault) for fault in result.faults]
    assert (result.outputs[0] == np.roll(NUMBERS, 64)).all()


@pytest.mark.parametrize("load", [BUFFER, GLOBAL])
def test_a_missing_wait_is_a_race(load):
    faults = _run(BODY.replace("LOAD", load).replace("s_waitcnt vmcnt(0)", "s_nop 0")).faults
    assert [fault.kind for fault in faults] == ["lds-race"]


def test_not_even_the_own_wave_may_read_before_the_wait():
    own = BODY.replace("LOAD", BUFFER).replace("v_xor_b32_e32 v2, 0x100", "v_add_u32_e32 v2, 0")
    assert _run(own).faults == []
    (fault,) = _run(own.replace("s_waitcnt vmcnt(0)\n  s_barrier", "s_nop 0")).faults
    assert fault.kind == "lds-race" and "a load to LDS of wave" in fault.message


def test_the_instruction_offset_counts_on_both_sides():
    body = BODY.replace("LOAD", BUFFER + " offset:256").replace("ds_read_b32 v3, v2", "ds_read_b32 v3, v1 offset:256")
    result = run_text(body, [NUMBERS], [((64,), "f32")], lds=512, block=64)
    assert result.faults == [], [str(fault) for fault in result.faults]
    assert (result.outputs[0] == NUMBERS[64:]).all()


@pytest.mark.parametrize(("load", "lines"), [(BUFFER, 2), (GLOBAL, 4)])
def test_their_lines_are_counted_within_bounds(load, lines):
    """512 bytes, of which the buffer bounds 256. Workgroups 0 and 8 share an XCD's L2, 1 to 7 have one each."""
    body = BODY.replace("LOAD", load).replace("s_mov_b32 s10, 512", "s_mov_b32 s10, 256")
    result = run_text(body, [NUMBERS], [((128,), "f32")], lds=512, block=128, grid=9, l2=True)
    counted = result.stats["kernels"]["k"]["l2"]
    assert (counted["requested_lines"], counted["fetched_lines"]) == (9 * lines, 8 * lines)
