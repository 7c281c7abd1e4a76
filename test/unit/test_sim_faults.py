"""Every fault that the checker knows, seeded by an edit of a clean kernel; and what is legal is not reported."""

import numpy as np
import pytest
from simkernels import run_text

from rocfuse.diagnostics import CompileError

# 128 work items (two waves) reverse 128 numbers through the LDS
CLEAN = """
  s_load_dwordx4 s[4:7], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  s_waitcnt lgkmcnt(0)
  global_load_dword v2, v1, s[4:5]
  v_xor_b32_e32 v3, 0x1fc, v1
  s_waitcnt vmcnt(0)
  ds_write_b32 v1, v2
  s_waitcnt lgkmcnt(0)
  s_barrier
  ds_read_b32 v4, v3
  s_waitcnt lgkmcnt(0)
  global_store_dword v1, v4, s[6:7]
  s_endpgm
"""
NUMBERS = np.arange(128, dtype=np.float32)


def _run(body, **more):
    return run_text(body, [NUMBERS], [((128,), "f32")], lds=1024, block=128, **more)


def _edit(old, new, which=0):
    parts = CLEAN.split(old)
    assert len(parts) > which + 1, f"{old!r} is not in the kernel"
    return old.join(parts[: which + 1]) + new + old.join(parts[which + 1 :])


def test_the_clean_kernel_reports_nothing():
    result = _run(CLEAN)
    assert result.faults == []
    assert (result.outputs[0] == NUMBERS[::-1]).all()
    assert result.source == "text"


