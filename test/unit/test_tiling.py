"""The planner on numbers: every reason for a rejection with its figures, and a legal choice for every shape."""

import itertools
import re
from dataclasses import replace

import pytest
from problems import different_k, gemms, problem

from rocfuse.analysis import operands, search
from rocfuse.analysis import tiling as tilings
from rocfuse.analysis.cost import cost
from rocfuse.analysis.problem import Access, canonical
from rocfuse.analysis.tiling import Limits, Plan, Rejected, Tiling
from rocfuse.analysis.traffic import traffic
from rocfuse.targets import GFX942

LARGE = gemms(4096, 4096, 4096)
SHAPES = [
    (m, n, k, layout, batch)
    for m, n, k in (
        (1, 1, 1),
        (1, 4096, 77),
        (77, 130, 100),
        (130, 77, 33),
        (256, 2560, 640),
        (4096, 11008, 4096),
        (33, 1, 7),
    )
    for layout in ("kn", "nk")
    for batch in (1, 3)
]


def plans(one, target=GFX942, limits=None):
    found = [tilings.check(one, candidate, target, limits) for candidate in search.geometries(one, target)]
    return [plan for plan in found if isinstance(plan, Plan)]


@pytest.mark.parametrize(
    ("tiling", "reason"),
    [
        (Tiling(48, 64, 64, 1, 1, "16x16x16"), "tile-m: need a power of two, have 48"),
        (Tiling(64, 96, 64, 1, 1, "16x16x16"), "tile-n: need a power of two, have 96"),
        (Tiling(64, 64, 0, 1, 1, "16x16x16"), "tile-k: need a power of two, have 0"),
        (Tiling(256, 256, 64, 8, 4, "32x32x8"), "waves 32 > 16 in a workgroup"),
        (Tiling(64, 64, 64, 4, 1, "32x32x8"), "tile-m: need a multiple of 4 waves x 32 (32x32x8), have 64"),
        (Tiling(64, 64, 64, 1, 8, "16x16x16"), "tile-n: need a multiple of 8 waves x 16 (16x16x16), have 64"),
        (Tiling(64, 64, 64, 0, 1, "16x16x16"), "waves-m: need 1 or more, have 0"),
        (Tiling(64, 64, 8, 1, 1, "32x32x8"), "tile-k: need a multiple of the k slice 16 (32x32x8), have 8"),
        (Tiling(64, 64, 16, 1, 1, "16x16x16"), "tile-k: need a multiple of the k slice 32 (16x16x16), have 16"),
        (
            Tiling(16, 256, 32, 1, 16, "16x16x16"),
            "tile 16x32: need a multiple of 1024 elements (threads), have 512 (operand A)",
        ),
        (Tiling(256, 256, 64, 4, 2, "32x32x8"), "lds 98304 B > 65536 B on gfx942"),
    ],
)
def test_a_rejection_says_why_with_its_numbers(tiling, reason):
    found = tilings.check(LARGE, tiling, GFX942)
    assert isinstance(found, Rejected)
    assert found.reason == reason


def test_an_lds_rejection_has_the_table_of_buffers_and_how_far_it_is_over():
    found = tilings.check(LARGE, Tiling(256, 256, 64, 4, 2, "32x32x8"), GFX942)
    assert found.over == pytest.approx(98304 / 65536 - 1)
    assert found.table == (
        "A stage 0: 32768 B at 0 (loop)",
        "B0 stage 0: 32768 B at 32768 (loop)",
        "B1 stage 0: 32768 B at 65536 (loop)",
    )
    assert tilings.account_of(LARGE, found.tiling, GFX942).bytes == 98304


def test_one_loop_for_all_gemms_needs_one_k():
    one = different_k(256, 256, (320, 640, 320))
    fused = Tiling(64, 64, 64, 2, 2, "32x32x8")
    found = tilings.check(one, fused, GFX942)
    assert isinstance(found, Rejected)
    assert found.reason == "loop-form fused: need one k, have 320 and 640; needs loop-form=sequential"
    assert isinstance(tilings.check(one, replace(fused, loop_form="sequential"), GFX942), Plan)
    assert {tiling.loop_form for tiling in search.geometries(one, GFX942)} == {"sequential"}
    assert {tiling.loop_form for tiling in search.geometries(LARGE, GFX942)} == {"fused"}


def test_stages_are_limited_by_the_smallest_k():
    one = different_k(256, 256, (320, 96))
    tiling = Tiling(64, 64, 64, 2, 2, "32x32x8", 3, loop_form="sequential")
    found = tilings.check(one, tiling, GFX942)
    assert isinstance(found, Rejected) and found.reason == "stages 3 > 2, the tiles of k 96"
    assert isinstance(tilings.check(one, replace(tiling, stages=2), GFX942), Plan)


