"""Registers and occupancy of a plan, before code generation. Pure: no MLIR."""

from __future__ import annotations

from rocfuse.records import record
from rocfuse.targets import Target

# Lane numbers, loop bookkeeping and the gaps that LLVM's allocator leaves between vectors: what kernels were seen to
# take beside what is counted.
OVERHEAD_REGISTERS = 18


@record
class RegisterNeed:
    """32-bit registers a lane, by purpose.

    `addresses` are those of the loop's accesses. `combine` is what the combine needs beside the accumulators:
    fragments, copies and their addresses are dead by then, so it takes their place.
    """

    accumulators: int
    fragments: int
    copies: int
    addresses: int = 0
    combine: int = 0
    overhead: int = OVERHEAD_REGISTERS

    @property
    def total(self) -> int:
        """As many as are alive at once: in the loop or in the combine, whichever needs more."""
        return self.accumulators + max(self.loop, self.combine) + self.overhead

    @property
    def loop(self) -> int:
        """What the K loop has beside accumulators and overhead."""
        return self.fragments + self.copies + self.addresses


# What code generation may need beyond the estimate before it spills or copies to accumulation registers.
_MARGIN = 1.25


def most_registers(target: Target, waves: int) -> int:
    """Registers that a wave may need so that one workgroup of `waves` waves fits on its compute unit.

    No more than VGPRs. The others are for accumulation: in sweeps of bench/account.py, every kernel that spilled, or
    copied between the register files in a loop, was estimated above them (from 264 on); one in four of those did.
    """
    return min(_share(target, -(-waves // target.simds_per_cu)), target.vgprs_per_wave)


def budget(target: Target, need: int, lds_allocated_bytes: int, waves: int) -> int:
    """Registers to allow a wave: what keeps the occupancy that LDS and the estimated need (with a margin) permit."""
    least = -(-waves // target.simds_per_cu)
    held = waves_per_simd(target, int(need * _MARGIN), lds_allocated_bytes, waves)
    return _share(target, max(least, held))


def most_at_occupancy(target: Target, held: Occupancy, waves: int) -> int:
    """Registers that each of a workgroup's `waves` waves may use without a SIMD holding fewer of them than it does."""
    return _share(target, max(-(-waves // target.simds_per_cu), held.waves_per_simd))


def waves_per_simd(target: Target, registers: int, lds_allocated_bytes: int, waves: int) -> int:
    """Waves that the busiest SIMD holds at once, limited by registers, LDS and workgroup size together."""
    return occupancy(target, registers, lds_allocated_bytes, waves).waves_per_simd


@record
class Occupancy:
    """Workgroups that a compute unit holds at once, by each limit alone and together."""

    workgroups_by_registers: int
    workgroups_by_lds: int | None  # None: no LDS is used
    workgroups_by_waves: int
    workgroups: int
    waves_per_simd: int

    @property
    def limits(self) -> tuple[str, ...]:
        """What limits it: one or more of registers, lds and waves."""
        by = {
            "registers": self.workgroups_by_registers,
            "lds": self.workgroups_by_lds,
            "waves": self.workgroups_by_waves,
        }
        return tuple(name for name, have in by.items() if have == self.workgroups)


def occupancy(target: Target, registers: int, lds_allocated_bytes: int, waves: int) -> Occupancy:
    """The occupancy of workgroups of `waves` waves that take `registers` registers a lane."""
    granule = target.register_granule
    by_registers = target.registers_per_lane // max(-(-registers // granule) * granule, granule)
    most = min(by_registers, target.max_waves_per_simd)
    by_lds = target.lds_bytes_per_cu // lds_allocated_bytes if lds_allocated_bytes else None
    workgroups = most * target.simds_per_cu // waves
    if by_lds is not None:
        workgroups = min(workgroups, by_lds)
    return Occupancy(
        by_registers * target.simds_per_cu // waves,
        by_lds,
        target.max_waves_per_simd * target.simds_per_cu // waves,
        workgroups,
        min(-(-workgroups * waves // target.simds_per_cu), most),
    )


def _share(target: Target, waves_of_simd: int) -> int:
    granule = target.register_granule
    return min(target.registers_per_lane // waves_of_simd // granule * granule, target.registers_per_wave)
