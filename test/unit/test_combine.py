"""What the combine needs: registers by operand and result."""

import pytest
from problems import problem

from rocfuse.analysis.combine import registers

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
    assert registers(_problem(*extras), 16, 3) == 2 * 16 + 8 + more