def test_cycles_count_the_tiles_of_each_k():
    tiling = Tiling(64, 64, 64, 2, 2, "32x32x8", loop_form="sequential")

    def counted(*k_sizes):
        one = different_k(256, 256, k_sizes)
        return cost(one, tilings.check(one, tiling, GFX942), GFX942)

    both, alone = counted(320, 96), [counted(k) for k in (320, 96)]
    assert [one.tiles for one in both.ranges] == [5, 2]
    assert both.matrix == sum(one.matrix for one in alone)
    assert both.loop == sum(one.loop for one in alone)
    assert traffic(different_k(256, 256, (320, 96)), tiling).flops == 2 * 256 * 256 * (320 + 96)


def test_too_many_registers_are_rejected_with_need_and_have():
    found = tilings.check(LARGE, Tiling(128, 128, 32, 1, 1, "32x32x8"), GFX942)
    assert isinstance(found, Rejected)
    need = round(256 * (1 + found.over))
    assert found.reason == f"registers {need} > 256 for 1 waves a workgroup"
    assert need > 2 * 128 * 128 // 64


def test_a_launch_has_no_more_threads_than_a_dispatch_counts():
    tiling = Tiling(64, 64, 32, 2, 2, "32x32x8")
    most = GFX942.launch_threads // 256
    for batch, fits in ((most, True), (most + 1, False)):
        found = tilings.check(gemms(64, 64, 64, batch=batch), tiling, GFX942)
        assert isinstance(found, Plan) == fits
    assert found.reason == f"threads {256 * (most + 1)} > 4294967295 of one launch"


@pytest.mark.parametrize("element_type", ["f32"])
def test_an_element_type_that_the_instruction_does_not_multiply_is_rejected(element_type):
    one = problem(("m", "n", "k"), (64, 64, 64), (0, 2), (2, 1), (0, 1), element_type=element_type)
    found = tilings.check(one, Tiling(64, 64, 64, 1, 1, "32x32x8"), GFX942)
    assert isinstance(found, Rejected) and found.reason == "32x32x8 does not multiply f32"


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(lds_bytes=40000), r"lds 49152 B > 40000 B \(max-lds-bytes\)"),
        (Limits(registers=100), r"registers \d+ > 100 \(max-registers\)"),
        (Limits(waves_per_simd=3), r"need 3 waves a SIMD, have 2 \(min-waves-per-simd\)"),
    ],
)
def test_a_ceiling_of_the_caller_is_named(limits, text):
    tiling = Tiling(128, 128, 64, 4, 2, "32x32x8")
    assert isinstance(tilings.check(LARGE, tiling, GFX942), Plan)
    found = tilings.check(LARGE, tiling, GFX942, limits)
    assert isinstance(found, Rejected)
    assert re.fullmatch(text, found.reason), found.reason


def test_a_limit_on_registers_is_the_budget():
    tiling = Tiling(64, 64, 64, 2, 2, "16x16x16")
    need = tilings.check(LARGE, tiling, GFX942).registers.total
    assert tilings.check(LARGE, tiling, GFX942, Limits(registers=need)).register_budget == need


