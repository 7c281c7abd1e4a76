"""How evenly a grid fills the compute units of a GPU. Pure: no MLIR."""

from __future__ import annotations

from rocfuse.records import record


@record
class GridFill:
    """A grid whose compute units run their workgroups one after another, a workgroup each a round."""

    workgroups: int
    compute_units: int

    @property
    def rounds(self) -> int:
        """Workgroups of the busiest compute unit."""
        return -(-self.workgroups // self.compute_units)

    @property
    def last_round(self) -> int:
        """Workgroups of the last round."""
        return self.workgroups - (self.rounds - 1) * self.compute_units

    @property
    def share(self) -> float:
        """Part of the compute units' time that has a workgroup, from 0 to 1."""
        return self.workgroups / (self.rounds * self.compute_units)

    def batches(self, held: int) -> tuple[tuple[int, int], ...]:
        """(workgroups that run together, how often) on the busiest compute unit, which holds `held` or more at once.

        As few batches as fit, all of a size: another workgroup starts where one ends, so that room for one more is
        never worse.
        """
        count = -(-self.rounds // max(held, 1))
        size, larger = divmod(self.rounds, count)
        return tuple((one, often) for one, often in ((size + 1, larger), (size, count - larger)) if often)

    def shares(self, held: int) -> tuple[tuple[int, float], ...]:
        """(workgroups that run together, how often) of every number that a compute unit holds, `held` at most.

        How often is a compute unit's share of all workgroups, whole or not, where all units are busy all the time.
        """
        return tuple((one, self.workgroups / (one * self.compute_units)) for one in range(1, max(held, 1) + 1))

    def text(self) -> str:
        """`grid fills 61 % of 304 CUs`."""
        return f"grid fills {100 * self.share:.3g} % of {self.compute_units} CUs"
