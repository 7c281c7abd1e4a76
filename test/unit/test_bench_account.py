"""The bars of bench/account.py, and that a case is the same whoever draws it."""

from dataclasses import replace

import pytest

from bench import account
from bench.account_cases import Measured, draw, loop_moves

ROW = Measured(
    number=1, kind="layer", program={}, pins={}, tile="64x64x64", need={}, estimate=110, budget=128, planned_lds=1024,
    registers=100, lds=1024, faults=(),
)  # fmt: skip


def held(*rows):
    return [bar.holds for bar in account.bars(rows)]


def test_a_sweep_that_reaches_everything():
    assert held(ROW, replace(ROW, number=2), replace(ROW, number=3, faults=None)) == [True] * 5


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"lds": 1040}, {0}),
        ({"faults": ("lds-account",)}, {1}),
        ({"registers": 129, "estimate": 140}, {2}),
        ({"spills": 1}, {2}),
        ({"moves": 1}, {2}),
        ({"error": "no code"}, {0, 2}),
        ({"estimate": 99}, {3}),
        ({"estimate": 116}, {4}),
        ({"estimate": 116, "number": 2}, set()),  # of the half that factors are found on
        ({"estimate": 116, "kind": "small"}, set()),
    ],
)
def test_a_sweep_that_misses_one(changes, missed):
    assert {at for at, holds in enumerate(held(replace(ROW, **changes))) if not holds} == missed


@pytest.mark.parametrize("kind", ["layer", "random", "small"])
def test_a_case_is_the_same_each_time(kind):
    one, again, other = draw(5, kind=kind), draw(5, kind=kind), draw(6, kind=kind)
    assert (one.program, one.pins, one.plan) == (again.program, again.pins, again.plan)
    assert (one.program, one.pins) != (other.program, other.pins)


def test_moves_are_counted_in_loops_only():
    isa = "v_accvgpr_write_b32 a0, v0\n.LBB0_1:\n\tv_accvgpr_read_b32 v0, a0\n\ts_cbranch_scc1 .LBB0_1\n"
    assert loop_moves(isa) == 1
