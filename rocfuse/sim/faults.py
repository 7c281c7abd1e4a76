"""What the checker reports."""

from __future__ import annotations

from dataclasses import dataclass

from rocfuse.sim.decode import Instruction


@dataclass
class Fault:
    """One kind of fault at one instruction: the place where it was seen first, and how often."""

    kind: str
    message: str
    instruction: str
    address: int
    workgroup: tuple[int, int, int] | None
    wave: int  # within its workgroup; -1 when the fault has no wave
    lane: int  # -1 when the fault has no lane
    count: int = 1

    def __str__(self) -> str:
        where = f" at {self.address:#x} `{self.instruction}`" if self.instruction else ""
        where += f" in workgroup {self.workgroup}" if self.workgroup is not None else ""
        where += f" wave {self.wave}" if self.wave >= 0 else ""
        where += f" lane {self.lane}" if self.lane >= 0 else ""
        times = f" ({self.count} times)" if self.count > 1 else ""
        place = f":{where}" if where else ""
        return f"{self.kind}{place}: {self.message}{times}"


class FaultLog:
    """Faults by (kind, instruction): the first of each is kept, the rest are counted."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._faults: dict[tuple[str, int, str], Fault] = {}

    def add(
        self,
        kind: str,
        message: str,
        instruction: Instruction | None = None,
        workgroup: tuple[int, int, int] | None = None,
        wave: int = -1,
        lane: int = -1,
        count: int = 1,
    ) -> None:
        """Record one fault."""
        if not self.enabled:
            return
        key = (kind, instruction.address if instruction else -1, "" if instruction else message)
        if key in self._faults:
            self._faults[key].count += count
            return
        text = instruction.text if instruction else ""
        address = instruction.address if instruction else -1
        self._faults[key] = Fault(kind, message, text, address, workgroup, wave, lane, count)

    def extend(self, faults: list[Fault]) -> None:
        """Take over the faults of another process."""
        for fault in faults:
            key = (fault.kind, fault.address, "" if fault.instruction else fault.message)
            if key in self._faults:
                self._faults[key].count += fault.count
            else:
                self._faults[key] = fault

    def faults(self) -> list[Fault]:
        """All faults, in the order in which they were seen."""
        return list(self._faults.values())
