"""Registers and occupancy of a plan, before code generation. Pure: no MLIR."""

from __future__ import annotations

from dataclasses import dataclass

from rocfuse.targets import Target

# Addresses, buffer resources' vector parts and loop bookkeeping: what kernels of this shape were seen to need beside
# accumulators, fragments and prefetched data.
OVERHEAD_REGISTERS = 40


@dataclass(frozen=True)
class RegisterNeed:
    """32-bit registers a lane, by purpose."""

    accumulators: int
    fragments: int
    copies: int
    overhead: int = OVERHEAD_REGISTERS

    @property
    def total(self) -> int:
        """All of them."""
        return self.accumulators + self.fragments + self.copies + self.overhead


def budget(target: Target, waves: int) -> int:
    """Registers that a wave may use so that one workgroup of `waves` waves fits on its compute unit."""
    waves_per_simd = -(-waves // target.simds_per_cu)
    granule = target.register_granule
    return min(target.registers_per_lane // waves_per_simd // granule * granule, target.registers_per_wave)


def waves_per_simd(target: Target, registers: int, lds_allocated_bytes: int, waves: int) -> int:
    """Waves that a SIMD holds at once, limited by registers, LDS and workgroup size together."""
    granule = target.register_granule
    by_registers = target.registers_per_lane // max(-(-registers // granule) * granule, granule)
    workgroups_by_lds = target.lds_bytes_per_cu // lds_allocated_bytes if lds_allocated_bytes else None
    waves_of_group = -(-waves // target.simds_per_cu)
    workgroups = min(by_registers, target.max_waves_per_simd) // waves_of_group
    if workgroups_by_lds is not None:
        workgroups = min(workgroups, workgroups_by_lds)
    return workgroups * waves_of_group