LOAD, WRITE, READ = "global_load_dword v2, v1, s[4:5]", "ds_write_b32 v1, v2", "ds_read_b32 v4, v3"
STORE, WAIT, BARRIER = "global_store_dword v1, v4, s[6:7]", "s_waitcnt lgkmcnt(0)", "s_barrier"
FAULTS = {
    "a barrier is missing": ("lds-race", _edit(BARRIER, "s_nop 0")),
    "the barrier does not wait for the write": ("lds-race", _edit(WAIT, "s_nop 0", 1)),
    "two waves write one place": (
        "lds-race",
        _edit(WRITE, WRITE.replace("v1", "v5")).replace("v_xor", "v_and_b32_e32 v5, 0xfc, v1\n v_xor"),
    ),
    "a write races with the reads": ("lds-race", _edit(READ, READ + "\n s_waitcnt lgkmcnt(0)\n ds_write_b32 v1, v2")),
    "an overwritten read is in flight": ("lds-race", _edit(READ, READ + "\n s_barrier\n ds_write_b32 v1, v2")),
    "unwritten LDS is read": ("lds-uninitialised", _edit(READ, READ + " offset:512")),
    "an LDS read is out of bounds": ("lds-out-of-bounds", _edit(READ, READ + " offset:1024")),
    "an LDS write is out of bounds": ("lds-out-of-bounds", _edit(WRITE, WRITE + " offset:1020")),
    "an LDS access is misaligned": ("misaligned", _edit(READ, READ + " offset:2")),
    "a global access is misaligned": ("misaligned", _edit(LOAD, LOAD + " offset:2")),
    "a load is out of bounds": ("global-out-of-bounds", _edit(LOAD, LOAD + " offset:4")),
    "a store is out of bounds": ("global-out-of-bounds", _edit(STORE, STORE + " offset:-4")),
    "a store goes to another argument": ("read-only", _edit("s[6:7]\n  s_endpgm", "s[4:5]\n  s_endpgm")),
    "a load is not waited for": ("missing-wait", _edit("s_waitcnt vmcnt(0)", "s_waitcnt vmcnt(1)")),
    "an LDS read is not waited for": ("missing-wait", _edit(WAIT, "s_nop 0", 2)),
    "a scalar load is not waited for": ("missing-wait", _edit(WAIT, "s_nop 0", 0)),
    "a load's register is overwritten": ("missing-wait", _edit(LOAD, LOAD + "\n v_mov_b32_e32 v2, 0")),
    "a wave leaves before the barrier": (
        "barrier",
        _edit(BARRIER, "v_readfirstlane_b32 s8, v0\n s_cmp_lg_u32 s8, 0\n s_cbranch_scc1 .Lend\n s_barrier").replace(
            "  s_endpgm", ".Lend:\n  s_endpgm"
        ),
    ),
    "EXEC is not full for a matrix instruction": (
        "exec-not-full",
        _edit(
            BARRIER,
            BARRIER + "\n s_mov_b64 exec, 0xff\n v_mfma_f32_4x4x1_16b_f32 v[8:11], v1, v1, 0\n s_mov_b64 exec, -1",
        ),
    ),
    "an undefined value is stored": ("undefined", _edit(STORE, STORE.replace("v4", "v9"))),
    "an undefined value is an address": ("undefined", _edit(STORE, STORE.replace("v1,", "v9,"))),
    "an undefined value is an LDS address": ("undefined", _edit(READ, READ.replace("v3", "v9"))),
    "an undefined value decides a branch": ("undefined", _edit(BARRIER, BARRIER + "\n s_cbranch_vccnz .Lend\n.Lend:")),
    "an undefined value reaches EXEC": ("undefined", _edit(BARRIER, BARRIER + "\n s_and_b64 exec, exec, s[20:21]")),
    "an undefined value goes through the LDS": ("undefined", _edit(WRITE, WRITE.replace("v2", "v9"))),
    "an output is not written": ("output-unwritten", _edit(STORE, "s_mov_b64 exec, 0x7fff\n" + STORE)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_reported(name):
    kind, body = FAULTS[name]
    faults = _run(body).faults
    found = [fault for fault in faults if fault.kind == kind]
    assert found, [str(fault) for fault in faults]
    if kind != "output-unwritten":
        fault = found[0]
        assert fault.instruction and fault.address >= 0 and fault.workgroup == (0, 0, 0) and fault.wave in (0, 1)
    else:
        assert str(found[0]).startswith("output-unwritten: out0: ")


def test_a_report_names_instruction_address_wave_and_lane():
    (fault,) = _run(_edit(LOAD, LOAD + " offset:4")).faults[:1]
    assert (fault.wave, fault.lane, fault.workgroup, fault.count) == (1, 63, (0, 0, 0), 1)
    assert fault.instruction == LOAD + " offset:4"
    assert str(fault).startswith("global-out-of-bounds: at 0xc `global_load_dword")


LEGAL = {
    "undefined high halves": _edit(
        STORE,
        "v_mov_b32_sdwa v9, v4 dst_sel:WORD_0 dst_unused:UNUSED_PRESERVE src0_sel:WORD_0\n"
        " v_and_b32_e32 v9, 0xffff, v9\n" + STORE,
    ),
    "masked lanes": _edit(
        STORE,
        "s_mov_b64 exec, 0xff\n v_add_u32_e32 v9, 1, v4\n s_mov_b64 exec, -1\n v_add_u32_e32 v9, v9, v9\n" + STORE,
    ),
    "a buffer access beyond its bound": _edit(
        STORE,
        "s_mov_b32 s8, s4\n s_mov_b32 s9, s5\n s_mov_b32 s10, 64\n s_mov_b32 s11, 0x27000\n"
        " buffer_load_dword v9, v1, s[8:11], 0 offen\n s_waitcnt vmcnt(0)\n v_add_f32_e32 v9, v9, v9\n" + STORE,
    ),
    "loads that follow each other into one register": _edit(LOAD, LOAD + "\n " + LOAD),
    "waves that go different ways": _edit(
        BARRIER,
        "v_readfirstlane_b32 s8, v0\n s_cmp_lg_u32 s8, 0\n s_cbranch_scc1 .Lother\n v_mov_b32_e32 v7, 1\n"
        " s_branch .Lend\n.Lother:\n v_mov_b32_e32 v7, 2\n.Lend:\n v_add_u32_e32 v7, v7, v7\n s_barrier",
    ),
    "waves that wait at different barriers": _edit(
        BARRIER,
        "v_readfirstlane_b32 s8, v0\n s_cmp_lg_u32 s8, 0\n s_cbranch_scc1 .Lother\n s_barrier\n s_branch .Lend\n"
        ".Lother:\n s_barrier\n.Lend:",
    ),
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_is_legal_is_not_reported(name):
    result = _run(LEGAL[name])
    assert result.faults == [], [str(fault) for fault in result.faults]
    assert (result.outputs[0] == NUMBERS[::-1]).all()


def test_an_unknown_instruction_is_an_error():
    with pytest.raises(CompileError, match=r"kernel k: the simulator does not know v_frobnicate_b32, .* at 0x4"):
        _run(_edit("v_lshlrev_b32_e32 v1, 2, v0", "v_frobnicate_b32 v1, 2, v0"))


def test_a_loop_without_an_end_is_an_error(monkeypatch):
    monkeypatch.setattr("rocfuse.sim.execute.MAX_BACKWARD_BRANCHES", 1000)
    with pytest.raises(CompileError, match="does not end"):
        _run(_edit(BARRIER, ".Lagain:\n s_branch .Lagain"))


def test_checking_can_be_turned_off():
    from simkernels import contract_for, shell

    import rocfuse.sim

    hsaco = shell(2, 1024)
    contract = contract_for(hsaco, [NUMBERS], [((128,), "f32")], 128)
    text = f"k:\n{_edit(BARRIER, 's_nop 0')}\n.Lfunc_end0:\n"
    assert rocfuse.sim.simulate(hsaco, contract, [NUMBERS], isa_text=text, check=False).faults == []


PLAN = [
    {"name": "numbers", "offset": 0, "bytes": 512, "live": "loop", "stage": 0},
    {"name": "rest", "offset": 512, "bytes": 512, "live": "combine", "stage": 0},
]


def test_the_account_is_proved_by_execution():
    assert _run(CLEAN, lds_buffers=PLAN[:1], lds_padding_bytes=512).faults == []


def test_padding_between_buffers_is_below_the_highest_byte():
    apart = [{**PLAN[0], "bytes": 256}, {**PLAN[0], "offset": 260, "bytes": 252}]
    kinds = {fault.kind for fault in _run(CLEAN, lds_buffers=apart, lds_padding_bytes=516).faults}
    assert kinds == {"lds-unplanned"}  # CLEAN touches the padding, too, but no byte above 511


def test_an_access_outside_of_the_planned_buffers_is_reported():
    small = [{**PLAN[0], "bytes": 496}]
    kinds = {fault.kind for fault in _run(CLEAN, lds_buffers=small, lds_padding_bytes=512).faults}
    assert kinds == {"lds-unplanned"}


def test_a_block_that_is_larger_than_what_is_touched_is_reported():
    (fault,) = _run(CLEAN, lds_buffers=PLAN[:1], lds_padding_bytes=0).faults
    assert fault.kind == "lds-account"
    assert "the highest LDS byte touched is 511" in fault.message


def test_a_loop_buffer_is_dead_once_the_combine_has_begun():
    combine_then_loop = "s_waitcnt lgkmcnt(0)\n ds_write_b32 v1, v4 offset:512\n s_barrier\n ds_read_b32 v8, v3\n"
    faults = _run(_edit(STORE, combine_then_loop + STORE), lds_buffers=PLAN, lds_padding_bytes=0).faults
    assert [fault.kind for fault in faults] == ["lds-dead"]


# the block is the loop's until the last matrix instruction, then the combine's: the two share their bytes
SHARED = [
    {"name": "tile", "offset": 0, "bytes": 512, "live": "loop", "stage": 0},
    {"name": "line", "offset": 0, "bytes": 1024, "live": "combine", "stage": 0},
]
MATRIX = "v_mfma_f32_4x4x4_16b_f16 v[8:11], v[4:5], v[4:5], 0"
MULTIPLY = f"v_mov_b32_e32 v4, 0\n v_mov_b32_e32 v5, 0\n {MATRIX}\n s_nop 7"
AGAIN = "s_waitcnt lgkmcnt(0)\n s_barrier\n ds_write_b32 v1, v2 offset:512\n"


def _shared(body, lines=SHARED):
    return {fault.kind for fault in _run(body, lds_buffers=lines, lds_padding_bytes=0).faults}


def test_buffers_of_loop_and_combine_may_share_bytes():
    body = _edit(BARRIER, f"s_barrier\n {MULTIPLY}")
    assert _shared(body.replace(STORE, STORE + "\n " + AGAIN)) == set()


def test_a_buffer_of_the_combine_is_not_alive_while_matrix_instructions_can_follow():
    body = _edit(BARRIER, f"s_barrier\n {AGAIN} {MULTIPLY}")
    assert _shared(body) == {"lds-early"}


def test_a_loop_buffer_is_dead_where_no_matrix_instruction_can_follow():
    only = [SHARED[0], {**SHARED[1], "offset": 512, "bytes": 512}]
    body = _edit(BARRIER, f"s_barrier\n {MULTIPLY}")  # the read is behind it
    assert _shared(body.replace(STORE, STORE + "\n " + AGAIN), only) == {"lds-dead"}


def test_what_a_loop_comes_back_to_can_follow():
    loop = (
        f"s_mov_b32 s8, 0\n.Lagain:\n {MULTIPLY}\n s_waitcnt lgkmcnt(0)\n s_barrier\n ds_write_b32 v1, v2 offset:512\n"
    )
    body = _edit(BARRIER, f"s_barrier\n {loop} s_add_u32 s8, s8, 1\n s_cmp_lg_u32 s8, 2\n s_cbranch_scc1 .Lagain")
    assert _shared(body) == {"lds-early"}
