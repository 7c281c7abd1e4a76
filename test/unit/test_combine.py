"""The combine: registers by operand and result, lines loaded once, results through LDS where that helps and fits."""

from dataclasses import replace

import pytest
from problems import problem

from rocfuse.analysis.combine import _RUN, LineLoad, OutputTile, Room, plan_combine, registers
from rocfuse.targets import GFX942

ROW, COLUMN, FULL = (2,), (1,), (1, 2)


def _problem(*extras):
    return problem(("batch", "m", "n", "k"), (1, 256, 256, 64), (1, 3), (3, 2), (1, 2), 2, extras)


@pytest.mark.parametrize(
    ("extras", "more"),
    [
        ((), 0),
        ((FULL,), 8),  # 16 f16 of one block
        ((ROW,), 3 * 8),  # kept for all blocks across
        ((COLUMN,), 1),
        ((ROW, FULL, COLUMN), 24 + 8 + 1),
    ],
)
def test_operands_of_the_combine_take_registers(extras, more):
    assert registers(_problem(*extras), 16, 3) == 4 * 4 + 2 + more  # intermediates and results of 4 elements


@pytest.mark.parametrize(
    ("n", "full", "row"),
    [
        (256, 8, 24),  # a block of the one, all blocks across of the other
        (252, 4, 4),  # rows are aligned to four elements, no result goes through a scratch: two runs, packed
        (254, 4, 4),
        (255, 8, 8),  # an element that is loaded alone takes a register
    ],
)
def test_where_no_result_goes_through_a_scratch_operands_are_read_run_by_run(n, full, row):
    def need(*extras):
        return registers(
            problem(("batch", "m", "n", "k"), (1, 256, n, 64), (1, 3), (3, 2), (1, 2), extras=extras), 16, 3
        )

    assert need() == 4 * 4 + 2
    assert need((1, 2)) == need() + full
    assert need((2,)) == need() + row


TILE = OutputTile(256, 128, 4, 2)
INSTRUCTION = GFX942.matrix_instruction("32x32x8")


def _planned(one, loop_bytes=65536, most_bytes=65536, tile=TILE, free=80, held=4):
    need = registers(one, INSTRUCTION.accumulator_elements, tile.n // tile.waves_n // INSTRUCTION.m)
    return plan_combine(one, tile, INSTRUCTION, GFX942, Room(loop_bytes, most_bytes, held, free), need)


def test_lines_take_a_register_each_and_little_lds():
    found = _planned(_problem(ROW, FULL, COLUMN))
    assert found.lines == (LineLoad("n", 128, 2, 1, 1), None, LineLoad("m", 256, 2, 1, 1))
    assert found.buffers == (("extra0", 256), ("extra2", 512), ("result0", 32 * 64 * 2 * 8))
    assert found.held_registers == 2


@pytest.mark.parametrize(("held", "names"), [(2, ["extra0", "extra1"]), (1, ["extra0"]), (0, [])])
def test_lines_take_no_more_registers_than_the_loop_leaves(held, names):
    found = _planned(_problem(ROW, COLUMN), held=held)
    assert [name for name, _ in found.buffers if name.startswith("extra")] == names
    assert found.held_registers == held


def test_one_wave_loads_a_long_line_with_wider_loads():
    (line,) = _planned(_problem(ROW), tile=OutputTile(32, 256, 1, 1)).lines
    assert line == LineLoad("n", 256, 4, 1, 2)


def test_an_array_of_odd_length_is_loaded_element_by_element():
    odd = problem(("batch", "m", "n", "k"), (1, 256, 255, 64), (1, 3), (3, 2), (1, 2), 1, (ROW,))
    (line,) = _planned(odd, tile=OutputTile(32, 256, 1, 1)).lines
    assert line == LineLoad("n", 256, 1, 4, 4)


def test_a_line_seen_twice_is_one_buffer():
    one = _problem(ROW)
    found = _planned(replace(one, extras=one.extras * 2))
    assert [name for name, _ in found.buffers] == ["extra0", "result0"]


@pytest.mark.parametrize(
    ("loop", "most", "names"),
    [
        (65536, 65536, ["extra0", "result0"]),
        (512, 65536, ["extra0", "result0"]),
        (512, 33024, ["extra0", "result0"]),
        (512, 33023, ["extra0"]),  # 256 + 32768
        (255, 65536, ["result0"]),
    ],
)
def test_what_does_not_fit_is_done_directly(loop, most, names):
    found = _planned(_problem(ROW), loop, most)
    assert [name for name, _ in found.buffers] == names
    if names == ["extra0"]:
        assert found.stores[0].reason == "its scratch would need 33024 B of LDS > 33023 B"


@pytest.mark.parametrize(
    ("n", "out", "reason"),
    [
        (256, (1, 2), "128-bit stores of whole rows"),
        (252, (1, 2), "its rows are aligned to 8 B < 16 B"),
        (255, (1, 2), "its rows are aligned to 2 B < 16 B"),
        (1, (1, 2), "it is not contiguous along n, in which lanes hold results"),
    ],
)
def test_every_store_has_its_reason(n, out, reason):
    one = problem(("batch", "m", "n", "k"), (1, 256, n, 64), (1, 3), (3, 2), out)
    if n == 1:  # as canonical() leaves it, beside an output that has a stride
        one = replace(one, outputs=(replace(one.outputs[0], strides=(0, 2, 0, 0)),))
    assert _planned(one).stores[0].reason == reason


@pytest.mark.parametrize(
    ("extras", "free", "through"),
    [
        ((FULL,), 58, (0,)),  # 26 with a block of it, and 2 fills of 16 in place of that with 3 addresses
        ((FULL,), 53, (0,)),
        ((FULL,), 52, (None,)),
        ((FULL, ROW), 68, (None, None)),
        ((FULL, ROW), 69, (0, None)),
        ((FULL, (1, 2)), 256, (0, 0)),  # the same array
        (((2, 1),), 256, (None,)),  # transposed: no wide loads along n
    ],
)
def test_operands_of_the_results_shape_take_their_way_back(extras, free, through):
    found = _planned(_problem(*extras), free=free)
    assert found.through == through
    assert found.registers <= free
    assert (found.registers == free) == (free in (53, 69))


def test_an_operand_needs_a_scratch_of_its_width():
    one = _problem(FULL)
    wide = replace(one, extras=tuple(replace(extra, element_type="f32") for extra in one.extras))
    assert _planned(wide, free=256).through == (None,)


def test_a_run_is_what_the_layouts_have():
    """The need counts a run of four; lowering takes what is consecutive in the instruction's registers."""
    assert {one.c_map.contiguous_registers("m") for one in GFX942.matrix_instructions} == {_RUN}
