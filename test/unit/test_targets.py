"""The table of targets: complete, consistent, and a wrong name tells the right ones."""

import pytest

from rocfuse.diagnostics import UsageError
from rocfuse.targets import GFX942, TARGETS, get_target


def test_an_unknown_target_lists_those_there_are():
    with pytest.raises(UsageError, match=f"unknown target 'gfx000'; there are: {', '.join(TARGETS)}"):
        get_target("gfx000")


def test_an_unknown_instruction_lists_those_there_are():
    with pytest.raises(UsageError, match="unknown matrix instruction '8x8x8' on gfx942; there are: 32x32x8, 16x16x16"):
        GFX942.matrix_instruction("8x8x8")


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_row_agrees_with_itself(target):
    assert get_target(target.name) is target
    assert target.max_workgroup_waves * target.wave_lanes == target.max_workgroup_threads
    assert target.lds_bytes_per_workgroup % target.lds_granule_bytes == 0
    assert target.registers_per_lane % target.register_granule == 0
    assert len({row.name for row in target.matrix_instructions}) == len(target.matrix_instructions)
    for row in target.matrix_instructions:
        assert target.matrix_instruction(row.name) is row
        assert row.name == f"{row.m}x{row.n}x{row.k}"


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_every_lane_is_in_one_phase_of_every_lds_instruction(target):
    for phases in target.lds_phases.values():
        assert sorted(lane for phase in phases for lane in phase) == list(range(target.wave_lanes))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_phase_moves_no_more_than_the_banks_are_wide(target):
    for name, phases in target.lds_phases.items():
        bits = int(name.rpartition("_b")[2])
        assert {len(phase) * bits // 8 for phase in phases} == {target.lds_banks * target.lds_bank_bytes}


def test_the_figures_of_gfx942():
    row = GFX942.matrix_instruction("32x32x8")
    assert (row.cycles, row.fragment_elements, row.accumulator_elements) == (32, 4, 16)
    assert GFX942.lds_phases["read_b128"][0] == (0, 1, 2, 3, 20, 21, 22, 23)
    assert (GFX942.lds_bytes_per_workgroup, GFX942.buffer_extent_bytes) == (65536, 4294967295)
