"""A small sweep of random kernels and plans: the account is what the ELF and the execution say (bench/account.py)."""

from __future__ import annotations

import pytest

from bench.account_cases import draw, measure

COMPILED, EXECUTED = 24, 6
SHARES = 4


@pytest.mark.parametrize("share", range(SHARES))
def test_the_account_of_random_plans(share: int) -> None:
    for number in range(share, COMPILED, SHARES):
        small = number < EXECUTED
        row = measure(draw(number, small=small), execute=small)
        assert not row.error, row
        assert row.lds == row.planned_lds, row
        assert row.registers <= row.budget, row
        assert not row.faults, row
