"""Occupancy, against the numbers that LLVM's occupancy tables have for 512 registers in granules of 8, and by hand."""

import pytest

from rocfuse.analysis.registers import (
    RegisterNeed,
    budget,
    most_at_occupancy,
    most_registers,
    occupancy,
    waves_per_simd,
)
from rocfuse.targets import GFX942


@pytest.mark.parametrize(
    ("registers", "waves"),
    [
        (1, 8),
        (64, 8),
        (65, 7),
        (72, 7),
        (73, 6),
        (80, 6),
        (81, 5),
        (96, 5),
        (97, 4),
        (128, 4),
        (129, 3),
        (168, 3),
        (169, 2),
        (256, 2),
        (257, 1),
        (512, 1),
    ],
)
def test_registers_alone(registers, waves):
    assert waves_per_simd(GFX942, registers, 0, 4) == waves


@pytest.mark.parametrize(
    ("lds", "waves", "held"),
    [
        (65536, 4, 1),  # one workgroup, a wave on each SIMD
        (65536, 8, 2),
        (65536, 16, 4),
        (32768, 4, 2),
        (32256, 4, 2),  # 2.03 workgroups
        (21504, 4, 3),
        (16384, 8, 8),  # 4 workgroups of 8 waves
        (512, 1, 8),  # the LDS would hold 128 workgroups, the SIMDs 32 waves
        (6144, 1, 3),  # 10 workgroups of one wave on 4 SIMDs: the busiest has 3
    ],
)
def test_lds_and_workgroup_size(lds, waves, held):
    assert waves_per_simd(GFX942, 64, lds, waves) == held


@pytest.mark.parametrize(
    ("registers", "lds", "waves", "held"),
    [
        (256, 32768, 4, 2),
        (257, 32768, 4, 1),
        (168, 16384, 8, 2),  # 3 waves a SIMD by registers are one workgroup of 8 and a half
        (512, 0, 8, 0),  # a workgroup that cannot run at all
    ],
)
def test_what_limits_most_decides(registers, lds, waves, held):
    assert waves_per_simd(GFX942, registers, lds, waves) == held


@pytest.mark.parametrize(("waves", "most"), [(1, 256), (4, 256), (5, 256), (8, 256), (12, 168), (16, 128)])
def test_a_workgroup_must_fit_its_compute_unit(waves, most):
    assert most_registers(GFX942, waves) == most
    assert waves_per_simd(GFX942, most, 0, waves) >= 1


@pytest.mark.parametrize("need", range(48, 400, 8))
@pytest.mark.parametrize("waves", [1, 2, 4, 8])
def test_the_budget_covers_the_need_and_keeps_the_occupancy(need, waves):
    if need > most_registers(GFX942, waves):
        return
    for lds in (8192, 24576, 49152, 65536):
        have = budget(GFX942, need, lds, waves)
        assert need <= have <= GFX942.registers_per_wave
        assert have % GFX942.register_granule == 0
        assert waves_per_simd(GFX942, have, lds, waves) >= waves_per_simd(
            GFX942, min(int(need * 1.25), have), lds, waves
        )


def test_a_need_is_the_sum_of_its_purposes():
    assert RegisterNeed(128, 32, 20, 4, overhead=16).total == 200


@pytest.mark.parametrize(("combine", "total"), [(0, 200), (56, 200), (57, 201), (100, 244)])
def test_the_combine_takes_the_place_of_fragments_and_copies(combine, total):
    assert RegisterNeed(128, 32, 20, 4, combine, overhead=16).total == total


@pytest.mark.parametrize("need", range(48, 513, 16))
@pytest.mark.parametrize("waves", [1, 4, 8])
def test_what_is_free_at_an_occupancy_does_not_change_it(need, waves):
    if need > most_registers(GFX942, waves):
        return
    for lds in (8192, 65536):
        have = most_at_occupancy(GFX942, occupancy(GFX942, need, lds, waves), waves)
        assert have >= need
        assert waves_per_simd(GFX942, have, lds, waves) == waves_per_simd(GFX942, need, lds, waves)