@pytest.mark.parametrize(("m", "n", "k", "layout", "batch"), SHAPES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_choice_is_legal_for_every_shape(m, n, k, layout, batch, count):
    one = gemms(m, n, k, count, layout, batch)
    plan = search.search(one, GFX942).chosen.plan
    tiling, row = plan.tiling, plan.instruction
    assert tiling.tile_m % (tiling.waves_m * row.m) == 0 and tiling.tile_n % (tiling.waves_n * row.n) == 0
    assert tiling.waves * GFX942.wave_lanes <= GFX942.max_workgroup_threads
    assert plan.lds.bytes <= GFX942.lds_bytes_per_workgroup
    assert plan.registers.total <= plan.register_budget <= GFX942.registers_per_wave
    assert len(plan.operands) == len(plan.names) == len(plan.copies) == 1 + count
    loop = [b for b in plan.lds.buffers if b.live == "loop"]
    ends = [b.end_bytes for b in loop]
    assert [b.offset_bytes for b in loop][1:] == ends[:-1]
    assert max(b.end_bytes for b in plan.lds.buffers) == plan.lds.bytes
    rows, columns = -(-m // tiling.tile_m), -(-n // tiling.tile_n)
    assert rows * columns * one.size("batch") == tilings.workgroups(one, tiling)


def test_every_candidate_is_a_plan_or_has_a_reason():
    for one in (LARGE, gemms(77, 130, 100, 3, "nk"), gemms(1, 1, 1, 1)):
        for candidate in search.geometries(one, GFX942):
            found = tilings.check(one, candidate, GFX942)
            assert isinstance(found, Plan) or found.reason


def test_more_of_one_problem_never_gets_a_smaller_account():
    """The dual tile M x (N + N) has the LDS of a single tile M x 2N."""
    dual = tilings.account_of(LARGE, Tiling(256, 128, 64, 4, 2, "32x32x8"), GFX942)
    single = tilings.account_of(gemms(4096, 8192, 4096, 1), Tiling(256, 256, 64, 4, 2, "32x32x8"), GFX942)
    assert dual.bytes == single.bytes == 65536


def test_a_tiling_is_printed_with_the_columns_of_each_gemm():
    tiling = Tiling(256, 128, 64, 4, 2, "32x32x8")
    assert [tiling.text(count) for count in (1, 2, 3)] == ["256x128x64", "256x(128+128)x64", "256x(128+128+128)x64"]


def test_operands_are_named_by_what_is_distinct():
    two = gemms(64, 64, 64, 2)
    assert two.operand_names == ("A", "B0", "B1")
    assert gemms(64, 64, 64, 1).operand_names == ("A", "B")
    other = replace(two.a[0], array=9)
    assert replace(two, a=(two.a[0], other)).operand_names == ("A0", "B0", "A1", "B1")
    assert replace(two, a=(two.a[0], other), b=(two.b[0],) * 2).operand_names == ("A0", "B", "A1")


@pytest.mark.parametrize(("layout", "direction"), [("kn", "row"), ("nk", "k")])
def test_the_contiguous_direction_is_that_of_memory(layout, direction):
    one = gemms(64, 96, 32, 2, layout)
    assert [operands.contiguous(one, access) for access in one.operands] == ["k", direction, direction]


def test_the_results_run_along_the_contiguous_dim_of_the_output():
    assert operands.output_direction(gemms(64, 64, 64)) == "n"
    transposed = problem(("m", "n", "k"), (64, 64, 64), (0, 2), (2, 1), (1, 0))
    assert operands.output_direction(canonical(transposed)) == "m"
    assert operands.output_direction(gemms(64, 1, 64)) == "m", "a single column is contiguous along m"


@pytest.mark.parametrize(
    ("n", "offset", "width"),
    [(128, 0, 8), (128, 4, 4), (130, 0, 2), (77, 0, 1), (64, 2, 2)],
)
def test_a_vector_access_is_as_wide_as_strides_and_offset_allow(n, offset, width):
    one = gemms(64, n, 64, 1)
    b = Access(1, "f16", offset, one.b[0].strides, one.b[0].array_elements, "b")
    assert operands.access_vector(one, b, 1, 8) == width
    assert operands.access_vector(one, b, 2, 8) == 1, "k is not contiguous"


@pytest.mark.parametrize("extras", [(), ((2,), (1,), (1, 2), (1, 2))])
def test_the_combine_makes_no_plan_not_fit(extras):
    one = problem(("batch", "m", "n", "k"), (1, 512, 512, 256), (1, 3), (3, 2), (1, 2), 2, extras)
    one = replace(one, outputs=tuple(replace(out, element_type="f32") for out in one.outputs))
    for tile_m, tile_n in itertools.product((32, 64, 128), repeat=2):
        tiling = Tiling(tile_m, tile_n, 32, 1, 2 if tile_n > 32 else 1, "32x32x8")
        loop = tilings.account_of(one, tiling, GFX942)
        need = tilings.check(one, tiling, GFX942)
        if isinstance(need, Rejected):
            continue
        loop_need = replace(need.registers, copies=need.registers.copies - need.combine.held_registers).total
        found = tilings.check(one, tiling, GFX942, Limits(lds_bytes=loop.bytes, registers=loop_need))
        assert isinstance(found, Plan), found.reason
        assert found.lds.bytes == loop.bytes and found.registers.total <= loop_need


WIDE = Tiling(128, 64, 64, 2, 2, "32x32x8", schedule="interleaved")  # 64 accumulators, 32 of fragments, 32 a tile
NARROW = Tiling(16, 16, 64, 1, 1, "16x16x16", 3, schedule="interleaved")  # 8, 24, 24


@pytest.mark.parametrize(
    ("tiling", "tiles", "late"),
    [
        (replace(WIDE, schedule="plain"), 1, False),  # each turn of a plain loop brings in its own tile
        (WIDE, 2, False),  # room for the second in that of the fragments
        (replace(WIDE, tile_k=32, stages=3), 3, False),  # 16 a tile: and for the third
        (replace(WIDE, tile_m=32, waves_m=1, waves_n=1), 2, True),  # 64, 40, 80: in that of the accumulators as well
        (NARROW, 2, False),  # none for the third
        (replace(NARROW, loop_form="sequential"), 2, False),  # 4, 16, 16
        (Tiling(16, 32, 128, 1, 1, "16x16x16", schedule="interleaved"), 1, False),  # 16, 40, 80
    ],
)
def test_what_is_brought_in_before_the_loop_fits_into_the_registers_of_the_loop(tiling, tiles, late):
    plan = tilings.check(LARGE, tiling, GFX942)
    assert isinstance(plan, Plan), plan
    assert (plan.fill.tiles, plan.fill.late_zeros) == (tiles, late)
    need, units = plan.registers, sum(plan.copies[group[0]].registers for group in plan.dealing.groups)
    assert (tiles - 1) * units <= need.accumulators + need.fragments


def test_an_element_that_is_loaded_alone_takes_a_register():
    odd, even = (tilings.check(gemms(256, 256, k), Tiling(64, 64, 32, 2, 2, "32x32x8"), GFX942) for k in (777, 1024))
    assert isinstance(odd, Plan) and isinstance(even, Plan)
    assert all(copy.vector == 1 for copy in odd.copies if copy.along == "k")
    assert odd.registers.copies > even.registers.copies
