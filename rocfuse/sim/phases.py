"""Which LDS buffers of a plan an instruction may touch: the loop's while matrix instructions can follow.

It is a fact of the program alone, so it holds for every wave: an access that a wave makes too early, or too late, is
one of an instruction that stands on the wrong side of the last matrix instruction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rocfuse.sim.step import Step

UNKNOWN, LOOP, COMBINE = range(3)


def phases(steps: Sequence[Step]) -> np.ndarray:
    """The phase of each instruction; UNKNOWN throughout where the program has no matrix instruction."""
    matrix = np.array([step.category == "matrix" for step in steps], bool)
    if not matrix.any():
        return np.full(len(steps), UNKNOWN, np.int64)
    reached = matrix.copy()  # a matrix instruction runs here, or may run later
    while True:
        before = reached.copy()
        for at in range(len(steps) - 1, -1, -1):
            reached[at] |= any(reached[follower] for follower in _followers(steps, at))
        if (before == reached).all():
            return np.where(reached, LOOP, COMBINE).astype(np.int64)


def _followers(steps: Sequence[Step], at: int) -> list[int]:
    """Where execution may go on."""
    step = steps[at]
    if step.control == "end":
        return []
    following = [at + 1] if at + 1 < len(steps) else []
    if step.control != "branch" or step.instruction.target < 0:
        return following
    return [step.instruction.target, *(following if step.detail is not None else [])]
