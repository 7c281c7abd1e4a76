"""Matrix instructions and lane movement against AMD's documented layouts; counters against hand-made patterns."""

import ml_dtypes
import numpy as np
import pytest
from simkernels import compile_ir, run, run_text, shell

from rocfuse.diagnostics import CompileError, UsageError
from rocfuse.sim.runner import GridRunner

KINDS = {
    "f16": (np.float16, 2),
    "bf16": (ml_dtypes.bfloat16, 2),
    "f32": (np.float32, 4),
    "i8": (np.int8, 1),
    "fp8_fp8": (ml_dtypes.float8_e4m3fnuz, 1),
}
SHAPES = [(32, 8, "f16"), (16, 16, "f16"), (32, 8, "bf16"), (16, 16, "bf16"), (32, 2, "f32"), (16, 4, "f32")]
SHAPES += [(32, 16, "i8"), (16, 32, "i8"), (32, 16, "fp8_fp8"), (16, 32, "fp8_fp8")]


def _result_place(size, lane, register):
    """Row and column of a result element, as AMD's matrix instruction calculator prints them."""
    if size == 32:
        return 8 * (register // 4) + 4 * (lane // 32) + register % 4, lane % 32
    return 4 * (lane // 16) + register, lane % 16


@pytest.mark.parametrize(("size", "depth", "kind"), SHAPES)
def test_a_matrix_instruction_multiplies(size, depth, kind):
    dtype, width = KINDS[kind]
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((size, depth), (depth, size)))
    each = depth * size // 64  # consecutive k of one lane
    words = max(each * width // 4, 1)
    registers = np.zeros((2, 64, words), np.uint32)
    for lane in range(64):
        k = lane // size * each
        for side, values in enumerate((a[lane % size, k : k + each], b[k : k + each, lane % size])):
            registers[side, lane] = np.frombuffer(values.astype(dtype).tobytes(), np.uint32)
    count = size * size // 64
    result_type = "i32" if kind == "i8" else "f32"
    width_name = {1: "dword", 2: "dwordx2"}[words]
    last = words - 1
    text = f"""
  s_load_dwordx4 s[4:7], s[0:1], 0x0
  s_load_dwordx2 s[8:9], s[0:1], 0x10
  v_lshlrev_b32_e32 v1, {2 + last}, v0
  v_lshlrev_b32_e32 v2, {4 if count == 4 else 6}, v0
  s_waitcnt lgkmcnt(0)
  global_load_{width_name} v[4:{4 + last}], v1, s[4:5]
  global_load_{width_name} v[6:{6 + last}], v1, s[6:7]
  s_waitcnt vmcnt(0)
  v_mfma_{result_type}_{size}x{size}x{depth}_{kind} a[0:{count - 1}], v[4:{4 + last}], v[6:{6 + last}], 1{
        "" if kind == "i8" else ".0"
    }
"""
    for at in range(count):
        text += f"  v_accvgpr_read_b32 v10, a{at}\n  global_store_dword v2, v10, s[8:9] offset:{4 * at}\n"
    result = run_text(text + "  s_endpgm", list(registers), [((64, count), "i32" if kind == "i8" else "f32")])
    assert result.faults == [], [str(fault) for fault in result.faults]
    found = np.zeros((size, size))
    for lane in range(64):
        for register in range(count):
            found[_result_place(size, lane, register)] = result.outputs[0][lane, register]
    assert (found == a @ b + 1).all()
    stats = result.stats["kernels"]["k"]
    assert stats["instructions"]["matrix"] == 1 and stats["matrix_cycles"] == (32 if size == 32 else 16) * (
        2 if kind == "f32" else 1
    )


@pytest.mark.parametrize("size", [4, 16, 32])
def test_a_matrix_instruction_with_blocks(size):
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-4, 5, 64).astype(np.float32) for _ in range(2))
    blocks = 64 // size
    count = 4 if size == 4 else size * size * blocks // 64
    text = f"""
  s_load_dwordx4 s[4:7], s[0:1], 0x0
  s_load_dwordx2 s[8:9], s[0:1], 0x10
  v_lshlrev_b32_e32 v1, 2, v0
  v_mul_u32_u24_e32 v2, {4 * count}, v0
  s_waitcnt lgkmcnt(0)
  global_load_dword v4, v1, s[4:5]
  global_load_dword v6, v1, s[6:7]
  s_waitcnt vmcnt(0)
  v_mfma_f32_{size}x{size}x1_{blocks}b_f32 v[32:{31 + count}], v4, v6, 0
"""
    text += "".join(f"  global_store_dword v2, v{32 + at}, s[8:9] offset:{4 * at}\n" for at in range(count))
    result = run_text(text + "  s_endpgm", [a, b], [((64, count), "f32")])
    assert result.faults == [], [str(fault) for fault in result.faults]
    per = max(size * size // 64, 1)
    for lane in range(64):
        for register in range(count):
            if size == 4:
                block, (m, n) = lane // 4, (register, lane % 4)
            else:
                block, (m, n) = register // per, _result_place(size, lane, register % per)
            assert result.outputs[0][lane, register] == a[block * size + m] * b[block * size + n]


LANE = np.arange(64)
DPP = {
    "quad_perm:[1,0,3,2]": LANE ^ 1,
    "row_shl:1": np.where(LANE % 16 < 15, LANE + 1, -1),
    "row_shr:3": np.where(LANE % 16 > 2, LANE - 3, -1),
    "row_ror:4": LANE // 16 * 16 + (LANE - 4) % 16,
    "row_mirror": LANE // 16 * 16 + 15 - LANE % 16,
    "row_half_mirror": LANE // 8 * 8 + 7 - LANE % 8,
    "row_bcast:15": np.where(LANE > 15, LANE // 16 * 16 - 1, -1),
    "row_bcast:31": np.where(LANE > 31, 31, -1),
    "row_newbcast:5": LANE // 16 * 16 + 5,
    "wave_shr:1": LANE - 1,
    "wave_rol:1": (LANE + 1) % 64,
}


@pytest.mark.parametrize("control", DPP)
@pytest.mark.parametrize("bound", ["", " bound_ctrl:1"])
def test_dpp_moves_between_lanes(control, bound):
    text = f"""
  s_load_dwordx2 s[4:5], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  v_add_u32_e32 v2, 0x64, v0
  v_mov_b32_e32 v3, 7
  v_mov_b32_dpp v3, v2 {control} row_mask:0xf bank_mask:0xf{bound}
  v_mov_b32_dpp v2, v2 {control} row_mask:0x5 bank_mask:0xf{bound}
  s_waitcnt lgkmcnt(0)
  global_store_dword v1, v3, s[4:5]
  global_store_dword v1, v2, s[4:5] offset:256
  s_endpgm
"""
    result = run_text(text, [], [((2, 64), "i32")])
    assert result.faults == []
    source = DPP[control]
    inside = np.where(source >= 0, source + 100, 0 if bound else 7)
    assert (result.outputs[0][0] == inside).all()
    in_place = np.where(
        source >= 0, source + 100, 0 if bound else LANE + 100
    )  # all lanes are read before any is written
    assert (result.outputs[0][1] == np.where(LANE // 16 % 2 == 0, in_place, LANE + 100)).all()


def test_sdwa_selects_bytes_and_words():
    text = """
  s_load_dwordx2 s[4:5], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  v_mov_b32_e32 v2, 0x89abcdef
  v_mov_b32_e32 v3, 0x01020304
  v_mov_b32_e32 v5, -1
  v_add_u32_sdwa v4, v2, v3 dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:BYTE_1 src1_sel:WORD_1
  v_mov_b32_sdwa v5, v2 dst_sel:BYTE_2 dst_unused:UNUSED_PRESERVE src0_sel:BYTE_3
  v_mov_b32_sdwa v6, sext(v2) dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:WORD_1
  s_waitcnt lgkmcnt(0)
  global_store_dword v1, v4, s[4:5]
  global_store_dword v1, v5, s[4:5] offset:256
  global_store_dword v1, v6, s[4:5] offset:512
  s_endpgm
"""
    result = run_text(text, [], [((3, 64), "u32")])
    assert result.faults == []
    assert [hex(value) for value in result.outputs[0][:, 0]] == ["0x1cf", "0xff89ffff", "0xffff89ab"]


def test_values_move_through_the_lds_crossbar():
    text = """
  s_load_dwordx2 s[4:5], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  v_xor_b32_e32 v2, 0xfc, v1
  ds_bpermute_b32 v3, v2, v0
  ds_swizzle_b32 v4, v0 offset:swizzle(SWAP,4)
  ds_permute_b32 v5, v2, v0
  s_waitcnt lgkmcnt(0)
  global_store_dword v1, v3, s[4:5]
  global_store_dword v1, v4, s[4:5] offset:256
  global_store_dword v1, v5, s[4:5] offset:512
  s_endpgm
"""
    result = run_text(text, [], [((3, 64), "i32")])
    assert result.faults == []
    assert (result.outputs[0] == [63 - LANE, LANE ^ 4, 63 - LANE]).all()


CONFLICTS = [
    # bytes between lanes, instruction, extra cycles by the phase model
    (4, "b32", 0),
    (8, "b32", 2),  # 32 lanes on 16 banks: 2 words a bank, in 2 phases
    (128, "b32", 62),  # all 32 lanes of a phase on one bank
    (0, "b32", 0),  # one address for all lanes is a broadcast
    (8, "b64", 0),
    (16, "b64", 4),  # 16 lanes of 2 words, 64 words apart in all: 2 words in a bank, in 4 phases
    (16, "b128", 0),
    (32, "b128", 8),  # 8 lanes of a phase at strides of 8 words: 2 words in a bank, in 8 phases
]


@pytest.mark.parametrize(("stride", "width", "cycles"), CONFLICTS)
def test_bank_conflicts_follow_the_phase_model(stride, width, cycles):
    last = int(width[1:]) // 32 - 1
    text = f"""
  v_mul_u32_u24_e32 v1, {stride}, v0
  v_mov_b32_e32 v4, 0
  v_mov_b32_e32 v5, 0
  v_mov_b32_e32 v6, 0
  v_mov_b32_e32 v7, 0
  ds_write_{width} v1, v[4:{4 + last}]
  s_waitcnt lgkmcnt(0)
  ds_read_{width} v[8:{8 + last}], v1
  s_endpgm
"""
    result = run_text(text, [np.zeros(1, np.float32)], [], lds=8192)
    assert result.faults == []
    stats = result.stats["kernels"]["k"]["lds"]
    assert stats["read_bytes"] == stats["write_bytes"] == 64 * 4 * (last + 1)
    if width != "b128":
        assert stats["bank_conflict_cycles"] == 2 * cycles
    else:  # reads do not go in lane order
        assert (stats["bank_conflict_cycles"] == 0) == (cycles == 0)


def test_global_lines_are_counted_by_argument():
    text = """
  s_load_dwordx4 s[4:7], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  v_lshlrev_b32_e32 v2, 7, v0
  s_waitcnt lgkmcnt(0)
  global_load_dword v3, v1, s[4:5]
  global_load_dword v4, v2, s[4:5]
  s_waitcnt vmcnt(0)
  v_add_f32_e32 v3, v3, v4
  global_store_dword v1, v3, s[6:7]
  s_endpgm
"""
    result = run_text(text, [np.ones(64 * 32, np.float32)], [((64,), "f32")])
    assert result.faults == []
    rows = [(r["kind"], r["argument"], r["bytes"], r["lines"]) for r in result.stats["kernels"]["k"]["global"]]
    assert rows == [
        ("vmem_load", "arg0", 256, 2),
        ("vmem_load", "arg0", 256, 64),
        ("vmem_store", "out0", 256, 2),
    ]


def test_a_loop_is_counted():
    text = """
  s_mov_b32 s4, 0
  v_mov_b32_e32 v1, 0
.Lloop:
  v_add_u32_e32 v1, 1, v1
  s_add_u32 s4, s4, 1
  s_cmp_lt_u32 s4, 10
  s_cbranch_scc1 .Lloop
  s_endpgm
"""
    stats = run_text(text, [np.zeros(1, np.float32)], [], grid=3).stats["kernels"]["k"]
    assert stats["instructions"]["valu"] == 33 and stats["waves"] == 3
    assert stats["loop"]["trips"] == 30 and stats["loop"]["instructions"]["salu"] == 2


def test_workgroup_ids_and_divergent_lanes():
    ir = """
define amdgpu_kernel void @k(ptr addrspace(1) noalias %out) #0 {
  %i = call i32 @llvm.amdgcn.workitem.id.x()
  %g = call i32 @llvm.amdgcn.workgroup.id.x()
  br label %loop
loop:
  %n = phi i32 [ 0, %0 ], [ %m, %loop ]
  %s = phi i32 [ 0, %0 ], [ %t, %loop ]
  %m = add i32 %n, 1
  %t = add i32 %s, %m
  %more = icmp ult i32 %m, %i
  br i1 %more, label %loop, label %done
done:
  %row = mul i32 %g, 96
  %at = add i32 %row, %i
  %p = getelementptr i32, ptr addrspace(1) %out, i32 %at
  store i32 %t, ptr addrspace(1) %p
  ret void
}
declare i32 @llvm.amdgcn.workitem.id.x()
declare i32 @llvm.amdgcn.workgroup.id.x()
attributes #0 = { "amdgpu-flat-work-group-size"="96,96" "uniform-work-group-size"="true" }
"""
    result = run(compile_ir(ir)[0], [], [((5, 96), "i32")], block=96, grid=5)
    assert result.faults == []
    n = np.maximum(np.arange(96), 1)
    assert (result.outputs[0] == n * (n + 1) // 2).all()
    assert result.locate(0)((3, 70)) == (3, 1, 6)


def test_a_band_runs_its_workgroups_only():
    text = """
  s_load_dwordx2 s[4:5], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  v_lshl_add_u32 v1, s2, 8, v1
  v_mov_b32_e32 v2, s2
  s_waitcnt lgkmcnt(0)
  global_store_dword v1, v2, s[4:5]
  s_endpgm
"""
    from simkernels import contract_for, shell

    from rocfuse.sim import simulate

    hsaco = shell(1)
    contract = contract_for(hsaco, [], [((8, 64), "i32")], 64, 8)
    result = simulate(hsaco, contract, [], isa_text=f"k:\n{text}\n.Lfunc_end0:\n", workgroups=range(2, 4))
    assert result.faults == []
    assert (result.outputs[0][2] == 2).all() and (result.outputs[0][3] == 3).all()
    assert result.written[0].reshape(8, 256).all(axis=1).tolist() == [False, False, True, True] + [False] * 4


WRITER = """k:
  s_load_dwordx2 s[4:5], s[0:1], 0x0
  v_lshlrev_b32_e32 v1, 2, v0
  v_lshl_add_u32 v1, s2, 8, v1
  s_waitcnt lgkmcnt(0)
  global_store_dword v1, v1, s[4:5]
  s_endpgm
.Lfunc_end0:
"""


@pytest.mark.parametrize(
    ("workgroups", "written"), [([3, 1], [1, 3]), ([(2, 0, 0), (0, 0, 0)], [0, 2]), (range(1, 3), [1, 2]), ([], [])]
)
def test_workgroups_are_named_by_number_or_by_place_in_any_order(workgroups, written):
    result = run(shell(1), [], [((4, 64), "i32")], grid=4, isa_text=WRITER, workgroups=workgroups)
    assert np.flatnonzero(result.written[0].reshape(4, 256).all(axis=1)).tolist() == written


@pytest.mark.parametrize("wrong", [4, -1, (0, 1, 0)])
def test_a_workgroup_outside_of_the_grid_is_refused(wrong):
    with pytest.raises(UsageError, match=r"^workgroup .* is not in "):
        run(shell(1), [], [((4, 64), "i32")], grid=4, isa_text=WRITER, workgroups=[wrong])


def test_a_huge_grid_is_not_listed(monkeypatch):
    def count(self, workgroups, processes):
        raise CompileError(f"{workgroups!r:.40} of {len(workgroups)}")

    monkeypatch.setattr(GridRunner, "run", count)
    with pytest.raises(CompileError, match=r"error: range\(0, 33554432\) of 33554432$"):
        run(shell(1), [], [((4, 64), "i32")], grid=2**25, isa_text=WRITER)


def test_an_operand_that_is_not_modelled_is_an_error():
    with pytest.raises(CompileError, match="does not know v_mov_b32"):
        run_text("  v_mov_b32_e32 v1, src_shared_base\n  s_endpgm", [np.zeros(1, np.float32)], [])
