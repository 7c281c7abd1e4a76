"""Rounds of a grid and how full the last one is."""

import pytest

from rocfuse.analysis.grid import GridFill


@pytest.mark.parametrize(
    ("workgroups", "rounds", "last", "text"),
    [
        (1, 1, 1, "grid fills 0.329 % of 304 CUs"),
        (304, 1, 304, "grid fills 100 % of 304 CUs"),
        (305, 2, 1, "grid fills 50.2 % of 304 CUs"),
        (371, 2, 67, "grid fills 61 % of 304 CUs"),
        (640, 3, 32, "grid fills 70.2 % of 304 CUs"),
    ],
)
def test_rounds(workgroups, rounds, last, text):
    fill = GridFill(workgroups, 304)
    assert (fill.rounds, fill.last_round, fill.text()) == (rounds, last, text)
    assert (fill.rounds - 1) * 304 + fill.last_round == workgroups
