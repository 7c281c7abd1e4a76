"""The lane maps of every instruction of the table, and of a wave32 one, against what the vendor's guides say."""

import itertools

import pytest

from rocfuse.layouts import LinearMap, linear_map
from rocfuse.targets import TARGETS, MatrixInstruction

ROWS = [
    pytest.param(target, row, id=f"{target.name}-{row.name}")
    for target in TARGETS.values()
    for row in target.matrix_instructions
]

# gfx11 v_wmma_f32_16x16x16_f16, wave32: lanes 16 to 31 repeat A and B of lanes 0 to 15; 8 results a lane, 2 rows apart
WMMA = MatrixInstruction(
    "wmma-16x16x16",
    ("f16",),
    16,
    16,
    16,
    32,
    linear_map(("m", "k"), ("m1", "m2", "m4", "m8", ""), ("k1", "k2", "k4", "k8")),
    linear_map(("k", "n"), ("n1", "n2", "n4", "n8", ""), ("k1", "k2", "k4", "k8")),
    linear_map(("m", "n"), ("n1", "n2", "n4", "n8", "m1"), ("m2", "m4", "m8")),
)

MAPS = [
    pytest.param(one, id=f"{row.name}-{''.join(one.dims)}")
    for row in (*(row for target in TARGETS.values() for row in target.matrix_instructions), WMMA)
    for one in (row.a_map, row.b_map, row.c_map)
]


def elements(one: LinearMap) -> list[tuple[int, ...]]:
    return [one(lane, register) for lane in range(one.lanes) for register in range(one.registers)]


def box(*extents: int) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, extents)))


@pytest.mark.parametrize(("target", "row"), ROWS)
def test_every_element_of_a_tile_is_in_one_lane_and_register(target, row):
    for one, dims, extents in (
        (row.a_map, ("m", "k"), (row.m, row.k)),
        (row.b_map, ("k", "n"), (row.k, row.n)),
        (row.c_map, ("m", "n"), (row.m, row.n)),
    ):
        assert one.dims == dims
        assert one.lanes == target.wave_lanes
        assert sorted(elements(one)) == box(*extents)
    assert row.fragment_elements * target.wave_lanes == row.m * row.k == row.n * row.k
    assert row.accumulator_elements * target.wave_lanes == row.m * row.n


@pytest.mark.parametrize("one", MAPS)
def test_the_lane_fields_and_the_register_part_add_up_to_the_map(one):
    for lane, register in itertools.product(range(one.lanes), range(one.registers)):
        parts = [
            sum((lane >> f.source_bit & (1 << f.width) - 1) << f.destination_bit for f in one.lane_fields(dim))
            for dim in one.dims
        ]
        assert one(lane, register) == tuple(a + b for a, b in zip(parts, one.register_part(register), strict=True))


@pytest.mark.parametrize("one", MAPS)
def test_contiguous_registers_is_the_longest_run_of_consecutive_elements(one):
    for d, dim in enumerate(one.dims):
        width = one.contiguous_registers(dim)
        assert one.registers % width == 0
        step = tuple(int(i == d) for i in range(len(one.dims)))
        for lane, register in itertools.product(range(one.lanes), range(one.registers)):
            first = one(lane, register - register % width)
            moved = tuple(a + register % width * b for a, b in zip(first, step, strict=True))
            assert one(lane, register) == moved
        if width < one.registers:
            assert one(0, width) != tuple(width * b for b in step)


def instruction(name):
    return TARGETS["gfx942"].matrix_instruction(name)


def test_32x32_results_are_four_rows_a_group_and_eight_rows_apart():
    c_map = instruction("32x32x8").c_map
    for lane, r in itertools.product(range(64), range(16)):
        assert c_map(lane, r) == (8 * (r // 4) + 4 * (lane // 32) + r % 4, lane % 32)


def test_16x16_results_are_four_consecutive_rows():
    c_map = instruction("16x16x16").c_map
    for lane, r in itertools.product(range(64), range(4)):
        assert c_map(lane, r) == (4 * (lane // 16) + r, lane % 16)


@pytest.mark.parametrize(("name", "rows"), [("32x32x8", 32), ("16x16x16", 16)])
def test_a_lane_feeds_four_consecutive_k_of_one_row_and_of_one_column(name, rows):
    row = instruction(name)
    for lane, j in itertools.product(range(64), range(4)):
        assert row.a_map(lane, j) == (lane % rows, 4 * (lane // rows) + j)
        assert row.b_map(lane, j) == (4 * (lane // rows) + j, lane % rows)
    assert row.a_map.contiguous_registers("k") == 4


def test_wmma_of_wave32_is_another_row_of_the_table():
    for lane, j in itertools.product(range(32), range(16)):
        assert WMMA.a_map(lane, j) == (lane % 16, j)
        assert WMMA.b_map(lane, j) == (j, lane % 16)
    for lane, r in itertools.product(range(32), range(8)):
        assert WMMA.c_map(lane, r) == (2 * r + lane // 16, lane % 16)
    assert sorted(elements(WMMA.c_map)) == box(16, 16)
    assert sorted(elements(WMMA.a_map)) == sorted(2 * box(16, 16)), "each half of the wave holds all of A"
    assert (WMMA.fragment_elements, WMMA.accumulator_elements, WMMA.c_map.lanes) == (16, 8, 32)


def test_lane_bits_that_move_together_are_one_field():
    fields = instruction("32x32x8").a_map.lane_fields("m")
    assert [(f.source_bit, f.width, f.destination_bit) for f in fields] == [(0, 5, 0)]
    split = linear_map(("m",), ("m1", "", "m2", "m8"), ())
    assert [(f.source_bit, f.width, f.destination_bit) for f in split.lane_fields("m")] == [
        (0, 1, 0),
        (2, 1, 1),
        (3, 1, 3),
    ]


def test_one_element_a_lane_needs_no_register_bits():
    one = linear_map(("m", "k"), ("m1", "k1"), ())
    assert one.registers == 1
    assert elements(one) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert one.register_part(0) == (0, 0)
