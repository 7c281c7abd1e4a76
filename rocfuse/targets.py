"""The one table of hardware facts. Units are in the field names; the source of each number is beside it.

Sources: [CDNA3] AMD Instinct MI300 ISA guide; [AMDGPU] LLVM's AMDGPUUsage; [HSA] HSA runtime specification; [MATRIX]
AMD matrix-instruction calculator and matrix-core notes; [WHITE] AMD's CDNA 3 architecture white paper; [LATENCY]
published pointer-chasing measurements on MI300X; [MEASURED] published measurements of LDS phases and workgroup
placement on MI300X.
Nothing outside this file asks for a target by name: it asks the table for a capability.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

from rocfuse.diagnostics import UsageError
from rocfuse.layouts import LinearMap, linear_map
from rocfuse.records import record


@record
class MatrixInstruction:
    """One matrix instruction: its shape, its cost and where its operands live.

    `a_map`, `b_map` and `c_map` take (lane, element) to (m, k), (k, n) and (m, n).
    """

    name: str
    element_types: tuple[str, ...]  # of A and B; the accumulator is f32
    m: int
    n: int
    k: int
    cycles: int  # matrix-core cycles that one instruction occupies on its SIMD
    a_map: LinearMap
    b_map: LinearMap
    c_map: LinearMap

    @cached_property
    def fragment_elements(self) -> int:
        """Elements of A (and of B) that each lane feeds to one instruction."""
        return self.a_map.registers

    @cached_property
    def accumulator_elements(self) -> int:
        """f32 elements of the result in each lane."""
        return self.c_map.registers


@record
class Target:
    """What a planner, a lowering or the simulator may ask about one GPU."""

    name: str
    triple: str
    wave_lanes: int
    simds_per_cu: int
    compute_units: int
    xcds: int
    max_waves_per_simd: int
    max_workgroup_threads: int
    max_workgroup_waves: int
    lds_bytes_per_workgroup: int
    lds_bytes_per_cu: int
    lds_granule_bytes: int
    lds_banks: int
    lds_bank_bytes: int
    registers_per_lane: int  # of one SIMD, all waves together
    registers_per_wave: int  # that one wave can address, accumulation registers included
    vgprs_per_wave: int  # those of them that every instruction reads; values get into the others by copies
    register_granule: int
    buffer_extent_bytes: int  # most that one buffer resource can bound
    launch_threads: int  # most of one dispatch along a dimension of the grid, over all workgroups
    engine_clock_mhz: int
    issue_cycles: int  # that a SIMD takes to issue one instruction of a wave
    lds_bytes_per_cycle_per_cu: int
    fill_bytes_per_cycle_per_cu: int  # L2 to a compute unit
    l2_bytes_per_cycle_per_xcd: int
    infinity_cache_bytes: int
    infinity_cache_bytes_per_us: int
    hbm_bytes_per_us: int
    memory_latency_ns: int
    launch_ns: int  # from the end of a kernel to the start of one that waits for it
    matrix_instructions: tuple[MatrixInstruction, ...]
    # instruction -> groups of lanes that the LDS serves in one cycle each
    lds_phases: Mapping[str, tuple[tuple[int, ...], ...]]

    def matrix_instruction(self, name: str) -> MatrixInstruction:
        """The row called `name`; raises UsageError with the list of names."""
        for row in self.matrix_instructions:
            if row.name == name:
                return row
        known = ", ".join(row.name for row in self.matrix_instructions)
        raise UsageError(f"unknown matrix instruction '{name}' on {self.name}; there are: {known}")


def _ranges(*groups: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(lane for first, last in group for lane in range(first, last + 1)) for group in groups)


def _consecutive(lanes: int, phase_lanes: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(range(first, first + phase_lanes)) for first in range(0, lanes, phase_lanes))


# [MATRIX] 32x32x8: a lane holds 4 consecutive k of row lane % 32; results go 4 rows a register group, 8 rows apart.
_A_32X32X8 = linear_map(("m", "k"), ("m1", "m2", "m4", "m8", "m16", "k4"), ("k1", "k2"))
_B_32X32X8 = linear_map(("k", "n"), ("n1", "n2", "n4", "n8", "n16", "k4"), ("k1", "k2"))
_C_32X32 = linear_map(("m", "n"), ("n1", "n2", "n4", "n8", "n16", "m4"), ("m1", "m2", "m8", "m16"))
# [MATRIX] 16x16x16: a lane holds 4 consecutive k of row lane % 16.
_A_16X16X16 = linear_map(("m", "k"), ("m1", "m2", "m4", "m8", "k4", "k8"), ("k1", "k2"))
_B_16X16X16 = linear_map(("k", "n"), ("n1", "n2", "n4", "n8", "k4", "k8"), ("k1", "k2"))
_C_16X16 = linear_map(("m", "n"), ("n1", "n2", "n4", "n8", "m4", "m8"), ("m1", "m2"))

_CDNA3_MATRIX = (
    MatrixInstruction("32x32x8", ("f16", "bf16"), 32, 32, 8, 32, _A_32X32X8, _B_32X32X8, _C_32X32),
    MatrixInstruction("16x16x16", ("f16", "bf16"), 16, 16, 16, 16, _A_16X16X16, _B_16X16X16, _C_16X16),
)

# [MEASURED] 128-bit reads take 8 phases of 8 lanes, not in lane order; everything else is consecutive.
_READ_B128 = _ranges(
    ((0, 3), (20, 23)),
    ((4, 7), (16, 19)),
    ((8, 11), (28, 31)),
    ((12, 15), (24, 27)),
)
_CDNA3_LDS_PHASES = MappingProxyType(
    {
        "read_b128": _READ_B128 + tuple(tuple(lane + 32 for lane in group) for group in _READ_B128),
        "write_b128": _consecutive(64, 8),
        "read_b64": _consecutive(64, 16),
        "write_b64": _consecutive(64, 16),
        "read_b32": _consecutive(64, 32),
        "write_b32": _consecutive(64, 32),
    }
)

GFX942 = Target(
    name="gfx942",
    triple="amdgcn-amd-amdhsa",
    wave_lanes=64,  # [CDNA3]
    simds_per_cu=4,  # [CDNA3]
    compute_units=304,  # MI300X data sheet
    xcds=8,  # MI300X data sheet
    max_waves_per_simd=8,  # [AMDGPU]
    max_workgroup_threads=1024,  # [AMDGPU]
    max_workgroup_waves=16,  # 1024 threads of 64
    lds_bytes_per_workgroup=65536,  # [CDNA3]
    lds_bytes_per_cu=65536,  # [CDNA3]
    lds_granule_bytes=512,  # [AMDGPU] granulated_lds_size, 128 dwords
    lds_banks=32,  # [CDNA3]
    lds_bank_bytes=4,  # [CDNA3]
    registers_per_lane=512,  # [CDNA3] unified VGPR and AGPR file
    registers_per_wave=512,  # [CDNA3] 256 VGPRs + 256 AGPRs
    vgprs_per_wave=256,  # [CDNA3]
    register_granule=8,  # [AMDGPU]
    buffer_extent_bytes=2**32 - 1,  # [CDNA3] num_records is 32 bits
    launch_threads=2**32 - 1,  # [HSA] grid_size_x of a dispatch packet is 32 bits and counts work-items
    engine_clock_mhz=2100,  # MI300X data sheet, peak
    issue_cycles=4,  # [CDNA3] 16 lanes a cycle, 64 lanes a wave
    lds_bytes_per_cycle_per_cu=128,  # [CDNA3] 32 banks of 4 bytes
    fill_bytes_per_cycle_per_cu=64,  # [WHITE] vector data cache, from L2
    l2_bytes_per_cycle_per_xcd=2048,  # [WHITE] 16 channels of 128 bytes
    infinity_cache_bytes=256 * 2**20,  # [WHITE]
    infinity_cache_bytes_per_us=17_200_000,  # [WHITE] 17.2 TB/s, peak
    hbm_bytes_per_us=5_300_000,  # MI300X data sheet: 5.3 TB/s, peak
    memory_latency_ns=350,  # [LATENCY] HBM; rounded
    launch_ns=4000,  # assumption: no published figure for a dependent dispatch; runtimes report single microseconds
    matrix_instructions=_CDNA3_MATRIX,
    lds_phases=_CDNA3_LDS_PHASES,
)

TARGETS: Mapping[str, Target] = MappingProxyType({GFX942.name: GFX942})


def get_target(name: str) -> Target:
    """The target called `name`; raises UsageError with the list of those there are."""
    if name not in TARGETS:
        raise UsageError(f"unknown target '{name}'; there are: {', '.join(TARGETS)}")
    return TARGETS[name]
